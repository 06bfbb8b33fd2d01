import ApusHTTPClient
import ApusRuntime
import ApusTesting
import ApusWire
import HTTPTypes
import Testing

@Suite("Redirects")
struct RedirectTests {
    private static func redirect(_ status: Int, to location: String) -> String {
        "HTTP/1.1 \(status) Moved\r\nLocation: \(location)\r\nContent-Length: 0\r\n\r\n"
    }

    struct Rule: Sendable, CustomTestStringConvertible {
        var status: Int
        var method: HTTPRequest.Method
        var becomes: HTTPRequest.Method
        var testDescription: String { "\(status) \(method) → \(becomes)" }
    }

    static let rules: [Rule] = {
        var rules: [Rule] = []
        for method in [HTTPRequest.Method.get, .post, .put, .patch, .delete] {
            for status in [301, 302] {
                rules.append(Rule(status: status, method: method, becomes: method == .post ? .get : method))
            }
            rules.append(Rule(status: 303, method: method, becomes: .get))
            for status in [307, 308] { rules.append(Rule(status: status, method: method, becomes: method)) }
        }
        for status in [301, 302, 303, 307, 308] { rules.append(Rule(status: status, method: .head, becomes: .head)) }
        return rules
    }()

    @Test("the next request has the method and body that the status calls for", arguments: rules)
    func methods(_ rule: Rule) async throws {
        let final = rule.becomes == .head ? "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" : okResponse
        try await withScripts(
            [.expectRequest, .send(Self.redirect(rule.status, to: "/next")), .expectRequest, .send(final)]
        ) { session, peer in
            let hasBody = [.post, .put, .patch].contains(rule.method)
            let response = try await session.request(
                rule.method,
                someURL,
                headers: ["X-Kept": "1"],
                body: hasBody ? .text("payload") : nil,
                redirects: .follow()
            )
            #expect(response.method == rule.becomes)
            #expect(response.uri.description == "http://script.test/next")
            let second = peer.written(0).components(separated: "HTTP/1.1\r\n").last ?? ""
            #expect(peer.written(0).contains("\(rule.becomes) /next HTTP/1.1"))
            #expect(second.contains("X-Kept: 1"))
            let keepsBody = hasBody && rule.becomes == rule.method
            #expect(second.contains("payload") == keepsBody)
            #expect(second.contains("Content-Type") == keepsBody)
        }
    }

    @Test("ten are followed, the eleventh is an error")
    func limit() async throws {
        let script = (1...11).flatMap { number -> [ScriptStep] in
            [.expectRequest, .send(Self.redirect(302, to: "/\(number)"))]
        }
        try await withScripts(script) { session, peer in
            let error = await clientError { try await session.get(someURL) }
            #expect(error?.code == .tooManyRedirects)
            #expect(error?.description.contains("10 redirects") == true)
            #expect(peer.written(0).contains("GET /10 "))
            #expect(!peer.written(0).contains("GET /11 "))
        }
        try await withScripts(Array(script.prefix(20)) + [.expectRequest, .send(okResponse)]) { session, _ in
            let response = try await session.get(someURL)
            #expect(response.status == .ok)
            #expect(response.history.count == 10)
        }
    }

    @Test("the history names each hop, oldest first")
    func history() async throws {
        try await withScripts(
            [
                .expectRequest, .send(Self.redirect(301, to: "/a")), .expectRequest,
                .send(Self.redirect(307, to: "b?q=1")),
                .expectRequest, .send(okResponse),
            ]
        ) { session, _ in
            let response = try await session.get(someURL)
            let history = response.history
            #expect(history.map(\.uri.description) == ["http://script.test/path", "http://script.test/a"])
            #expect(history.map(\.status.code) == [301, 307])
            #expect(response.uri.description == "http://script.test/b?q=1")
        }
    }

    @Test("none, and HEAD by default, return the redirect itself")
    func notFollowed() async throws {
        try await withScripts(
            [
                .expectRequest, .send(Self.redirect(302, to: "/a")), .expectRequest,
                .send("HTTP/1.1 302 X\r\nLocation: /a\r\n\r\n"),
            ]
        ) { session, _ in
            let response = try await session.get(someURL, redirects: RedirectPolicy.never)
            #expect(response.status.code == 302)
            #expect(response.history.isEmpty)
            let head = try await session.head(someURL)
            #expect(head.status.code == 302)
        }
    }

    @Test("two Locations that differ lead nowhere; the same one twice does")
    func severalLocations() async throws {
        let head = "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: /a\r\n"
        try await withScripts(
            [.expectRequest, .send(head + "Location: /b\r\n\r\n"), .stall],
            [.expectRequest, .send(head + "Location: /a\r\n\r\n"), .expectRequest, .send(okResponse)]
        ) { session, peer in
            let error = await clientError { try await session.get("http://one.test/") }
            #expect(error?.code == .invalidRedirect)
            let text = try await session.get("http://two.test/").text()
            #expect(text == "ok")
        }
    }

    @Test("a redirect without Location, or with an empty one, is a response like any other")
    func noLocation() async throws {
        for field in ["", "Location:\r\n", "Location:  \t\r\n"] {
            try await withScripts(
                [.expectRequest, .send("HTTP/1.1 302 Found\r\n\(field)Content-Length: 2\r\n\r\nhm")]
            ) { session, peer in
                let response = try await session.get(someURL)
                #expect(response.status.code == 302)
                let text = try await response.text()
                #expect(text == "hm")
                #expect(peer.written().components(separatedBy: " HTTP/1.1\r\n").count == 2)
            }
        }
    }

