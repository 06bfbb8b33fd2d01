/// Something that has happened or not, and that any number of tasks wait for: asyncio's `Event`.
///
/// ```swift
/// let ready = AsyncEvent()
/// EventLoop.spawn {
///     try await warmUp()
///     ready.set()
/// }
/// try await ready.wait()
/// ```
///
/// It may be used from every loop, actor, pool and thread.
public final class AsyncEvent: Sendable {
    private struct State {
        var isSet = false
        var waiters = WaitList<Void>()
    }

    private let state = ForkSafeLock(State())

    public init() {}

    /// Whether it has happened.
    public var isSet: Bool { state.withLock { $0.isSet } }

    /// It has happened: everybody who waits goes on, and nobody waits any more until ``clear()``.
    public func set() {
        let waiters = state.withLock { state in
            state.isSet = true
            return state.waiters.removeAll()
        }
        for waiter in waiters { waiter.resume(returning: .granted(())) }
    }

    /// It has not happened: from now on tasks wait again. Those that ``set()`` has woken go on all the same.
    public func clear() { state.withLock { $0.isSet = false } }

    /// Waits until it has happened.
    ///
    /// - Throws: `CancellationError`.
    ///
    /// Cancel safety: ends the wait at once and leaves nothing behind.
    public func wait() async throws {
        try Task.checkCancellation()
        if isSet { return await EventLoop.yieldIfSliceIsOver() }
        let waiter = Waiter<Void>()
        let end = await waitInList(waiter) { continuation in
            let end: WaitEnd<Void>? = state.withLock { state in
                if state.isSet { return .granted(()) }
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
        if case .cancelled = end { throw CancellationError() }
    }
}
