import Testing

@testable import ApusWire

/// A store with a calendar that a test sets, and a small list of public suffixes.
struct CookieLab {
    var store: CookieStore
    var moment = CookieMoment(wall: 1_700_000_000, steady: 1_000)
    var rules: PublicSuffixRules? = PublicSuffixRules(
        Array("// a comment\ncom\nco.uk\nuk\ntest\n*.ck\n!www.ck\ngithub.io // private\nio\nбг\n".utf8)
    )

    init(limits: CookieStore.Limits = .init()) { store = CookieStore(limits: limits) }

    func answer(_ domain: String) -> PublicSuffixAnswer {
        rules.map { $0.isSuffix(domain) ? .isSuffix : .isNone } ?? .unknown
    }

    /// A server says it.
    @discardableResult
    mutating func set(
        _ field: String,
        from url: String = "https://www.example.com/",
        _ relation: CookieTarget.Relation = .unstated
    ) throws -> CookieOutcome? {
        guard let cookie = SetCookie(field) else { return nil }
        return store.store(cookie, from: CookieTarget(try URI(url), relation: relation), at: moment, suffix: answer)
    }

    /// What goes with a request.
    mutating func sent(to url: String, _ relation: CookieTarget.Relation = .unstated) throws -> String {
        let cookies = store.cookies(for: CookieTarget(try URI(url), relation: relation), at: moment)
        return String(decoding: CookieHeader(cookies).bytes, as: UTF8.self)
    }

    mutating func pass(_ seconds: Int) {
        moment = CookieMoment(wall: moment.wall + seconds, steady: moment.steady + seconds)
    }
}

@Suite("Which cookies are kept, and which requests they go with")
struct CookieStoreTests {
    @Test("C80: without Domain a cookie goes to its host alone; with one, to the hosts below as well")
    func hostOnly() throws {
        var lab = CookieLab()
        try lab.set("host=1")
        try lab.set("domain=2; Domain=example.com")
        try lab.set("own=3; Domain=.www.example.com")
        #expect(try lab.sent(to: "https://www.example.com/") == "host=1; domain=2; own=3")
        #expect(try lab.sent(to: "https://a.www.example.com/") == "domain=2; own=3")
        #expect(try lab.sent(to: "https://example.com/") == "domain=2")
        #expect(try lab.sent(to: "https://other.example.com/") == "domain=2")
        #expect(try lab.sent(to: "https://badexample.com/") == "")
        #expect(try lab.sent(to: "https://example.com.test/") == "")
        #expect(try lab.sent(to: "https://com/") == "")
    }

    @Test("a host-only cookie and one of the same name for its domain are two")
    func two() throws {
        var lab = CookieLab()
        try lab.set("a=1")
        try lab.set("a=2; Domain=www.example.com")
        #expect(try lab.sent(to: "https://www.example.com/") == "a=1; a=2")
        #expect(lab.store.count == 2)
    }

    @Test(
        "C80: foreign domains are refused",
        arguments: [
            "other.test", "a.www.example.com", "ww.example.com", "w.example.com", "example.co", "ample.com",
            "example.com.", "www.example.com.", "1.2.3.4", "..example.com", "xample.com", "www.example.com:443",
            "*.com",
        ]
    )
    func foreign(_ domain: String) throws {
        var lab = CookieLab()
        #expect(try lab.set("a=1; Domain=\(domain)") == .refused(.foreignDomain))
        #expect(lab.store.count == 0)
    }

