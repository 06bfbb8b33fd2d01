/// A value that comes later, once, and that any number of tasks wait for: asyncio's `Future`, and what `loop.create_future()` makes.
///
/// For what is not a task: an answer that another connection will bring, a callback of a C library. A task's own value is
/// ``LoopTask/value``, and a callback that one function waits for is `withCheckedContinuation`.
///
/// ```swift
/// let answer = AsyncFuture<String>(name: "answer 7")
/// library.ask(7) { text in answer.resolve(returning: text) }  // on whatever thread
/// print(try await answer.value)
/// ```
///
/// It may be used from every loop, actor, pool and thread. Who resolves it runs none of those who wait: they go on in the order in which
/// they came, each where it belongs.
///
/// An error that nobody has asked for when the future goes away is reported through the ``EventLoop/Options/exceptionHandler`` of the loop
/// on which the future was made, and of nobody's loop to the log. (asyncio rows A20 to A22.)
public final class AsyncFuture<Success: Sendable>: Sendable {
    private struct State {
        var result: Result<Success, any Error>?
        var isReceived = false
        var waiters = WaitList<Void>()
    }

    /// The name given at the beginning: reports show it.
    public let name: String?
    private let loop: EventLoop?
    private let state = ForkSafeLock(State())

    /// - Parameter name: shown in the report of an error that nobody received.
    public init(name: String? = nil) {
        self.name = name
        loop = EventLoop.current
    }

    deinit {
        let lost: (any Error)? = state.withLock { state in
            guard !state.isReceived, case .failure(let error)? = state.result else { return nil }
            return error
        }
        if let lost {
            EventLoop.reportUnhandled(
                lost,
                of: name ?? "a future",
                advice: "Await its `value`, or ask for its `result`.",
                on: loop
            )
        }
    }

    /// Whether it has been resolved: asyncio's `done()`.
    public var isResolved: Bool { state.withLock { $0.result != nil } }

    /// What it was resolved with, or nil so far: asyncio's `result()` and `exception()`, without an error for asking too early.
    public var result: Result<Success, any Error>? {
        state.withLock { state in
            if state.result != nil { state.isReceived = true }
            return state.result
        }
    }

    /// Gives the value: asyncio's `set_result`. Safe from any thread.
    ///
    /// - Returns: false if it was resolved before, which stays as it was. (asyncio throws `InvalidStateError`; here two threads may meet, and
    ///   looking first would not help.)
    @discardableResult
    public func resolve(returning value: Success) -> Bool { resolve(with: .success(value)) }

    /// Gives an error instead of a value: asyncio's `set_exception`, and with `CancellationError()` its `cancel`.
    ///
    /// - Returns: as ``resolve(returning:)``.
    @discardableResult
    public func resolve(throwing error: any Error) -> Bool { resolve(with: .failure(error)) }

    /// Gives a value or an error.
    ///
    /// - Returns: as ``resolve(returning:)``.
    @discardableResult
    public func resolve(with result: Result<Success, any Error>) -> Bool {
        let waiters = state.withLock { state -> [WaitList<Void>.Continuation]? in
            if state.result != nil { return nil }
            state.result = result
            return state.waiters.removeAll()
        }
        guard let waiters else { return false }
        for waiter in waiters { waiter.resume(returning: .granted(())) }
        return true
    }

    /// Waits until it has been resolved, and gives what with.
    ///
    /// - Throws: the error that it was resolved with; `CancellationError`, when the caller is cancelled.
    ///
    /// Cancel safety: ends the wait at once; the future and those who also wait for it do not notice. (asyncio would cancel the future for
    /// all of them, unless it was shielded.)
    public var value: Success {
        get async throws {
            try Task.checkCancellation()
            if let result {
                await EventLoop.yieldIfSliceIsOver()
                return try result.get()
            }
            let waiter = Waiter<Void>()
            let end = await waitInList(waiter) { continuation in
                let end: WaitEnd<Void>? = state.withLock { state in
                    if state.result != nil { return .granted(()) }
                    if waiter.isCancelled { return .cancelled }
                    state.waiters.append(waiter, continuation)
                    return nil
                }
                if let end { continuation.resume(returning: end) }
            } leave: {
                let continuation = self.state.withLock { state in
                    waiter.isCancelled = true
                    return state.waiters.remove(waiter)
                }
                continuation?.resume(returning: .cancelled)
            }
            guard case .granted = end, let result else { throw CancellationError() }
            return try result.get()
        }
    }
}
