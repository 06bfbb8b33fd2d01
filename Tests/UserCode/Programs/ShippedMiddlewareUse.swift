// The middlewares that come along, together.

import Apus

enum ShippedMiddlewareUse {
    static func run(_ base: String) async throws {
        let cache = HTTPCache(.memory(limit: 1 << 20), entryLimit: 100_000, credentials: .separate)
        let breaker = CircuitBreaker(failures: 3, openFor: .seconds(30), longestOpen: .seconds(60), trials: 1)
        var configuration = ClientSession.Configuration()
        configuration.retry = RetryPolicy(
            attempts: 4,
            statuses: RetryPolicy.defaultStatuses.subtracting([500]),
            errors: RetryPolicy.defaultErrors.union([.unknownHost]),
            backoff: Backoff(initial: .milliseconds(1), maximum: .milliseconds(10)),
            maximumRetryAfter: .seconds(5),
            budget: RetryBudget(share: 0.1, minimum: 3, window: .seconds(10))
        )
        configuration.middleware = [
            RequestLogging(headers: .values([.contentType])),
            cache,
            RateLimit(1_000, per: .seconds(1), burst: 10, scope: .all),
            ConcurrencyLimit(4),
            breaker,
        ]
        try await ClientSession.with(configuration) { session in
            let response = try await session.get("\(base)/hello")
            let text = try await response.text()
            try expect(text.hasPrefix("hello"), "an answer through all of them: \(text)")
            try expect(response.attempts == 1 && response.cacheStatus == .miss, "what they noted")
            _ = try await session.get("\(base)/hello", options: RequestOptions(retry: .never)).bytes()
        }
        try expect(breaker.phase(of: try URI(base).origin) == .closed, "the circuit")
        let statistics = cache.statistics
        try expect(statistics.misses == 2, "the cache's count: \(statistics)")
        try await cache.remove("\(base)/hello")
        try await cache.flush()
        try await cache.removeAll()
    }
}
