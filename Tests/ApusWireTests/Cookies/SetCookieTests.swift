import Testing

@testable import ApusWire

@Suite("Set-Cookie, as browsers read it")
struct SetCookieTests {
    @Test("name and value are around the first =, without the space around them")
    func pairs() throws {
        let cases: [(String, String, String)] = [
            ("a=b", "a", "b"), ("a=", "a", ""), ("=b", "", "b"), ("b", "", "b"), ("a=b=c", "a", "b=c"),
            ("  a \t= \tb c  ; Path=/", "a", "b c"), (#"a="b c""#, "a", #""b c""#), (#"a="b; c""#, "a", #""b"#),
            ("a b=c d", "a b", "c d"), ("a,b=c,d", "a,b", "c,d"), ("ä=ö", "ä", "ö"), ("a=b;", "a", "b"),
            ("a=b;;; ;secure", "a", "b"), ("a=\tb\tc\t", "a", "b\tc"), ("$Version=1", "$Version", "1"),
            ("a=%41%3B", "a", "%41%3B"), ("Secure", "", "Secure"), ("a==b", "a", "=b"), ("; a=b", "", ""),
        ]
        for (field, name, value) in cases {
            let cookie = SetCookie(field)
            if name.isEmpty, value.isEmpty {
                #expect(cookie == nil, "\(field)")
            } else {
                #expect(cookie?.name == name, "\(field)")
                #expect(cookie?.value == value, "\(field)")
            }
        }
    }

    @Test("C87: what is no cookie is left out", arguments: ["", " ", "=", " = ", ";", "; Path=/", "\t=\t;Secure"])
    func nothing(_ field: String) { #expect(SetCookie(field) == nil) }

    @Test("control characters refuse the cookie, wherever they stand; a tab does not")
    func controls() {
        for byte in UInt8(0)...0x20 where byte != 0x20 && byte != 0x09 {
            for text in ["a\u{1}=b", "a=b\u{1}c", "a=b; Path=/\u{1}", "a=b; x\u{1}=y"] {
                let bytes = text.utf8.map { $0 == 1 ? byte : $0 }
                #expect(SetCookie(bytes: bytes) == nil, "\(byte) in \(text)")
            }
        }
        #expect(SetCookie(bytes: Array("a=b\u{7F}".utf8)) == nil)
        #expect(SetCookie("a=b\tc")?.value == "b\tc")
        #expect(SetCookie("a=b\u{80}") != nil)
    }

    @Test("bytes that are no UTF-8 stay as they are")
    func bytes() throws {
        let cookie = try #require(SetCookie(bytes: [0x61, 0x3D, 0xE9, 0x22, 0xFF]))
        #expect(cookie.valueBytes == [0xE9, 0x22, 0xFF])
        #expect(cookie.value == "é\"ÿ")
    }

    @Test("attributes: the last of a name counts, names in any case, unknown ones do nothing")
    func attributes() throws {
        let cookie = try #require(
            SetCookie(
                "a=b; PATH = /x ; path=/y; domain=.Example.COM; secure=no; HttpOnly; SameSite=LAX; Max-Age=5; Expires=Wed, "
                    + "21 Oct 2015 07:28:00 GMT; Partitioned; Version=1; Comment=hi; Priority=High"
            )
        )
        #expect(cookie.path == "/y")
        #expect(cookie.domain == "example.com")
        #expect(cookie.isSecure && cookie.isHTTPOnly && cookie.isPartitioned)
        #expect(cookie.sameSite == .lax)
        #expect(cookie.maxAge == 5)
        #expect(cookie.expires?.description == "Wed, 21 Oct 2015 07:28:00 GMT")
        let plain = try #require(SetCookie("a=b"))
        #expect(plain.path == nil && plain.domain == nil && plain.sameSite == nil && plain.maxAge == nil)
        #expect(plain.expires == nil && !plain.isSecure && !plain.isHTTPOnly && !plain.isPartitioned)
    }

    @Test("attributes that cannot be understood do not count, and do not spoil the cookie")
    func brokenAttributes() {
        #expect(SetCookie("a=b; Max-Age=")?.maxAge == nil)
        #expect(SetCookie("a=b; Max-Age=1; Max-Age=x")?.maxAge == 1)
        #expect(SetCookie("a=b; Max-Age=1.5")?.maxAge == nil)
        #expect(SetCookie("a=b; Max-Age=+1")?.maxAge == nil)
        #expect(SetCookie("a=b; Max-Age=\"1\"")?.maxAge == nil)
        #expect(SetCookie("a=b; Max-Age=-")?.maxAge == nil)
        #expect(SetCookie("a=b; Max-Age=-5")?.maxAge == -1)
        #expect(SetCookie("a=b; Max-Age=99999999999999999999999999")?.maxAge == .max)
        #expect(SetCookie("a=b; Max-Age=-99999999999999999999999999")?.maxAge == -1)
        #expect(SetCookie("a=b; Expires=never")?.expires == nil)
        #expect(SetCookie("a=b; Domain=")?.domain == nil)
        #expect(SetCookie("a=b; Domain=.")?.domain == nil)
        #expect(SetCookie("a=b; Domain=a.test; Domain=")?.domain == nil)
        #expect(SetCookie("a=b; Path=/x; Path=y")?.path == nil, "the last one counts, and means the default")
        #expect(SetCookie("a=b; SameSite=Lax; SameSite=odd")?.sameSite == nil)
        #expect(SetCookie("a=b; SameSite=None")?.sameSite == .noRestriction)
    }

    @Test("C87: 4,096 bytes of name and value are a cookie, one more is none; attributes have 1,024 each")
    func sizes() {
        let text = String(repeating: "v", count: 4095)
        #expect(SetCookie("a=" + text) != nil)
        #expect(SetCookie("ab=" + text) == nil)
        #expect(SetCookie("v" + text) != nil, "without a name")
        #expect(SetCookie("vv" + text) == nil)
        #expect(SetCookie("a=b; Path=/" + String(repeating: "p", count: 1023))?.path?.utf8.count == 1024)
        #expect(SetCookie("a=b; Path=/" + String(repeating: "p", count: 1024))?.path == nil)
        #expect(SetCookie("a=b; x=" + String(repeating: "y", count: 60_000))?.value == "b")
        #expect(SetCookie("a=b" + String(repeating: ";", count: 60_000))?.value == "b")
    }

    @Test("descriptions show no value")
    func descriptions() throws {
        let cookie = try #require(SetCookie("id=canary; Path=/x; Domain=a.test"))
        var dumped = ""
        dump(cookie, to: &dumped)
        for text in ["\(cookie)", String(reflecting: cookie), dumped, "\([cookie])"] {
            #expect(!text.contains("canary") && text.contains("id"), "\(text)")
            #expect(!text.contains("99, 97, 110"), "not as bytes either: \(text)")
        }
        let nameless = try #require(SetCookie("canary"))
        #expect(!"\(nameless)".contains("canary"))
    }

    @Test("any bytes at all are read without a trap, and what is read can be sent")
    func anything() {
        var random = SplitMix(seed: 1)
        let words = [
            "a", "=", ";", " ", "Path", "/", "Domain", ".", "Max-Age", "-1", "Expires", "\t", "\u{1}", "é", "\"", ",",
        ]
        for _ in 0..<20_000 {
            let text = (0..<Int.random(in: 0..<20, using: &random)).map { _ in words.randomElement(using: &random) ?? ""
            }
            guard let cookie = SetCookie(text.joined()) else { continue }
            #expect(!cookie.name.isEmpty || !cookie.value.isEmpty)
            let cannotBeSent = cookie.valueBytes.contains { CookieText.isControl($0) || $0 == 0x3B }
            #expect(!cannotBeSent)
        }
    }
}
