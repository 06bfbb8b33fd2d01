import ApusHTTPClient
import ApusRuntime
import ApusTesting
import ApusWire
import Glibc
import HTTPTypes
import Logging
import Testing

/// A place where a request can hold a secret. To add one: how it gets there, and what of it a server may see.
struct SecretPlace: Sendable, CustomTestStringConvertible {
    var name: String
    /// Puts it into the session.
    var configure: @Sendable (inout ClientSession.Configuration, _ folder: String) throws -> Void = { _, _ in }
    /// Puts it into the request: asks `url`, whose origin is ``SecretCanaryTests/start``.
    var ask: @Sendable (ClientSession, _ url: String) async throws -> ClientResponse = { try await $0.get($1) }
    /// Whether a request carries it, or the proof of it.
    var isCarried: @Sendable (MockRequest) -> Bool = SecretCanaryTests.carriesCanary
    /// Where it is expected, besides the first request.
    var goes: Set<SecretBoundary> = [.same]
    /// Whether the first request carries it: what is a proxy's is no server's.
    var isServers = true

    var testDescription: String { name }
}

/// What a redirect crosses.
enum SecretBoundary: String, Sendable, CaseIterable {
    case same, path, port, scheme, host, subdomain, back

    /// Where the redirect leads; `back` returns from elsewhere.
    var urls: [String] {
        switch self {
        case .same: ["https://a.test/next"]
        case .path: ["https://a.test:443/other/next"]
        case .port: ["https://a.test:8443/next"]
        case .scheme: ["http://a.test/next"]
        case .host: ["https://b.test/next"]
        case .subdomain: ["https://x.a.test/next"]
        case .back: ["https://b.test/away", "https://a.test/next"]
        }
    }
}

@Suite("Where each secret goes, and that nothing shows it")
struct SecretCanaryTests {
    static let start = "https://a.test/start"

    /// The secret. Its three parts begin at each of the three places of a group of base 64, so that one of them always looks the same there.
    static let canary = "canary-canary-canary"
    private static let traces = ["canary", "Y2FuYXJ5"]

    static func shows(_ text: String) -> Bool { traces.contains { text.contains($0) } }

    static let carriesCanary: @Sendable (MockRequest) -> Bool = { request in
        shows("\(request.url) \(request.text) \(request.headers.map { "\($0.name): \($0.value)" })")
    }

    private static let hasProof: @Sendable (MockRequest) -> Bool = { $0.headers[.authorization] != nil }

    private static func sensitive() -> HTTPFields {
        var field = HTTPField(name: .init("X-Api-Key")!, value: canary)
        field.indexingStrategy = .disallow
        var fields = HTTPFields()
        fields.append(field)
        return fields
    }

