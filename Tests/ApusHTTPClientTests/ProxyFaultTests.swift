import ApusHTTPClient
import ApusNet
import ApusRuntime
import ApusTesting
import ApusWire
import HTTPTypes
import Testing

/// C29: proxies that refuse, lie, stall and close. On virtual time; whatever happens, nothing is left.
@Suite struct ProxyFaultTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var steps: [ScriptStep]
        var code: ClientError.Code
        var status: Int?
        var words: String

        var testDescription: String { name }

        init(_ name: String, _ steps: [ScriptStep], _ code: ClientError.Code, _ status: Int? = nil, _ words: String) {
            self.name = name
            self.steps = steps
            self.code = code
            self.status = status
            self.words = words
        }
    }

    private static func answer(_ text: String) -> [ScriptStep] { [.expectHead, .send(text)] }

    static let connects: [Case] = [
        Case("403", answer("HTTP/1.1 403 canary\r\nContent-Length: 6\r\n\r\ncanary"), .proxyRefused, 403, "status 403"),
        Case(
            "502 with a page",
            answer("HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\n\r\n<html>canary"),
            .proxyRefused,
            502,
            "status 502"
        ),
        Case(
            "503 in chunks",
            answer("HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n6\r\ncanary\r\n0\r\n\r\n"),
            .proxyRefused,
            503,
            "status 503"
        ),
        Case(
            "a redirect",
            answer("HTTP/1.1 302 Found\r\nLocation: http://evil.test/canary\r\n\r\n"),
            .proxyRefused,
            302,
            "status 302"
        ),
        Case("304", answer("HTTP/1.1 304 Not Modified\r\n\r\n"), .proxyRefused, 304, "status 304"),
        Case(
            "407",
            answer("HTTP/1.1 407 No\r\nProxy-Authenticate: Digest realm=\"canary\"\r\nContent-Length: 0\r\n\r\n"),
            .proxyAuthenticationRequired,
            407,
            "wants credentials (status 407), as Digest, and a user name and password can be sent to it as Basic only"
        ),
        Case(
            "407 for both",
            answer("HTTP/1.1 407 No\r\nProxy-Authenticate: Digest nonce=\"canary\", Basic realm=\"canary\"\r\n\r\n"),
            .proxyAuthenticationRequired,
            407,
            "does not accept the credentials"
        ),
        Case(
            "407, and again",
            answer("HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")
                + answer("HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n"),
            .proxyAuthenticationRequired,
            407,
            "does not accept"
        ),
        Case(
            "a page without a head",
            answer("<html>a page</html>\r\n\r\n"),
            .proxyMalformed,
            nil,
            "not acceptable HTTP"
        ),
        Case("SOCKS", answer("\u{5}\u{0}\r\n\r\n"), .proxyMalformed, nil, "not acceptable HTTP"),
        Case(
            "101",
            answer("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
            .proxyMalformed,
            nil,
            "not acceptable HTTP"
        ),
        Case(
            "100 without end",
            [.expectHead] + Array(repeating: .send("HTTP/1.1 100 Continue\r\n\r\n"), count: 200),
            .proxyMalformed,
            nil,
            "interim"
        ),
        Case(
            "a head without end",
            [.expectHead]
                + Array(repeating: .send("HTTP/1.1 200 OK\r\n" + String(repeating: "A: b\r\n", count: 500)), count: 200),
            .proxyMalformed,
            nil,
            "not acceptable HTTP"
        ),
        Case(
            "bytes behind the answer",
            answer("HTTP/1.1 200 OK\r\n\r\n\u{16}canary"),
            .proxyMalformed,
            nil,
            "7 bytes behind"
        ),
        Case(
            "an early answer, and bytes",
            [.send("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n")],
            .proxyMalformed,
            nil,
            "behind"
        ),
        Case("closed at once", [.finish], .proxyFailed, nil, "without answering"),
        Case("closed after the question", [.expectHead, .finish], .proxyFailed, nil, "without answering"),
        Case("closed in the head", answer("HTTP/1.1 200 O") + [.finish], .proxyFailed, nil, "without answering"),
        Case("broken off", [.expectHead, .reset], .proxyFailed, nil, "broke"),
        Case("refused", [.refuse], .proxyFailed, nil, "cannot be reached"),
        Case("never connects", [.neverConnect], .connectTimeout, nil, "through the proxy http://proxy.test:3128"),
        Case("takes nothing", [.take(0), .stall], .connectTimeout, nil, "through the proxy"),
        Case("says nothing", [.expectHead, .stall], .connectTimeout, nil, "through the proxy"),
        Case(
            "drips",
            [.expectHead, .send(String(repeating: "HTTP/1.1 200 ", count: 60), pieces: 1, every: .seconds(1))],
            .connectTimeout,
            nil,
            "through the proxy"
        ),
        Case(
            "a tunnel to nothing",
            answer("HTTP/1.1 200 OK\r\n\r\n") + [.expect(count: 5), .stall],
            .connectTimeout,
            nil,
            "through the proxy"
        ),
        Case(
            "a tunnel that closes",
            answer("HTTP/1.1 200 OK\r\n\r\n") + [.expect(count: 5), .finish],
            .tlsFailed,
            nil,
            "closed the connection during the TLS handshake"
        ),
        Case(
            "a tunnel to no TLS",
            answer("HTTP/1.1 200 OK\r\n\r\n") + [.expect(count: 5), .send("HTTP/1.1 400 Bad Request\r\n\r\n")],
            .tlsFailed,
            nil,
            "TLS"
        ),
    ]

    #if TLS
    @Test(arguments: connects)
    func `C29: CONNECT`(_ fault: Case) async throws {
        try await Self.check(fault, "http://user:canary@proxy.test:3128", "https://server.test/canary?canary")
    }

    @Test func `C29: the answer to CONNECT may come in any pieces, after 1xx, with fields that mean nothing`()
        async throws
    {
        let answer =
            "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.0 200 Connection established\r\nContent-Length: 7\r\n"
            + "Connection: close\r\n\r\n"
        for pieces in 1...answer.utf8.count {
            try await withDialled(
                "http://proxy.test:3128",
                [.expectHead, .send(answer, pieces: pieces), .expect(count: 5), .send("no TLS at all")]
            ) { session, peer, _ in
                let error = await clientError { try await session.get("https://server.test/") }
                // The handshake has begun: the tunnel was taken for one.
                #expect(error?.code == .tlsFailed)
                #expect((error?.cause as? TLSError)?.code == .notTLS, "\(error!)")
                #expect(peer.written().hasPrefix("CONNECT server.test:443 HTTP/1.1\r\nHost: server.test:443\r\n\r\n"))
            }
        }
    }

    @Test func `C29: an https proxy that speaks plain http is told to be that`() async throws {
        let steps: [ScriptStep] = [.expect(count: 5), .send("HTTP/1.1 400 Bad Request\r\n\r\n")]
        try await withDialled("https://proxy.test", steps) { session, peer, dialled in
            let error = await clientError { try await session.get("http://server.test/") }
            #expect(error?.code == .proxyFailed && (error?.cause as? TLSError)?.code == .notTLS)
            #expect(dialled.targets == ["proxy.test:443"])
        }
    }
    #endif

    static let socks: [Case] = [
        Case(
            "no method",
            [.expect(count: 4), .send([5, 0xFF])],
            .proxyAuthenticationRequired,
            nil,
            "accepts neither"
        ),
        Case(
            "a wrong password",
            [.expect(count: 4), .send([5, 2]), .expect(count: 14), .send([1, 1])],
            .proxyAuthenticationRequired,
            nil,
            "refused the user name"
        ),
        Case(
            "not allowed",
            [.expect(count: 4), .send([5, 0]), .expect(count: 18), .send([5, 2, 0, 1, 0, 0, 0, 0, 0, 0])],
            .proxyRefused,
            nil,
            "reply 2"
        ),
        Case(
            "host unreachable, cut off",
            [.expect(count: 4), .send([5, 0]), .expect(count: 18), .send([5, 4]), .finish],
            .proxyRefused,
            nil,
            "reply 4"
        ),
        Case(
            "an HTTP proxy",
            [.expect(count: 4), .send("HTTP/1.1 400 Bad Request\r\n\r\ncanary")],
            .proxyMalformed,
            nil,
            "HTTP proxy"
        ),
        Case("a page", [.expect(count: 4), .send("<html>canary")], .proxyMalformed, nil, "no SOCKS 5 proxy"),
        Case(
            "bytes behind the answer",
            [.expect(count: 4), .send([5, 0]), .expect(count: 18), .send([5, 0, 0, 1, 0, 0, 0, 0, 0, 0, 7])],
            .proxyMalformed,
            nil,
            "1 bytes behind"
        ),
        Case("closed at once", [.finish], .proxyFailed, nil, "closed the connection at the beginning"),
        Case(
            "closed at the password",
            [.expect(count: 4), .send([5, 2]), .expect(count: 14), .finish],
            .proxyFailed,
            nil,
            "user name and password"
        ),
        Case(
            "closed before the reply",
            [.expect(count: 4), .send([5, 0]), .expect(count: 18), .send([5, 0, 0]), .finish],
            .proxyFailed,
            nil,
            "before it said"
        ),
        Case("broken off", [.expect(count: 4), .reset], .proxyFailed, nil, "broke"),
        Case("refused", [.refuse], .proxyFailed, nil, "cannot be reached"),
        Case(
            "says nothing",
            [.expect(count: 4), .stall],
            .connectTimeout,
            nil,
            "through the proxy socks5h://proxy.test:1080"
        ),
        Case(
            "stops in the reply",
            [.expect(count: 4), .send([5, 0]), .expect(count: 18), .send([5]), .stall],
            .connectTimeout,
            nil,
            "through the proxy"
        ),
    ]

    @Test(arguments: socks)
    func `C29: SOCKS`(_ fault: Case) async throws {
        // The request has 18 bytes: 5 + 11 + 2.
        try await Self.check(fault, "socks5h://user:canary8@proxy.test", "http://server.test/canary")
    }

    private static func check(_ fault: Case, _ proxy: String, _ url: String) async throws {
        try await withDialled(proxy, script: { _ in fault.steps }) { session, peer, dialled in
            let error = try #require(await clientError { try await session.get(url, timeouts: .total(.seconds(100))) })
            #expect(error.code == fault.code, "\(error)")
            #expect(error.status?.code == fault.status)
            #expect("\(error)".contains(fault.words), "\(error)")
            #expect(peer.attempts == 1, "it was tried again")
            var dumped = ""
            dump(error.cause as Any, to: &dumped)
            for text in ["\(error.message)", "\(error.cause as Any)", dumped] where text.contains("canary") {
                Issue.record("a secret: \(text)")
            }
            #expect(error.isTimeout == (fault.code == .connectTimeout))
        }
    }

    @Test(arguments: [1, 2, 3, 7, 1000])
    func `C29: a SOCKS conversation in any pieces, and then http as if there were no proxy`(pieces: Int) async throws {
        let steps: [ScriptStep] = [
            .expect([5, 2, 0, 2]), .send([5, 2], pieces: pieces),
            .expect([1, 4] + Array("user".utf8) + [2] + Array("pw".utf8)), .send([1, 0], pieces: pieces),
            .expect([5, 1, 0, 3, 11] + Array("server.test".utf8) + [0, 80]),
            .send([5, 0, 0, 3, 2, 65, 66, 1, 1], pieces: pieces), .expectRequest, .send(okResponse),
            .expectRequest, .send(okResponse),
        ]
        try await withDialled("socks5h://user:pw@proxy.test", steps) { session, peer, dialled in
            for _ in 0..<2 {
                let text = try await session.get("http://server.test/x").text()
                #expect(text == "ok")
            }
            #expect(dialled.targets == ["proxy.test:1080"])
            #expect(peer.written().contains("GET /x HTTP/1.1\r\nHost: server.test\r\n"))
            #expect(!peer.written().contains("Proxy-"))
        }
    }

    @Test func `C29: socks5 looks names up here, and tries the next address if the proxy cannot reach one`()
        async throws
    {
        var configuration = ClientSession.Configuration()
        configuration.resolver = StaticResolver(["server.test": ["192.0.2.1", "192.0.2.2", "2001:db8::1"]])
        func script(_ address: [UInt8], _ reply: UInt8) -> [ScriptStep] {
            [
                .expect([5, 1, 0]), .send([5, 0]), .expect([5, 1, 0] + address + [0, 80]),
                .send([5, reply, 0, 1, 0, 0, 0, 0, 0, 0]), .expectRequest, .send(okResponse),
            ]
        }
        let v6: [UInt8] = [0x20, 0x01, 0x0D, 0xB8] + [UInt8](repeating: 0, count: 11) + [1]
        try await withDialled(
            "socks5://proxy.test",
            configuration: configuration,
            script([1, 192, 0, 2, 1], 4),
            script([4] + v6, 8),
            script([1, 192, 0, 2, 2], 0)
        ) { session, peer, _ in
            let text = try await session.get("http://server.test/").text()
            #expect(text == "ok" && peer.attempts == 3)
            // What the proxy does not allow is not tried elsewhere, and is refused when nothing is left.
            let error = await clientError { try await session.get("http://unknown.test/") }
            #expect(error?.code == .unknownHost)
        }
        try await withDialled("socks5://proxy.test", configuration: configuration, script([1, 192, 0, 2, 1], 2)) {
            session,
            peer,
            _ in
            let error = await clientError { try await session.get("http://server.test/") }
            #expect(error?.code == .proxyRefused && peer.attempts == 1)
            #expect((error?.cause as? SOCKS5Error)?.reply == 2)
        }
    }

    @Test func `C29: figures are asked for as figures, whoever looks names up`() async throws {
        for scheme in ["socks5", "socks5h"] {
            let steps: [ScriptStep] = [
                .expect([5, 1, 0]), .send([5, 0]), .expect([5, 1, 0, 1, 192, 0, 2, 9, 0x1F, 0x90]),
                .send([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]), .expectRequest, .send(okResponse),
            ]
            try await withDialled("\(scheme)://proxy.test", steps) { session, _, _ in
                let text = try await session.get("http://192.0.2.9:8080/").text()
                #expect(text == "ok")
            }
        }
    }

    static let stages: [(name: String, proxy: String, url: String, steps: [ScriptStep])] = [
        ("connecting", "http://p.test", "http://s.test/", [.neverConnect]),
        ("CONNECT", "http://p.test", "https://s.test/", [.expectHead, .stall]),
        ("CONNECT without room", "http://p.test", "https://s.test/", [.take(3), .stall]),
        ("TLS with the proxy", "https://p.test", "https://s.test/", [.stall]),
        (
            "TLS through it", "http://p.test", "https://s.test/",
            [.expectHead, .send("HTTP/1.1 200 OK\r\n\r\n"), .stall]
        ),
        ("SOCKS", "socks5h://p.test", "http://s.test/", [.expect(count: 3), .send([5, 0]), .stall]),
    ]

    @Test(arguments: stages)
    func `C29: whoever is cancelled, or meets a deadline, while a proxy is passed leaves nothing`(
        stage: (name: String, proxy: String, url: String, steps: [ScriptStep])
    ) async throws {
        try await withDialled(stage.proxy, script: { _ in stage.steps }) { session, peer, _ in
            let task = EventLoop.spawn { try await session.get(stage.url) }
            try await sleep(for: .seconds(1))
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            let error = await clientError { try await session.get(stage.url) }
            #expect(error?.code == .connectTimeout, "\(stage.name)")
            let closing = EventLoop.spawn { try await session.get(stage.url) }
            try await sleep(for: .seconds(1))
            await session.close()
            let closed = await clientError { try await closing.value }
            #expect(closed?.code == .sessionClosed, "\(stage.name)")
        }
    }
}
