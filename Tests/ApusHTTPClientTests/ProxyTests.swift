import ApusHTTPClient
import ApusNet
import ApusRuntime
import ApusTesting
import ApusWire
import Foundation
import HTTPTypes
import Testing

/// C29: requests that a proxy passes on, and who is told which secret. On virtual time, with scripts.
@Suite struct ProxyTests {
    private static let answers: [ScriptStep] = (0..<4).flatMap { _ in [ScriptStep.expectRequest, .send(okResponse)] }
    /// `user:pass word`.
    private static let basic = "Proxy-Authorization: Basic dXNlcjpwYXNzIHdvcmQ="
    private static let proxy = "http://user:pass%20word@proxy.test:3128"

    @Test func `C29: http goes to the proxy with its full URL and the credentials, over one kept connection`()
        async throws
    {
        try await withDialled(Self.proxy, Self.answers) { session, peer, dialled in
            for _ in 0..<2 {
                let text = try await session.get("http://u:p@Server.test/path?q=1#f").text()
                #expect(text == "ok")
            }
            #expect(dialled.targets == ["proxy.test:3128"])
            let lines = peer.written().components(separatedBy: "\r\n")
            #expect(lines[0] == "GET http://server.test/path?q=1 HTTP/1.1" && lines[1] == "Host: server.test")
            #expect(lines.filter { $0 == Self.basic }.count == 2)
        }
    }

    @Test func `without a user name there is no field, and without a scheme it is http`() async throws {
        try await withDialled("proxy.test", Self.answers) { session, peer, dialled in
            _ = try await session.post("http://server.test:8080/", body: .text("body")).text()
            #expect(dialled.targets == ["proxy.test:80"])
            #expect(peer.written().hasPrefix("POST http://server.test:8080/ HTTP/1.1\r\nHost: server.test:8080\r\n"))
            #expect(!peer.written().contains("Proxy-Authorization"))
        }
    }

    @Test func `C29: a request's own proxy, or none, stands before the session's`() async throws {
        try await withDialled("http://one.test:1", script: { _ in Self.answers }) { session, peer, dialled in
            _ = try await session.get("http://server.test/").text()
            let two = RequestOptions(proxy: try Proxy("http://two.test:2"))
            _ = try await session.get("http://server.test/", options: two).text()
            _ = try await session.get("http://server.test/", options: RequestOptions(proxy: .direct)).text()
            for options in [nil, two, RequestOptions(proxy: .direct)] as [RequestOptions?] {
                _ = try await session.get("http://server.test/", options: options).text()
            }
            #expect(dialled.targets == ["one.test:1", "two.test:2", "server.test:80"])
            #expect(peer.written(2).hasPrefix("GET / HTTP/1.1\r\n"))
            let counted = await session.hostStatistics
            #expect(counted.count == 1 && counted.values.first?.requests == 6)
            #expect(counted.values.first?.pool.open == 3)
        }
    }

    @Test func `C29: other credentials are another connection`() async throws {
        try await withDialled("http://a:1@proxy.test:3128", script: { _ in Self.answers }) { session, peer, dialled in
            for user in ["a:1", "a:2", "b:1", "a:1"] {
                let options = RequestOptions(proxy: try Proxy("http://\(user)@proxy.test:3128"))
                _ = try await session.get("http://server.test/", options: options).text()
            }
            _ = try await session.get("http://server.test/").text()
            #expect(dialled.targets.count == 3)
        }
    }

    @Test func `C29: a redirect elsewhere leaves the server's secrets behind, and keeps the proxy's`() async throws {
        let moved = "HTTP/1.1 302 Found\r\nLocation: http://other.test/b\r\nContent-Length: 0\r\n\r\n"
        try await withDialled(Self.proxy, [.expectRequest, .send(moved)], Self.answers) { session, peer, _ in
            let headers = ["Authorization": "Bearer canary", "Cookie": "canary"]
            _ = try await session.get("http://server.test/a", headers: headers).text()
            #expect(peer.written(0).contains("canary") && peer.written(0).contains(Self.basic))
            #expect(peer.written(1).hasPrefix("GET http://other.test/b HTTP/1.1\r\n"))
            #expect(!peer.written(1).contains("canary") && peer.written(1).contains(Self.basic))
        }
    }

    @Test func `C29: a Proxy-Authorization among the headers goes to no server`() async throws {
        var configuration = ClientSession.Configuration()
        configuration.headers = [.proxyAuthorization: "canary"]
        configuration.baseURL = try URI("http://server.test/")
        try await withDialled(configuration: configuration, Self.answers) { session, peer, _ in
            _ = try await session.get("a").text()
            _ = try await session.get("a", headers: ["Proxy-Authorization": "canary", "X-A": "1"]).text()
            #expect(!peer.written().contains("canary") && !peer.written().contains("Proxy-"))
            #expect(peer.written().contains("X-A: 1"))
        }
    }

