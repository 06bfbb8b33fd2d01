/// A number of permits, and the tasks that wait for one in their order: what locks, semaphores and limiters are made of.
///
/// A permit that comes back goes directly to the first who waits, and nobody who comes later can take it: strict FIFO. So there is
/// either a permit to be had or somebody waiting, never both.
final class PermitPool: Sendable {
    private struct State {
        /// Below zero after the total was lowered while more were held.
        var available: Int
        var total: Int
        var waiters = WaitList<Void>()
    }

    private let state: ForkSafeLock<State>
    /// Whether there are never more than the total. Else giving one back more than was taken adds one.
    private let isBounded: Bool

    init(_ permits: Int, isBounded: Bool = true) {
        state = ForkSafeLock(State(available: permits, total: permits))
        self.isBounded = isBounded
    }

    var available: Int { state.withLock { max(0, $0.available) } }
    var held: Int { state.withLock { $0.total - $0.available } }
    var total: Int { state.withLock { $0.total } }
    var waiting: Int { state.withLock { $0.waiters.count } }

    func tryAcquire() -> Bool {
        state.withLock { state in
            guard state.available > 0 else { return false }
            state.available -= 1
            return true
        }
    }

    /// Waits for a permit.
    ///
    /// - Parameter cancellable: false to wait on although the task is cancelled.
    /// - Throws: `CancellationError`; no permit is held then.
    func acquire(cancellable: Bool = true) async throws {
        if cancellable { try Task.checkCancellation() }
        // With the permit: whoever gave others a turn before asking would lose their place to those who come meanwhile.
        if tryAcquire() {
            await EventLoop.yieldIfSliceIsOver()
            return try passOnIfCancelled(cancellable)
        }
        let waiter = Waiter<Void>()
        let end = await waitInList(waiter) { continuation in
            let end: WaitEnd<Void>? = state.withLock { state in
                if waiter.isCancelled, cancellable { return .cancelled }
                if state.available > 0 {
                    state.available -= 1
                    return .granted(())
                }
                state.waiters.append(waiter, continuation)
                return nil
            }
            if let end { continuation.resume(returning: end) }
        } leave: {
            guard cancellable else { return }
            let continuation = self.state.withLock { state in
                waiter.isCancelled = true
                return state.waiters.remove(waiter)
            }
            continuation?.resume(returning: .cancelled)
        }
        guard case .granted = end else { throw CancellationError() }
        try passOnIfCancelled(cancellable)
    }

    /// Cancelled after it was given: the next one gets it.
    private func passOnIfCancelled(_ cancellable: Bool) throws {
        guard cancellable, Task.isCancelled else { return }
        release()
        throw CancellationError()
    }

    /// Gives a permit back, or adds one.
    ///
    /// - Returns: false if refused: the pool is bounded, and all are there.
    @discardableResult
    func release() -> Bool {
        let (isAccepted, next) = state.withLock { state -> (Bool, WaitList<Void>.Continuation?) in
            if state.available >= state.total {
                if isBounded { return (false, nil) }
                // “.max” is how people write “no limit”.
                guard state.total < .max else { return (true, nil) }
                state.total += 1
            }
            state.available += 1
            return (true, Self.takeNext(&state))
        }
        next?.resume(returning: .granted(()))
        return isAccepted
    }

    func setTotal(_ total: Int) {
        let next = state.withLock { state in
            state.available += total - state.total
            state.total = total
            var result: [WaitList<Void>.Continuation] = []
            while let continuation = Self.takeNext(&state) { result.append(continuation) }
            return result
        }
        for continuation in next { continuation.resume(returning: .granted(())) }
    }

    private static func takeNext(_ state: inout State) -> WaitList<Void>.Continuation? {
        guard state.available > 0, let next = state.waiters.popFirst() else { return nil }
        state.available -= 1
        return next
    }
}
