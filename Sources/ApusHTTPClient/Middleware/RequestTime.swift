import ApusRuntime

extension ClientRequest {
    /// Runs a wait of a middleware's, but for no longer than the whole request has.
    ///
    /// - Throws: ``ClientError`` `.totalTimeout`; what `wait` throws.
    func withinTotal(_ wait: nonisolated(nonsending) () async throws -> Void) async throws {
        guard let left = remainingTime else { return try await wait() }
        do {
            try await withTimeout(left) { try await wait() }
        } catch let error as TimeoutError {
            let code = ClientError.Code.totalTimeout
            throw exchange.error(code, SessionCore.explain(code, exchange.timeouts), cause: error)
        }
    }
}
