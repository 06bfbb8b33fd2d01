import ApusHTTPClient
import ApusRuntime
import ApusTesting
import HTTPTypes
import Synchronization
import Testing

@Suite("RetryPolicy")
struct RetryPolicyTests {
    private static let url = "http://host.example/path"

    private static func configuration(_ retry: RetryPolicy) -> ClientSession.Configuration {
        var configuration = ClientSession.Configuration()
        configuration.retry = retry
        return configuration
    }

    /// Waits of exactly a second, two, four…
    private static let exact = Backoff(initial: .seconds(1), maximum: .seconds(8), jitter: .none)

    @Test(
        "C25: statuses that pass and errors before a response are retried, with waits that grow, and the answer says how often"
    )
    func retries() async throws {
        let script: [MockResponse] = [
            .status(.serviceUnavailable), .refused, .disconnected, .status(.tooManyRequests), .text("at last"),
        ]
        let mock = MockTransport(script)
        try await withMock(Self.configuration(RetryPolicy(attempts: 5, backoff: Self.exact)), mock) { session in
            let response = try await session.get(Self.url)
            let text = try await response.text()
            #expect(text == "at last" && response.attempts == 5)
            let passed = try loopSeconds()
            #expect(passed == 1 + 2 + 4 + 8)
        }
        #expect(mock.problems == [])
    }

    @Test("C25: when the attempts are used up, the caller gets what came last")
    func last() async throws {
        let mock = MockTransport { request in request.path == "/error" ? .refused : .status(.badGateway) }
        try await withMock(Self.configuration(RetryPolicy(backoff: .none)), mock) { session in
            let response = try await session.get(Self.url)
            #expect(response.status == .badGateway && response.attempts == 3)
            let error = await clientError { try await session.get("http://host.example/error") }
            #expect(error?.code == .connectionRefused)
        }
        #expect(mock.requests.count == 6)
    }

    @Test("C25: without a policy nothing is retried, `.never` turns the session's off, and a request can have its own")
    func whose() async throws {
        let mock = MockTransport { _ in .status(.serviceUnavailable) }
        try await withMock(.init(), mock) { session in
            let response = try await session.get(Self.url)
            #expect(response.attempts == 0)
            let own = RequestOptions(retry: RetryPolicy(attempts: 2, backoff: .none))
            let second = try await session.get(Self.url, options: own)
            #expect(second.attempts == 2)
        }
        #expect(mock.requests.count == 3)
        try await withMock(Self.configuration(RetryPolicy(backoff: .none)), mock) { session in
            _ = try await session.get(Self.url, options: RequestOptions(retry: .never))
            // A list of its own does not take the session's policy away.
            _ = try await session.get(Self.url, options: RequestOptions(middleware: []))
        }
        #expect(mock.requests.count == 3 + 1 + 3)
    }

    struct Method: Sendable, CustomTestStringConvertible {
        var method: HTTPRequest.Method
        var answer: MockResponse
        var headers: [String: String] = [:]
        var retriesEveryMethod = false
        var requests: Int
        var testDescription: String { "\(method) \(answer.status) \(headers) \(retriesEveryMethod)" }
    }

    static let methods: [Method] =
        [HTTPRequest.Method.get, .head, .put, .delete, .options].map {
            Method(method: $0, answer: .status(.serviceUnavailable), requests: 2)
        } + [
            Method(method: .post, answer: .status(.serviceUnavailable), requests: 1),
            Method(method: .patch, answer: .status(.serviceUnavailable), requests: 1),
            Method(method: .post, answer: .disconnected, requests: 1),
            Method(
                method: .post,
                answer: .status(.internalServerError),
                headers: ["idempotency-key": "1"],
                requests: 2
            ),
            Method(method: .post, answer: .disconnected, retriesEveryMethod: true, requests: 2),
            Method(method: .get, answer: .status(.notFound), requests: 1),
            Method(method: .get, answer: .status(.notImplemented), requests: 1),
        ]

    @Test("C25: what may act twice is retried only where that was said", arguments: methods)
    func idempotent(_ one: Method) async throws {
        let mock = MockTransport { _ in one.answer }
        let policy = RetryPolicy(attempts: 2, retriesEveryMethod: one.retriesEveryMethod, backoff: .none)
        try await withMock(Self.configuration(policy), mock) { session in
            _ = try? await session.request(one.method, Self.url, headers: one.headers)
        }
        #expect(mock.requests.count == one.requests)
    }

