/// Runs `body` again when it throws, after a wait that grows.
///
/// ```swift
/// let rates = try await retry(attempts: 5, shouldRetry: { ($0 as? ClientError)?.isTimeout == true }) { attempt in
///     try await session.get(url).text()
/// }
/// ```
///
/// `body` runs with the caller's isolation, one attempt after the other, without a task of its own. A limit of time for each attempt is
/// a ``withTimeout(_:_:)`` inside, one for all together a ``withTimeout(_:_:)`` around.
///
/// - Parameters:
///   - attempts: how often `body` runs at most, the first time included.
///   - backoff: how long to wait after each failure, on the loop's clock.
///   - shouldRetry: asked about each error but the last attempt's; false throws it. Never about `CancellationError`, which ends it all.
///   - body: gets the attempt's number, from 1.
/// - Throws: the last attempt's error, as it is; the earlier ones went to `shouldRetry`. `CancellationError` when the caller is cancelled
///   during a wait; ``LoopError`` `.invalidArgument` for less than one attempt.
///
/// Cancel safety: cancels `body`, or ends the wait at once; there is no further attempt.
public func retry<Success>(
    attempts: Int = 3,
    backoff: Backoff = Backoff(),
    shouldRetry: (any Error) -> Bool = { _ in true },
    _ body: nonisolated(nonsending) (_ attempt: Int) async throws -> Success
) async throws -> Success {
    var generator = SystemRandomNumberGenerator()
    return try await retry(attempts: attempts, backoff: backoff, jitter: &generator, shouldRetry: shouldRetry, body)
}

/// Runs `body` again when it throws, after a wait that grows, with chance from `generator`: see ``retry(attempts:backoff:shouldRetry:_:)``.
///
/// Cancel safety: cancels `body`, or ends the wait at once; there is no further attempt.
public func retry<Success>(
    attempts: Int = 3,
    backoff: Backoff = Backoff(),
    jitter generator: inout some RandomNumberGenerator,
    shouldRetry: (any Error) -> Bool = { _ in true },
    _ body: nonisolated(nonsending) (_ attempt: Int) async throws -> Success
) async throws -> Success {
    guard attempts >= 1 else {
        throw LoopError(.invalidArgument, "retry(attempts: \(attempts)): there must be at least 1 attempt.")
    }
    var attempt = 1
    while true {
        do {
            return try await body(attempt)
        } catch {
            if attempt == attempts || error is CancellationError || Task.isCancelled || !shouldRetry(error) {
                throw error
            }
        }
        try await sleep(for: backoff.delay(afterFailures: attempt, using: &generator))
        attempt += 1
    }
}
