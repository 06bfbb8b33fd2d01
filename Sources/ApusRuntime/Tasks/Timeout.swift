/// A `withTimeout` or `withDeadline` scope took longer than it was given.
public struct TimeoutError: Error, Sendable, CustomStringConvertible {
    /// What the scope was given, from its beginning to its deadline.
    public var duration: Duration

    public init(duration: Duration) { self.duration = duration }

    /// Always true: every error of Apus that a deadline caused answers so.
    public var isTimeout: Bool { true }

    public var description: String { "The operation did not finish within \(duration) and was cancelled." }
}

/// Runs `body`, and cancels it when it takes longer than `duration`: asyncio's `timeout` and `wait_for`.
///
/// ```swift
/// let page = try await withTimeout(.seconds(5)) { try await session.get(url).text() }
/// ```
///
/// `body` runs with the caller's isolation, so an actor's method can use the actor's state inside. It is cancelled, not killed:
/// the function returns when `body` does. A body that returns a value although it was cancelled gives that value.
///
/// Scopes can be nested: the one whose time is up first throws its own error, and the others see it as any error of their body's. To
/// ask or to move the deadline inside, use ``withDeadline(_:_:)``.
///
/// - Parameter duration: zero or less cancels `body` from its start, so that its first wait ends at once; longer than 292 years is
///   292 years.
/// - Throws: ``TimeoutError`` if `body` ended with `CancellationError` because the time was up; else what `body` throws. If the
///   caller was cancelled as well, `CancellationError`.
///
/// Cancel safety: cancels `body` and awaits it.
public func withTimeout<Success>(
    _ duration: Duration,
    _ body: nonisolated(nonsending) () async throws -> Success
) async throws -> Success {
    // A local function, since a closure literal here is taken as nonisolated, and its use of `body` refused (6.3.1).
    func run(_ body: nonisolated(nonsending) @escaping () async throws -> Success) async throws -> Success {
        let scope = DeadlineScope(after: duration)
        let timed = CallersBody(body)
        await runChild(timed, in: scope, isolation: #isolation)
        return try scope.outcome(of: timed.result, expired: TimeoutError(duration: duration))
    }
    return try await withoutActuallyEscaping(body, do: run)
}
