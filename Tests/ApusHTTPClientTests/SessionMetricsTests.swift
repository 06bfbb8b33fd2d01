import ApusHTTPClient
import ApusRuntime
import ApusTesting
import ApusWire
import CoreMetrics
import HTTPTypes
import Synchronization
import Testing

/// Keeps the sum, or the last value, of each metric, by name and labels.
private final class Backend: MetricsFactory {
    private let state = Mutex<[String: Double]>([:])

    var values: [String: Double] { state.withLock { $0 } }

    private final class Handler: CounterHandler, MeterHandler, RecorderHandler, TimerHandler {
        let backend: Backend
        let name: String

        init(_ backend: Backend, _ name: String) {
            self.backend = backend
            self.name = name
        }

        func change(by amount: Double) { backend.state.withLock { $0[name, default: 0] += amount } }
        func increment(by amount: Int64) { change(by: Double(amount)) }
        func increment(by amount: Double) { change(by: amount) }
        func decrement(by amount: Double) { change(by: -amount) }
        func set(_ value: Int64) { set(Double(value)) }
        func set(_ value: Double) { backend.state.withLock { $0[name] = value } }
        func reset() {}
        func record(_ value: Int64) { set(Double(value)) }
        func record(_ value: Double) { set(value) }
        func recordNanoseconds(_ duration: Int64) { set(Double(duration)) }
    }

    private func make(_ label: String, _ dimensions: [(String, String)]) -> Handler {
        let name = label + "{" + dimensions.map { "\($0)=\($1)" }.joined(separator: ",") + "}"
        state.withLock { $0[name] = $0[name] ?? 0 }
        return Handler(self, name)
    }

    func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler { make(label, dimensions) }
    func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler { make(label, dimensions) }
    func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        make(label, dimensions)
    }
    func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler { make(label, dimensions) }
    func destroyCounter(_ handler: any CounterHandler) {}
    func destroyMeter(_ handler: any MeterHandler) {}
    func destroyRecorder(_ handler: any RecorderHandler) {}
    func destroyTimer(_ handler: any TimerHandler) {}
}

@Suite("Requests as metrics")
struct SessionMetricsTests {
    @Test("C90: durations by method, host and outcome, requests under way, bytes and connections")
    func values() async throws {
        try await withVirtualTime {
            let backend = Backend()
            var configuration = ClientSession.Configuration()
            configuration.observers = [SessionMetrics(factory: backend)]
            let mock = MockTransport { request in
                switch request.path {
                case "/slow": .text("abc").delayed(by: .seconds(3))
                case "/refused": .refused
                default: .text("no", status: .notFound)
                }
            }
            let session = ClientSession.mocked(mock, configuration)
            let labels = "server.address=host.example,server.port=80"
            async let slow = session.post("http://host.example/slow?canary=1", body: .text("12345")).text()
            try await sleep(for: .seconds(1))
            #expect(backend.values["http.client.active_requests{\(labels)}"] == 1)
            _ = try await slow
            _ = try await session.get("http://host.example/missing").text()
            _ = await clientError { try await session.request(.init("CANARY")!, "http://host.example/refused") }
            await session.close()
            let values = backend.values
            func duration(_ method: String, _ rest: String) -> Double? {
                values["http.client.request.duration{http.request.method=\(method),\(labels),\(rest)}"]
            }
            #expect(duration("POST", "http.response.status_code=200") == 3e9)
            #expect(duration("GET", "http.response.status_code=404,error.type=404") == 0)
            #expect(duration("_OTHER", "error.type=connectionRefused") == 0)
            #expect(values["http.client.active_requests{\(labels)}"] == 0)
            #expect(values["http.client.request.body.size{\(labels)}"] == 5)
            #expect(values["http.client.response.body.size{\(labels)}"] == 5)
            #expect(values["http.client.connection.opened{\(labels)}"] == 3)
            #expect(values["http.client.connection.failed{\(labels)}"] == 0)
            #expect(!values.keys.contains { $0.lowercased().contains("canary") })
        }
    }

    @Test("C90: connections that could not be opened are counted as such")
    func refused() async throws {
        let backend = Backend()
        var configuration = ClientSession.Configuration()
        configuration.observers = [SessionMetrics(factory: backend)]
        try await withScripts([.refuse], configuration: configuration) { session, _ in
            _ = await clientError { try await session.get("https://script.test/") }
            let labels = "server.address=script.test,server.port=443"
            #expect(backend.values["http.client.connection.opened{\(labels)}"] == 0)
            #expect(backend.values["http.client.connection.failed{\(labels)}"] == 1)
        }
    }

    @Test("C90: hosts beyond the limit share one label, however many there are")
    func hosts() async throws {
        try await withVirtualTime {
            let backend = Backend()
            var configuration = ClientSession.Configuration()
            configuration.observers = [SessionMetrics(hostLimit: 2, factory: backend)]
            let session = ClientSession.mocked(MockTransport { _ in .text("x") }, configuration)
            for number in 1...50 { _ = try await session.get("http://host\(number).example/").text() }
            await session.close()
            let addresses = Set(
                backend.values.keys.compactMap { name in
                    name.split(separator: ",").first { $0.contains("server.address=") }?.split(separator: "=").last
                }
            )
            #expect(addresses == ["host1.example", "host2.example", "_OTHER"])
            #expect(backend.values["http.client.response.body.size{server.address=_OTHER,server.port=0}"] == 48)
        }
    }

    @Test("C90: a server that answers with ever new statuses makes a bounded number of series")
    func statuses() async throws {
        try await withVirtualTime {
            let backend = Backend()
            var configuration = ClientSession.Configuration()
            configuration.observers = [SessionMetrics(hostLimit: 1, factory: backend)]
            let mock = MockTransport { request in .status(.init(code: 200 + (Int(request.query ?? "") ?? 0))) }
            let session = ClientSession.mocked(mock, configuration)
            for number in 0..<300 {
                _ = try await session.get("http://host.example/?\(number)", redirects: .never).bytes()
            }
            await session.close()
            let series = backend.values.keys.filter { $0.hasPrefix("http.client.request.duration") }
            #expect(series.count == 101)
        }
    }
}
