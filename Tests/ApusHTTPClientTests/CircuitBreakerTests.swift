import ApusHTTPClient
import ApusRuntime
import ApusTesting
import ApusWire
import HTTPTypes
import Synchronization
import Testing

@Suite("CircuitBreaker")
struct CircuitBreakerTests {
    private static let url = "http://host.example/path"
    private static let origin = Origin(scheme: "http", host: "host.example", port: 80)

    /// A server that can be switched off.
    private final class Server: Sendable {
        let isDown = Mutex(true)
        func mock(_ failure: MockResponse = .status(.internalServerError)) -> MockTransport {
            MockTransport { _ in self.isDown.withLock { $0 } ? failure : .text("ok") }
        }
    }

    @Test("failures in a row open it, requests fail at once, a trial closes it")
    func phases() async throws {
        let server = Server()
        let breaker = CircuitBreaker(failures: 3, openFor: .seconds(30))
        let mock = server.mock()
        try await withMock(around(breaker), mock) { session in
            for _ in 0..<3 { _ = try await session.get(Self.url) }
            #expect(breaker.phase(of: Self.origin) == .open)
            let error = await clientError { try await session.get(Self.url) }
            #expect(error?.code == .circuitOpen)
            #expect(error?.message.contains("30000 ms") == true, "\(error?.message ?? "-")")
            #expect(mock.requests.count == 3)
            let other = try await session.get("http://other.example/").status
            #expect(other == .internalServerError, "other hosts are not concerned")
            try await sleep(for: .seconds(30))
            _ = try await session.get(Self.url)
            #expect(breaker.phase(of: Self.origin) == .open, "the trial has failed")
            try await sleep(for: .seconds(59))
            _ = await clientError { try await session.get(Self.url) }
            try await sleep(for: .seconds(1))
            server.isDown.withLock { $0 = false }
            let text = try await session.get(Self.url).text()
            #expect(text == "ok" && breaker.phase(of: Self.origin) == .closed)
            #expect(mock.requests.count == 6)
        }
    }

    @Test("errors count like statuses; what is the caller's fault, and cancelling, does not")
    func failures() async throws {
        let breaker = CircuitBreaker(failures: 2)
        let mock = MockTransport { request in
            switch request.path {
            case "/refused": .refused
            case "/silent": .silent
            case "/404": .status(.notFound)
            default: .text("ok")
            }
        }
        try await withMock(around(breaker), mock) { session in
            for _ in 0..<5 { _ = try await session.get("http://host.example/404") }
            for _ in 0..<5 {
                let task = EventLoop.spawn { _ = try await session.get("http://host.example/silent") }
                try await sleep(for: .seconds(1))
                task.cancel()
                await #expect(throws: CancellationError.self) { try await task.value }
            }
            _ = try? await session.get("http://host.example/refused")
            _ = try await session.get("http://host.example/404")
            #expect(breaker.phase(of: Self.origin) == .closed, "a success between them")
            _ = try? await session.get("http://host.example/refused")
            let error = await clientError { try await session.get("http://host.example/silent") }
            #expect(error?.code == .headTimeout && breaker.phase(of: Self.origin) == .open)
        }
    }

    @Test("while a trial is under way the others fail; one that is cancelled leaves its place to the next")
    func trials() async throws {
        let breaker = CircuitBreaker(failures: 1, openFor: .seconds(10))
        let mock = MockTransport { request in
            request.path == "/down" ? .refused : MockResponse.text("ok").delayed(by: .seconds(5))
        }
        try await withMock(around(breaker), mock) { session in
            _ = try? await session.get("http://host.example/down")
            try await sleep(for: .seconds(10))
            let trial = EventLoop.spawn { _ = try await session.get(Self.url).bytes() }
            try await sleep(for: .seconds(1))
            #expect(breaker.phase(of: Self.origin) == .halfOpen)
            let error = await clientError { try await session.get(Self.url) }
            #expect(error?.code == .circuitOpen)
            trial.cancel()
            await #expect(throws: CancellationError.self) { try await trial.value }
            _ = try await session.get(Self.url).bytes()
            #expect(breaker.phase(of: Self.origin) == .closed)
        }
    }

    @Test("a thousand requests at once to a server that has gone cost a few connections, and each gets an answer")
    func crowd() async throws {
        let breaker = CircuitBreaker(failures: 5)
        let mock = MockTransport { _ in .refused }
        var configuration = around(breaker)
        configuration.pool.limit = 10
        try await withMock(configuration, mock) { session in
            let codes = try await gather(Array(0..<1_000), limit: 10) { _ in
                await clientError { try await session.get(Self.url) }?.code
            }
            let refusals = codes.count { $0 == .circuitOpen }
            let failures = codes.count { $0 == .connectionRefused }
            #expect(refusals >= 980 && refusals + failures == 1_000)
        }
        #expect(mock.requests.count <= 20, "\(mock.requests.count)")
    }

    @Test("a retry policy does not insist against an open circuit")
    func retried() async throws {
        let mock = MockTransport { _ in .refused }
        var configuration = around(CircuitBreaker(failures: 2))
        configuration.retry = RetryPolicy(attempts: 5, backoff: .none)
        try await withMock(configuration, mock) { session in
            let error = await clientError { try await session.get(Self.url) }
            #expect(error?.code == .circuitOpen)
        }
        #expect(mock.requests.count == 2)
    }

    @Test("hosts that fail are not remembered without end")
    func bounded() async throws {
        let breaker = CircuitBreaker(failures: 1, openFor: .seconds(1_000))
        try await withMock(around(breaker), MockTransport { _ in .refused }) { session in
            for number in 0..<5_000 { _ = try? await session.get("http://h\(number).example/") }
            let open = (0..<5_000).count {
                breaker.phase(of: Origin(scheme: "http", host: "h\($0).example", port: 80)) == .open
            }
            #expect(open <= 4_096 && open > 1_000, "\(open)")
        }
    }
}
