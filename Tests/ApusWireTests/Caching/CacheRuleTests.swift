import ApusWire
import HTTPTypes
import Testing

/// Sun, 06 Nov 1994 08:49:37 GMT.
private let start = 784_111_777

private func date(_ seconds: Int) -> String { HTTPTimestamp(secondsSince1970: seconds).description }

private func response(
    _ fields: KeyValuePairs<String, String>,
    status: Int = 200,
    requested: Int = start,
    received: Int = start,
    varied: [CachedResponse.VariedField] = []
) -> CachedResponse {
    var made = HTTPFields()
    for (name, value) in fields {
        if let name = HTTPField.Name(name) { made.append(HTTPField(name: name, value: value)) }
    }
    return CachedResponse(
        status: status,
        reason: "",
        fields: made,
        varied: varied,
        requestTime: requested,
        responseTime: received
    )
}

private func decide(_ response: CachedResponse, after seconds: Int, _ request: String = "") -> CacheDecision {
    CacheDecision(response, request: CacheControl(request.isEmpty ? [] : [request]), at: start + seconds)
}

@Suite("Rules of a private cache (RFC 9111)") struct CacheRuleTests {
    @Test("a response is fresh for max-age, else until Expires, else a tenth of its age")
    func lifetimes() {
        #expect(response(["Cache-Control": "max-age=60", "Expires": date(start + 9_999)]).freshness == 60)
        #expect(response(["Expires": date(start + 90), "Date": date(start - 10)]).freshness == 100)
        #expect(response(["Expires": date(start + 90)]).freshness == 90)
        for expires in ["0", "-1", "tomorrow", ""] { #expect(response(["Expires": expires]).freshness == 0) }
        #expect(response(["Expires": date(start + 90), "expires": date(start + 91)]).freshness == 0)
        #expect(response(["Last-Modified": date(start - 1_000), "Date": date(start)]).freshness == 100)
        #expect(response(["Last-Modified": date(start - 100_000_000)]).freshness == 86_400, "no more than a day")
        #expect(response(["Last-Modified": date(start + 1_000)]).freshness == 0)
        #expect(response(["Last-Modified": date(start - 1_000)], status: 500).freshness == 0)
        #expect(
            response(["Last-Modified": date(start - 1_000), "Cache-Control": "public"], status: 500).freshness == 100
        )
        #expect(response(["Cache-Control": "s-maxage=60"]).freshness == 0, "only for shared caches")
    }

    @Test("the age is the larger of what Date and Age say, and grows")
    func ages() {
        #expect(response([:]).age(at: start + 5) == 5)
        #expect(response(["Date": date(start - 20)]).age(at: start + 5) == 25)
        #expect(response(["Age": "100", "Date": date(start - 20)]).age(at: start + 5) == 105)
        #expect(response(["Age": "100"], requested: start - 7).age(at: start) == 107)
        #expect(response(["Age": "-3"]).age(at: start) == 0)
        #expect(response(["Age": "99999999999999999999"]).age(at: start) == 1 << 31)
        #expect(response(["Date": date(start + 500)]).age(at: start + 5) == 5, "a server's clock may be ahead")
        #expect(response([:]).age(at: start - 1) == 0)
        #expect(response([:]).age(at: start - 100) == nil, "the clock was set back")
        #expect(response(["Date": "Mon, 01 Jan 0001 00:00:00 GMT"]).age(at: start) == 1 << 31)
    }

    @Test("fresh is served, stale is validated, at the very second")
    func decisions() {
        let one = response(["Cache-Control": "max-age=60"])
        #expect(decide(one, after: 59) == .serve)
        #expect(decide(one, after: 60) == .validate(standsIn: 0))
        #expect(decide(one, after: -1_000) == .validate(standsIn: 0), "a clock that was set back proves nothing")
        #expect(decide(response(["Cache-Control": "max-age=60, no-cache"]), after: 1) == .validate(standsIn: 0))
    }

    @Test("a request may ask for younger ones, or be content with older ones")
    func requests() {
        let one = response(["Cache-Control": "max-age=60"])
        #expect(decide(one, after: 10, "no-cache") == .validate(standsIn: 0))
        #expect(decide(one, after: 10, "max-age=10") == .serve)
        #expect(decide(one, after: 11, "max-age=10") == .validate(standsIn: 0))
        #expect(decide(one, after: 0, "max-age=0") == .validate(standsIn: 0))
        #expect(decide(one, after: 49, "min-fresh=10") == .serve)
        #expect(decide(one, after: 50, "min-fresh=10") == .validate(standsIn: 0))
        #expect(decide(one, after: 70, "max-stale=10") == .serveStale)
        #expect(decide(one, after: 71, "max-stale=10") == .validate(standsIn: 0))
        #expect(decide(one, after: 1_000_000, "max-stale") == .serveStale)
        let strict = response(["Cache-Control": "max-age=60, must-revalidate, stale-while-revalidate=99"])
        #expect(decide(strict, after: 70, "max-stale") == .validate(standsIn: 0))
    }

    @Test("a stale one may stand in for an error, for as long as was said")
    func errors() {
        let one = response(["Cache-Control": "max-age=60, stale-if-error=30"])
        #expect(decide(one, after: 60) == .validate(standsIn: 30))
        #expect(decide(one, after: 89) == .validate(standsIn: 1))
        #expect(decide(one, after: 90) == .validate(standsIn: 0))
        #expect(decide(one, after: 90, "stale-if-error=100") == .validate(standsIn: 70))
        for strict in ["must-revalidate", "no-cache"] {
            let other = response(["Cache-Control": "max-age=60, stale-if-error=30, \(strict)"])
            #expect(decide(other, after: 61) == .validate(standsIn: 0), "\(strict)")
        }
        let background = response(["Cache-Control": "max-age=60, stale-while-revalidate=30"])
        #expect(decide(background, after: 89) == .serveWhileValidating)
        #expect(decide(background, after: 90) == .validate(standsIn: 0))
    }

    struct Storing: Sendable, CustomTestStringConvertible {
        var fields: [String: String]
        var status = 200
        var request = ""
        var isSomebodys = false
        var expected: Bool
        var testDescription: String { "\(status) \(fields) \(request) \(isSomebodys)" }
    }

    static let storing: [Storing] = [
        Storing(fields: ["Cache-Control": "max-age=1"], expected: true),
        Storing(fields: ["Cache-Control": "max-age=1"], status: 500, expected: true),
        Storing(fields: ["Cache-Control": "private, max-age=1"], expected: true),
        Storing(fields: ["ETag": "\"a\""], expected: true),
        Storing(fields: ["ETag": "\"a\""], status: 500, expected: false),
        Storing(fields: ["ETag": "unquoted"], expected: false),
        Storing(fields: ["Last-Modified": date(start)], expected: true),
        Storing(fields: [:], expected: false),
        Storing(fields: ["Cache-Control": "no-store, max-age=1"], expected: false),
        Storing(fields: ["Cache-Control": "max-age=1"], request: "no-store", expected: false),
        Storing(fields: ["Cache-Control": "max-age=1"], status: 206, expected: false),
        Storing(fields: ["Cache-Control": "max-age=1"], status: 304, expected: false),
        Storing(fields: ["Cache-Control": "max-age=1"], status: 101, expected: false),
        Storing(fields: ["Cache-Control": "max-age=1", "Vary": "*"], expected: false),
        Storing(fields: ["Cache-Control": "max-age=1", "Vary": "Accept, *"], expected: false),
        Storing(fields: ["Cache-Control": "max-age=1", "Vary": "Accept"], expected: true),
        Storing(
            fields: ["Cache-Control": "max-age=1", "Vary": (0..<33).map { "x\($0)" }.joined(separator: ",")],
            expected: false
        ),
        Storing(fields: ["Cache-Control": "max-age=1, must-understand"], status: 299, expected: false),
        Storing(fields: ["Cache-Control": "max-age=1, must-understand"], expected: true),
        Storing(fields: ["Cache-Control": "max-age=1"], isSomebodys: true, expected: false),
        Storing(fields: ["Cache-Control": "max-age=1, public"], isSomebodys: true, expected: true),
        Storing(fields: ["Cache-Control": "max-age=1, must-revalidate"], isSomebodys: true, expected: false),
        Storing(fields: ["Cache-Control": "max-age=1", "Set-Cookie": "a=b"], expected: false),
        Storing(fields: ["Cache-Control": "max-age=1, public", "Set-Cookie": "a=b"], expected: true),
        Storing(fields: ["Cache-Control": "max-age=0"], expected: false),
        Storing(fields: ["Cache-Control": "max-age=0, stale-if-error=5"], expected: true),
    ]

    @Test("what is stored", arguments: storing)
    func stores(_ one: Storing) {
        var fields = HTTPFields()
        for (name, value) in one.fields { if let name = HTTPField.Name(name) { fields[name] = value } }
        let stored = CacheDecision.mayStore(
            status: one.status,
            fields: fields,
            request: CacheControl([one.request]),
            isSomebodys: one.isSomebodys,
            sharesCredentials: false
        )
        #expect(stored == one.expected)
    }

    @Test("what varies is compared field by field, and kept as a digest")
    func varying() {
        let names = CachedResponse.variedNames([.vary: "Accept-Language, X-Device", .init("vary")!: "x-DEVICE"])
        #expect(names == ["accept-language", "x-device"])
        let request: HTTPFields = [.acceptLanguage: "de", .init("X-Device")!: "secret"]
        let varied = CachedResponse.varied(names ?? [], in: request)
        let kept = response([:], varied: varied)
        #expect(!"\(kept)".contains("secret"))
        #expect(kept.holds(for: request))
        #expect(kept.holds(for: [.acceptLanguage: "de", .init("x-device")!: "secret", .accept: "text/html"]))
        #expect(!kept.holds(for: [.acceptLanguage: "en", .init("X-Device")!: "secret"]))
        #expect(!kept.holds(for: [.acceptLanguage: "de"]))
        #expect(!kept.holds(for: [.acceptLanguage: "de", .init("X-Device")!: ""]), "empty is not absent")
        let absent = response([:], varied: CachedResponse.varied(names ?? [], in: [:]))
        #expect(absent.holds(for: [:]) && !absent.holds(for: request))
    }

    @Test("a 304 takes over what it says, but not what is about the body, a connection or a cookie")
    func updating() {
        var kept = response([
            "ETag": "\"a\"", "Content-Type": "text/html", "Content-Length": "5", "Age": "50", "X-A": "1", "X-B": "1",
            "Cache-Control": "max-age=1",
        ])
        kept.update(
            with: [
                .eTag: "\"a\"", .contentType: "evil/type", .contentLength: "999", .contentEncoding: "gzip",
                .init("X-A")!: "2", .cacheControl: "max-age=70", .setCookie: "id=1", .connection: "x-hop",
                .init("X-Hop")!: "1", .transferEncoding: "chunked",
            ],
            requestTime: start + 10,
            responseTime: start + 11
        )
        #expect(kept.fields[.contentType] == "text/html" && kept.fields[.contentLength] == "5")
        #expect(kept.fields[.contentEncoding] == nil && kept.fields[.setCookie] == nil)
        #expect(kept.fields[.init("X-Hop")!] == nil && kept.fields[.transferEncoding] == nil)
        #expect(kept.fields[.init("X-A")!] == "2" && kept.fields[.init("X-B")!] == "1")
        #expect(kept.freshness == 70 && kept.age(at: start + 11) == 1, "the old Age is gone")
    }

    @Test("a 304 with another tag is about something else")
    func confirming() {
        let strong = response(["ETag": "\"a\""])
        #expect(strong.isConfirmed(by: [.eTag: "\"a\""]) && strong.isConfirmed(by: [:]))
        #expect(strong.isConfirmed(by: [.eTag: "W/\"a\""]))
        #expect(!strong.isConfirmed(by: [.eTag: "\"b\""]) && !strong.isConfirmed(by: [.eTag: "W/\"b\""]))
        #expect(response(["Last-Modified": date(start)]).isConfirmed(by: [.eTag: "\"b\""]))
        let asked = response(["ETag": "W/\"x\"", "Last-Modified": date(start)]).conditions
        #expect(asked[.ifNoneMatch] == "W/\"x\"" && asked[.ifModifiedSince] == date(start))
        #expect(response(["ETag": "x", "Last-Modified": "yesterday"]).conditions.isEmpty)
    }

    @Test("fields of one connection, and cookies, are not kept")
    func storable() {
        let kept = CachedResponse.storable([
            .connection: "close, X-Hop", .init("X-Hop")!: "1", .setCookie: "a=1", .transferEncoding: "chunked",
            .contentType: "a/b", .init("Proxy-Authenticate")!: "Basic", .wwwAuthenticate: "Basic", .eTag: "\"a\"",
        ])
        #expect(kept.map(\.name.canonicalName).sorted() == ["content-type", "etag"])
    }
}
