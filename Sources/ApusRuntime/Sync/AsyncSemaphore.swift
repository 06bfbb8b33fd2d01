/// A number of permits for tasks: asyncio's `Semaphore` and `BoundedSemaphore`.
///
/// ```swift
/// let semaphore = try AsyncSemaphore(10)
/// _ = try await gather(urls) { url in
///     try await semaphore.withPermit { try await session.get(url).text() }
/// }
/// ```
///
/// (For this very case `gather(urls, limit: 10)` is shorter.) Permits go to those who wait in their order. It may be used from every loop, actor
/// and pool.
public final class AsyncSemaphore: Sendable {
    private let permits: PermitPool

    /// - Parameters:
    ///   - permits: how many there are; 0 or more.
    ///   - isBounded: whether releasing more than was acquired is an error: asyncio's `BoundedSemaphore`.
    /// - Throws: ``SyncError`` `.invalidArgument` for a negative number.
    public init(_ permits: Int, isBounded: Bool = false) throws {
        guard permits >= 0 else {
            throw SyncError(.invalidArgument, "A semaphore cannot have \(permits) permits: it must be 0 or more.")
        }
        self.permits = PermitPool(permits, isBounded: isBounded)
    }

    /// Permits that can be had without waiting.
    public var available: Int { permits.available }

    /// Runs `body` with a permit.
    ///
    /// - Throws: `CancellationError` if the task is cancelled before it has a permit; what `body` throws.
    ///
    /// Cancel safety: ends the wait at once; a permit that was handed over just then goes on to the next.
    public func withPermit<Success>(
        _ body: nonisolated(nonsending) () async throws -> Success
    ) async throws -> Success {
        try await permits.acquire()
        defer { permits.release() }
        return try await body()
    }

    /// Waits for a permit. Prefer ``withPermit(_:)``, which gives it back.
    ///
    /// - Throws: `CancellationError`; no permit is held then.
    ///
    /// Cancel safety: ends the wait at once; a permit that was handed over just then goes on to the next.
    public func acquire() async throws { try await permits.acquire() }

    /// Takes a permit if there is one and nobody waits for it.
    public func tryAcquire() -> Bool { permits.tryAcquire() }

    /// Gives a permit back, to the first who waits. Without a bound this may also add one.
    ///
    /// - Throws: ``SyncError`` `.notHeld` if the semaphore is bounded and all its permits are there.
    public func release() throws {
        guard permits.release() else {
            throw SyncError(.notHeld, "A permit cannot be released: all \(permits.total) of the semaphore are there.")
        }
    }
}
