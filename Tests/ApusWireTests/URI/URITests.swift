import ApusWire
import Testing

@Suite struct URITests {
    struct Parsed: Sendable, CustomTestStringConvertible {
        let text: String
        let normal: String
        let host: String
        let port: Int?
        let target: String
        let hostHeader: String
        var testDescription: String { text.debugDescription }

        init(_ text: String, _ normal: String?, _ host: String, _ target: String, _ hostHeader: String? = nil) {
            self.init(text, normal, host, nil, target, hostHeader ?? host)
        }

        init(
            _ text: String,
            _ normal: String?,
            _ host: String,
            _ port: Int?,
            _ target: String,
            _ hostHeader: String? = nil
        ) {
            self.text = text
            self.normal = normal ?? text
            self.host = host
            self.port = port
            self.target = target
            self.hostHeader = hostHeader ?? (port.map { "\(host):\($0)" } ?? host)
        }
    }

    static let parsed: [Parsed] = [
        Parsed("http://example.com/", nil, "example.com", "/"),
        Parsed("http://example.com", "http://example.com/", "example.com", "/"),
        Parsed("http://example.com?q", "http://example.com/?q", "example.com", "/?q"),
        Parsed("http://example.com#f", "http://example.com/#f", "example.com", "/"),
        Parsed("HTTP://Example.COM/Path", "http://example.com/Path", "example.com", "/Path"),
        Parsed("https://example.com:8443/a?b=c#d", nil, "example.com", 8443, "/a?b=c"),
        Parsed("https://example.com:443/", nil, "example.com", 443, "/", "example.com"),
        Parsed("http://example.com:80/", nil, "example.com", 80, "/", "example.com"),
        Parsed("https://example.com:80/", nil, "example.com", 80, "/"),
        Parsed("http://example.com:/x", "http://example.com/x", "example.com", "/x"),
        Parsed("http://example.com:0080/", "http://example.com:80/", "example.com", 80, "/", "example.com"),
        Parsed("http://[::1]:8080/", nil, "::1", 8080, "/", "[::1]:8080"),
        Parsed("http://[2001:DB8::1]/", "http://[2001:db8::1]/", "2001:db8::1", "/", "[2001:db8::1]"),
        Parsed("http://[::ffff:192.0.2.1]/", nil, "::ffff:192.0.2.1", "/", "[::ffff:192.0.2.1]"),
        Parsed("http://127.0.0.1:1/", nil, "127.0.0.1", 1, "/"),
        Parsed("http://host_name.example.com./x", nil, "host_name.example.com.", "/x"),
        Parsed("http://1.example/", nil, "1.example", "/"),
        Parsed("http://a.b1/", nil, "a.b1", "/"),
        Parsed("http://localhost/a b", "http://localhost/a%20b", "localhost", "/a%20b"),
        Parsed("http://h/ü?ü", "http://h/%C3%BC?%C3%BC", "h", "/%C3%BC?%C3%BC"),
        Parsed("http://h/%c3%bc%zz%", "http://h/%C3%BC%25zz%25", "h", "/%C3%BC%25zz%25"),
        Parsed("http://h/a%2fb", "http://h/a%2Fb", "h", "/a%2Fb"),
        Parsed("http://h/a\\b", "http://h/a%5Cb", "h", "/a%5Cb"),
        Parsed("http://h/\\@evil.com", "http://h/%5C@evil.com", "h", "/%5C@evil.com"),
        Parsed(
            "http://h/?a=<b>&c=\"d\"|{}^`[]",
            "http://h/?a=%3Cb%3E&c=%22d%22%7C%7B%7D%5E%60%5B%5D",
            "h",
            "/?a=%3Cb%3E&c=%22d%22%7C%7B%7D%5E%60%5B%5D"
        ),
        Parsed("http://h/?a?b/c:@!$&'()*+,;=", nil, "h", "/?a?b/c:@!$&'()*+,;="),
        Parsed("http://h/#a#b", "http://h/#a%23b", "h", "/"),
        Parsed("http://u:p@h:81/", nil, "h", 81, "/"),
        Parsed("http://h/a@b:c", nil, "h", "/a@b:c"),
        Parsed("wss://h/ws", nil, "h", "/ws"),
        Parsed("http://h?x=a@b/c\\d", "http://h/?x=a@b/c%5Cd", "h", "/?x=a@b/c%5Cd"),
        Parsed("file:///etc/hosts", nil, "", "/etc/hosts"),
        Parsed("mailto:someone@example.com", nil, "", "someone@example.com"),
        Parsed("http+unix://%2Ftmp%2Fsocket/x", nil, "%2Ftmp%2Fsocket", "/x", "localhost"),
    ]