    static let places: [SecretPlace] = {
        var places = [
            SecretPlace(
                name: "userinfo",
                ask: { session, url in
                    try await session.get(url.replacing("://", with: "://ada:\(canary)@"))
                }
            ),
            SecretPlace(
                name: "userinfo of the base URL",
                configure: { configuration, _ in
                    configuration.baseURL = try URI("https://ada:\(canary)@a.test/")
                },
                ask: { session, url in
                    try await session.get(String(url.dropFirst("https://a.test".count)))
                }
            ),
            SecretPlace(name: "Authorization", ask: { try await $0.get($1, headers: ["Authorization": canary]) }),
            SecretPlace(
                name: "Proxy-Authorization",
                ask: { try await $0.get($1, headers: ["Proxy-Authorization": canary]) },
                isServers: false
            ),
            SecretPlace(
                name: "a proxy's password",
                configure: { configuration, _ in
                    configuration.proxy = try Proxy("http://ada:\(canary)@proxy.test")
                },
                ask: {
                    try await $0.get($1, options: RequestOptions(proxy: try Proxy("socks5h://\(canary):x@proxy.test")))
                },
                isServers: false
            ),
            SecretPlace(name: "Cookie", ask: { try await $0.get($1, headers: ["Cookie": "id=\(canary)"]) }),
            SecretPlace(name: "cookies:", ask: { try await $0.get($1, cookies: ["id": canary]) }),
            // Cookies know no ports, and this one neither schemes nor paths: it is its host's alone.
            SecretPlace(
                name: "a jar's cookie",
                configure: { configuration, _ in
                    let jar = CookieJar()
                    try jar.store("id=\(canary); Path=/", from: start)
                    configuration.cookieJar = jar
                },
                goes: [.same, .path, .port, .scheme, .back]
            ),
            SecretPlace(
                name: "a jar's Secure cookie",
                configure: { configuration, _ in
                    let jar = CookieJar()
                    try jar.store("id=\(canary); Path=/; Secure", from: start)
                    configuration.cookieJar = jar
                },
                goes: [.same, .path, .port, .back]
            ),
            SecretPlace(name: "a sensitive field", ask: { try await $0.get($1, headers: sensitive()) }),
            SecretPlace(name: "auth: Basic", ask: { try await $0.get($1, auth: .basic("ada", canary)) }),
            SecretPlace(name: "auth: Bearer", ask: { try await $0.get($1, auth: .bearer(canary)) }),
            SecretPlace(
                name: "auth: Digest",
                ask: { try await $0.get($1, auth: .digest("ada", canary)) },
                isCarried: hasProof
            ),
            SecretPlace(
                name: "session's Authorization",
                configure: { configuration, _ in
                    configuration.headers[.authorization] = canary
                }
            ),
            SecretPlace(
                name: "session's Cookie",
                configure: { configuration, _ in
                    configuration.headers[.cookie] = canary
                }
            ),
            SecretPlace(
                name: "session's sensitive field",
                configure: { configuration, _ in
                    configuration.headers = sensitive()
                }
            ),
            SecretPlace(
                name: "session's Basic",
                configure: { configuration, _ in
                    configuration.auth = .basic("ada", canary)
                }
            ),
            SecretPlace(
                name: "session's Bearer",
                configure: { configuration, _ in
                    configuration.auth = .bearer(canary)
                }
            ),
            SecretPlace(
                name: "session's Digest",
                configure: { configuration, _ in
                    configuration.auth = .digest("ada", canary)
                },
                isCarried: hasProof
            ),
            SecretPlace(
                name: "netrc",
                configure: { configuration, folder in
                    let file = try #require(fopen("\(folder)/netrc", "w"))
                    fputs("machine a.test login ada password \(canary)\n", file)
                    fputs("machine b.test login ada password \(canary)\n", file)
                    fclose(file)
                    chmod("\(folder)/netrc", 0o600)
                    configuration.netrc = .path("\(folder)/netrc")
                }
            ),
            SecretPlace(
                name: "a token",
                configure: { configuration, _ in
                    configuration.middleware = [TokenRefresh { _ in AccessToken(canary) }]
                }
            ),
            SecretPlace(name: "a query value", ask: { try await $0.get($1, params: ["key": canary]) }),
            SecretPlace(name: "a body", ask: { try await $0.post($1, body: .text(canary)) }),
        ]
        for index in places.indices {
            places[index].goes = places[index].isServers ? places[index].goes.union([.path]) : []
            switch places[index].name {
            // A redirect names its own.
            case "a query value": places[index].goes = []
            // 307 asks for it, wherever it leads: as browsers and every client do.
            case "a body": places[index].goes = Set(SecretBoundary.allCases)
            default: break
            }
        }
        return places
    }()

    /// How the last answer ends.
    private enum End: CaseIterable {
        case good, refused, failing, broken, circling, nonsense
    }

    private static func answer(_ request: MockRequest, _ boundary: SecretBoundary, _ end: End) -> MockResponse {
        let digest = "Digest realm=\"r\", nonce=\"n\", qop=\"auth\", algorithm=SHA-256"
        func redirect(_ target: String) -> MockResponse { .redirect(to: target, status: .temporaryRedirect) }
        if request.path == "/start" {
            return request.headers[.authorization] == nil && request.url == start
                ? MockResponse(status: .unauthorized, headers: [.wwwAuthenticate: digest]) : redirect(boundary.urls[0])
        }
        if request.path == "/away" { return redirect(boundary.urls[1]) }
        switch end {
        case .good: return .text("ok")
        case .refused: return .text("no", status: .unauthorized, headers: [.wwwAuthenticate: digest])
        case .failing: return .text("no", status: .internalServerError)
        case .broken: return .text("cut").broken(after: 1)
        case .circling: return redirect(request.url)
        case .nonsense: return redirect("ftp://u:\(canary)@a.test/?\(canary)")
        }
    }

