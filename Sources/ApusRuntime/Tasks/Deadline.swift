/// Runs `body`, and cancels it when `deadline` comes before its end: asyncio's `timeout_at`, and `timeout` where the deadline is moved.
///
/// ```swift
/// let deadline = EventLoop.shared.clock.now.advanced(by: .seconds(30))
/// try await withDeadline(deadline) { scope in
///     for try await line in reader.lines {
///         scope.reschedule(after: .seconds(30))  // 30 s for each line
///         handle(line)
///     }
/// }
/// ```
///
/// `body` runs with the caller's isolation, so an actor's method can use the actor's state inside. It is cancelled, not killed:
/// the function returns when `body` does. A body that returns a value although it was cancelled gives that value.
///
/// Scopes can be nested, with ``withTimeout(_:_:)`` too: the tightest deadline cancels, and only the scope that has expired turns the
/// cancellation into its ``TimeoutError``; where several have, the outermost does. An inner scope that an outer one cancels throws
/// `CancellationError`.
///
/// - Parameters:
///   - deadline: a moment of the clock of `EventLoop.current`, or of `EventLoop.shared` off a loop. One that has passed cancels `body`
///     from its start, so that its first wait ends at once. Nil is no deadline, until there is one by ``DeadlineScope/reschedule(to:)``.
///   - body: gets the scope, to ask and to move its deadline.
/// - Throws: ``TimeoutError`` if `body` ended with `CancellationError` because the deadline had come; else what `body` throws. If the
///   caller was cancelled as well, `CancellationError`.
///
/// Cancel safety: cancels `body` and awaits it.
public func withDeadline<Success>(
    _ deadline: LoopClock.Instant?,
    _ body: nonisolated(nonsending) (DeadlineScope) async throws -> Success
) async throws -> Success {
    // A local function: see `withTimeout`.
    func run(_ body: nonisolated(nonsending) @escaping (DeadlineScope) async throws -> Success) async throws -> Success
    {
        let scope = DeadlineScope(until: deadline)
        let timed = CallersBody { try await body(scope) }
        await runChild(timed, in: scope, isolation: #isolation)
        return try scope.outcome(of: timed.result, expired: TimeoutError(duration: scope.duration))
    }
    return try await withoutActuallyEscaping(body, do: run)
}

/// Runs a closure of the caller's as one child, since Swift can cancel only a task.
func runChild<Success>(
    _ body: CallersBody<Success>,
    in scope: DeadlineScope,
    isolation: isolated (any Actor)?
) async {
    await withTaskGroup(of: Void.self) { group in
        group.addTask {
            scope.begin()
            await body.run(isolation: isolation)
            scope.end()
        }
        await group.waitForAll()
    }
}
