import Testing

@testable import ApusWire

@Suite("How long cookies last, and how many are kept")
struct CookieLifeTests {
    private let url = "https://www.example.com/"

    @Test("C80: Max-Age counts more than Expires, in either order")
    func maxAge() throws {
        var lab = CookieLab()
        try lab.set("a=1; Max-Age=100; Expires=Thu, 01 Jan 1970 00:00:00 GMT")
        try lab.set("b=1; Expires=Fri, 31 Dec 2100 00:00:00 GMT; Max-Age=0")
        try lab.set("c=1")
        #expect(try lab.sent(to: url) == "a=1; c=1")
        lab.pass(100)
        #expect(try lab.sent(to: url) == "a=1; c=1")
        lab.pass(1)
        #expect(try lab.sent(to: url) == "c=1")
        #expect(lab.store.count == 1, "looking drops what has ended")
    }

    @Test(
        "what has ended removes, by each way to say it",
        arguments: [
            "Max-Age=0", "Max-Age=-1", "Expires=Thu, 01 Jan 1970 00:00:00 GMT", "Expires=Mon, 01 Jan 1601 00:00:00 GMT",
            "expires=Thu, 01-Jan-70 00:00:01 GMT",
        ]
    )
    func removing(_ attribute: String) throws {
        var lab = CookieLab()
        try lab.set("a=1")
        #expect(try lab.set("a=; \(attribute)") == .removed)
        #expect(try lab.set("never=1; \(attribute)") == .removed)
        #expect(try lab.sent(to: url) == "")
        #expect(lab.store.count == 0)
    }

    @Test("removing needs the same domain, host-only or not, and path")
    func removingExactly() throws {
        var lab = CookieLab()
        try lab.set("a=1; Path=/x")
        try lab.set("a=2; Domain=example.com; Path=/x")
        try lab.set("a=; Max-Age=0; Path=/")
        try lab.set("a=; Max-Age=0; Domain=www.example.com; Path=/x")
        #expect(lab.store.count == 2)
        try lab.set("a=; Max-Age=0; Path=/x")
        #expect(lab.store.cookies(at: lab.moment).map(\.domain) == ["example.com"])
    }

    @Test("nothing lasts longer than 400 days")
    func cap() throws {
        var lab = CookieLab()
        try lab.set("a=1; Max-Age=99999999999999999999")
        try lab.set("b=1; Expires=Fri, 31 Dec 9999 23:59:59 GMT")
        try lab.set("c=1; Max-Age=34560001")
        let latest = lab.moment.wall + 400 * 86_400
        let ends = lab.store.cookies(at: lab.moment).map { $0.expires?.secondsSince1970 }
        #expect(ends == [latest, latest, latest])
        lab.pass(400 * 86_400 + 1)
        #expect(try lab.sent(to: url) == "")
    }

    @Test("clock jumps: what was to last so long lasts so long, forward and back; dates stay dates")
    func jumps() throws {
        for jump in [1_000_000, -1_000_000, 1_700_000_000, -1_700_000_000, 1 << 48, -(1 << 48)] {
            var lab = CookieLab()
            try lab.set("relative=1; Max-Age=600")
            try lab.set("session=1")
            lab.moment = CookieMoment(wall: lab.moment.wall + jump, steady: lab.moment.steady)
            #expect(try lab.sent(to: url) == "relative=1; session=1", "\(jump)")
            lab.pass(600)
            #expect(try lab.sent(to: url) == "relative=1; session=1", "\(jump)")
            lab.pass(1)
            #expect(try lab.sent(to: url) == "session=1", "\(jump)")
        }
        var lab = CookieLab()
        try lab.set("date=1; Expires=\(HTTPTimestamp(secondsSince1970: lab.moment.wall + 500))")
        lab.moment = CookieMoment(wall: lab.moment.wall - 10_000, steady: lab.moment.steady)
        #expect(try lab.sent(to: url) == "date=1")
        lab.moment = CookieMoment(wall: lab.moment.wall + 11_000, steady: lab.moment.steady)
        #expect(try lab.sent(to: url) == "")
    }

    @Test("clock jumps: the order and the choice of what has to go do not follow the clock")
    func jumpsAndOrder() throws {
        var lab = CookieLab(limits: .init(perDomain: 3, total: 100))
        for name in ["a", "b", "c"] {
            try lab.set("\(name)=1")
            lab.moment = CookieMoment(wall: lab.moment.wall - 100_000, steady: lab.moment.steady + 1)
        }
        #expect(try lab.sent(to: url) == "a=1; b=1; c=1")
        try lab.set("d=1")
        #expect(try lab.sent(to: url) == "b=1; c=1; d=1")
    }

    @Test("small corrections of the clock move nothing")
    func drift() throws {
        var lab = CookieLab()
        try lab.set("a=1; Max-Age=600")
        let end = lab.store.cookies(at: lab.moment).first?.expires
        lab.moment = CookieMoment(wall: lab.moment.wall + 30, steady: lab.moment.steady)
        #expect(lab.store.cookies(at: lab.moment).first?.expires == end)
    }

