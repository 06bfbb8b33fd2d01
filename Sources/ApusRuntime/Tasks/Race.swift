/// Runs `body` for every element at once, and returns what the first to *finish* returned, or throws what it threw: JavaScript's
/// `Promise.race`, asyncio's `wait(…, return_when=FIRST_COMPLETED)` with the rest cancelled.
///
/// ```swift
/// let answer = try await race(mirrors) { mirror in try await session.get(mirror).text() }
/// ```
///
/// An error decides a race too. Where the others are to go on after an error, the function is ``firstSuccess(_:discard:onFailure:_:)``.
///
/// The children begin in the elements' order, on the current loop if there is one. Those that have not finished are cancelled, and
/// awaited before this returns: a child that ignores its cancellation delays it. What they end with is not lost: an error, except
/// `CancellationError`, is reported through ``EventLoop/Options/exceptionHandler``, and a value is given to `discard`.
///
/// - Parameters:
///   - elements: who takes part.
///   - discard: takes the value of a child that finished too late, to close it, for instance. Nil drops it.
/// - Throws: what the first to finish throws; ``LoopError`` `.invalidArgument` if there are no elements, since nobody would ever win.
///
/// Cancel safety: cancels all children and awaits them; a child that returns a value nevertheless can still win.
public func race<Elements: Sequence, Success: Sendable>(
    _ elements: Elements,
    discard: (@Sendable (Success) async -> Void)? = nil,
    _ body: @escaping @Sendable (Elements.Element) async throws -> Success
) async throws -> Success where Elements.Element: Sendable {
    let loop = EventLoop.current
    let tracking = loop?.trackingChildren(of: "race")
    let losers = Losers(of: "race", on: loop, discard: discard)
    let first = await withTaskGroup(of: ChildEnd<Success>.self) { group in
        for (index, element) in elements.enumerated() {
            group.addTask(executorPreference: loop) {
                await ChildEnd(index: index, tracking) { try await body(element) }
            }
        }
        let first = await group.next()
        group.cancelAll()
        while let loser = await group.next() { await losers.take(loser) }
        return first
    }
    guard let first else {
        throw LoopError(.invalidArgument, "race of nothing: nobody can win. Call it with at least one element.")
    }
    return try first.result.get()
}

/// Runs the closures at once, and returns what the first to *finish* returned, or throws what it threw.
///
/// ```swift
/// let line = try await race({ try await reader.readLine() }, { try await interrupted() })
/// ```
///
/// As ``race(_:discard:_:)``, also in what becomes of the others.
///
/// Cancel safety: cancels all children and awaits them.
public func race<Success: Sendable>(
    _ first: @escaping @Sendable () async throws -> Success,
    _ second: @escaping @Sendable () async throws -> Success,
    _ others: (@Sendable () async throws -> Success)...
) async throws -> Success {
    try await race([first, second] + others) { try await $0() }
}