    @Test("C25: a POST that found no connection is retried, since nobody has seen it")
    func unsent() async throws {
        let mock = MockTransport([.refused, .text("ok")])
        try await withMock(Self.configuration(RetryPolicy(backoff: .none)), mock) { session in
            let text = try await session.post(Self.url, body: .text("x")).text()
            #expect(text == "ok")
        }
        #expect(mock.requests.last?.text == "x")
    }

    @Test("C25: bodies are sent again as they were, and those that cannot be made again are not")
    func bodies() async throws {
        let mock = MockTransport { _ in .status(.serviceUnavailable) }
        try await withMock(Self.configuration(RetryPolicy(backoff: .none)), mock) { session in
            _ = try await session.put(Self.url, body: .written { try await $0.write("written") })
            _ = try await session.put(Self.url, body: .written(isRestartable: false) { try await $0.write("once") })
        }
        #expect(mock.requests.map(\.text) == ["written", "written", "written", "once"])
    }

    struct After: Sendable, CustomTestStringConvertible {
        var value: String
        var waits: Double?
        var testDescription: String { value }
    }

    @Test(
        "C25: Retry-After is waited for, and what is absurd is given up at once",
        arguments: [
            After(value: "7", waits: 7), After(value: "60", waits: 60), After(value: "61"),
            After(value: "Wed, 31 Dec 9999 23:59:59 GMT"), After(value: "99999999999999999999999999"),
            After(value: "Sun, 06 Nov 1994 08:49:37 GMT", waits: 0), After(value: "soon", waits: 0),
            After(value: "-1", waits: 0), After(value: "", waits: 0),
        ]
    )
    func retryAfter(_ after: After) async throws {
        let mock = MockTransport { request in .status(.serviceUnavailable, headers: [.retryAfter: after.value]) }
        try await withMock(Self.configuration(RetryPolicy(attempts: 2, backoff: .none)), mock) { session in
            let response = try await session.get(Self.url)
            let passed = try loopSeconds()
            #expect(response.status == .serviceUnavailable)
            #expect(response.attempts == (after.waits == nil ? 1 : 2))
            #expect(passed == after.waits ?? 0)
        }
    }

    @Test("C25: a Retry-After as a date counts from the server's own clock")
    func date() async throws {
        let mock = MockTransport([
            .status(
                .tooManyRequests,
                headers: [.retryAfter: "Sun, 06 Nov 1994 08:49:57 GMT", .date: "Sun, 06 Nov 1994 08:49:37 GMT"]
            ), .text("ok"),
        ])
        try await withMock(Self.configuration(RetryPolicy(backoff: .none)), mock) { session in
            _ = try await session.get(Self.url).bytes()
            let passed = try loopSeconds()
            #expect(passed == 20)
        }
    }

    @Test("C25: full jitter keeps each wait between nothing and its bound, and spreads")
    func jitter() async throws {
        let waits = Mutex<[Double]>([])
        let mock = MockTransport { _ in .status(.serviceUnavailable) }
        let policy = RetryPolicy(
            attempts: 2,
            backoff: Backoff(initial: .seconds(4), maximum: .seconds(4)),
            budget: RetryBudget(share: 1)
        )
        try await withMock(Self.configuration(policy), mock) { session in
            for _ in 0..<200 {
                let start = try loopSeconds()
                _ = try await session.get(Self.url)
                let end = try loopSeconds()
                waits.withLock { $0.append(end - start) }
            }
        }
        let all = waits.withLock { $0 }
        let (least, most) = (all.min() ?? -1, all.max() ?? 5)
        #expect(least >= 0 && most <= 4.000_001)
        // 200 draws all on one side of the middle happen once in 10^60 runs.
        #expect(least < 2 && most > 2)
    }

    @Test("C25: a retry that would end behind the total timeout does not begin")
    func total() async throws {
        let mock = MockTransport { _ in .status(.serviceUnavailable, headers: [.retryAfter: "5"]) }
        try await withMock(Self.configuration(RetryPolicy(attempts: 9, backoff: .none)), mock) { session in
            let response = try await session.get(Self.url, timeouts: .total(.seconds(12)))
            let passed = try loopSeconds()
            #expect(response.attempts == 3 && passed == 10)
        }
    }

    @Test("C25: a server that stays silent is asked again, but all attempts together end with the total timeout")
    func silent() async throws {
        let mock = MockTransport { _ in .silent }
        try await withMock(Self.configuration(RetryPolicy(attempts: 9, backoff: .none)), mock) { session in
            var timeouts = Timeouts.total(.seconds(25))
            timeouts.head = .seconds(10)
            let given = timeouts
            let error = await clientError { try await session.get(Self.url, timeouts: given) }
            let passed = try loopSeconds()
            #expect(error?.code == .totalTimeout && passed == 25)
        }
        #expect(mock.requests.count == 3)
    }

