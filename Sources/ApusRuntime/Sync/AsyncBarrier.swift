/// Holds tasks back until a number of them have come: asyncio's `Barrier`.
///
/// ```swift
/// let barrier = try AsyncBarrier(parties: 3)
/// _ = try await gather(0..<3) { worker in
///     try await prepare(worker)
///     let place = try await barrier.wait()
///     if place == 0 { print("all are prepared") }
/// }
/// ```
///
/// It can be used again and again. A task that is cancelled while it waits breaks the barrier for the others, as do ``reset()`` and ``abort()``: they
/// would wait for somebody who does not come.
public final class AsyncBarrier: Sendable {
    private struct State {
        var isBroken = false
        var waiters = WaitList<Int>()
    }

    /// How many tasks it takes.
    public let parties: Int
    private let state = ForkSafeLock(State())

    /// - Parameter parties: at least 1.
    /// - Throws: ``SyncError`` `.invalidArgument`.
    public init(parties: Int) throws {
        guard parties >= 1 else {
            throw SyncError(
                .invalidArgument,
                "A barrier for \(parties) tasks would let nobody through: it needs at least 1."
            )
        }
        self.parties = parties
    }

    /// How many wait now.
    public var waiting: Int { state.withLock { $0.waiters.count } }
    /// Whether it was broken; ``reset()`` mends it.
    public var isBroken: Bool { state.withLock { $0.isBroken } }

    /// Waits until ``parties`` tasks do.
    ///
    /// - Returns: the place in the order of coming, 0 for the first: each once per round, so that one task can be chosen for what follows.
    /// - Throws: ``SyncError`` `.broken`; `CancellationError`.
    ///
    /// Cancel safety: ends the wait at once, and breaks the barrier for those who wait.
    public func wait() async throws -> Int {
        try Task.checkCancellation()
        let waiter = Waiter<Int>()
        let end = await waitInList(waiter) { continuation in
            let (end, others) = state.withLock { state -> (WaitEnd<Int>?, [WaitList<Int>.Continuation]) in
                if state.isBroken { return (.failed(Self.broken), []) }
                if waiter.isCancelled { return (.cancelled, []) }
                if state.waiters.count == parties - 1 { return (.granted(parties - 1), state.waiters.removeAll()) }
                state.waiters.append(waiter, continuation)
                return (nil, [])
            }
            for (place, other) in others.enumerated() { other.resume(returning: .granted(place)) }
            if let end { continuation.resume(returning: end) }
        } leave: {
            let (continuation, others) = self.state.withLock { state in
                waiter.isCancelled = true
                guard let continuation = state.waiters.remove(waiter) else {
                    return (nil as WaitList<Int>.Continuation?, [] as [WaitList<Int>.Continuation])
                }
                state.isBroken = true
                return (continuation, state.waiters.removeAll())
            }
            continuation?.resume(returning: .cancelled)
            for other in others { other.resume(returning: .failed(Self.broken)) }
        }
        switch end {
        case .granted(let place):
            // A barrier for one never waits.
            if parties == 1 { await EventLoop.yieldIfSliceIsOver() }
            return place
        case .failed(let error): throw error
        case .cancelled: throw CancellationError()
        }
    }

    /// Sends those who wait away with ``SyncError`` `.broken`, and begins anew: the barrier is whole afterwards.
    public func reset() { end(isBroken: false) }

    /// Breaks the barrier: those who wait, and who come later, get ``SyncError`` `.broken`, until ``reset()``.
    public func abort() { end(isBroken: true) }

    private func end(isBroken: Bool) {
        let waiters = state.withLock { state in
            state.isBroken = isBroken
            return state.waiters.removeAll()
        }
        for waiter in waiters { waiter.resume(returning: .failed(Self.broken)) }
    }

    private static let broken = SyncError(
        .broken,
        "The barrier is broken: a task that was to come was cancelled, or it was reset or aborted."
    )
}
