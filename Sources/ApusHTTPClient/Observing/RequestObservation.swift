import ApusRuntime
import HTTPTypes
import Synchronization
import Tracing

/// Who wants to know about one request, all of its hops and sendings. Loop thread only.
final class RequestObservation {
    private static let lastID = Atomic<UInt64>(0)

    let observers: [any SessionObserver]
    let tracing: RequestTracing?
    private let id: UInt64
    private let context: (any Sendable)?
    /// How often it was sent so far, redirects and retries included.
    var sendings = 0

    init(_ core: SessionCore, _ options: RequestOptions?) {
        observers = core.configuration.observers
        tracing = core.tracing
        context = options?.observerContext
        id = Self.lastID.add(1, ordering: .relaxed).newValue
    }

    @inline(never)
    func tell(_ exchange: Exchange, _ body: (any SessionObserver, ObservedRequest) -> Void) {
        guard !observers.isEmpty else { return }
        let elapsed = exchange.core.loop.currentTime() - exchange.moments.called
        let request = ObservedRequest(
            id: id,
            method: exchange.method,
            uri: exchange.uri,
            elapsed: .nanoseconds(max(0, elapsed)),
            context: context
        )
        for observer in observers { body(observer, request) }
    }
}

extension Exchange {
    /// Tells the observers, if there are any: one look at a pointer if not.
    @inline(__always)
    func tell(_ body: (any SessionObserver, ObservedRequest) -> Void) {
        if let observation { observation.tell(self, body) }
    }
}

// The road of a request that somebody watches: the same as ``perform(_:)`` and ``send(_:)`` otherwise.
extension SessionCore {
    @inline(never)
    func performObserved(_ exchange: Exchange) async throws -> ClientResponse {
        exchange.observation = RequestObservation(self, exchange.options?.options)
        exchange.tell { $0.requestStarted($1) }
        do {
            let response = try await performUnobserved(exchange)
            // A redirect's exchange is another one: the one that was answered is told of.
            response.storage.exchange.tell { $0.requestEnded($1, response) }
            return response
        } catch {
            exchange.tell { $0.requestFailed($1, error) }
            throw error
        }
    }

    @inline(never)
    func sendObserved(_ exchange: Exchange, _ observation: RequestObservation) async throws -> ClientResponse {
        let resends = observation.sendings
        observation.sendings += 1
        guard let tracing = observation.tracing else { return try await sendUnobserved(exchange) }
        let span = tracing.begin(exchange, resends: resends)
        do {
            // The current one, so that what a resolver or an upload's closure traces belongs to it.
            let response = try await InstrumentationContext.withValue(span.context) {
                try await self.sendUnobserved(exchange)
            }
            span.end(response)
            return response
        } catch {
            span.end(error)
            throw error
        }
    }
}