    @Test("C25: a cancelled request is not sent again, be it cancelled on its way or while it waits")
    func cancelled() async throws {
        let mock = MockTransport { request in request.path == "/slow" ? .silent : .status(.serviceUnavailable) }
        let policy = RetryPolicy(attempts: 3, backoff: Backoff(initial: .seconds(10), jitter: .none))
        try await withMock(Self.configuration(policy), mock) { session in
            for path in ["slow", "waits"] {
                let task = EventLoop.spawn { _ = try await session.get("http://host.example/\(path)") }
                try await sleep(for: .seconds(1))
                task.cancel()
                await #expect(throws: CancellationError.self) { try await task.value }
            }
            let passed = try loopSeconds()
            #expect(passed == 2, "both ended at once")
        }
        #expect(mock.requests.count == 2)
    }

    @Test("C25: the session's end ends the attempts")
    func closed() async throws {
        let mock = MockTransport { _ in .status(.serviceUnavailable) }
        let policy = RetryPolicy(attempts: 3, backoff: Self.exact)
        try await withMock(Self.configuration(policy), mock) { session in
            let task = EventLoop.spawn { _ = try await session.get(Self.url) }
            try await sleep(for: .milliseconds(500))
            await session.close()
            let error = await clientError { try await task.value }
            #expect(error?.code == .sessionClosed)
        }
        #expect(mock.requests.count == 1)
    }

    @Test("C25: 1,000 requests to a dead server are retried as often as the budget says, and not three times each")
    func storm() async throws {
        let mock = MockTransport { _ in .status(.serviceUnavailable) }
        var configuration = Self.configuration(RetryPolicy(attempts: 4))
        configuration.pool.limit = 1_000
        try await withMock(configuration, mock) { session in
            let statuses = try await gather(Array(0..<1_000), limit: 500) { _ in
                try await session.get(Self.url).status.code
            }
            #expect(statuses == Array(repeating: 503, count: 1_000))
        }
        let retries = mock.requests.count - 1_000
        #expect(retries <= 210, "\(retries) retries")
        #expect(retries >= 100, "\(retries) retries: a budget that is not used is none")
    }

    @Test("C25: the budget is the session's, whichever policies its requests have, and can be shared with others")
    func budget() async throws {
        let mock = MockTransport { _ in .refused }
        try await withMock(.init(), mock) { session in
            for _ in 0..<100 {
                let own = RequestOptions(retry: RetryPolicy(attempts: 5, backoff: .none))
                _ = try? await session.get(Self.url, options: own)
            }
        }
        #expect(mock.requests.count <= 100 + 30, "\(mock.requests.count)")
        let shared = RetryBudget(share: 0, minimum: 3)
        let count = mock.requests.count
        for _ in 0..<2 {
            try await withMock(Self.configuration(RetryPolicy(attempts: 3, backoff: .none, budget: shared)), mock) {
                for _ in 0..<3 { _ = try? await $0.get(Self.url) }
            }
        }
        #expect(mock.requests.count == count + 6 + 3)
    }

    @Test("C25: each attempt passes the other middlewares; one further in counts them too")
    func place() async throws {
        let passed = Counter()
        let count = MiddlewareFunction { request, next in
            passed.add()
            return try await next(request)
        }
        let mock = MockTransport([.status(.serviceUnavailable), .status(.serviceUnavailable), .text("ok")])
        var configuration = around(count)
        configuration.retry = RetryPolicy(backoff: .none)
        try await withMock(configuration, mock) { _ = try await $0.get(Self.url).bytes() }
        #expect(passed.value == 3)
        let second = MockTransport([.status(.serviceUnavailable), .text("ok")])
        try await withMock(around(count, RetryPolicy(backoff: .none)), second) {
            _ = try await $0.get(Self.url).bytes()
        }
        #expect(passed.value == 4)
    }

    @Test("C25: a response that is given up for another attempt keeps no connection")
    func released() async throws {
        let big = MockResponse(status: .serviceUnavailable, bytes: [UInt8](repeating: 1, count: 3_000_000))
        let mock = MockTransport([big, big, .text("ok")])
        var configuration = Self.configuration(RetryPolicy(backoff: .none))
        configuration.pool.limit = 1
        try await withMock(configuration, mock) { session in
            let text = try await session.get(Self.url).text()
            #expect(text == "ok")
        }
    }
}
