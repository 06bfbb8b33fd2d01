import ApusNet
import ApusRuntime
import ApusTesting
import ApusWire
import HTTPTypes
import Logging
import Testing

@testable import ApusHTTPClient

@Suite("A session's cookies")
struct CookieSessionTests {
    /// A jar that does not depend on the machine's list.
    private static func jar(_ list: String? = "com\ntest\nco.uk\n", secureOrigins: Set<Origin> = []) -> CookieJar {
        let suffixes = list.map { PublicSuffixes(PublicSuffixRules(Array($0.utf8))) } ?? .unknown
        return CookieJar(secureOrigins: secureOrigins, publicSuffixes: suffixes)
    }

    private static func configuration(_ jar: CookieJar? = nil) -> ClientSession.Configuration {
        var configuration = ClientSession.Configuration()
        configuration.cookieJar = jar ?? Self.jar()
        return configuration
    }

    /// An answer that sets cookies.
    private static func setting(_ fields: String..., location: String? = nil) -> MockResponse {
        var headers = HTTPFields()
        for field in fields { headers.append(HTTPField(name: .setCookie, value: field)) }
        if let location { headers[.location] = location }
        return .status(location == nil ? .ok : .found, headers: headers)
    }

    /// On virtual time, with answers in their order; gives back the Cookie field of each request.
    private func play(
        _ script: [MockResponse],
        _ configuration: ClientSession.Configuration = Self.configuration(),
        _ body: @escaping @Sendable (ClientSession) async throws -> Void
    ) async throws -> [String] {
        try await withVirtualTime {
            let mock = MockTransport(script)
            let left = try await leaks {
                let session = ClientSession.mocked(mock, configuration)
                try await body(session)
                await session.close()
            }
            #expect(left.isEmpty, "\(left)")
            #expect(mock.problems.isEmpty)
            return mock.requests.map { $0.headers[.cookie] ?? "-" }
        }
    }

    @Test("C80: what a server sets goes back to it, and to nobody else")
    func backAndForth() async throws {
        let sent = try await play([
            Self.setting("id=1; Path=/; Secure", "theme=\"a b\"; Path=/x", "bad\u{80}=é"), .text("ok"), .text("ok"),
            .text("ok"),
            .text("ok"),
        ]) { session in
            _ = try await session.get("https://www.example.com/")
            _ = try await session.get("https://www.example.com/x/y")
            _ = try await session.get("http://www.example.com/")
            _ = try await session.get("https://example.com/")
            _ = try await session.post("https://www.example.com:444/", body: .text("x"))
            #expect(session.cookieJar.count == 3)
        }
        #expect(sent == ["-", "theme=\"a b\"; id=1; bad\u{80}=é", "bad\u{80}=é", "-", "id=1; bad\u{80}=é"])
    }

