import ApusHTTPClient
import ApusRuntime
import ApusTesting
import ApusWire
import Glibc
import HTTPTypes
import Logging
import Testing

@Suite("Authentication")
struct AuthenticationTests {
    private static let ada = "Basic YWRhOmNhbmFyeQ=="
    private static let eve = "Basic ZXZlOnB3"

    /// Runs `body` with a session that is answered with what Authorization it has sent.
    private func echoing(
        _ configuration: ClientSession.Configuration = .init(),
        _ body: @escaping @Sendable (ClientSession, MockTransport) async throws -> Void
    ) async throws {
        try await withVirtualTime {
            let left = try await leaks {
                let mock = MockTransport { request in
                    if let target = request.query, request.path == "/to" { return .redirect(to: target) }
                    return .text(request.headers[.authorization] ?? "nobody")
                }
                let session = ClientSession.mocked(mock, configuration)
                try await body(session, mock)
                await session.close()
                #expect(mock.problems.isEmpty)
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test("C21: every verb and form of a request takes auth:")
    func verbs() async throws {
        try await echoing { session, mock in
            let ada = Authentication.basic("ada", "canary")
            let url = "http://a.test/"
            _ = try await session.get(url, auth: ada)
            _ = try await session.head(url, auth: ada)
            _ = try await session.post(url, body: .text("x"), auth: ada)
            _ = try await session.post(url, json: 1, auth: ada)
            _ = try await session.post(url, form: ["a": "b"], auth: ada)
            _ = try await session.post(url, multipart: Multipart(), auth: ada)
            _ = try await session.put(url, auth: ada)
            _ = try await session.put(url, json: 1, auth: ada)
            _ = try await session.put(url, form: ["a": "b"], auth: ada)
            _ = try await session.put(url, multipart: Multipart(), auth: ada)
            _ = try await session.patch(url, auth: ada)
            _ = try await session.patch(url, json: 1, auth: ada)
            _ = try await session.patch(url, form: ["a": "b"], auth: ada)
            _ = try await session.patch(url, multipart: Multipart(), auth: ada)
            _ = try await session.delete(url, auth: ada)
            _ = try await session.request(.options, url, auth: ada)
            _ = try await session.get(url, auth: ada) { try await $0.text() }
            _ = try await session.request(.trace, url, auth: ada) { try await $0.text() }
            #expect(mock.requests.count == 18)
            for request in mock.requests { #expect(request.headers[.authorization] == Self.ada, "\(request.method)") }
            let token = try await session.get(url, auth: .bearer("t0k.en")).text()
            #expect(token == "Bearer t0k.en")
        }
    }

    @Test("C21: name and password in a URL are Basic for its origin, decoded, and not shown")
    func userinfo() async throws {
        try await echoing { session, mock in
            let response = try await session.get("http://ada:can%61ry@a.test/x?y=1")
            let echo = try await response.text()
            #expect(echo == Self.ada)
            #expect(response.uri.description == "http://a.test/x?y=1")
            #expect(mock.requests.last?.url == "http://a.test/x?y=1")
            for (url, expected) in [
                ("http://ada@a.test/", "Basic YWRhOg=="), ("http://:canary@a.test/", "Basic OmNhbmFyeQ=="),
                ("http://@a.test/", "Basic Og=="), ("http://ad%C3%A4:p%3Aw@a.test/", "Basic YWTDpDpwOnc="),
                ("http://ada:canary@a.test/to?/next", Self.ada),
                ("http://ada:canary@a.test/to?http://a.test/next", Self.ada),
                ("http://ada:canary@a.test/to?http://b.test/", "nobody"),
            ] {
                let text = try await session.get(url).text()
                #expect(text == expected, "\(url)")
            }
            // What a server writes into a Location is not ours to send.
            let redirected = try await session.get("http://a.test/to?http://eve:pw@b.test/")
            let stranger = try await redirected.text()
            #expect(stranger == "nobody")
            #expect(redirected.uri.description == "http://b.test/")
            let kept = try await session.get("http://ada:canary@a.test/to?http://eve:pw@a.test/x").text()
            #expect(kept == Self.ada)
        }
    }

    @Test("C21: two kinds at a time, a colon in the name, and what no field can hold, are errors without the secret")
    func mistakes() async throws {
        try await echoing { session, mock in
            let ada = Authentication.basic("ada", "canary")
            let header = ["Authorization": "canary"]
            let errors = [
                await clientError { try await session.get("http://a.test/", headers: header, auth: ada) },
                await clientError { try await session.get("http://a.test/", headers: header, auth: .anonymous) },
                await clientError {
                    try await session.get("http://a.test/", headers: header, auth: .digest("a", "canary"))
                },
                await clientError { try await session.get("http://ada:canary@a.test/", headers: header) },
                await clientError { try await session.get("http://ada:canary@a.test/", auth: ada) },
                await clientError { try await session.get("http://ada:canary@a.test/", auth: .bearer("canary")) },
                await clientError { try await session.get("http://a.test/", auth: .basic("a:b", "canary")) },
                await clientError { try await session.get("http://a%3Ab:canary@a.test/") },
                await clientError { try await session.get("http://a.test/", auth: .basic("a", "canary\n")) },
                await clientError { try await session.get("http://a.test/", auth: .bearer("canary\n")) },
                await clientError { try await session.get("http://a.test/", auth: .bearer("")) },
            ]
            for (number, error) in errors.enumerated() {
                #expect(error?.code == .invalidRequest, "\(number)")
                #expect(error.map { "\($0)".contains("canary") } == false, "\(number)")
            }
            #expect(mock.requests.isEmpty)
        }
        // A digest's user is looked at when there is something to answer.
        try await withVirtualTime {
            let session = ClientSession.mocked { _ in
                .status(.unauthorized, headers: [.wwwAuthenticate: "Digest realm=\"r\", nonce=\"n\""])
            }
            let error = await clientError { try await session.get("http://a.test/", auth: .digest("a", "canary\n")) }
            #expect(error?.code == .invalidRequest && error?.message.contains("canary") == false)
            await session.close()
        }
    }

    @Test("C21: a session's credentials go to its origins, and what a request has of its own replaces them")
    func sessionDefault() async throws {
        var configuration = ClientSession.Configuration()
        configuration.auth = .basic("ada", "canary")
        configuration.baseURL = try URI("http://a.test/v1/")
        try await echoing(configuration) { session, _ in
            for (url, expected) in [
                ("x", Self.ada), ("http://a.test/", Self.ada), ("http://b.test/", "nobody"),
                ("http://a.test:81/", "nobody"),
                ("https://a.test/", "nobody"), ("/to?/next", Self.ada), ("/to?http://b.test/", "nobody"),
                ("http://b.test/to?http://a.test/", "nobody"), ("http://eve:pw@a.test/", Self.eve),
                ("http://eve:pw@b.test/", Self.eve),
            ] {
                let text = try await session.get(url).text()
                #expect(text == expected, "\(url)")
            }
            let own = try await session.get("x", headers: ["Authorization": "own"]).text()
            let other = try await session.get("x", auth: .bearer("b")).text()
            let nobody = try await session.get("x", auth: .anonymous).text()
            #expect((own, other, nobody) == ("own", "Bearer b", "nobody"))
        }
        var mistaken = [ClientSession.Configuration](repeating: .init(), count: 3)
        mistaken[0].auth = .digest("ada", "canary")
        mistaken[1] = configuration
        mistaken[1].headers[.authorization] = "canary"
        mistaken[2] = configuration
        mistaken[2].auth = .basic("a:b", "canary")
        for (number, configuration) in mistaken.enumerated() {
            try await echoing(configuration) { session, mock in
                let error = await clientError { try await session.get("http://a.test/") }
                #expect(error?.code == .invalidRequest, "\(number)")
                #expect(error.map { "\($0)".contains("canary") } == false)
                #expect(mock.requests.isEmpty)
            }
        }
    }

    @Test("credentials do not follow where a middleware sends a request, unless it has set them itself")
    func middleware() async throws {
        var configuration = ClientSession.Configuration()
        configuration.middleware = [
            MiddlewareFunction { request, next in
                var request = request
                request.uri = try URI("http://eve:pw@b.test/")
                if request.headers[.init("X-Own")!] != nil { request.headers[.authorization] = "own" }
                return try await next(request)
            }
        ]
        try await echoing(configuration) { session, mock in
            let plain = try await session.get("http://a.test/", auth: .basic("ada", "canary")).text()
            let digest = try await session.get("http://a.test/", auth: .digest("ada", "canary")).text()
            let own = try await session.get("http://a.test/", headers: ["X-Own": "1"]).text()
            #expect((plain, digest, own) == ("nobody", "nobody", "own"))
            #expect(mock.requests.allSatisfy { $0.url == "http://b.test/" })
        }
    }

    // MARK: netrc

    private static let file = """
        machine a.test login ada password canary
        machine b.test login eve password pw
        machine bad.test login "x:y" password pw
        machine half.test login eve
        """

    /// Writes a file, readable for others or not.
    private static func write(_ text: String, _ path: String, mode: mode_t = 0o600) throws {
        let file = try #require(fopen(path, "w"))
        fputs(text, file)
        fclose(file)
        chmod(path, mode)
    }

    @Test("C21: netrc: the host that is asked first, behind everything that a request or session has of its own")
    func netrc() async throws {
        try await withScratchFolder { folder in
            let path = "\(folder)/netrc"
            try Self.write(Self.file, path)
            let log = LogRecorder()
            var configuration = ClientSession.Configuration()
            configuration.logger = log.logger
            configuration.netrc = .path(path)
            configuration.secretOrigins = [try URI("http://own.test/").origin, try URI("http://b.test/").origin]
            configuration.headers = [.authorization: "session"]
            try await echoing(configuration) { session, mock in
                for (url, expected) in [
                    ("http://a.test/", Self.ada), ("https://a.test:8443/", Self.ada), ("http://c.test/", "nobody"),
                    ("http://own.test/", "session"), ("http://b.test/", "session"), ("http://half.test/", "nobody"),
                    ("http://a.test/to?/next", Self.ada), ("http://a.test/to?http://b.test/", "nobody"),
                    ("http://c.test/to?http://a.test/", "nobody"),
                    ("http://c.test/to?http://a.test/to?http://c.test/", "nobody"),
                    ("http://eve:pw@a.test/", Self.eve), ("http://ada@a.test/", Self.ada),
                    ("http://eve@a.test/", "Basic ZXZlOg=="),
                ] {
                    let text = try await session.get(url).text()
                    #expect(text == expected, "\(url)")
                }
                let own = try await session.get("http://a.test/", headers: ["Authorization": "own"]).text()
                let other = try await session.get("http://a.test/", auth: .bearer("b")).text()
                let nobody = try await session.get("http://a.test/", auth: .anonymous).text()
                #expect((own, other, nobody) == ("own", "Bearer b", "nobody"))
                let count = mock.requests.count
                let error = await clientError { try await session.get("http://bad.test/") }
                #expect(error?.code == .invalidRequest && mock.requests.count == count)
            }
            #expect(log.everything.isEmpty)
        }
    }

    @Test(
        "C21: netrc: a file that others may read is a warning, one that is missing or malformed an error, without its contents"
    )
    func netrcFiles() async throws {
        try await withScratchFolder { folder in
            try Self.write(Self.file, "\(folder)/open", mode: 0o644)
            try Self.write("machine a.test login x password my canary", "\(folder)/malformed")
            let log = LogRecorder()
            var configuration = ClientSession.Configuration()
            configuration.logger = log.logger
            configuration.netrc = .path("\(folder)/open")
            try await echoing(configuration) { session, _ in
                for _ in 1...2 {
                    let text = try await session.get("http://a.test/").text()
                    #expect(text == Self.ada)
                }
            }
            #expect(log.everything.count == 1)
            #expect(log.texts(.warning).first?.contains("chmod 600") == true)
            for name in ["malformed", "missing", "."] {
                configuration.netrc = .path("\(folder)/\(name)")
                try await echoing(configuration) { session, mock in
                    let error = await clientError { try await session.get("http://a.test/") }
                    #expect(error?.code == .invalidRequest)
                    #expect(error?.message.contains("\(folder)/\(name)") == true)
                    #expect(error?.message.contains("canary") == false)
                    #expect(mock.requests.isEmpty)
                    // Who brings something does not need it.
                    let own = try await session.get("http://a.test/", auth: .bearer("b")).text()
                    #expect(own == "Bearer b")
                }
            }
        }
    }

    @Test("C21: netrc: $NETRC, else ~/.netrc; what is wrong there is logged, and requests go without")
    func netrcEnvironment() throws {
        try withScratchFolder { folder in
            try Self.write(Self.file, "\(folder)/.netrc")
            try Self.write("machine other.test login x password y", "\(folder)/other")
            try Self.write("canary", "\(folder)/malformed")
            func read(_ environment: [String: String]) throws -> (entries: Int?, warning: String?) {
                let contents = try NetrcFile.environment.read { environment[$0] }
                return (contents.netrc?.entries.count, contents.warning)
            }
            #expect(try read([:]) == (nil, nil))
            #expect(try read(["HOME": folder]) == (4, nil))
            #expect(try read(["HOME": folder, "NETRC": "\(folder)/other"]) == (1, nil))
            #expect(try read(["HOME": folder, "NETRC": ""]) == (4, nil))
            #expect(try read(["HOME": "\(folder)/nowhere"]) == (nil, nil))
            let missing = try read(["NETRC": "\(folder)/missing"])
            #expect(missing.entries == nil && missing.warning?.contains("missing") == true)
            let malformed = try read(["NETRC": "\(folder)/malformed"])
            #expect(malformed.entries == nil && malformed.warning?.contains("line 1") == true)
            #expect(malformed.warning?.contains("canary") == false)
        }
    }
}
