import ApusHTTPClient
import ApusNet
import ApusRuntime
import ApusTesting
import ApusWire
import HTTPTypes
import Logging
import Testing

@Suite("What a session's configuration says")
struct SessionSettingsTests {
    // MARK: Base URL

    static let references: [(reference: String, host: String, target: String)] = [
        ("users", "api.test", "/v2/users"),
        ("users?page=2", "api.test", "/v2/users?page=2"),
        ("/users", "api.test", "/users"),
        ("../v3/", "api.test", "/v3/"),
        ("", "api.test", "/v2/"),
        ("?q=1", "api.test", "/v2/?q=1"),
        ("users#top", "api.test", "/v2/users"),
        ("//other.test/x", "other.test", "/x"),
        ("http://other.test/x", "other.test", "/x"),
    ]

    @Test(
        "C2: relative URLs begin at the base URL, absolute ones ignore it, and the base's secrets are for its origin only",
        arguments: references
    )
    func base(reference: String, host: String, target: String) async throws {
        var configuration = ClientSession.Configuration()
        configuration.baseURL = try URI("http://api.test/v2/")
        configuration.headers = [.authorization: "Bearer canary"]
        try await withScripts([.expectRequest, .send(okResponse)], configuration: configuration) { session, peer in
            _ = try await session.get(reference).text()
            let written = peer.written()
            #expect(written.hasPrefix("GET \(target) HTTP/1.1\r\nHost: \(host)\r\n"), "\(written)")
            #expect(written.contains("canary") == (host == "api.test"))
        }
    }

    @Test("without a base URL a relative URL is an error, and so is a base URL that would lose its last part")
    func mistakes() async throws {
        try await withScripts { session, _ in
            let error = await clientError { try await session.get("users") }
            #expect(error?.code == .invalidURL)
        }
        for (text, code) in [
            ("http://api.test/v2", ClientError.Code.invalidURL), ("http://api.test/?q", .invalidURL),
            ("ftp://api.test/", .unsupportedScheme),
        ] {
            var configuration = ClientSession.Configuration()
            configuration.baseURL = try URI(text)
            try await withScripts(configuration: configuration, script: { _ in [] }) { session, peer in
                let error = await clientError { try await session.get("users") }
                #expect(error?.code == code, "\(text): \(error.map { "\($0)" } ?? "-")")
                #expect(peer.attempts == 0)
            }
        }
    }

    @Test(
        "fields about one message are no session's",
        arguments: [[.contentLength: "5"], [.transferEncoding: "chunked"], [.connection: "close"]] as [HTTPFields]
    )
    func fieldsOfOneMessage(_ fields: HTTPFields) async throws {
        var configuration = ClientSession.Configuration()
        configuration.headers = fields
        try await withScripts(configuration: configuration, script: { _ in [] }) { session, peer in
            let error = await clientError { try await session.get(someURL) }
            #expect(error?.code == .invalidRequest)
            #expect(peer.attempts == 0)
        }
    }

    // MARK: Secrets

    private static let sensitive: HTTPFields = {
        var field = HTTPField(name: .init("X-Api-Key") ?? .accept, value: "canary")
        field.indexingStrategy = .disallow
        var fields = HTTPFields()
        fields.append(field)
        return fields
    }()

    static let secrets: [HTTPFields] = [
        [.authorization: "canary"], [.cookie: "a=canary"], [.proxyAuthorization: "canary"], sensitive,
    ]

    @Test(
        "C21: secrets of a session without an origin are an error that names the header and not its value",
        arguments: secrets
    )
    func homeless(secret: HTTPFields) async throws {
        var configuration = ClientSession.Configuration()
        configuration.headers = secret
        try await withScripts(configuration: configuration, script: { _ in [] }) { session, peer in
            let error = await clientError { try await session.get(someURL) }
            #expect(error?.code == .invalidRequest)
            let name = secret.first?.name.rawName ?? "-"
            #expect(error?.message.contains(name) == true && error?.message.contains("canary") == false)
            #expect(peer.attempts == 0)
        }
    }