    @Test("C88: a public suffix is no domain, unless it is the host, which keeps the cookie for itself")
    func publicSuffix() throws {
        var lab = CookieLab()
        #expect(try lab.set("a=1; Domain=com") == .refused(.publicSuffix))
        #expect(try lab.set("a=1; Domain=co.uk", from: "https://shop.co.uk/") == .refused(.publicSuffix))
        #expect(try lab.set("a=1; Domain=github.io", from: "https://me.github.io/") == .refused(.publicSuffix))
        #expect(try lab.set("a=1; Domain=x.ck", from: "https://a.x.ck/") == .refused(.publicSuffix))
        #expect(try lab.set("a=1; Domain=www.ck", from: "https://a.www.ck/") == .stored)
        #expect(try lab.set("b=1; Domain=github.io", from: "https://github.io/") == .stored)
        #expect(try lab.sent(to: "https://github.io/") == "b=1")
        #expect(try lab.sent(to: "https://me.github.io/") == "")
        #expect(
            try lab.set("c=1; Domain=localhost", from: "http://localhost/") == .stored,
            "its last label is a suffix"
        )
        #expect(try lab.sent(to: "http://localhost/") == "c=1")
    }

    @Test("C88: without a list, cookies with a Domain stay with their host")
    func withoutList() throws {
        var lab = CookieLab()
        lab.rules = nil
        #expect(try lab.set("a=1; Domain=example.com") == .stored)
        #expect(try lab.set("b=1; Domain=com") == .stored)
        #expect(try lab.set("c=1; Domain=other.test") == .refused(.foreignDomain))
        #expect(try lab.sent(to: "https://www.example.com/") == "a=1; b=1")
        #expect(try lab.sent(to: "https://example.com/") == "")
        #expect(try lab.sent(to: "https://a.www.example.com/") == "")
        #expect(try lab.set("a=; Domain=example.com; Max-Age=0") == .removed, "and are removed in the same way")
        #expect(try lab.set("__Host-x=1; Secure; Path=/; Domain=example.com") == .refused(.prefix))
    }

    @Test("C81: addresses keep cookies for themselves; nothing matches below them")
    func addresses() throws {
        var lab = CookieLab()
        #expect(try lab.set("a=1", from: "http://192.0.2.1/") == .stored)
        #expect(try lab.set("b=1; Domain=192.0.2.1", from: "http://192.0.2.1/") == .stored)
        #expect(try lab.set("c=1; Domain=2.1", from: "http://192.0.2.1/") == .refused(.foreignDomain))
        #expect(try lab.set("c=1; Domain=0.2.1", from: "http://192.0.2.1/") == .refused(.foreignDomain))
        #expect(try lab.set("d=1", from: "http://[2001:db8::1]/") == .stored)
        #expect(try lab.set("e=1; Domain=2001:db8::1", from: "http://[2001:DB8:0::1]/") == .stored)
        #expect(try lab.sent(to: "http://192.0.2.1:8080/") == "a=1; b=1")
        #expect(try lab.sent(to: "http://[2001:db8::1]/") == "d=1; e=1")
        #expect(try lab.sent(to: "http://1.192.0.2.1.test/") == "")
    }

    @Test("hosts outside of ASCII are one with their ASCII form; a Domain outside of ASCII is refused")
    func international() throws {
        var lab = CookieLab()
        try lab.set("a=1; Domain=xn--bcher-kva.test", from: "https://www.bücher.test/")
        #expect(try lab.sent(to: "https://xn--bcher-kva.test/") == "a=1")
        #expect(try lab.sent(to: "https://BÜCHER.test/") == "a=1")
        #expect(try lab.set("b=1; Domain=bücher.test", from: "https://bücher.test/") == .refused(.domainNotASCII))
        #expect(lab.answer("xn--90ae") == .isSuffix, "rules of the list, too")
    }

    @Test("C80: paths match whole segments, and the default is the request's folder")
    func paths() throws {
        var lab = CookieLab()
        try lab.set("default=1", from: "https://www.example.com/a/b/c?q=/x/y")
        try lab.set("folder=2; Path=/a/")
        try lab.set("plain=3; Path=/a")
        try lab.set("root=4; Path=/")
        try lab.set("relative=5; Path=a", from: "https://www.example.com/a/b/")
        #expect(try lab.sent(to: "https://www.example.com/a/b/x") == "default=1; relative=5; folder=2; plain=3; root=4")
        #expect(try lab.sent(to: "https://www.example.com/a/b") == "default=1; relative=5; folder=2; plain=3; root=4")
        #expect(try lab.sent(to: "https://www.example.com/a/bc") == "folder=2; plain=3; root=4")
        #expect(try lab.sent(to: "https://www.example.com/a") == "plain=3; root=4")
        #expect(try lab.sent(to: "https://www.example.com/ab") == "root=4")
        #expect(try lab.sent(to: "https://www.example.com/A/b/") == "root=4", "paths know upper case")
        #expect(CookieRules.defaultPath("/") == "/" && CookieRules.defaultPath("/x") == "/")
        #expect(CookieRules.defaultPath("/x/") == "/x" && CookieRules.defaultPath("") == "/")
        #expect(CookieRules.defaultPath("/x/y/z") == "/x/y" && CookieRules.defaultPath("x") == "/")
    }

    @Test("C80: Secure goes over secure connections only, and comes over them only; ports do not matter")
    func secure() throws {
        var lab = CookieLab()
        #expect(try lab.set("s=1; Secure", from: "http://www.example.com/") == .refused(.insecure))
        try lab.set("s=1; Secure")
        try lab.set("w=1; Secure", from: "wss://www.example.com:8443/")
        try lab.set("p=1")
        #expect(try lab.sent(to: "https://www.example.com:8443/") == "s=1; w=1; p=1")
        #expect(try lab.sent(to: "wss://www.example.com/") == "s=1; w=1; p=1")
        #expect(try lab.sent(to: "http://www.example.com:8080/") == "p=1")
    }

    @Test("an insecure origin can neither overwrite nor shadow a Secure cookie")
    func leaveSecureAlone() throws {
        var lab = CookieLab()
        try lab.set("s=1; Secure; Domain=example.com; Path=/login")
        let from = "http://www.example.com/"
        #expect(try lab.set("s=2; Domain=example.com; Path=/login", from: from) == .refused(.shadowsSecure))
        #expect(try lab.set("s=2; Path=/login/x", from: from) == .refused(.shadowsSecure))
        #expect(try lab.set("s=2; Path=/login; Max-Age=0", from: from) == .refused(.shadowsSecure))
        #expect(try lab.set("s=2; Path=/login", from: "http://example.com/") == .refused(.shadowsSecure))
        #expect(try lab.set("s=2; Path=/", from: from) == .stored, "a shorter path stands behind it")
        #expect(try lab.set("s=2; Path=/loginx", from: from) == .stored)
        #expect(try lab.set("other=2; Path=/login", from: from) == .stored)
        #expect(try lab.set("s=2; Path=/login", from: "http://www.test/") == .stored)
        #expect(try lab.sent(to: "https://www.example.com/login") == "s=1; other=2; s=2")
        // A secure origin may.
        #expect(try lab.set("s=3; Domain=example.com; Path=/login") == .stored)
        #expect(try lab.sent(to: "http://www.example.com/login") == "s=3; other=2; s=2")
    }

    @Test("__Secure- and __Host- keep what they promise, in any case of letters")
    func prefixes() throws {
        var lab = CookieLab()
        for prefix in ["__Secure-", "__secure-", "__SECURE-", "__SeCuRe-"] {
            #expect(try lab.set("\(prefix)a=1") == .refused(.prefix))
            #expect(try lab.set("\(prefix)a=1; Secure; Domain=example.com") == .stored)
        }
        for prefix in ["__Host-", "__host-", "__HOST-"] {
            for rest in [
                "", "; Path=/", "; Secure", "; Secure; Path=/x", "; Secure; Path",
                "; Secure; Path=/; Domain=www.example.com",
            ] {
                #expect(try lab.set("\(prefix)a=1\(rest)") == .refused(.prefix), "\(prefix) \(rest)")
            }
            #expect(try lab.set("\(prefix)a=1; Secure; Path=/") == .stored)
            #expect(try lab.set("\(prefix)b=1; Secure; Path=/; Domain=") == .stored, "an empty Domain is none")
        }
        #expect(try lab.set("__Secure-a=1; Secure", from: "http://www.example.com/") == .refused(.insecure))
        for field in ["=__Secure-a=1; Secure", "__Host-a; Secure; Path=/", "=__hOsT-a=2; Secure; Path=/"] {
            #expect(try lab.set(field) == .refused(.prefix), "a cookie without a name must not pass for one: \(field)")
        }
        #expect(try lab.set("__SecureX=1") == .stored)
        #expect(try lab.set("_Host-=1") == .stored)
    }

    @Test("C88: SameSite counts where the request says whose page it is for")
    func sameSite() throws {
        var lab = CookieLab()
        try lab.set("strict=1; SameSite=Strict")
        try lab.set("lax=2; SameSite=Lax")
        try lab.set("none=3; SameSite=None; Secure")
        try lab.set("unstated=4")
        let all = "strict=1; lax=2; none=3; unstated=4"
        let url = "https://www.example.com/"
        #expect(try lab.sent(to: url) == all)
        #expect(try lab.sent(to: url, .sameSite) == all)
        #expect(try lab.sent(to: url, .crossSite(isNavigation: false, isSafe: true)) == "none=3")
        #expect(try lab.sent(to: url, .crossSite(isNavigation: true, isSafe: false)) == "none=3")
        #expect(try lab.sent(to: url, .crossSite(isNavigation: true, isSafe: true)) == "lax=2; none=3; unstated=4")
        let part = CookieTarget.Relation.crossSite(isNavigation: false, isSafe: true)
        #expect(try lab.set("x=1", from: url, part) == .refused(.crossSite))
        #expect(try lab.set("x=1; SameSite=Strict", from: url, part) == .refused(.crossSite))
        #expect(try lab.set("x=1; SameSite=None; Secure", from: url, part) == .stored)
        #expect(try lab.set("y=1; SameSite=Strict", from: url, .crossSite(isNavigation: true, isSafe: true)) == .stored)
        #expect(try lab.set("z=1; SameSite=None", from: url, .sameSite) == .refused(.crossSite), "None needs Secure")
        #expect(try lab.set("z=1; SameSite=None", from: "http://www.example.com/") == .stored)
    }

    @Test("a site is a scheme and a registrable domain")
    func sites() throws {
        let rules = try #require(CookieLab().rules)
        func same(_ one: String, _ other: String) throws -> Bool {
            CookieTarget.isSameSite(try URI(one), try URI(other), registrableDomain: rules.registrableDomain)
        }
        #expect(try same("https://a.example.com/", "https://b.c.example.com:8443/x"))
        #expect(try same("https://example.com/", "wss://example.com/"))
        #expect(try !same("https://example.com/", "http://example.com/"))
        #expect(try !same("https://a.co.uk/", "https://b.co.uk/"))
        #expect(try !same("https://a.github.io/", "https://b.github.io/"))
        #expect(try same("https://github.io/", "https://github.io/"))
        #expect(try !same("https://github.io/", "https://a.github.io/"))
        #expect(try !same("http://192.0.2.1/", "http://198.51.2.1/"))
        #expect(try same("http://192.0.2.1/", "http://192.0.2.1:81/"))
        let unknown = CookieTarget.isSameSite(try URI("http://a.b.test/"), try URI("http://b.test/")) { _ in nil }
        #expect(!unknown, "without a list, each host is a site")
    }

    @Test("a new value keeps its place, and its attributes are the new ones")
    func replacing() throws {
        var lab = CookieLab()
        try lab.set("a=1; Path=/; HttpOnly")
        try lab.set("b=2; Path=/")
        try lab.set("a=3; Path=/; Secure; Max-Age=60")
        #expect(try lab.sent(to: "https://www.example.com/") == "a=3; b=2")
        let first = try #require(lab.store.cookies(at: lab.moment).first)
        #expect(first.isSecure && !first.isHTTPOnly && first.expires != nil)
        try lab.set("A=4; Path=/")
        #expect(try lab.sent(to: "https://www.example.com/") == "a=3; b=2; A=4", "names know upper case")
    }

    @Test("C82: values go back as they came: quotes, codings, bytes that are no UTF-8")
    func quoting() throws {
        var lab = CookieLab()
        try lab.set(#"a="x y, z\054""#)
        try lab.set("b=%C3%A4")
        try lab.set("=c d")
        #expect(try lab.sent(to: "https://www.example.com/") == #"a="x y, z\054"; b=%C3%A4; c d"#)
        let raw = try #require(SetCookie(bytes: [0x72, 0x3D, 0xE9]))
        let target = CookieTarget(try URI("https://raw.test/"))
        #expect(lab.store.store(raw, from: target, at: lab.moment) { _ in .isNone } == .stored)
        let header = CookieHeader(lab.store.cookies(for: target, at: lab.moment)).bytes
        #expect(header == [0x72, 0x3D, 0xE9])
    }

    @Test("what is kept could be kept in a file, whatever servers say")
    func acceptable() throws {
        var lab = CookieLab(limits: .init(perDomain: 5_000, total: 100_000))
        var random = SplitMix(seed: 6)
        let words = [
            "a", "=", "; ", " ", "Path=", "/", "Domain=", ".com", "example.com", "Max-Age=9", "Secure", "__Host-", "\t",
            "é", "\"", ",",
            "Expires=", "SameSite=None", "HttpOnly",
        ]
        let urls = [
            "https://example.com/", "http://[::1]/x", "https://example.com./a/b",
            "https://127.0.0.1/\(String(repeating: "p/", count: 900))",
        ]
        for _ in 0..<5_000 {
            let text = (0..<Int.random(in: 1..<16, using: &random)).map { _ in words.randomElement(using: &random) ?? ""
            }
            try lab.set(text.joined(), from: urls.randomElement(using: &random) ?? "")
        }
        try lab.set("=nameless=pair")
        let long = String(repeating: "é", count: 1_000)
        try lab.set("\(long)=\(long)")
        let raw = try #require(SetCookie(bytes: [UInt8](repeating: 0xE9, count: 4_000) + [0x3D, 0x31]))
        _ = lab.store.store(raw, from: CookieTarget(try URI("https://raw.test/")), at: lab.moment) { _ in .isNone }
        let kept = lab.store.cookies(at: lab.moment)
        #expect(kept.count > 100)
        for cookie in kept {
            let isAcceptable = cookie.isAcceptable
            #expect(isAcceptable, "\(cookie)")
            #expect(cookie.path.utf8.count <= 1024)
        }
    }

    @Test("C84: cookies can be removed by what they are, or by domain")
    func removing() throws {
        var lab = CookieLab()
        try lab.set("a=1")
        try lab.set("b=1; Domain=example.com")
        try lab.set("c=1", from: "https://notexample.com/")
        try lab.set("d=1", from: "https://192.0.2.1/")
        lab.store.remove { $0.name == "a" }
        #expect(lab.store.cookies(at: lab.moment).map(\.name) == ["b", "c", "d"])
        try lab.set("a=1")
        lab.store.remove(domain: "example.com")
        #expect(lab.store.cookies(at: lab.moment).map(\.name) == ["c", "d"])
        lab.store.remove(domain: "2.1")
        #expect(lab.store.count == 2)
        lab.store.removeAll()
        #expect(lab.store.count == 0 && lab.store.cookies(at: lab.moment).isEmpty)
    }
}
