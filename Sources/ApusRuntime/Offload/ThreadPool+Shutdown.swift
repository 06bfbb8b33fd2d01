// The end of a pool, and the end of a loop that has one.
extension ThreadPool {
    func shutdown(timeout: Duration) async -> Int {
        if isProcessWide {
            await drain(timeout: timeout)
            return withLock { unfinishedCount }
        }
        withLock { isShutDown = true }
        // Idle threads leave.
        wakeAll()
        await drain(timeout: timeout)
        let (jobs, unfinished) = end()
        // They do no more than tell whoever waits for them.
        for job in jobs { job.runSynchronously(on: asUnownedTaskExecutor()) }
        return unfinished
    }

    /// Waits until no call runs or waits for a thread, until the time is over, or until the task is cancelled.
    func drain(timeout: Duration) async {
        guard timeout > .zero else { return }
        let drain = PoolDrain()
        let isWorking = withLock {
            guard unfinishedCount > 0 else { return false }
            drains.append(drain)
            return true
        }
        guard isWorking else { return }
        // A loop that has ended would drop the timer.
        let current = EventLoop.current
        let loop = current?.runsCurrentTask == true && current?.closedError == nil ? current : nil
        let timer = (loop ?? .shared).schedule(after: timeout) { drain.finish() }
        await withTaskCancellationHandler {
            await withUnsafeContinuation { drain.wait($0) }
        } onCancel: {
            drain.finish()
        }
        timer.cancel()
        withLock { drains.removeAll { $0 === drain } }
    }

    /// Those who wait for the pool's end, if it has come. Under the lock; they are to be told without it.
    func takeDrains() -> [PoolDrain] {
        guard !drains.isEmpty, unfinishedCount == 0 else { return [] }
        defer { drains = [] }
        return drains
    }

    func claim() { withLock { owners += 1 } }

    /// - Returns: whether no other loop has the pool in its options.
    func release() -> Bool {
        withLock {
            owners -= 1
            return owners <= 0
        }
    }
}

/// One who waits until a pool has nothing to do, or no longer.
final class PoolDrain: Sendable {
    private let state = ForkSafeLock<(waiter: UnsafeContinuation<Void, Never>?, isOver: Bool)>((nil, false))

    func wait(_ waiter: UnsafeContinuation<Void, Never>) {
        let isOver = state.withLock { state in
            if !state.isOver { state.waiter = waiter }
            return state.isOver
        }
        if isOver { waiter.resume() }
    }

    func finish() {
        let waiter = state.withLock { state in
            defer { state = (nil, true) }
            return state.waiter
        }
        waiter?.resume()
    }
}