    @Test(
        "C21: secrets of a session go to the listed origins only, of which scheme, host and port count",
        arguments: secrets
    )
    func listed(secret: HTTPFields) async throws {
        var configuration = ClientSession.Configuration()
        configuration.headers = secret
        configuration.secretOrigins = [try URI("http://mine.test:8080/").origin]
        try await withScripts(
            configuration: configuration,
            script: { _ in [.expectRequest, .send(okResponse)] }
        ) { session, peer in
            for url in [
                "http://mine.test:8080/", "http://mine.test/", "http://other.test:8080/", "http://sub.mine.test:8080/",
            ] {
                _ = try await session.get(url).text()
            }
            let have = (0..<4).map { peer.written($0).contains("canary") }
            // A proxy's goes to no server at all.
            #expect(have == [secret[.proxyAuthorization] == nil, false, false, false])
        }
    }

    @Test(
        "C23: a redirect to an origin that the session has secrets for does not get them: the first origin was another"
    )
    func notLookedUpAgain() async throws {
        var configuration = ClientSession.Configuration()
        configuration.headers = [.authorization: "canary"]
        configuration.secretOrigins = [try URI("http://mine.test/").origin]
        try await withScripts(
            [.expectRequest, .send("HTTP/1.1 302 Found\r\nLocation: http://mine.test/\r\nContent-Length: 0\r\n\r\n")],
            [.expectRequest, .send(okResponse)],
            configuration: configuration
        ) { session, peer in
            _ = try await session.get("http://evil.test/").text()
            #expect(!peer.written(0).contains("canary") && !peer.written(1).contains("canary"))
            #expect(peer.written(1).contains("Host: mine.test"))
        }
    }

    // MARK: Wear

    @Test("C61: a connection carries maximumUses requests")
    func uses() async throws {
        var configuration = ClientSession.Configuration()
        configuration.pool.maximumUses = 2
        try await withScripts(
            configuration: configuration,
            script: { _ in (0..<9).flatMap { _ in [.expectRequest, .send(okResponse)] } }
        ) { session, peer in
            for _ in 0..<5 { try await expectOK(session) }
            #expect(peer.opened == 3)
            #expect(await session.statistics.pool.retirements == 2)
        }
    }

    @Test("a connection is closed at maximumAge, used or not, and by then an idle one too")
    func age() async throws {
        var configuration = ClientSession.Configuration()
        configuration.pool.maximumAge = .seconds(10)
        configuration.pool.idleTimeout = .seconds(60)
        try await withScripts(
            configuration: configuration,
            script: { _ in (0..<9).flatMap { _ in [.expectRequest, .send(okResponse)] } }
        ) { session, peer in
            for _ in 0..<3 {
                try await expectOK(session)
                try await sleep(for: .seconds(4))
            }
            #expect(peer.opened == 1)
            try await expectOK(session)
            #expect(peer.opened == 2)
            #expect(peer.end(0) == .closed)
            try await sleep(for: .seconds(11))
            #expect(peer.end(1) == .closed)
            #expect(await session.statistics.pool.retirements == 2)
        }
    }

    // MARK: Warm connections

    @Test("warm opens what is missing, and requests find it")
    func warm() async throws {
        var configuration = ClientSession.Configuration()
        configuration.pool.limit = 3
        try await withScripts(
            configuration: configuration,
            script: { _ in [.wait(.seconds(1)), .expectRequest, .send(okResponse), .expectRequest, .send(okResponse)] }
        ) { session, peer in
            let two = try await session.warm(someURL, connections: 2)
            #expect(two == 2 && peer.opened == 2)
            let start = EventLoop.current?.clock.now
            try await expectOK(session)
            #expect(EventLoop.current?.clock.now == start, "the request did not connect")
            let all = try await session.warm(someURL, connections: 10)
            #expect(all == 3, "the limit")
            let numbers = await session.hostStatistics
            let host = try URI(someURL).origin
            #expect(numbers[host]?.requests == 1 && numbers[host]?.reuses == 1 && numbers[host]?.pool.idle == 3)
        }
    }