    @Test("C87: bad cookies do not lose the good ones, in one field or many, whatever the status and the body")
    func tolerance() async throws {
        let fields = [
            "", "=", ";", "a=1", "x=" + String(repeating: "y", count: 4096), "b=2; Expires=never; Max-Age=soon",
            "c=3; Domain=other.test",
        ]
        var headers = HTTPFields()
        for field in fields { headers.append(HTTPField(name: .setCookie, value: field)) }
        let answer = MockResponse.pieces([[1], [2]], headers: headers)
        var failing = answer
        failing.status = .notFound
        for answer in [answer, failing] {
            let sent = try await play([answer, .text("ok")]) { session in
                let response = try await session.get("http://a.test/")
                #expect(response.cookies.map(\.name) == ["a", "b", "c"])
                #expect(response.cookies.map(\.value) == ["1", "2", "3"])
                #expect(
                    response.cookies.last?.domain == "other.test",
                    "what the server said, not what the jar made of it"
                )
                #expect(try await response.bytes() == [1, 2])
                #expect(try await session.get("http://a.test/").cookies.isEmpty)
            }
            #expect(sent == ["-", "a=1; b=2"])
        }
    }

    @Test("C87: a control character loses its cookie, and neither the others nor the response")
    func controlCharacters() async throws {
        let head =
            "HTTP/1.1 200 OK\r\nset-cookie: a=1\r\nSet-Cookie: b=2\u{1}; Path=/\r\n"
            + "Set-Cookie:c=3; Path=/\u{7F}\r\n"
        try await withScripts(
            [
                .expectRequest, .send(head + "Set-Cookie: d=4\r\nContent-Length: 2\r\n\r\nok"),
                .expectRequest, .send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"),
            ],
            [.expectRequest, .send("HTTP/1.1 200 OK\r\nSet-Cookie: a=1\0\r\nContent-Length: 0\r\n\r\n")],
            [.expectRequest, .send("HTTP/1.1 200 OK\r\nX-Other: a\u{1}\r\nContent-Length: 0\r\n\r\n")],
            configuration: Self.configuration()
        ) { session, peer in
            let response = try await session.get(someURL)
            #expect(response.cookies.map(\.name) == ["a", "d"])
            let values = response.headers[values: .setCookie]
            #expect(values.count == 4 && values.allSatisfy { $0.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F } })
            _ = try await response.text()
            try await expectOK(session)
            #expect(peer.written().contains("Cookie: a=1; d=4\r\n"))
            for _ in 0..<2 {
                let error = await clientError { try await session.get(someURL) }
                #expect(error?.code == .malformedResponse)
            }
        }
    }

    @Test("C80: cookies end with their time, on the loop's clock")
    func ends() async throws {
        let sent = try await play([
            Self.setting("short=1; Max-Age=60", "long=1; Max-Age=120", "kept=1"), .text(""), .text(""), .text(""),
            Self.setting("kept=; Max-Age=0"), .text(""),
        ]) { session in
            for seconds in [0, 59, 2, 60, 0, 0] {
                try await sleep(for: .seconds(seconds))
                _ = try await session.get("http://a.test/")
            }
            #expect(session.cookieJar.isEmpty)
        }
        #expect(sent == ["-", "short=1; long=1; kept=1", "long=1; kept=1", "kept=1", "kept=1", "-"])
    }

    @Test(
        "C20: a request's own cookies go beside the jar's, in the place of those of the same name, and are not stored"
    )
    func ownCookies() async throws {
        let sent = try await play([Self.setting("a=1", "b=2"), .text(""), .text("")]) { session in
            _ = try await session.get("http://a.test/")
            _ = try await session.get("http://a.test/", cookies: ["b": "own", "c": "\"3\""])
            _ = try await session.get("http://a.test/")
            #expect(session.cookieJar.map(\.name) == ["a", "b"])
        }
        #expect(sent == ["-", "a=1; b=own; c=\"3\"", "a=1; b=2"])
    }

    @Test("a Cookie field that a request or its session states is merged too")
    func statedFields() async throws {
        var configuration = Self.configuration()
        configuration.headers = [.cookie: "session=1; a=session"]
        configuration.baseURL = try URI("http://a.test/")
        let sent = try await play(
            [Self.setting("a=1; Path=/", "b=2; Path=/"), .text(""), .text(""), .text(""), .text(""), .text("")],
            configuration
        ) { session in
            _ = try await session.get("http://a.test/")
            _ = try await session.get("/x")
            _ = try await session.get("/x", headers: ["Cookie": "b=field; d=4"])
            _ = try await session.get(
                "/x",
                headers: ["Cookie": "b=field"],
                cookies: ["b": "own"]
            )
            _ = try await session.get("/x", options: RequestOptions(omittedHeaders: [.cookie]))
            _ = try await session.get("http://b.test/")
        }
        #expect(
            sent == [
                "session=1; a=session", "b=2; session=1; a=session", "a=1; b=field; d=4", "a=1; b=own", "-", "-",
            ]
        )
    }

    @Test("C20: redirects: the jar says anew for each hop; a request's own cookies stay with its origin, for good")
    func redirects() async throws {
        let jar = Self.jar()
        try jar.store("b=jar", from: "http://b.test/")
        try jar.store("deep=1; Path=/deep", from: "http://a.test/")
        let sent = try await play(
            [
                Self.setting("hop=1; Path=/", location: "/deep"),
                Self.setting("hop=2; Path=/", location: "http://b.test/"),
                Self.setting("b=new; Path=/", "a=foreign; Domain=a.test", location: "/again"),
                .redirect(to: "http://a.test/back"),
                .redirect(to: "http://a.test:81/"), .text("ok"),
            ],
            Self.configuration(jar)
        ) { session in
            let response = try await session.get(
                "http://a.test/",
                headers: ["Cookie": "field=1"],
                cookies: ["own": "1"]
            )
            #expect(response.history.count == 5)
        }
        #expect(
            sent == [
                "field=1; own=1", "deep=1; hop=1; field=1; own=1", "b=jar", "b=new", "hop=2",
                // Cookies know no ports.
                "hop=2",
            ]
        )
        #expect(
            Set(jar.map { "\($0.name)=\($0.value)@\($0.domain)" }) == ["b=new@b.test", "deep=1@a.test", "hop=2@a.test"]
        )
    }

    @Test("redirects: Secure cookies do not follow to http, and http cannot set them or stand in for them")
    func downgrade() async throws {
        let jar = Self.jar()
        var configuration = Self.configuration(jar)
        configuration.redirects = .follow(allowsInsecure: true)
        let sent = try await play(
            [
                Self.setting("s=1; Secure; Path=/", "__Host-h=1; Secure; Path=/", location: "http://a.test/"),
                Self.setting(
                    "s=evil; Path=/",
                    "t=1; Secure",
                    "__Host-h=evil; Path=/",
                    "p=1; Path=/",
                    location: "https://a.test/"
                ),
                .text("ok"),
            ],
            configuration
        ) { session in _ = try await session.get("https://a.test/") }
        #expect(sent == ["-", "-", "s=1; __Host-h=1; p=1"])
    }

    @Test("C86: sessions have a jar each, or share one; the disabled one keeps nothing")
    func jars() async throws {
        let shared = Self.jar()
        _ = try await play([Self.setting("a=1")], Self.configuration(shared)) { _ = try await $0.get("http://a.test/") }
        let again = try await play([.text("")], Self.configuration(shared)) { session in
            #expect(session.cookieJar === shared)
            _ = try await session.get("http://a.test/")
        }
        #expect(again == ["a=1"])
        let first = ClientSession()
        let second = ClientSession()
        #expect(first.cookieJar !== second.cookieJar)
        await first.close()
        await second.close()
        let disabled = try await play([Self.setting("a=1"), .text("")], Self.configuration(.disabled)) { session in
            let response = try await session.get("http://a.test/")
            #expect(response.cookies.map(\.name) == ["a"])
            _ = try await session.get("http://a.test/", cookies: ["own": "1"])
            #expect(try !session.cookieJar.store("b=1", from: "http://a.test/"))
            try session.cookieJar.set(["c": "1"], for: "http://a.test/")
            #expect(session.cookieJar.isEmpty)
        }
        #expect(disabled == ["-", "own=1"])
    }

    @Test("C88: siteForCookies says whose page the request is for, and SameSite counts then")
    func siteForCookies() async throws {
        let jar = Self.jar()
        let names = ["strict", "lax", "none"]
        for name in names {
            try jar.store("\(name)=1; SameSite=\(name); Secure; Domain=shop.test", from: "https://shop.test/")
        }
        let own = try URI("https://www.shop.test/page")
        let other = try URI("https://evil.test/")
        let insecure = try URI("http://shop.test/")
        let sent = try await play(
            Array(repeating: Self.setting("set=1"), count: 6) + [.text("")],
            Self.configuration(jar)
        ) { session in
            let url = "https://api.shop.test/"
            _ = try await session.get(url)
            session.cookieJar.removeAll { $0.name == "set" }
            for page in [own, other, insecure] {
                _ = try await session.get(url, options: RequestOptions(siteForCookies: page))
                session.cookieJar.removeAll { $0.name == "set" && page == own }
            }
            _ = try await session.get(url, options: RequestOptions(siteForCookies: other, isNavigation: true))
            session.cookieJar.removeAll { $0.name == "set" }
            _ = try await session.post(url, options: RequestOptions(siteForCookies: other, isNavigation: true))
            session.cookieJar.removeAll { $0.name == "set" }
            _ = try await session.get(url)
        }
        let all = "strict=1; lax=1; none=1"
        #expect(sent == [all, all, "none=1", "none=1", "lax=1; none=1", "none=1", all])
    }

    @Test("insecure origins that a jar trusts have Secure cookies")
    func secureOrigins() async throws {
        let jar = Self.jar(secureOrigins: [Origin(scheme: "http", host: "localhost", port: 8080)])
        let sent = try await play(
            [Self.setting("a=1; Secure; Path=/"), .text(""), .text("")],
            Self.configuration(jar)
        ) { session in
            for url in ["http://localhost:8080/", "http://localhost:8080/x", "http://localhost:8081/"] {
                _ = try await session.get(url)
            }
        }
        #expect(sent == ["-", "a=1", "-"])
    }

    @Test("C81: addresses have cookies")
    func addresses() async throws {
        let sent = try await play([
            Self.setting("a=1; Domain=127.0.0.1"), .text(""), Self.setting("b=1"), .text(""), .text(""),
        ]) { session in
            for url in [
                "http://127.0.0.1/", "http://127.0.0.1:81/", "http://[::1]/", "http://[::1]:81/", "http://127.0.0.2/",
            ] {
                _ = try await session.get(url)
            }
        }
        #expect(sent == ["-", "a=1", "-", "b=1", "-"])
    }

    @Test("cookie bombs: the request's line stays within 8 KiB, and a debug line says so")
    func bomb() async throws {
        let log = LogRecorder()
        var configuration = Self.configuration()
        configuration.logger = log.logger
        let value = String(repeating: "canary", count: 600)
        let sent = try await play(
            (0..<60).map { Self.setting("bomb\($0)=\(value)") } + [.text("")],
            configuration
        ) { session in
            for _ in 0...60 { _ = try await session.get("http://a.test/") }
            #expect(session.cookieJar.count == 50)
        }
        for field in sent { #expect("Cookie: \(field)\r\n".utf8.count <= 8 * 1024) }
        #expect(sent.last?.split(separator: ";").count == 2)
        let lines = log.texts(.debug)
        #expect(lines.contains { $0.contains("48 cookies found no room") })
        for line in log.everything { #expect(!line.contains("canary")) }
    }

    @Test("cookies that are not kept are told in a debug line, by name and reason, without the value")
    func refusals() async throws {
        let log = LogRecorder()
        var configuration = Self.configuration()
        configuration.logger = log.logger
        _ = try await play(
            [
                Self.setting(
                    "one=canary; Domain=com",
                    "two=canary; Secure",
                    "three=canary; Domain=other.test",
                    "__Host-x=canary"
                )
            ],
            configuration
        ) { _ = try await $0.get("http://a.com/?canary") }
        let lines = log.texts(.debug)
        #expect(lines.count == 4)
        for (line, words) in zip(
            lines,
            [["one", "public suffix"], ["two", "Secure"], ["three", "Domain"], ["__Host-x", "__Host-"]]
        ) {
            for word in words { #expect(line.contains(word), "\(line)") }
            #expect(!line.contains("canary"))
        }
    }

    @Test("C88: without a list, Domain cookies stay with their host, and that is logged once")
    func withoutList() async throws {
        let log = LogRecorder()
        var configuration = Self.configuration(Self.jar(nil))
        configuration.logger = log.logger
        let sent = try await play(
            [Self.setting("a=1; Domain=test"), Self.setting("b=1; Domain=a.test"), .text(""), .text("")],
            configuration
        ) { session in
            for url in ["http://www.a.test/", "http://www.a.test/", "http://www.a.test/", "http://a.test/"] {
                _ = try await session.get(url)
            }
        }
        #expect(sent == ["-", "a=1", "a=1; b=1", "-"])
        #expect(log.texts(.notice).count == 1)
        #expect(log.texts(.notice).first?.contains("libpsl") == true)
    }

    @Test("cookies that cannot be sent are an error that does not show them")
    func unsendable() async throws {
        _ = try await play([]) { session in
            for (name, value) in [("a", "canary\r\nX: y"), ("a", "canary; b=1"), ("canary=", "x"), (" a", "canary")] {
                let error = await clientError {
                    _ = try await session.get(
                        "http://a.test/",
                        cookies: RequestCookies([name: value])
                    )
                }
                #expect(error?.code == .invalidRequest)
                let text = "\(error?.description ?? "canary")"
                #expect(!text.contains("canary"))
                let again = await clientError { try session.cookieJar.set([name: value], for: "http://a.test/") }
                #expect(again?.code == .invalidRequest)
            }
            #expect(session.cookieJar.isEmpty)
        }
    }

    @Test("middlewares stand outside of cookies: what they send has them, what they answer sets none")
    func middleware() async throws {
        var configuration = Self.configuration()
        configuration.middleware = [
            MiddlewareFunction { request, next in
                #expect(request.headers[.cookie] == nil)
                if request.uri.path == "/made" {
                    return try ClientResponse(to: request, status: .ok, headers: [.setCookie: "made=1"])
                }
                _ = try await next(request).bytes()
                return try await next(request)
            }
        ]
        let sent = try await play([Self.setting("a=1"), Self.setting("a=2")], configuration) { session in
            let made = try await session.get("http://a.test/made")
            #expect(made.cookies.map(\.name) == ["made"])
            let response = try await session.get("http://a.test/")
            #expect(response.cookies.first?.value == "2")
        }
        #expect(sent == ["-", "a=1"])
    }

    @Test("a jar may be used from many threads")
    func threads() async throws {
        let jar = Self.jar()
        try await EventLoop.with {
            _ = try await gather(0..<8) { worker in
                try await offload {
                    for round in 0..<300 {
                        try jar.store(
                            "c\(round)=\(worker); Domain=h\(worker % 3).test",
                            from: "http://www.h\(worker % 3).test/"
                        )
                        _ = try jar.cookies(for: "http://www.h\(worker % 3).test/")
                        if round % 50 == 0 { jar.removeAll { $0.name == "c\(round)" } }
                        if round % 100 == 99 { _ = jar.map(\.name) }
                    }
                }
            }
        }
        #expect((100...150).contains(jar.count))
    }

    @Test("a jar, its cookies and what holds them show no value")
    func descriptions() async throws {
        let jar = Self.jar()
        try jar.store("id=canary", from: "http://a.test/")
        let options = RequestOptions(cookies: ["id": "canary"])
        for value in [
            jar, jar.cookies, options, RequestOptionsBox(options), RequestCookies(["x": "canary"]),
            Self.configuration(jar),
        ]
            as [Any]
        {
            var dumped = ""
            dump(value, to: &dumped)
            for text in ["\(value)", String(reflecting: value), dumped] {
                #expect(!text.contains("canary") && !text.contains("99, 97, 110"), "\(text)")
            }
        }
    }
}
