import ApusRuntime
import ApusWire
import Synchronization

/// Lets so many requests per time go out, to each host or in all; the others wait their turn.
///
/// ```swift
/// // Ten a second to each host, and no more than ten at once after a pause.
/// configuration.middleware = [RateLimit(10, per: .seconds(1))]
/// ```
///
/// A token bucket: it holds `burst` tokens, each request takes one, and one comes back every `duration / requests`. Who waits, waits in
/// order; who is cancelled meanwhile has taken nothing. Retries and redirects are requests like others. One limit may stand in several sessions,
/// which share it then.
///
/// Waiting counts against ``Timeouts/total`` and no other timeout.
public final class RateLimit: ClientMiddleware {
    /// What is limited.
    public enum Scope: Sendable, Hashable {
        /// Each origin (scheme, host and port) for itself.
        case perHost
        /// All requests together.
        case all
    }

    /// One bucket, and those who wait at it.
    private final class Lane: Sendable {
        /// Held by whoever waits for the next token: the others wait for the lock, which is strictly fair.
        let turn = AsyncLock()
        let bucket: Mutex<TokenBucket>

        init(_ bucket: TokenBucket) { self.bucket = Mutex(bucket) }
    }

    private struct State {
        var lanes: [Origin: Lane] = [:]
        var sweep = 1_024
    }

    private let scope: Scope
    private let interval: Int64
    private let burst: Int
    private let common: Lane
    private let state = Mutex(State())

    /// - Parameters:
    ///   - requests: how many; at least 1.
    ///   - duration: in which time.
    ///   - burst: how many may go at once after a pause; nil for `requests`.
    ///   - scope: each host for itself, or all together.
    public init(_ requests: Int, per duration: Duration, burst: Int? = nil, scope: Scope = .perHost) {
        self.scope = scope
        interval = max(1, duration.clampedNanoseconds / Int64(max(1, requests)))
        self.burst = max(1, burst ?? requests)
        common = Lane(TokenBucket(interval: interval, burst: self.burst))
    }

    /// Waits for the request's turn, and sends it.
    ///
    /// - Throws: ``ClientError`` `.totalTimeout`; `CancellationError`; what the request throws.
    ///
    /// Cancel safety: a wait ends at once, and no token is taken.
    public func handle(_ request: ClientRequest, next: ClientRequest.Next) async throws -> ClientResponse {
        let loop = request.exchange.core.loop
        let lane = lane(of: request.uri, at: loop.currentTime())
        if lane.turn.tryAcquire() {
            let isThere = lane.bucket.withLock { $0.takeIfThere(at: loop.currentTime()) }
            try? lane.turn.release()
            if isThere { return try await next(request) }
        }
        try await request.withinTotal {
            try await lane.turn.withLock {
                while true {
                    let now = loop.currentTime()
                    let wait = lane.bucket.withLock { $0.takeIfThere(at: now) ? 0 : $0.next(at: now) - now }
                    if wait <= 0 { return }
                    try await sleep(for: .nanoseconds(wait))
                }
            }
        }
        return try await next(request)
    }

    private func lane(of uri: URI, at now: Int64) -> Lane {
        guard scope == .perHost else { return common }
        let origin = uri.origin
        return state.withLock { state in
            if let known = state.lanes[origin] { return known }
            if state.lanes.count >= state.sweep {
                // A full bucket is as good as none. Whoever holds a lane that goes finds it as full as the new one.
                state.lanes = state.lanes.filter { _, lane in
                    lane.turn.isLocked || !lane.bucket.withLock { $0.isFull(at: now) }
                }
                state.sweep = max(1_024, 2 * state.lanes.count)
            }
            let made = Lane(TokenBucket(interval: interval, burst: burst))
            state.lanes[origin] = made
            return made
        }
    }
}