    @Test("A URI is parsed and normalised", arguments: parsed)
    func parses(_ row: Parsed) throws {
        let uri = try URI(row.text)
        #expect(uri.description == row.normal)
        #expect(uri.host == row.host)
        #expect(uri.port == row.port)
        #expect(String(decoding: uri.target, as: UTF8.self) == row.target)
        #expect(uri.hostHeader == row.hostHeader)
        #expect(try URI(uri.description) == uri, "normalising twice changes nothing")
    }

    static let refused: [(String, URIError.Code)] = [
        ("", .empty),
        ("example.com", .invalidScheme),
        ("/path", .invalidScheme),
        ("//host/path", .invalidScheme),
        ("://host/", .invalidScheme),
        ("1http://host/", .invalidScheme),
        (" http://host/", .invalidScheme),
        ("ht tp://host/", .invalidScheme),
        ("http:", .emptyHost),
        ("http:/host", .emptyHost),
        ("http://", .emptyHost),
        ("http:///path", .emptyHost),
        ("http://:80/", .emptyHost),
        ("http://user@/", .emptyHost),
        ("http://?q", .emptyHost),
        ("http://a b/", .invalidHost),
        ("http://a..b/", .invalidHost),
        ("http://.a/", .invalidHost),
        ("http://a%41/", .invalidHost),
        ("http://a<b/", .invalidHost),
        ("http://a:b:80/", .invalidHost),
        ("http://a,b/", .invalidHost),
        ("http://[::1]x/", .invalidHost),
        ("http://x[::1]/", .invalidHost),
        ("http://\(String(repeating: "a", count: 64)).com/", .invalidHost),
        ("http://\(String(repeating: "a.", count: 128))com/", .invalidHost),
        ("http://\(String(repeating: "a.", count: 126))co/", .invalidHost),
        ("x://bücher.example/", .invalidInternationalHost),
        ("http://bücher..example/", .invalidHost),
        ("http://127.1/", .invalidIPv4),
        ("http://2130706433/", .invalidIPv4),
        ("http://0177.0.0.1/", .invalidIPv4),
        ("http://0x7f.0.0.1/", .invalidIPv4),
        ("http://0x7f000001/", .invalidIPv4),
        ("http://127.0.0.0x1/", .invalidIPv4),
        ("http://127.0.0.0x/", .invalidIPv4),
        ("http://256.0.0.1/", .invalidIPv4),
        ("http://1.2.3.4.5/", .invalidIPv4),
        ("http://1.2.3.4./", .invalidIPv4),
        ("http://a.1/", .invalidIPv4),
        ("http://127.0.0.01/", .invalidIPv4),
        ("http://[::1/", .invalidIPv6),
        ("http://[]/", .invalidIPv6),
        ("http://[1::2::3]/", .invalidIPv6),
        ("http://[1:2:3:4:5:6:7]/", .invalidIPv6),
        ("http://[1:2:3:4:5:6:7:8:9]/", .invalidIPv6),
        ("http://[12345::]/", .invalidIPv6),
        ("http://[:1]/", .invalidIPv6),
        ("http://[1:]/", .invalidIPv6),
        ("http://[:::]/", .invalidIPv6),
        ("http://[::1.2.3]/", .invalidIPv6),
        ("http://[fe80::1%25eth0]/", .invalidIPv6),
        ("http://[v1.a]/", .invalidIPv6),
        ("http://h:0/", .invalidPort),
        ("http://h:65536/", .invalidPort),
        ("http://h:-1/", .invalidPort),
        ("http://h:+80/", .invalidPort),
        ("http://h:8a/", .invalidPort),
        ("http://h:000080/", .invalidPort),
        ("http://h:99999999999999999999/", .invalidPort),
        ("http://[::1]:0/", .invalidPort),
        ("http://good.com\\@evil.com/", .backslashInAuthority),
        ("http://good.com\\.evil.com/", .backslashInAuthority),
        ("http://a@b@c/", .ambiguousUserinfo),
        ("http://h/\n", .controlCharacter),
        ("http://h/a\r\nX: y", .controlCharacter),
        ("http://h/\0", .controlCharacter),
        ("http://h/\t", .controlCharacter),
        ("http://h/\u{7F}", .controlCharacter),
        ("\nhttp://h/", .controlCharacter),
    ]

