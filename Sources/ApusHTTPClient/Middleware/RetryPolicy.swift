public import ApusRuntime
import ApusWire
import HTTPTypes
import Logging

/// When a request that failed is sent again, and after what wait.
///
/// ```swift
/// var configuration = ClientSession.Configuration()
/// configuration.retry = RetryPolicy(attempts: 4)
///
/// let options = RequestOptions(retry: .never)
/// ```
///
/// A request is sent again if
/// - it ended with one of ``statuses`` or ``errors``, and there are ``attempts`` left;
/// - sending it twice does what sending it once does: its method is idempotent (GET, HEAD, PUT, DELETE, OPTIONS, TRACE; RFC 9110 §9.2.2), or
///   it has an `Idempotency-Key`, or ``retriesEveryMethod`` says so. Others are sent again only if no connection came about;
/// - its body can be made again;
/// - the ``budget`` has a retry left;
/// - the wait ends before ``Timeouts/total`` does.
///
/// Else the caller gets what came last: the response, or the error. The wait is drawn from ``backoff``; one that the server asks for
/// (`Retry-After`) is added, unless it is longer than ``maximumRetryAfter``: then the response is returned at once.
///
/// A cancelled request is never sent again. Redirects are followed outside of it: each hop has its own attempts. It is a
/// ``ClientMiddleware``, too, for those who want it further in than ``ClientSession/Configuration/retry``, which is the outermost.
/// The session's ``EventLoop`` clock counts, virtual or not.
public struct RetryPolicy: ClientMiddleware {
    /// How often a request is sent at most, the first time included. 1 or less is once.
    public var attempts: Int
    /// Statuses after which it is sent again.
    public var statuses: Set<Int>
    /// Errors after which it is sent again.
    public var errors: Set<ClientError.Code>
    /// Whether requests that may do something twice are sent again, too: POST, PATCH and methods that are not known here.
    public var retriesEveryMethod: Bool
    /// The waits between the attempts.
    public var backoff: Backoff
    /// The longest wait that a server may ask for. What asks for a longer one is not retried.
    public var maximumRetryAfter: Duration
    /// How many retries all requests together may have; nil for the session's own budget.
    public var budget: RetryBudget?

    /// 408, 425, 429, 500, 502, 503, 504.
    public static let defaultStatuses: Set<Int> = [408, 425, 429, 500, 502, 503, 504]

    /// Connections that did not come about or broke before a response, and servers that did not answer in time.
    public static let defaultErrors: Set<ClientError.Code> = [
        .connectionRefused, .connectionFailed, .connectionClosed, .closedInHead, .connectTimeout, .headTimeout,
        .writeTimeout,
    ]

    public init(
        attempts: Int = 3,
        statuses: Set<Int> = defaultStatuses,
        errors: Set<ClientError.Code> = defaultErrors,
        retriesEveryMethod: Bool = false,
        backoff: Backoff = Backoff(maximum: .seconds(10)),
        maximumRetryAfter: Duration = .seconds(60),
        budget: RetryBudget? = nil
    ) {
        self.attempts = attempts
        self.statuses = statuses
        self.errors = errors
        self.retriesEveryMethod = retriesEveryMethod
        self.backoff = backoff
        self.maximumRetryAfter = maximumRetryAfter
        self.budget = budget
    }

    /// No attempt but the first.
    public static let never = RetryPolicy(attempts: 1)

    public func handle(_ request: ClientRequest, next: ClientRequest.Next) async throws -> ClientResponse {
        let core = request.exchange.core
        guard attempts > 1 else { return try await next(request) }
        let budget = budget ?? core.retryBudget
        budget.noteRequest(at: core.loop.currentTime())
        var attempt = 1
        while true {
            let reason: String
            let wait: Duration
            do {
                let response = try await next(request)
                response.storage.attempts = attempt
                guard attempt < attempts, let asked = self.wait(after: response, to: request),
                    let found = mayRetry(request, afterFailures: attempt, asked: asked, budget)
                else { return response }
                reason = "status \(response.status.code)"
                wait = found
                response.release()
            } catch let error as ClientError {
                guard attempt < attempts, mayRetry(error, request),
                    let found = mayRetry(request, afterFailures: attempt, asked: .zero, budget)
                else { throw error }
                reason = error.code.description
                wait = found
            }
            core.configuration.logger.debug(
                "\(request): \(reason); attempt \(attempt + 1) of \(attempts) follows in \(wait.inMilliseconds)"
            )
            try await sleep(for: wait)
            attempt += 1
        }
    }

    /// What the server asks to wait; nil if the response is none to retry after, or says not to come back soon.
    private func wait(after response: ClientResponse, to request: ClientRequest) -> Duration? {
        guard statuses.contains(response.head.statusCode), isIdempotent(request) else { return nil }
        let values = response.head.block.values("retry-after")
        if values.isEmpty { return .zero }
        let wait = RetryWait(
            values,
            limit: Int(clamping: maximumRetryAfter.components.seconds),
            date: response.head.block.first("date"),
            now: HTTPTimestamp(secondsSince1970: WallClock.system.now)
        )
        guard case .seconds(let seconds) = wait else { return nil }
        return .seconds(seconds)
    }

    private func mayRetry(_ error: ClientError, _ request: ClientRequest) -> Bool {
        guard errors.contains(error.code) else { return false }
        return isIdempotent(request) || Self.neverSent.contains(error.code)
    }

    /// Errors before there was a connection: the server has seen nothing.
    private static let neverSent: Set<ClientError.Code> = [.connectionRefused, .connectTimeout]

    private static let idempotencyKey = HTTPField.Name("Idempotency-Key")

    private func isIdempotent(_ request: ClientRequest) -> Bool {
        switch request.method {
        case .get, .head, .put, .delete, .options, .trace: true
        default: retriesEveryMethod || Self.idempotencyKey.map { request.headers.contains($0) } == true
        }
    }

    /// How long to wait before the next attempt; nil if there is to be none.
    private func mayRetry(
        _ request: ClientRequest,
        afterFailures failures: Int,
        asked: Duration,
        _ budget: RetryBudget
    ) -> Duration? {
        guard !Task.isCancelled, request.canSend else { return nil }
        // By chance even where the server names the time: it names the same to all who failed together.
        let wait = asked + backoff.delay(afterFailures: failures)
        if let left = request.remainingTime, left <= wait { return nil }
        // Last, since it takes one.
        guard budget.takeRetry(at: request.exchange.core.loop.currentTime()) else {
            request.exchange.core.configuration.logger.debug(
                "\(request): not retried, since the retry budget is used up"
            )
            return nil
        }
        return wait
    }
}

extension HTTPFields {
    fileprivate func contains(_ name: HTTPField.Name) -> Bool { self[name] != nil }
}

extension Duration {
    /// For people.
    var inMilliseconds: String { "\(clampedNanoseconds / 1_000_000) ms" }
}

extension ClientResponse {
    /// How often a ``RetryPolicy`` has sent the last hop's request until this came; 0 where no policy stood around it.
    public var attempts: Int { storage.attempts }
}
