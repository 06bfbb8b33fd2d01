import ApusRuntime
import ApusWire
public import CoreMetrics
import HTTPTypes
import Synchronization

/// Tells a swift-metrics backend what a session's requests do, by OpenTelemetry's conventions for HTTP clients.
///
/// ```swift
/// MetricsSystem.bootstrap(backend)
/// configuration.observers.append(SessionMetrics())
/// ```
///
/// | metric | labels | |
/// |---|---|---|
/// | `http.client.request.duration` | `http.request.method`, `server.address`, `server.port`, `http.response.status_code` or `error.type` | a timer: from the call to the response's head, redirects and retries included |
/// | `http.client.active_requests` | `server.address`, `server.port` | a meter: calls whose response's head is not there yet |
/// | `http.client.request.body.size`, `http.client.response.body.size` | `server.address`, `server.port` | counters, in bytes as they were sent |
/// | `http.client.connection.opened`, `http.client.connection.failed` | `server.address`, `server.port` | counters |
///
/// Labels have few values: methods that nobody has heard of are `_OTHER`, and hosts beyond the first ``hostLimit`` are `_OTHER` with port 0,
/// so that a crawl does not drown the backend. Paths, queries and header fields are nowhere.
///
/// One may serve several sessions.
public final class SessionMetrics: SessionObserver {
    private struct Server: Hashable {
        var address: String
        var port: Int

        static let other = Server(address: "_OTHER", port: 0)

        var dimensions: [(String, String)] { [("server.address", address), ("server.port", "\(port)")] }
    }

    private struct Outcome: Hashable {
        var server: Server
        var method: String
        var label: String
        var isError: Bool
    }

    private struct ServerMetrics {
        var active: Meter
        var sent: Counter
        var received: Counter
        var opened: Counter
        var failed: Counter
    }

    private struct State {
        var servers: [Server: ServerMetrics] = [:]
        var durations: [Outcome: CoreMetrics.Timer] = [:]
        /// Where each request under way was counted: a redirect may lead it elsewhere.
        var active: [UInt64: Server] = [:]
    }

    /// How many hosts have labels of their own.
    public let hostLimit: Int
    private let factory: any MetricsFactory
    private let state = Mutex(State())

    /// - Parameters:
    ///   - hostLimit: how many hosts have labels of their own; the first ones to be asked.
    ///   - factory: where to; the backend that the program has chosen.
    public init(hostLimit: Int = 100, factory: any MetricsFactory = MetricsSystem.factory) {
        self.hostLimit = max(0, hostLimit)
        self.factory = factory
    }

    public func requestStarted(_ request: ObservedRequest) {
        state.withLock { state in
            let server = server(of: request, &state)
            state.active[request.id] = server
            metrics(of: server, &state).active.increment()
        }
    }

    public func requestEnded(_ request: ObservedRequest, _ response: ClientResponse) {
        end(request, "\(response.head.statusCode)", isError: false)
    }

    public func requestFailed(_ request: ObservedRequest, _ error: any Error) {
        end(request, ErrorLabel(error).label, isError: true)
    }

    public func requestBodySent(_ request: ObservedRequest, byteCount: Int) {
        count(request, \.sent, by: byteCount)
    }

    public func responseBodyReceived(_ request: ObservedRequest, byteCount: Int) {
        count(request, \.received, by: byteCount)
    }

    public func connectionOpeningEnded(_ request: ObservedRequest, error: (any Error)?) {
        count(request, error == nil ? \.opened : \.failed, by: 1)
    }

    private func end(_ request: ObservedRequest, _ label: String, isError: Bool) {
        state.withLock { state in
            if let server = state.active.removeValue(forKey: request.id) {
                metrics(of: server, &state).active.decrement()
            }
            let outcome = Outcome(
                server: server(of: request, &state),
                method: HTTPMethodLabel(request.method).label,
                label: label,
                isError: isError
            )
            timer(outcome, &state).recordNanoseconds(request.elapsed.clampedNanoseconds)
        }
    }

    private func count(_ request: ObservedRequest, _ counter: KeyPath<ServerMetrics, Counter>, by amount: Int) {
        state.withLock { state in
            let server = server(of: request, &state)
            metrics(of: server, &state)[keyPath: counter].increment(by: amount)
        }
    }

    // MARK: Labels

    private func server(of request: ObservedRequest, _ state: inout State) -> Server {
        let server = Server(address: request.uri.host, port: request.uri.effectivePort ?? 0)
        if state.servers[server] != nil || state.servers.count < hostLimit { return server }
        return .other
    }

    private func metrics(of server: Server, _ state: inout State) -> ServerMetrics {
        if let known = state.servers[server] { return known }
        func counter(_ name: String) -> Counter {
            Counter(label: "http.client.\(name)", dimensions: server.dimensions, factory: factory)
        }
        let made = ServerMetrics(
            active: Meter(label: "http.client.active_requests", dimensions: server.dimensions, factory: factory),
            sent: counter("request.body.size"),
            received: counter("response.body.size"),
            opened: counter("connection.opened"),
            failed: counter("connection.failed")
        )
        state.servers[server] = made
        return made
    }

    private func timer(_ outcome: Outcome, _ state: inout State) -> CoreMetrics.Timer {
        if let known = state.durations[outcome] { return known }
        // Statuses and errors are few for each host, unless a peer makes a game of it.
        let other = Outcome(server: .other, method: "_OTHER", label: "_OTHER", isError: true)
        if state.durations.count >= 50 * (hostLimit + 1), outcome != other { return timer(other, &state) }
        var dimensions = [("http.request.method", outcome.method)] + outcome.server.dimensions
        if outcome.isError {
            dimensions.append(("error.type", outcome.label))
        } else {
            dimensions.append(("http.response.status_code", outcome.label))
            if outcome.label >= "400" { dimensions.append(("error.type", outcome.label)) }
        }
        let made = CoreMetrics.Timer(
            label: "http.client.request.duration",
            dimensions: dimensions,
            preferredDisplayUnit: .seconds,
            factory: factory
        )
        state.durations[outcome] = made
        return made
    }
}
