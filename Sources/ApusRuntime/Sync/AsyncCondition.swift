/// Lets tasks that hold a lock wait for a change that another task makes under the same lock: asyncio's `Condition`.
///
/// ```swift
/// let condition = AsyncCondition()
/// // One task:
/// try await condition.withLock {
///     try await condition.wait(until: { !inbox.isEmpty })
///     handle(inbox.removeFirst())
/// }
/// // Another:
/// try await condition.withLock {
///     inbox.append(letter)
///     try condition.notify()
/// }
/// ```
public final class AsyncCondition: Sendable {
    /// The lock; other conditions may share it.
    public let lock: AsyncLock
    private let waiters = ForkSafeLock(WaitList<Void>())

    /// - Parameter lock: of one's own if none is given.
    public init(lock: AsyncLock = AsyncLock()) { self.lock = lock }

    /// Runs `body` while nobody else holds the lock: see ``AsyncLock/withLock(_:)``.
    ///
    /// Cancel safety: as ``AsyncLock/withLock(_:)``.
    public func withLock<Success>(
        _ body: nonisolated(nonsending) () async throws -> Success
    ) async throws -> Success {
        try await lock.withLock(body)
    }

    /// Gives the lock up, waits to be notified, and takes the lock again. Look at what was waited for afterwards: it may have changed once more.
    ///
    /// - Throws: ``SyncError`` `.notHeld` if nobody holds the lock; `CancellationError`. The lock is held again in each case.
    ///
    /// Cancel safety: ends the wait for the notification at once, and then waits for the lock; a notification that came just then goes on to
    /// the next.
    public func wait() async throws {
        try Task.checkCancellation()
        guard lock.isLocked else { throw notHeld("waited with") }
        let waiter = Waiter<Void>()
        let end = await waitInList(waiter) { continuation in
            let isCancelled = waiters.withLock { waiters in
                if waiter.isCancelled { return true }
                waiters.append(waiter, continuation)
                return false
            }
            // From here on who holds the lock next may notify: the wait has begun already.
            try? lock.release()
            if isCancelled { continuation.resume(returning: .cancelled) }
        } leave: {
            let continuation = self.waiters.withLock { waiters in
                waiter.isCancelled = true
                return waiters.remove(waiter)
            }
            continuation?.resume(returning: .cancelled)
        }
        await lock.acquireInAnyCase()
        switch end {
        case .granted where Task.isCancelled:
            // Notified and cancelled: somebody else may need to know.
            wake(1)
            throw CancellationError()
        case .granted: return
        case .cancelled, .failed: throw CancellationError()
        }
    }

    /// Waits until `isTrue` says so, which is asked while the lock is held: asyncio's `wait_for`.
    ///
    /// - Throws: as ``wait()``; what `isTrue` throws.
    ///
    /// Cancel safety: as ``wait()``.
    public func wait(until isTrue: nonisolated(nonsending) () async throws -> Bool) async throws {
        while try await !isTrue() { try await wait() }
    }

    /// Wakes as many tasks as wait, up to `count`, in their order.
    ///
    /// - Throws: ``SyncError`` `.notHeld` if nobody holds the lock.
    public func notify(_ count: Int = 1) throws {
        guard lock.isLocked else { throw notHeld("notified") }
        wake(count)
    }

    /// Wakes all tasks that wait.
    ///
    /// - Throws: ``SyncError`` `.notHeld` if nobody holds the lock.
    public func notifyAll() throws { try notify(Int.max) }

    private func wake(_ count: Int) {
        let woken = waiters.withLock { waiters in
            var result: [WaitList<Void>.Continuation] = []
            while result.count < count, let continuation = waiters.popFirst() { result.append(continuation) }
            return result
        }
        for continuation in woken { continuation.resume(returning: .granted(())) }
    }

    private func notHeld(_ what: String) -> SyncError {
        SyncError(.notHeld, "A condition can be \(what) only while its lock is held: do it inside withLock.")
    }
}
