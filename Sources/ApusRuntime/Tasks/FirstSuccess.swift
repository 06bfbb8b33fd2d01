/// Runs `body` for every element at once, and returns the first value: JavaScript's `Promise.any`.
///
/// ```swift
/// let text = try await firstSuccess(mirrors) { mirror in try await session.get(mirror).raiseForStatus().text() }
/// ```
///
/// An error decides nothing as long as another may succeed; ``race(_:discard:_:)`` is decided by whatever comes first. (Neither is
/// called “first completed”, which means finished in either way in asyncio and Scala, and succeeded elsewhere.)
///
/// The children begin in the elements' order, on the current loop if there is one. When one has succeeded the others are cancelled,
/// and awaited before this returns. Nothing is lost: errors of before and after the success, except `CancellationError`, go to
/// `onFailure`, or are reported through ``EventLoop/Options/exceptionHandler``; values that came too late go to `discard`.
///
/// - Parameters:
///   - elements: the alternatives.
///   - discard: takes the value of a child that succeeded too late, to close it, for instance. Nil drops it.
///   - onFailure: takes the errors of the children that failed although another succeeded, where failing is expected.
/// - Throws: ``AllFailedError`` with all errors if none succeeded; `CancellationError` if the caller was cancelled and none succeeded;
///   ``LoopError`` `.invalidArgument` if there are no elements.
///
/// Cancel safety: cancels all children and awaits them; a value that one returns nevertheless is returned.
public func firstSuccess<Elements: Sequence, Success: Sendable>(
    _ elements: Elements,
    discard: (@Sendable (Success) async -> Void)? = nil,
    onFailure: (@Sendable (any Error) -> Void)? = nil,
    _ body: @escaping @Sendable (Elements.Element) async throws -> Success
) async throws -> Success where Elements.Element: Sendable {
    let loop = EventLoop.current
    let tracking = loop?.trackingChildren(of: "firstSuccess")
    let losers = Losers(of: "firstSuccess", on: loop, discard: discard, onFailure: onFailure)
    let attempts = await withTaskGroup(of: ChildEnd<Success>.self) { group in
        for (index, element) in elements.enumerated() {
            group.addTask(executorPreference: loop) {
                await ChildEnd(index: index, tracking) { try await body(element) }
            }
        }
        var attempts = Attempts(losers)
        while let end = await group.next() {
            if await attempts.take(end) { group.cancelAll() }
        }
        return attempts
    }
    return try attempts.outcome(of: "firstSuccess")
}

/// Runs the closures at once, and returns the first value: as ``firstSuccess(_:discard:onFailure:_:)``.
///
/// Cancel safety: cancels all children and awaits them.
public func firstSuccess<Success: Sendable>(
    _ first: @escaping @Sendable () async throws -> Success,
    _ second: @escaping @Sendable () async throws -> Success,
    _ others: (@Sendable () async throws -> Success)...
) async throws -> Success {
    try await firstSuccess([first, second] + others) { try await $0() }
}

/// “First completed” is finished in either way to users of asyncio, and succeeded to others: each has a name of its own here.
@available(
    *,
    unavailable,
    message:
        "race returns the first to finish, firstSuccess the first to succeed; wait(_:returnWhen: .firstCompleted) cancels nobody."
)
public func firstCompleted<Elements: Sequence, Success: Sendable>(
    _ elements: Elements,
    _ body: @escaping @Sendable (Elements.Element) async throws -> Success
) async throws -> Success where Elements.Element: Sendable {
    try await race(elements, body)
}

/// The ends of children of which the first value counts.
struct Attempts<Success: Sendable>: Sendable {
    private let losers: Losers<Success>
    private var winner: Success?
    private var failures: [(index: Int, error: any Error)] = []

    init(_ losers: Losers<Success>) { self.losers = losers }

    var hasWinner: Bool { winner != nil }

    /// - Returns: whether this one is the winner.
    mutating func take(_ end: ChildEnd<Success>) async -> Bool {
        switch end.result {
        case .success(let value) where winner == nil:
            winner = value
            // They were kept, since they would all be thrown if nobody succeeded.
            for failure in failures { losers.take(failure.error, index: failure.index) }
            failures = []
            return true
        case .failure(let error) where winner == nil:
            failures.append((end.index, error))
            return false
        default:
            await losers.take(end)
            return false
        }
    }

    /// - Throws: all the errors as one, if there is no winner.
    func outcome(of name: String) throws -> Success {
        if let winner { return winner }
        if Task.isCancelled {
            for failure in failures { losers.take(failure.error, index: failure.index) }
            throw CancellationError()
        }
        guard !failures.isEmpty else {
            throw LoopError(
                .invalidArgument,
                "\(name) of nothing: nobody can succeed. Call it with at least one element."
            )
        }
        throw AllFailedError(failures.sorted { $0.index < $1.index }.map(\.error))
    }
}