    /// The road of one request: what came where, and every text that somebody could see.
    private static func run(
        _ place: SecretPlace,
        _ boundary: SecretBoundary,
        _ end: End,
        folder: String,
        around middleware: [any ClientMiddleware] = []
    ) async throws -> (requests: [MockRequest], seen: [String]) {
        let log = LogRecorder()
        var configuration = ClientSession.Configuration()
        configuration.logger = log.logger
        configuration.redirects = .follow(allowsInsecure: true)
        configuration.secretOrigins = [try URI(start).origin]
        try place.configure(&configuration, folder)
        configuration.middleware = middleware + configuration.middleware
        let isDigest = place.name.contains("Digest")
        let given = configuration
        return try await withVirtualTime {
            let mock = MockTransport { request in
                // Only who has a proof to give is asked for one.
                if !isDigest, request.path == "/start" {
                    return .redirect(to: boundary.urls[0], status: .temporaryRedirect)
                }
                return Self.answer(request, boundary, end)
            }
            let session = ClientSession.mocked(mock, given)
            var seen = Self.sinks(given) + Self.sinks(session)
            do {
                let response = try await place.ask(session, Self.start)
                seen += Self.sinks(response) + Self.sinks(response.history) + Self.sinks(response.uri).dropFirst()
                _ = try await response.bytes()
                try response.raiseForStatus()
            } catch {
                var next: (any Error)? = error
                while let error = next {
                    seen += Self.sinks(error)
                    next = (error as? ClientError)?.cause
                }
            }
            seen += Self.sinks(await session.statistics) + Self.sinks(await session.hostStatistics)
            await session.close()
            return (mock.requests, seen + log.everything + log.metadata)
        }
    }

    private static func sinks(_ value: Any) -> [String] {
        var dumped = ""
        dump(value, to: &dumped)
        return ["\(value)", String(reflecting: value), dumped, "\([value])"]
    }

    @Test("C23: across each boundary each secret goes where the table says, and nowhere else", arguments: places)
    func table(place: SecretPlace) async throws {
        try await withScratchFolder { folder in
            for boundary in SecretBoundary.allCases {
                let (requests, _) = try await Self.run(place, boundary, .good, folder: folder)
                let last = try #require(requests.last)
                let goes = requests.contains { $0.path == "/start" && place.isCarried($0) }
                #expect(goes == place.isServers, goes ? "it goes to a server" : "it does not go at all")
                #expect(last.path.hasSuffix("/next"), "\(boundary): the redirect was not followed: \(requests)")
                #expect(place.isCarried(last) == place.goes.contains(boundary), "\(boundary)")
                if boundary == .back {
                    let away = requests.contains { $0.path == "/away" && place.isCarried($0) }
                    // A jar's cookie is back with the host, and was not away.
                    #expect(away == place.goes.contains(.host))
                }
            }
        }
    }

    @Test("whatever becomes of the request, no log, error, description or dump shows it", arguments: places)
    func sinks(place: SecretPlace) async throws {
        try await withScratchFolder { folder in
            for boundary in [SecretBoundary.same, .host] {
                for end in End.allCases {
                    let (_, seen) = try await Self.run(place, boundary, end, folder: folder)
                    #expect(seen.count > 10)
                    for text in seen where Self.shows(text) { Issue.record("\(boundary), \(end): \(text)") }
                }
            }
        }
    }

    @Test("neither do the middlewares that come along, at their most talkative", arguments: places)
    func middlewares(place: SecretPlace) async throws {
        let names = ["Authorization", "Cookie", "X-Api-Key", "Set-Cookie", "Location", "Www-Authenticate", "Host"]
        let logging = RequestLogging(level: .info, headers: .values(Set(names.compactMap { HTTPField.Name($0) })))
        try await withScratchFolder { folder in
            for end in End.allCases {
                let around: [any ClientMiddleware] = [
                    RetryPolicy(attempts: 2, backoff: .none), logging, HTTPCache(.folder(folder + "/cache")),
                    CircuitBreaker(failures: 1),
                ]
                let (_, seen) = try await Self.run(place, .host, end, folder: folder, around: around)
                let lines = seen.filter { $0.contains(" ms") }
                #expect(!lines.isEmpty, "nothing was logged")
                for text in seen where Self.shows(text) { Issue.record("\(end): \(text)") }
            }
        }
    }

    @Test("the search finds it in each of its forms")
    func search() {
        for user in ["", "a", "ad", "ada"] {
            #expect(Self.shows(Base64.encode("\(user):\(Self.canary)".utf8)))
        }
        #expect(!Self.shows("nothing"))
    }
}