    @Test func `headers of the proxy's own go along, and may replace the credentials`() async throws {
        var proxy = try Proxy(Self.proxy)
        proxy.headers = [.proxyAuthorization: "Bearer token", .init("X-Proxy")!: "yes"]
        var configuration = ClientSession.Configuration()
        configuration.proxy = proxy
        try await withDialled(configuration: configuration, Self.answers) { session, peer, _ in
            _ = try await session.get(someURL, headers: ["X-Proxy": "own"]).text()
            _ = try await session.get(someURL).text()
            let fields = peer.written().components(separatedBy: "\r\n").filter { $0.contains("roxy") }
            #expect(
                fields.sorted() == [
                    "Proxy-Authorization: Bearer token", "Proxy-Authorization: Bearer token", "X-Proxy: own",
                    "X-Proxy: yes",
                ]
            )
        }
    }

    @Test func `C29: 407 is the proxy's, with its own error; other statuses are responses`() async throws {
        let wanted = "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"canary\"\r\nContent-Length: 4\r\n\r\nbody"
        let script: [ScriptStep] = [
            .expectRequest, .send(wanted), .expectRequest, .send(wanted), .expectRequest,
            .send("HTTP/1.1 502 Bad\r\nContent-Length: 0\r\n\r\n"),
        ]
        try await withDialled("http://proxy.test", script) { session, peer, _ in
            for _ in 0..<2 {
                let error = await clientError { try await session.get(someURL) }
                #expect(error?.code == .proxyAuthenticationRequired && error?.status?.code == 407)
                #expect(error?.bodyPrefix == Array("body".utf8))
                let message = error?.message ?? "no error"
                let (isNamed, isShown) = (message.contains("as Basic"), message.contains("canary"))
                #expect(isNamed && !isShown, "\(message)")
            }
            let response = try await session.get(someURL)
            #expect(response.status.code == 502)
        }
        try await withDialled(Self.proxy, [.expectRequest, .send(wanted)]) { session, peer, _ in
            let error = await clientError { try await session.get(someURL) }
            #expect(error?.code == .proxyAuthenticationRequired)
            #expect("\(error!)".contains("does not accept the credentials"))
            #expect(peer.written().components(separatedBy: "GET ").count == 2, "it was asked twice")
        }
    }

    @Test func `407 from a server without a proxy is a response like any other`() async throws {
        let answer = "HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n"
        try await withDialled(nil, [.expectRequest, .send(answer)]) { session, _, _ in
            let status = try await session.get(someURL).status.code
            #expect(status == 407)
        }
    }

    @Test func `a proxy that cannot be reached is an error of its own, and is not passed by`() async throws {
        try await withDialled(Self.proxy, [.refuse]) { session, peer, dialled in
            for scheme in ["http", "https"] {
                let error = await clientError { try await session.get("\(scheme)://server.test/") }
                #expect(error?.code == .proxyFailed)
                #expect((error?.cause as? NetError)?.code == .connectionRefused)
                #expect("\(error!)".contains("http://proxy.test:3128") && !"\(error!)".contains("pass"))
            }
            #expect(dialled.targets == ["proxy.test:3128", "proxy.test:3128"])
        }
    }

    static let bad: [String] = [
        "", "://", "ftp://proxy.test", "socks4://proxy.test", "http://", "http://proxy.test/path",
        "http://proxy.test?x",
        "http://proxy.test:99999", "http://:secret@proxy.test", "http://us%3Aer:secret@proxy.test",
        "http://us%0Aer@proxy.test",
        "direct://proxy.test", "http://pro xy.test", "http://user:secret@[::1", "socks5://a:secret@b:1/c",
    ]

    @Test(arguments: bad)
    func `what names no proxy is refused, without its password`(url: String) throws {
        let error = #expect(throws: ClientError.self) { try Proxy(url) }
        #expect(error?.code == .invalidURL)
        #expect(!"\(error!)".contains("secret"))
    }

    @Test func `proxies are told by what they are, and printed without their credentials`() throws {
        let ports = try ["a", "http://a", "https://a", "socks5://a", "socks5h://a", "SOCKS5H://A:9"].map {
            try Proxy($0).port
        }
        #expect(ports == [80, 80, 443, 1080, 1080, 9])
        let proxy = try Proxy("socks5://us%40er:canary@[2001:DB8::1]:9")
        #expect(proxy.username == "us@er" && proxy.password == "canary" && proxy.host == "2001:db8::1")
        var dumped = ""
        dump(RequestOptions(proxy: proxy), to: &dumped)
        for text in ["\(proxy)", String(reflecting: proxy), dumped] {
            #expect(text.contains("socks5://[2001:db8::1]:9") && !text.contains("canary") && !text.contains("us@er"))
        }
        #expect("\(Proxy.direct)" == "direct")
        #expect(try Proxy("http://a:b@c") != Proxy("http://a:d@c"))
    }
}