    @Test(
        "a redirect out of http is refused, and goes nowhere",
        arguments: [
            "ftp://host/x", "file:///etc/passwd", "http+unix://x/", "javascript:alert(1)", "gopher://h/", "data:,x",
        ]
    )
    func schemes(_ location: String) async throws {
        try await withScripts([.expectRequest, .send(Self.redirect(302, to: location))]) { session, peer in
            let error = await clientError { try await session.get(someURL) }
            #expect(error?.code == .invalidRedirect)
            #expect(peer.attempts == 1)
        }
    }

    @Test(
        "a Location that is no reference is refused",
        arguments: ["http://", "http://ho st/", "http://host:99999/", "http://[::1/"]
    )
    func malformed(_ location: String) async throws {
        try await withScripts([.expectRequest, .send(Self.redirect(302, to: location))]) { session, _ in
            let error = await clientError { try await session.get(someURL) }
            #expect(error?.code == .invalidRedirect)
        }
    }

    private static let secrets: HTTPFields = {
        var fields = HTTPFields()
        fields[.authorization] = "Bearer canary-1"
        fields[.cookie] = "session=canary-2"
        fields[.proxyAuthorization] = "Basic canary-3"
        fields[.userAgent] = "own"
        var marked = HTTPField(name: HTTPField.Name("X-Api-Key")!, value: "canary-4")
        marked.indexingStrategy = .disallow
        fields.append(marked)
        return fields
    }()

    @Test(
        "secrets stay at their origin: another host, port or scheme does not get them",
        arguments: ["http://other.test/x", "http://script.test:81/x", "//other.test/x"]
    )
    func crossOrigin(_ location: String) async throws {
        try await withScripts(
            [.expectRequest, .send(Self.redirect(307, to: location))],
            [.expectRequest, .send(okResponse)]
        ) { session, peer in
            _ = try await session.post(someURL, headers: Self.secrets, body: .text("b")).text()
            for number in [1, 2, 4] { #expect(peer.written(0).contains("canary-\(number)")) }
            // Never to a server: it is a proxy's.
            #expect(!peer.written(0).contains("canary-3"))
            #expect(!peer.written(1).contains("canary"))
            #expect(peer.written(1).contains("User-Agent: own"))
        }
    }

    @Test("secrets of the session stay behind too")
    func crossOriginSessionSecrets() async throws {
        var configuration = ClientSession.Configuration()
        configuration.headers = Self.secrets
        configuration.secretOrigins = [try URI(someURL).origin]
        try await withScripts(
            [.expectRequest, .send(Self.redirect(302, to: "http://other.test/x"))],
            [.expectRequest, .send(okResponse)],
            configuration: configuration
        ) { session, peer in
            _ = try await session.get(someURL).text()
            #expect(peer.written(0).contains("canary-1"))
            #expect(!peer.written(1).contains("canary"))
        }
    }

    @Test("a redirect back to the first origin does not bring the secrets back")
    func thereAndBack() async throws {
        try await withScripts(
            [.expectRequest, .send(Self.redirect(302, to: "http://other.test/x")), .expectRequest, .send(okResponse)],
            [.expectRequest, .send(Self.redirect(302, to: "http://script.test/y"))]
        ) { session, peer in
            _ = try await session.get(someURL, headers: Self.secrets).text()
            #expect(peer.written(0).ranges(of: "canary-1").count == 1)
        }
    }

    @Test("at the same origin they go along")
    func sameOrigin() async throws {
        try await withScripts(
            [
                .expectRequest, .send(Self.redirect(302, to: "http://SCRIPT.test:80/x")), .expectRequest,
                .send(okResponse),
            ]
        ) { session, peer in
            _ = try await session.get(someURL, headers: Self.secrets).text()
            #expect(peer.written(0).ranges(of: "canary-1").count == 2)
        }
    }

    @Test("a Host of the user's own names the first server only")
    func hostField() async throws {
        try await withScripts(
            [.expectRequest, .send(Self.redirect(302, to: "http://other.test/x"))],
            [.expectRequest, .send(okResponse)]
        ) { session, peer in
            _ = try await session.get(someURL, headers: ["Host": "virtual.test"]).text()
            #expect(peer.written(0).contains("Host: virtual.test\r\n"))
            #expect(peer.written(1).contains("Host: other.test\r\n"))
        }
    }

    @Test("a redirect's own body, unread, gives its place up before the next request asks for one")
    func redirectBody() async throws {
        var configuration = ClientSession.Configuration()
        configuration.pool.limit = 1
        let large = "HTTP/1.1 302 Found\r\nLocation: /next\r\nContent-Length: 900000\r\n\r\nsome of it"
        try await withScripts(
            [.expectRequest, .send(large)],
            [.expectRequest, .send(okResponse)],
            configuration: configuration
        ) { session, peer in
            try await expectOK(session)
            #expect(peer.end(0) == .closed)
            #expect(await session.statistics.open == 1)
        }
    }
}

extension String {
    fileprivate func components(separated separator: String) -> [String] {
        split(separator: separator).map(String.init)
    }
}