    @Test("50 cookies of a domain: those that are not Secure go first, the longest unused of them before the others")
    func perDomain() throws {
        var lab = CookieLab()
        for number in 0..<49 { try lab.set("c\(number)=1; Path=/") }
        try lab.set("secure=1; Secure; Path=/old")
        // All but c0 and c1 have been used since.
        try lab.set("c0=1; Path=/elsewhere")
        #expect(lab.store.count == 50)
        let names = Set(lab.store.cookies(at: lab.moment).map { $0.name + $0.path })
        #expect(!names.contains("c0/") && names.contains("secure/old") && names.contains("c0/elsewhere"))
        for number in 0..<60 { try lab.set("s\(number)=1; Secure") }
        let kept = lab.store.cookies(at: lab.moment)
        #expect(kept.count == 50)
        let plain = kept.filter { !$0.isSecure }
        #expect(plain.isEmpty)
        #expect(kept.first?.name == "s10", "secure and s0 to s9 were the longest unused")
        #expect(try lab.set("plain=1", from: "http://www.example.com/") == .stored)
        let pushed = lab.store.cookies(at: lab.moment).filter { !$0.isSecure }
        #expect(pushed.isEmpty, "an insecure origin cannot push Secure ones out")
        // Another domain, were it of the same site, has its own fifty.
        try lab.set("x=1; Domain=example.com")
        #expect(lab.store.count == 51)
    }

    @Test("ended ones go before any other")
    func endedFirst() throws {
        var lab = CookieLab(limits: .init(perDomain: 3, total: 4))
        try lab.set("a=1")
        try lab.set("short=1; Max-Age=10; Secure")
        try lab.set("b=1")
        lab.pass(11)
        try lab.set("c=1")
        #expect(try lab.sent(to: url) == "a=1; b=1; c=1")
        try lab.set("other=1; Max-Age=10", from: "https://other.test/")
        lab.pass(11)
        try lab.set("new=1", from: "https://new.test/")
        #expect(lab.store.cookies(at: lab.moment).map(\.name) == ["a", "b", "c", "new"])
    }

    @Test("3,000 in all: the longest unused goes, of whatever domain")
    func total() throws {
        var lab = CookieLab()
        for host in 0..<60 {
            for number in 0..<50 { try lab.set("c\(number)=1", from: "https://h\(host).test/") }
        }
        #expect(lab.store.count == 3000)
        _ = try lab.sent(to: "https://h0.test/")
        try lab.set("one=more", from: "https://extra.test/")
        #expect(lab.store.count == 3000)
        #expect(try lab.sent(to: "https://h0.test/").split(separator: ";").count == 50)
        #expect(try lab.sent(to: "https://h1.test/").split(separator: ";").count == 49)
        #expect(try lab.sent(to: "https://extra.test/") == "one=more")
    }

    @Test("cookie bombs: what was kept and what is sent stays within the bounds")
    func bomb() throws {
        var lab = CookieLab()
        let value = String(repeating: "x", count: 4_000)
        for number in 0..<500 { try lab.set("bomb\(number)=\(value); Domain=example.com") }
        try lab.set("id=1; Path=/account")
        #expect(lab.store.count == 51)
        let sent = try lab.sent(to: "https://www.example.com/account")
        #expect(sent.utf8.count <= CookieHeader.maximumValue && sent.hasPrefix("id=1; bomb"))
        #expect("Cookie: \(sent)\r\n".utf8.count <= 8 * 1024)
    }

    @Test("a request's own cookies replace the jar's, always go, and leave the others less room")
    func ownCookies() throws {
        var lab = CookieLab()
        try lab.set("a=1; Path=/")
        try lab.set("a=2; Path=/x")
        try lab.set("b=3")
        let cookies = lab.store.cookies(for: CookieTarget(try URI(url + "x")), at: lab.moment)
        func text(_ field: String?, _ own: [(String, String)]) -> String {
            String(
                decoding: CookieHeader(cookies, field: field, own: own.compactMap { RequestCookie($0, $1) }).bytes,
                as: UTF8.self
            )
        }
        #expect(text(nil, []) == "a=2; a=1; b=3")
        #expect(text(nil, [("a", "own"), ("z", "\"q\"")]) == "b=3; a=own; z=\"q\"")
        #expect(text("b=field; c = 5 ;; d", []) == "a=2; a=1; b=field; c = 5; d")
        #expect(text("b=field; c=5", [("b", "own")]) == "a=2; a=1; c=5; b=own")
        let large = String(repeating: "y", count: 9_000)
        #expect(text(nil, [("z", large)]) == "z=\(large)")
        #expect(CookieHeader(cookies, own: [try #require(RequestCookie("z", large))]).omitted == 3)
        #expect(CookieHeader([]).bytes.isEmpty)
    }

    @Test("what a Cookie field cannot carry is no cookie of a request")
    func unsendable() {
        for (name, value) in [
            ("a=b", "c"), ("a;", "c"), ("a", "b;c"), ("a", "b\r\nX: y"), ("a\n", "b"), (" a", "b"), ("a", "b "),
            ("", ""),
            ("a", "\u{0}"), ("", "b=c"), ("a\u{7F}", ""),
        ] { #expect(RequestCookie(name, value) == nil, "\(name)=\(value)") }
        for (name, value) in [("a", ""), ("a", "b=c"), ("a", "\"x y\""), ("", "b"), ("ä", "ö"), ("a b", "c,d")] {
            #expect(RequestCookie(name, value) != nil, "\(name)=\(value)")
        }
    }
}
