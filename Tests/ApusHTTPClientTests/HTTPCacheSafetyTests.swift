import ApusNet
import ApusRuntime
import ApusTesting
import ApusWire
import HTTPTypes
import Synchronization
import Testing

@testable import ApusHTTPClient

@Suite("HTTPCache gives nobody what is somebody else's, and nothing that is not whole")
struct HTTPCacheSafetyTests {
    private static let url = "http://host.example/path"

    /// Answers with what it was told about the user.
    private static func personal(_ directives: String, vary: String? = nil) -> MockTransport {
        MockTransport { request in
            var headers: HTTPFields = [.cacheControl: directives]
            if let vary { headers[.vary] = vary }
            let user = [.authorization, .cookie, HTTPField.Name("X-Api-Key")!].compactMap { request.headers[$0] }
                .joined()
            return .text("for \(user.isEmpty ? "all" : user)", headers: headers)
        }
    }

    static let credentials: [String] = ["Authorization", "Cookie", "X-Api-Key"]

    @Test("what was answered to credentials is not kept, nor is what others got given to them", arguments: credentials)
    func skipped(name: String) async throws {
        let field = HTTPField.Name(name)!
        let cache = memoryCache()
        try await withMock(around(cache), Self.personal("max-age=600")) { session in
            var seen: [String] = []
            for user in ["ada", "ada", "bob", nil, nil, "ada"] {
                seen.append(try await fetch(session, Self.url, user.map { [field: $0] } ?? [:]))
            }
            #expect(
                seen == ["for ada miss", "for ada miss", "for bob miss", "for all miss", "for all hit", "for ada miss"]
            )
            #expect(cache.statistics.entries == 1)
        }
    }

    @Test("kept separately, everybody gets their own", arguments: credentials)
    func separate(name: String) async throws {
        let field = HTTPField.Name(name)!
        let cache = memoryCache(credentials: .separate)
        try await withMock(around(cache), Self.personal("max-age=600")) { session in
            var seen: [String] = []
            for user in ["ada", "ada", "bob", nil, nil, "bob", "ada"] {
                seen.append(try await fetch(session, Self.url, user.map { [field: $0] } ?? [:]))
            }
            #expect(
                seen == [
                    "for ada miss", "for ada hit", "for bob miss", "for all miss", "for all hit", "for bob hit",
                    "for ada hit",
                ]
            )
            // A change is one for all.
            _ = try await session.put(Self.url, body: .text("x"))
            #expect(cache.statistics.entries == 0)
        }
    }

    @Test("what is public is for all, unless it varies by the credentials")
    func isPublic() async throws {
        let cache = memoryCache()
        try await withMock(around(cache), Self.personal("max-age=600, public")) { session in
            let seen = [
                try await fetch(session, Self.url, [.authorization: "ada"]),
                try await fetch(session, Self.url, [.authorization: "bob"]), try await fetch(session),
            ]
            #expect(seen == ["for ada miss", "for ada hit", "for ada hit"])
        }
        let other = memoryCache()
        try await withMock(around(other), Self.personal("max-age=600, public", vary: "authorization")) { session in
            for user in ["ada", "ada", "bob"] {
                let text = try await fetch(session, Self.url, [.authorization: user])
                #expect(text == "for \(user) miss")
            }
        }
        #expect(other.statistics.entries == 0)
    }

    @Test("marked fields and the session's own secrets are credentials, too; so is what is added further in")
    func hidden() async throws {
        let cache = memoryCache()
        let addsCookie = MiddlewareFunction { request, next in
            var request = request
            request.headers[.cookie] = "id=ada"
            return try await next(request)
        }
        try await withMock(around(cache, addsCookie), Self.personal("max-age=600")) { session in
            for _ in 0..<2 {
                let text = try await fetch(session)
                #expect(text == "for id=ada miss")
            }
        }
        var configuration = around(cache)
        configuration.headers = [.authorization: "secret"]
        configuration.secretOrigins = [Origin(scheme: "http", host: "host.example", port: 80)]
        try await withMock(configuration, Self.personal("max-age=600")) { session in
            for _ in 0..<2 {
                let text = try await fetch(session)
                #expect(text == "for secret miss")
            }
        }
        var marked = HTTPField(name: .init("X-Who")!, value: "ada")
        marked.indexingStrategy = .disallow
        let fields = HTTPFields([marked])
        try await withMock(around(cache), Self.personal("max-age=600")) { session in
            for _ in 0..<2 {
                let text = try await fetch(session, Self.url, fields)
                #expect(text == "for all miss")
            }
        }
        #expect(cache.statistics.entries == 0)
    }

    @Test(
        "a response that sets a cookie begins somebody's session: it is kept only if it is public, and never with the cookie"
    )
    func cookies() async throws {
        for (directives, isKept) in [("max-age=600", false), ("max-age=600, public", true)] {
            let mock = MockTransport { _ in
                .text("x", headers: [.cacheControl: directives, .setCookie: "id=canary"])
            }
            try await withMock(around(memoryCache()), mock) { session in
                _ = try await fetch(session)
                let response = try await session.get(Self.url)
                #expect((response.cacheStatus == .hit) == isKept)
                if isKept { #expect(response.headers[.setCookie] == nil) }
            }
        }
    }

    @Test("cookies of the jar are credentials, and whoever logs in gets neither the page from before nor another's")
    func jar() async throws {
        for credentials in [HTTPCache.Credentials.skipped, .separate] {
            let mock = MockTransport { request in
                if request.path == "/login" {
                    return .status(.ok, headers: [.setCookie: "id=\(request.query ?? "")", .cacheControl: "no-store"])
                }
                let lasting: HTTPFields = [
                    .cacheControl: "max-age=600", .vary: request.path == "/vary" ? "Cookie" : "Accept",
                ]
                return .text("for \(request.headers[.cookie] ?? "all")", headers: lasting)
            }
            try await withMock(around(memoryCache(credentials: credentials)), mock) { session in
                for path in ["path", "vary"] {
                    let url = "http://host.example/\(path)"
                    session.cookieJar.removeAll()
                    var seen = [try await fetch(session, url), try await fetch(session, url)]
                    for user in ["ada", "bob", "ada"] {
                        _ = try await session.get("http://host.example/login?\(user)").bytes()
                        seen.append(try await fetch(session, url))
                        seen.append(try await fetch(session, url))
                    }
                    let isSeparate = credentials == .separate
                    let again = isSeparate ? "hit" : "miss"
                    #expect(
                        seen == [
                            "for all miss", "for all hit", "for id=ada miss", "for id=ada \(again)", "for id=bob miss",
                            "for id=bob \(again)", "for id=ada \(again)", "for id=ada \(again)",
                        ],
                        "\(path), \(credentials)"
                    )
                }
            }
        }
    }

    @Test("credentials that are looked up or worked out when it is sent are somebody's, too")
    func authenticated() async throws {
        let cache = memoryCache(credentials: .separate)
        try await withMock(around(cache), Self.personal("max-age=600")) { session in
            var seen = [try await fetch(session)]
            for auth in [Authentication.bearer("ada"), .bearer("bob"), .digest("ada", "secret"), .bearer("ada")] {
                let response = try await session.get(Self.url, auth: auth)
                seen.append("\(try await response.text()) \(response.cacheStatus.map { "\($0)" } ?? "-")")
            }
            #expect(
                seen == [
                    "for all miss", "for Bearer ada miss", "for Bearer bob miss", "for all miss", "for Bearer ada hit",
                ]
            )
        }
    }

    @Test("an attacker's variant is given to nobody whose request is another")
    func poisoning() async throws {
        let device = HTTPField.Name("X-Forwarded-Host")!
        let mock = MockTransport { request in
            .text(
                "for \(request.headers[device] ?? "-") \(request.headers[.acceptLanguage] ?? "-")",
                headers: [.cacheControl: "max-age=600", .vary: "x-forwarded-host , Accept-Language"]
            )
        }
        let cache = memoryCache()
        try await withMock(around(cache), mock) { session in
            var seen: [String] = []
            for headers: HTTPFields in [
                [device: "evil.example"], [:], [device: ""], [.acceptLanguage: "de"], [device: "evil.example"], [:],
                [device: "evil.example", .acceptLanguage: "de"], [.acceptLanguage: "de"],
            ] { seen.append(try await fetch(session, Self.url, headers)) }
            #expect(
                seen == [
                    "for evil.example - miss", "for - - miss", "for  - miss", "for - de miss", "for evil.example - hit",
                    "for - - hit", "for evil.example de miss", "for - de hit",
                ]
            )
            // A thousand variants of one URL drive each other out, and nothing else.
            _ = try await fetch(session, "http://host.example/other")
            for number in 0..<1_000 { _ = try await fetch(session, Self.url, [device: "\(number)"]) }
            let other = try await fetch(session, "http://host.example/other")
            #expect(other.hasSuffix("hit") && cache.statistics.entries <= 65)
        }
    }

    @Test("what is private to one connection or to one age does not come back")
    func hopFields() async throws {
        let mock = MockTransport { _ in
            .text(
                "x",
                headers: [
                    .cacheControl: "max-age=600", .connection: "X-Hop", .init("X-Hop")!: "1", .age: "100",
                    .init("Keep-Alive")!: "timeout=5",
                ]
            )
        }
        try await withMock(around(memoryCache()), mock) { session in
            _ = try await fetch(session)
            try await sleep(for: .seconds(5))
            let response = try await session.get(Self.url)
            #expect(response.cacheStatus == .hit && response.age == .seconds(105))
            #expect(response.headers[.connection] == nil && response.headers[.init("X-Hop")!] == nil)
        }
    }

    struct Broken: Sendable, CustomTestStringConvertible {
        var name: String
        var response: MockResponse
        var testDescription: String { name }
    }

    static let broken: [Broken] = {
        let lasting: HTTPFields = [.cacheControl: "max-age=600"]
        let whole = MockResponse(headers: lasting, bytes: [UInt8](repeating: 7, count: 50_000))
        var gzip = lasting
        gzip[.contentEncoding] = "gzip"
        var cutGzip = MockResponse(headers: gzip)
        cutGzip.pieces = [Array(Encoders.deflate([UInt8](repeating: 1, count: 5_000)).dropLast(9))]
        var flipped = MockResponse(headers: gzip)
        var bytes = Encoders.deflate(Array("some text that is long enough to be damaged".utf8))
        bytes[bytes.count - 6] ^= 0xFF
        flipped.pieces = [bytes]
        return [
            Broken(name: "cut off", response: whole.broken(after: 30_000)),
            Broken(name: "cut off before its first byte", response: whole.broken(after: 0)),
            Broken(
                name: "cut off in chunks",
                response: MockResponse.pieces([[1], [2], [3]], headers: lasting).broken(after: 2)
            ),
            Broken(name: "gzip that ends too early", response: cutGzip),
            Broken(name: "gzip that is damaged", response: flipped),
            Broken(
                name: "too large, and says so",
                response: MockResponse(headers: lasting, bytes: [UInt8](repeating: 7, count: 100_001))
            ),
            Broken(
                name: "too large, in chunks",
                response: .pieces((0..<11).map { _ in [UInt8](repeating: 7, count: 10_000) }, headers: lasting)
            ),
            Broken(name: "a part", response: MockResponse(status: .partialContent, headers: lasting, bytes: [1])),
        ]
    }()

    @Test("what is not whole is not kept", arguments: broken)
    func truncated(_ one: Broken) async throws {
        let cache = memoryCache()
        try await withMock(around(cache), MockTransport { _ in one.response }) { session in
            for _ in 0..<2 {
                let response = try? await session.get(Self.url)
                #expect(response?.cacheStatus != .hit)
                _ = try? await response?.bytes()
            }
        }
        #expect(cache.statistics.entries == 0 && cache.statistics.stored == 0)
    }

    @Test("what ends with its connection may be cut off, and is not kept")
    func closeDelimited() async throws {
        let cache = memoryCache()
        try await withScripts(
            [.expectRequest, .send("HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\n\r\nhalf"), .finish],
            [.expectRequest, .send("HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\n\r\nhalf"), .finish],
            configuration: around(cache)
        ) { session, _ in
            for _ in 0..<2 { _ = try await session.get(someURL).text() }
        }
        #expect(cache.statistics.entries == 0)
    }

    @Test("a clock that is set back makes nothing fresh for longer")
    func clock() async throws {
        // The entry is from the future of this second session's clock.
        let mock = MockTransport { _ in .text("x", headers: [.cacheControl: "max-age=600"]) }
        let cache = memoryCache()
        try await withMock(around(cache), mock) { session in
            try await sleep(for: .seconds(10_000))
            _ = try await fetch(session)
        }
        try await withMock(around(cache), mock) { session in
            let text = try await fetch(session)
            #expect(text == "x miss")
        }
    }

    @Test("the canary reaches no print of a cache, its statistics or its entries")
    func canary() async throws {
        let cache = memoryCache(credentials: .separate)
        let mock = MockTransport { _ in .text("x", headers: [.cacheControl: "max-age=600", .vary: "X-Secret-Thing"]) }
        try await withMock(around(cache), mock) { session in
            _ = try await fetch(
                session,
                "http://host.example/path?canary#canary",
                [.authorization: "canary", .init("X-Secret-Thing")!: "canary"]
            )
        }
        #expect(cache.statistics.entries == 1)
        var dumped = ""
        dump(cache, to: &dumped, maxDepth: 20)
        #expect(!dumped.contains("canary"))
        #expect(!"\(cache) \(String(reflecting: cache)) \(cache.statistics)".contains("canary"))
    }
}
