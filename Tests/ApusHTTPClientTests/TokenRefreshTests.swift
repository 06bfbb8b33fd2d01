import ApusHTTPClient
import ApusRuntime
import ApusTesting
import ApusWire
import HTTPTypes
import Synchronization
import Testing

@Suite("Tokens that are fetched when they are needed")
struct TokenRefreshTests {
    private struct Failed: Error, Equatable {}

    /// Counts the tokens that were fetched, and what was refused.
    private final class Login: Sendable {
        private let state = Mutex<(count: Int, rejected: [String])>((0, []))
        var count: Int { state.withLock { $0.count } }
        var rejected: [String] { state.withLock { $0.rejected } }

        func next(_ rejected: AccessToken?) -> String {
            state.withLock { state in
                state.count += 1
                state.rejected.append(rejected?.value ?? "-")
                return "t\(state.count)"
            }
        }
    }

    private static let url = "http://a.test/"

    /// Expects that a request is answered with this text.
    private static func expect(
        _ session: ClientSession,
        _ url: String,
        _ expected: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let text = try await session.get(url).text()
        #expect(text == expected, sourceLocation: sourceLocation)
    }

    /// A server that takes tokens of one generation, and echoes the token.
    private func check(
        accepts: @escaping @Sendable (String) -> Bool = { _ in true },
        origins: [String] = ["http://a.test/"],
        middleware: any ClientMiddleware,
        _ body: @escaping @Sendable (ClientSession, MockTransport) async throws -> Void
    ) async throws {
        var configuration = ClientSession.Configuration()
        configuration.middleware = [middleware]
        configuration.secretOrigins = Set(try origins.map { try URI($0).origin })
        let given = configuration
        try await withVirtualTime {
            let left = try await leaks {
                let mock = MockTransport { request in
                    if request.path == "/to" { return .redirect(to: request.query ?? "") }
                    guard let token = request.headers[.authorization] else { return .text("nobody") }
                    let value = String(token.dropFirst("Bearer ".count))
                    return accepts(value) ? .text(value) : .text("no", status: .unauthorized)
                }
                let session = ClientSession.mocked(mock, given)
                try await body(session, mock)
                await session.close()
                #expect(mock.problems.isEmpty)
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test("one fetch for many who wait, and none for those that come later")
    func once() async throws {
        let login = Login()
        let tokens = TokenRefresh { rejected in
            try await sleep(for: .seconds(1))
            return AccessToken(login.next(rejected))
        }
        try await check(middleware: tokens) { session, _ in
            let texts = try await gather(Array(0..<50)) { _ in try await session.get(Self.url).text() }
            #expect(Set(texts) == ["t1"])
            try await Self.expect(session, Self.url, "t1")
            #expect(login.count == 1)
        }
    }

    @Test("a 401 fetches anew, once for all who met it, and each request is sent once more")
    func unauthorized() async throws {
        let login = Login()
        let tokens = TokenRefresh(initial: AccessToken("old")) { rejected in
            try await sleep(for: .seconds(1))
            return AccessToken(login.next(rejected))
        }
        try await check(accepts: { $0 == "t1" }, middleware: tokens) { session, mock in
            let texts = try await gather(Array(0..<10)) { _ in
                try await session.post(Self.url, body: .text("x")).text()
            }
            #expect(Set(texts) == ["t1"])
            #expect(login.rejected == ["old"])
            #expect(mock.requests.count == 20)
        }
        let useless = TokenRefresh { AccessToken(login.next($0)) }
        try await check(accepts: { _ in false }, middleware: useless) { session, mock in
            let response = try await session.get(Self.url)
            let text = try await response.text()
            #expect((response.status.code, text) == (401, "no"))
            #expect(mock.requests.count == 2)
        }
    }

    @Test("the one whose request was first may be cancelled: the others get the token all the same")
    func cancelled() async throws {
        let login = Login()
        let tokens = TokenRefresh { rejected in
            try await sleep(for: .seconds(1))
            return AccessToken(login.next(rejected))
        }
        try await check(middleware: tokens) { session, _ in
            let first = EventLoop.spawn { try await session.get(Self.url).text() }
            try await sleep(for: .milliseconds(1))
            let second = EventLoop.spawn { try await session.get(Self.url).text() }
            try await sleep(for: .milliseconds(1))
            let third = EventLoop.spawn { try await session.get(Self.url, timeouts: .total(.milliseconds(100))).text() }
            first.cancel()
            await #expect(throws: CancellationError.self) { try await first.value }
            let error = await clientError { try await third.value }
            #expect(error?.code == .totalTimeout)
            let text = try await second.value
            #expect(text == "t1")
            #expect(login.count == 1)
        }
    }

    @Test("a fetch that fails is everybody's error; the next request tries again")
    func failing() async throws {
        let login = Login()
        let tokens = TokenRefresh { rejected in
            try await sleep(for: .seconds(1))
            let token = login.next(rejected)
            if token == "t1" { throw Failed() }
            return AccessToken(token)
        }
        try await check(middleware: tokens) { session, mock in
            let results = await gatherResults(Array(0..<5)) { _ in try await session.get(Self.url).text() }
            for result in results { #expect(throws: Failed.self) { try result.get() } }
            #expect(mock.requests.isEmpty && login.count == 1)
            try await Self.expect(session, Self.url, "t2")
        }
        let broken = TokenRefresh { _ in AccessToken("canary\n") }
        try await check(middleware: broken) { session, _ in
            let error = await clientError { try await session.get(Self.url) }
            #expect(error?.code == .invalidRequest && error?.message.contains("canary") == false)
        }
    }

    @Test("a fetch that gives itself up is an error for all who waited, and not asked for again for ever")
    func givenUp() async throws {
        let login = Login()
        let tokens = TokenRefresh { rejected in
            try await sleep(for: .seconds(1))
            if login.next(rejected) == "t1" { throw CancellationError() }
            return AccessToken("later")
        }
        try await check(middleware: tokens) { session, mock in
            let results = await gatherResults(Array(0..<5)) { _ in try await session.get(Self.url).text() }
            for result in results {
                let error = #expect(throws: ClientError.self) { try result.get() }
                #expect(error?.code == .authenticationFailed)
            }
            #expect(mock.requests.isEmpty && login.count == 1)
            try await Self.expect(session, Self.url, "later")
        }
    }

    @Test("a token is replaced before it expires")
    func expiry() async throws {
        let login = Login()
        let tokens = TokenRefresh { AccessToken(login.next($0), lifetime: .seconds(login.count == 1 ? 3600 : 60)) }
        try await check(middleware: tokens) { session, _ in
            try await Self.expect(session, Self.url, "t1")
            try await sleep(for: .seconds(3569))
            try await Self.expect(session, Self.url, "t1")
            try await sleep(for: .seconds(2))
            try await Self.expect(session, Self.url, "t2")
            try await sleep(for: .seconds(53))
            try await Self.expect(session, Self.url, "t2")
            try await sleep(for: .seconds(2))
            try await Self.expect(session, Self.url, "t3")
            #expect(login.rejected == ["-", "-", "-"])
        }
    }

    @Test("the token stays at its origins; a request's own credentials are left alone; nobody's is an error")
    func origins() async throws {
        let login = Login()
        let tokens = TokenRefresh { AccessToken(login.next($0)) }
        try await check(middleware: tokens) { session, _ in
            for (url, expected) in [
                ("http://a.test/", "t1"), ("http://b.test/", "nobody"), ("https://a.test/", "nobody"),
                ("http://a.test/to?/x", "t1"), ("http://a.test/to?http://b.test/", "nobody"),
                ("http://b.test/to?http://a.test/", "nobody"),
                ("http://a.test/to?http://b.test/to?http://a.test/", "nobody"),
            ] {
                let text = try await session.get(url).text()
                #expect(text == expected, "\(url)")
            }
            let own = try await session.get(Self.url, auth: .bearer("own")).text()
            let nobody = try await session.get(Self.url, auth: .anonymous).text()
            #expect((own, nobody) == ("own", "nobody"))
            #expect(login.count == 1)
        }
        try await check(origins: [], middleware: tokens) { session, mock in
            let error = await clientError { try await session.get(Self.url) }
            #expect(error?.code == .invalidRequest && mock.requests.isEmpty)
        }
        let named = TokenRefresh(origins: [try URI("http://b.test/").origin]) { AccessToken(login.next($0)) }
        try await check(middleware: named) { session, _ in
            try await Self.expect(session, "http://b.test/", "t2")
            try await Self.expect(session, "http://a.test/", "nobody")
        }
    }

    @Test("fetching by the same session does not wait for itself")
    func reentrant() async throws {
        let box = Mutex<ClientSession?>(nil)
        let tokens = TokenRefresh { _ in
            let session = try #require(box.withLock { $0 })
            return AccessToken(try await session.get(Self.url).text() == "nobody" ? "fresh" : "wrong")
        }
        try await check(middleware: tokens) { session, _ in
            box.withLock { $0 = session }
            try await Self.expect(session, Self.url, "fresh")
            box.withLock { $0 = nil }
        }
    }

    @Test("a body that cannot be sent again makes the 401 the answer, and the next request fetches")
    func body() async throws {
        let login = Login()
        let tokens = TokenRefresh(initial: AccessToken("old")) { AccessToken(login.next($0)) }
        try await check(accepts: { $0 != "old" }, middleware: tokens) { session, _ in
            let once = RequestBody.written(isRestartable: false) { try await $0.write("once") }
            let status = try await session.post(Self.url, body: once).status.code
            #expect(status == 401 && login.count == 0)
            try await Self.expect(session, Self.url, "t1")
        }
    }

    @Test("neither a token nor its keeper shows it")
    func shown() {
        let token = AccessToken("canary")
        let tokens = TokenRefresh(initial: token) { _ in token }
        var dumped = ""
        dump(token, to: &dumped)
        dump(tokens, to: &dumped)
        dump(Authentication.bearer("canary"), to: &dumped)
        #expect(!"\(token) \(tokens) \(String(reflecting: token)) \([token]) \(dumped)".contains("canary"))
    }
}
