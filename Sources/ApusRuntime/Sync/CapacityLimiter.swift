/// How many tasks may do something at a time, changeable while they do it: trio's `CapacityLimiter`.
///
/// ```swift
/// let limiter = try CapacityLimiter(4)
/// try await limiter.withToken { try await upload(file) }
/// try limiter.setTotal(8)
/// ```
///
/// It is a bounded ``AsyncSemaphore`` with numbers to look at. Tokens go to those who wait in their order.
public final class CapacityLimiter: Sendable {
    private let tokens: PermitPool

    /// - Parameter total: tokens; at least 1.
    /// - Throws: ``SyncError`` `.invalidArgument`.
    public init(_ total: Int) throws {
        try Self.check(total)
        tokens = PermitPool(total)
    }

    private static func check(_ total: Int) throws(SyncError) {
        guard total >= 1 else {
            throw SyncError(
                .invalidArgument,
                "A limiter with \(total) tokens would let nobody in: it needs at least 1."
            )
        }
    }

    /// How many there are.
    public var total: Int { tokens.total }
    /// How many are in use; more than ``total`` for a while after that was lowered.
    public var borrowed: Int { tokens.held }
    /// How many can be had without waiting.
    public var available: Int { tokens.available }
    /// How many tasks wait for one.
    public var waiting: Int { tokens.waiting }

    /// Changes the number of tokens. More: as many who wait go on at once. Fewer: those in use stay so, and none is given until enough are back.
    ///
    /// - Throws: ``SyncError`` `.invalidArgument` below 1.
    public func setTotal(_ total: Int) throws {
        try Self.check(total)
        tokens.setTotal(total)
    }

    /// Runs `body` with a token.
    ///
    /// - Throws: `CancellationError` if the task is cancelled before it has a token; what `body` throws.
    ///
    /// Cancel safety: ends the wait at once; a token that was handed over just then goes on to the next.
    public func withToken<Success>(
        _ body: nonisolated(nonsending) () async throws -> Success
    ) async throws -> Success {
        try await tokens.acquire()
        defer { tokens.release() }
        return try await body()
    }

    /// Takes a token if there is one: prefer ``withToken(_:)``, which gives it back.
    public func tryAcquire() -> Bool { tokens.tryAcquire() }

    /// Waits for a token. Prefer ``withToken(_:)``, which gives it back.
    ///
    /// - Throws: `CancellationError`; no token is held then.
    ///
    /// Cancel safety: ends the wait at once; a token that was handed over just then goes on to the next.
    public func acquire() async throws { try await tokens.acquire() }

    /// Gives a token back.
    ///
    /// - Throws: ``SyncError`` `.notHeld` if none is in use.
    public func release() throws {
        guard tokens.release() else { throw SyncError(.notHeld, "A token cannot be released: none is in use.") }
    }
}
