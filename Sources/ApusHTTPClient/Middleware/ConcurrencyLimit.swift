import ApusRuntime
import ApusWire
import Synchronization

/// Lets so many requests be under way at a time, to each host or in all; the others wait their turn.
///
/// ```swift
/// configuration.middleware = [ConcurrencyLimit(4)]
/// ```
///
/// A request is under way from here to the end of its response's body: until that was read, released or dropped. Who waits, waits in
/// order, and holds no connection, unlike one that waits at the pool (``ClientSession/Configuration/Pool/limitPerHost``, which needs no
/// middleware, and is the better choice where the number of connections is what matters). One limit may stand in several sessions, which
/// share it then.
///
/// Waiting counts against ``Timeouts/total`` and no other timeout.
public final class ConcurrencyLimit: ClientMiddleware {
    /// What a request holds: given back when nobody has it any more.
    private final class Place: Sendable {
        private let lane: AsyncSemaphore

        init(_ lane: AsyncSemaphore) { self.lane = lane }

        deinit { try? lane.release() }
    }

    private struct State {
        /// Nil is for all together.
        var lanes: [Origin?: AsyncSemaphore] = [:]
        var sweep = 1_024
    }

    private let limit: Int
    private let scope: RateLimit.Scope
    private let state = Mutex(State())

    /// - Parameters:
    ///   - requests: how many at a time; at least 1.
    ///   - scope: each host for itself, or all together.
    public init(_ requests: Int, scope: RateLimit.Scope = .perHost) {
        limit = max(1, requests)
        self.scope = scope
    }

    /// Waits for a place, and sends the request.
    ///
    /// - Throws: ``ClientError`` `.totalTimeout`; `CancellationError`; what the request throws.
    ///
    /// Cancel safety: a wait ends at once, and no place is taken.
    public func handle(_ request: ClientRequest, next: ClientRequest.Next) async throws -> ClientResponse {
        let lane = try lane(of: request.uri)
        if !lane.tryAcquire() {
            try await request.withinTotal { try await lane.acquire() }
        }
        let place = Place(lane)
        let response = try await next(request)
        // A body that came with its head keeps nothing busy.
        if let stream = response.storage.stream { stream.value.hold(place) }
        return response
    }

    private func lane(of uri: URI) throws -> AsyncSemaphore {
        let origin = scope == .perHost ? uri.origin : nil
        return try state.withLock { state in
            if let known = state.lanes[origin] { return known }
            if state.lanes.count >= state.sweep {
                // One that nobody has a place of is as good as none. (Whoever is between here and its first place may for once be one
                // too many; there is no suspension between, so it takes another thread, and a thousand hosts.)
                state.lanes = state.lanes.filter { $0.value.available < limit }
                state.sweep = max(1_024, 2 * state.lanes.count)
            }
            let made = try AsyncSemaphore(limit)
            state.lanes[origin] = made
            return made
        }
    }
}