    @Test(
        "warm tells of what could not be opened, in a cancelled task leaves nothing, and on a closed session is an error"
    )
    func warmFails() async throws {
        try await withScripts([.refuse]) { session, _ in
            let error = await clientError { try await session.warm(someURL, connections: 2) }
            #expect(error?.code == .connectionRefused)
        }
        try await withScripts([.neverConnect], [.neverConnect]) { session, peer in
            let task = EventLoop.spawn { try await session.warm(someURL, connections: 2) }
            await until { peer.attempts == 2 }
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            #expect(await session.statistics.open == 0)
        }
        try await withScripts([.neverConnect]) { session, peer in
            let task = EventLoop.spawn { try await session.warm(someURL) }
            await until { peer.attempts == 1 }
            await session.close()
            let error = await clientError { try await task.value }
            #expect(error?.code == .sessionClosed)
        }
    }

    // MARK: Addresses

    @Test("the address filter is asked before every connect, of a redirect too, after the name was looked up")
    func filter() async throws {
        try await withTestLoop {
            let inner = try await FaultyServer.start { _ in [.expectRequest, .send(okResponse)] }
            let target = "\(inner.url)/".replacing("127.0.0.1", with: "inside.test")
            let outer = try await FaultyServer.start { _ in
                [.expectRequest, .send("HTTP/1.1 302 Found\r\nLocation: \(target)\r\nContent-Length: 0\r\n\r\n")]
            }
            let port = try URI("\(outer.url)/").effectivePort
            var configuration = ClientSession.Configuration()
            configuration.resolver = StaticResolver(["inside.test": ["127.0.0.1"]], fallback: SystemResolver.shared)
            configuration.addressFilter = AddressFilter { _, address in
                if address.port != port { throw Refused() }
            }
            try await ClientSession.with(configuration) { session in
                let error = await clientError { try await session.get("\(outer.url)/") }
                #expect(error?.code == .addressRefused)
                let text = error.map { "\($0)" } ?? ""
                #expect(
                    text.contains("inside.test") && text.contains("127.0.0.1") && text.contains("the rule"),
                    "\(text)"
                )
                let numbers = await session.statistics
                #expect(numbers.open == numbers.idle)
            }
            configuration.addressFilter = .publicOnly
            try await ClientSession.with(configuration) { session in
                for url in [outer.url, target, "http://[::1]:\(port ?? 0)", "http://localhost:\(port ?? 0)/"] {
                    let error = await clientError { try await session.get(url) }
                    #expect(error?.code == .addressRefused, "\(url)")
                }
            }
            await inner.stop()
            await outer.stop()
        }
    }

    private struct Refused: Error, CustomStringConvertible {
        let description = "the rule"
    }

    // MARK: One request

    @Test("C6: a request without a session leaves nothing, whether its body is read or dropped")
    func oneShot() async throws {
        try await withTestLoop {
            let left = try await leaks {
                let server = try await FaultyServer.start { number in
                    let long =
                        "HTTP/1.1 200 OK\r\nContent-Length: 400000\r\n\r\n" + String(repeating: "x", count: 400_000)
                    return [.expectRequest, .send(number == 0 ? okResponse : long), .stall]
                }
                let text = try await fetch("\(server.url)/", params: ["a": "b"]).text()
                #expect(text == "ok")
                let count = try await fetch("\(server.url)/", method: .post, body: .text("x")).bytes().count
                #expect(count == 400_000)
                let unread = try await fetch("\(server.url)/")
                #expect(unread.status == .ok)
                await server.stop()
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    // MARK: Dropping

    @Test("C3: in debug mode a session that is dropped unclosed is named with the place where it was made, once")
    func unclosed() async throws {
        var options = EventLoop.Options()
        options.debug = true
        let log = LogRecorder()
        try await withTestLoop(options) {
            let server = try await FaultyServer.start { _ in [.expectRequest, .send(okResponse)] }
            var configuration = ClientSession.Configuration()
            configuration.logger = log.logger
            let line: UInt = #line + 1
            _ = try await ClientSession(configuration).get("\(server.url)/").text()
            await until { !log.texts(.warning).isEmpty }
            let warnings = log.texts(.warning)
            #expect(warnings.count == 1)
            #expect(warnings.first?.contains("SessionSettingsTests.swift:\(line)") == true, "\(warnings)")
            // Neither a closed one, nor one without a request, nor one for one request.
            try await ClientSession.with(configuration) { _ = try await $0.get("\(server.url)/").text() }
            _ = ClientSession(configuration)
            _ = try await fetch("\(server.url)/").text()
            await server.stop()
            await turn()
            #expect(log.texts(.warning).count == 1)
        }
    }
}