    @Test("What is no URI, or not clearly one, is refused", arguments: refused)
    func refuses(_ text: String, _ code: URIError.Code) {
        #expect {
            try URI(text)
        } throws: {
            ($0 as? URIError)?.code == code
        }
    }

    @Test(
        "Each valid IPv6 form is taken, and stored in the one form of RFC 5952",
        arguments: [
            ("::", "::"), ("::1", "::1"), ("1::", "1::"), ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"), ("1::8", "1::8"),
            ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"), ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"), ("::1.2.3.4", "::102:304"),
            ("1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"), ("0:0:0:0:0:0:0:1", "::1"),
            ("2001:0DB8::0001", "2001:db8::1"), ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
            ("1:0:0:2:0:0:0:3", "1:0:0:2::3"), ("::FFFF:c000:0201", "::ffff:192.0.2.1"), ("1:0:3::", "1:0:3::"),
            ("0:0:0:0:0:ffff:0:0", "::ffff:0.0.0.0"), ("::ffff:0:0:0", "::ffff:0:0:0"),
        ]
    )
    func takesIPv6(_ given: String, _ canonical: String) throws {
        let uri = try URI("http://[\(given)]:1/")
        #expect(uri.host == canonical)
        #expect(uri.description == "http://[\(canonical)]:1/")
        #expect(try uri.origin == URI("http://[\(canonical)]:1/").origin)
    }

    @Test("A zone is refused with a reason of its own (RFC 9844)")
    func zones() {
        for text in ["http://[fe80::1%25eth0]/", "http://[fe80::1%eth0]/"] {
            #expect {
                try URI(text)
            } throws: {
                "\($0)".contains("zone")
            }
        }
    }

    @Test("A text at the limit is parsed, one byte more is refused")
    func lengthLimit() throws {
        let prefix = "http://h/"
        let path = String(repeating: "a", count: URI.maximumLength - prefix.utf8.count)
        #expect(try URI(prefix + path).target.count == path.count + 1)
        #expect(throws: URIError.self) { try URI(prefix + path + "a") }
    }

    @Test("User and password are decoded, and absent where not given")
    func userinfo() throws {
        let uri = try URI("http://us%65r:p%40ss:w@h/")
        #expect(uri.user == "user")
        #expect(uri.password == "p@ss:w")
        #expect(try URI("http://user@h/").password == nil)
        #expect(try URI("http://h/").user == nil)
        #expect(try URI("http://@h/").hasUserinfo)
        #expect(try URI("http://a b@h/").user == "a b")
    }

    @Test("Neither redacted nor an error shows userinfo or query")
    func secrets() throws {
        let uri = try URI("https://user:canary@h:8443/path?token=canary#canary")
        #expect(uri.redacted == "https://h:8443/path?…")
        #expect(uri.origin.description == "https://h:8443")
        // Somebody forgot http://, or it is no URL of ours at all.
        for (text, redacted) in [
            ("user:canary@example.com/x?canary", "user:…"), ("localhost:8080/x", "localhost:…"),
            ("file:///canary", "file:…"), ("x://canary@/canary", "x:…"), ("ftp://u:canary@h/x", "ftp://h/x"),
        ] {
            #expect(try URI(text).redacted == redacted)
        }
        for text in [
            "http://user:canary@h:99999/?canary", "http://canary@b@c/", "http://canary@h\\/", "http://canary@/?canary",
            "http://canary@1.2/?canary", "http://canary@h/?canary\n", "http://canary@[1]/",
        ] {
            #expect {
                try URI(text)
            } throws: {
                !"\($0)".contains("canary")
            }
        }
    }

    @Test("Origins compare by scheme, host and effective port")
    func origins() throws {
        #expect(try URI("http://H:80/a").origin == URI("http://h/b").origin)
        #expect(try URI("https://h/").origin != URI("http://h/").origin)
        #expect(try URI("https://h/").origin != URI("https://h:444/").origin)
        #expect(try URI("https://[::1]/").origin.description == "https://[::1]")
    }

    @Test("appendingQuery encodes and keeps what is there")
    func appendingQuery() throws {
        #expect(try URI("http://h").appendingQuery([("a b", "c&d=ü")]).description == "http://h/?a%20b=c%26d%3D%C3%BC")
        #expect(
            try URI("http://h/?x#f").appendingQuery([("a", "1"), ("b", "2")]).description == "http://h/?x&a=1&b=2#f"
        )
        #expect(try URI("http://h/?").appendingQuery([("a", "")]).description == "http://h/?a=")
        #expect(try URI("http://h/p").appendingQuery([]).description == "http://h/p")
    }

    // RFC 3986 §5.4. The base and results with an empty path get the "/" that normalising adds.
    static let references: [(String, String)] = [
        ("g:h", "g:h"), ("g", "http://a/b/c/g"), ("./g", "http://a/b/c/g"), ("g/", "http://a/b/c/g/"),
        ("/g", "http://a/g"), ("//g", "http://g/"), ("?y", "http://a/b/c/d;p?y"), ("g?y", "http://a/b/c/g?y"),
        ("#s", "http://a/b/c/d;p?q#s"), ("g#s", "http://a/b/c/g#s"), ("g?y#s", "http://a/b/c/g?y#s"),
        (";x", "http://a/b/c/;x"), ("g;x", "http://a/b/c/g;x"), ("g;x?y#s", "http://a/b/c/g;x?y#s"),
        ("", "http://a/b/c/d;p?q"), (".", "http://a/b/c/"), ("./", "http://a/b/c/"), ("..", "http://a/b/"),
        ("../", "http://a/b/"), ("../g", "http://a/b/g"), ("../..", "http://a/"), ("../../", "http://a/"),
        ("../../g", "http://a/g"),
        // Abnormal ones.
        ("../../../g", "http://a/g"), ("../../../../g", "http://a/g"), ("/./g", "http://a/g"), ("/../g", "http://a/g"),
        ("g.", "http://a/b/c/g."), (".g", "http://a/b/c/.g"), ("g..", "http://a/b/c/g.."), ("..g", "http://a/b/c/..g"),
        ("./../g", "http://a/b/g"), ("./g/.", "http://a/b/c/g/"), ("g/./h", "http://a/b/c/g/h"),
        ("g/../h", "http://a/b/c/h"), ("g;x=1/./y", "http://a/b/c/g;x=1/y"), ("g;x=1/../y", "http://a/b/c/y"),
        ("g?y/./x", "http://a/b/c/g?y/./x"), ("g?y/../x", "http://a/b/c/g?y/../x"),
        ("g#s/./x", "http://a/b/c/g#s/./x"), ("g#s/../x", "http://a/b/c/g#s/../x"),
        // Not in the RFC.
        ("/%2e%2E/g", "http://a/g"), ("http://x/../y", "http://x/y"), ("/a//b/../c", "http://a/a//c"),
        ("/\\evil.com", "http://a/%5Cevil.com"), ("\\\\evil.com", "http://a/b/c/%5C%5Cevil.com"),
        ("a b?c d", "http://a/b/c/a%20b?c%20d"), ("/:x", "http://a/:x"), ("./a:b", "http://a/b/c/a:b"),
    ]

    @Test("References resolve as in RFC 3986 §5.4", arguments: references)
    func resolves(_ reference: String, _ expected: String) throws {
        #expect(try URI("http://a/b/c/d;p?q").resolve(reference).description == expected)
    }

    @Test("A reference with the base's scheme is absolute, not relative (the strict form of §5.2.2)")
    func strictScheme() throws {
        #expect(throws: URIError.self) { try URI("http://a/b/c/d;p?q").resolve("http:g") }
        #expect(throws: URIError.self) { try URI("http://a/").resolve("//b\r\nX: y") }
        #expect(throws: URIError.self) { try URI("http://a/").resolve("//b\\@c") }
    }

    @Test("Percent-encoding is undone by decoding, and odd input stays")
    func percentEncoding() {
        #expect(PercentEncoding.encode("a/b ü~") == "a%2Fb%20%C3%BC~")
        #expect(PercentEncoding.decode("a%2Fb%20%C3%BC~") == "a/b ü~")
        #expect(PercentEncoding.decode("%") == "%")
        #expect(PercentEncoding.decode("%4") == "%4")
        #expect(PercentEncoding.decode("%zz%41") == "%zzA")
    }

    @Test("Random texts give a URI or a URIError, and a URI's text parses to itself")
    func fuzz() throws {
        let seed: UInt64 = 0x5EED_0001
        var random = SplitMix(seed: seed)
        let pieces = [
            "http", "https", ":", "//", "/", "?", "#", "@", "[", "]", "::1", "1.2.3.4", "0x7f", "a", ".", "..", "%",
            "%41", "\\", " ",
            "ü", "\t", "80", "65536", "\u{0}", "-", "_", "A",
        ]
        for round in 0..<5_000 {
            var text = random.next() % 2 == 0 ? "http://" : ""
            for _ in 0..<random.next() % 12 { text += pieces[Int(random.next() % UInt64(pieces.count))] }
            guard let uri = try? URI(text) else { continue }
            let again = try? URI(uri.description)
            #expect(again == uri, "seed \(seed) round \(round): \(text.debugDescription)")
            #expect(uri.target.allSatisfy { $0 > 0x20 && $0 < 0x7F }, "seed \(seed) round \(round)")
            _ = try? uri.resolve(pieces[Int(random.next() % UInt64(pieces.count))])
        }
    }

    /// What an authority means: host and port, or the code of the error.
    private static func meaning(_ authority: String) -> String {
        do throws(URIError) {
            let uri = try URI("http://\(authority)/p")
            return "\(uri.host) \(uri.port ?? 0) \(uri.path)"
        } catch {
            return "\(error.code)"
        }
    }

    @Test(
        "An authority that is read in one pass means what it means to the general parser, which a user name calls for"
    )
    func usualAuthorities() {
        var random = SplitMix(seed: 7)
        let pieces = [
            "a", "b-", "_", "0", "00", "1", "9", "12", "127", "255", "256", "999", "0x", "0x7f", "f", "x", ".", ".",
            ".",
            "..", ":", ":80", ":0", ":080", ":65535", ":65536", ":123456", "A", "~", "%41", "example", "com",
            String(repeating: "z", count: 62), "xn--", "1.2.3.4", "-",
        ]
        var valid = 0
        for _ in 0..<20_000 {
            let count = Int.random(in: 0...7, using: &random)
            let authority = (0..<count).map { _ in pieces.randomElement(using: &random) ?? "" }.joined()
            let (usual, general) = (Self.meaning(authority), Self.meaning("u@\(authority)"))
            if usual.contains(" ") { valid += 1 }
            #expect(usual == general, "\(authority)")
        }
        // Else the comparison would say nothing.
        #expect(valid > 2_000)
    }

    @Test("The usual authorities end where a path, a query, a fragment or the text does")
    func usualEnds() throws {
        for (text, path, query) in [
            ("http://10.0.0.1:8080/a", "/a", nil), ("http://10.0.0.1:8080?q", "/", "q"), ("http://a.b:1#f", "/", nil),
            ("http://a.b", "/", nil), ("http://a.b:65535", "/", nil),
        ] as [(String, String, String?)] {
            let uri = try URI(text)
            #expect((uri.path, uri.query) == (path, query), "\(text)")
        }
    }
}
