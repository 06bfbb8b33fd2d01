/// A lock for tasks: asyncio's `Lock`. Who waits is suspended, and no thread is held.
///
/// ```swift
/// let lock = AsyncLock()
/// try await lock.withLock {
///     let balance = try await account.balance()
///     try await account.setBalance(balance + 1)
/// }
/// ```
///
/// Only for what has an `await` inside: state that is changed without waiting belongs to an actor, or to the main actor. The lock goes to
/// those who wait in their order, and belongs to no task in particular; it may be used from every loop, actor and pool.
public final class AsyncLock: Sendable {
    private let permits = PermitPool(1)

    public init() {}

    /// Whether somebody holds the lock.
    public var isLocked: Bool { permits.available == 0 }

    /// Runs `body` while nobody else holds the lock.
    ///
    /// - Throws: `CancellationError` if the task is cancelled before it has the lock; what `body` throws.
    ///
    /// Cancel safety: ends the wait at once; a lock that was handed over just then goes on to the next. Once it runs, `body` is the one to notice.
    public func withLock<Success>(
        _ body: nonisolated(nonsending) () async throws -> Success
    ) async throws -> Success {
        try await permits.acquire()
        defer { permits.release() }
        return try await body()
    }

    /// Waits for the lock. Whoever has it must call ``release()``: prefer ``withLock(_:)``, which does.
    ///
    /// - Throws: `CancellationError`; the lock is not held then.
    ///
    /// Cancel safety: ends the wait at once; a lock that was handed over just then goes on to the next.
    public func acquire() async throws { try await permits.acquire() }

    /// Takes the lock if nobody holds it.
    public func tryAcquire() -> Bool { permits.tryAcquire() }

    /// Gives the lock to the first who waits, or frees it.
    ///
    /// - Throws: ``SyncError`` `.notHeld` if nobody holds it.
    public func release() throws {
        guard permits.release() else { throw SyncError(.notHeld, "The lock cannot be released: nobody holds it.") }
    }

    /// Waits for the lock although the task is cancelled: what a condition's wait must do.
    func acquireInAnyCase() async {
        // It throws only for a cancellation.
        try? await permits.acquire(cancellable: false)
    }
}
