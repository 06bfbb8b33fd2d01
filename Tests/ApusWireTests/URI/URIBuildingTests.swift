import ApusWire
import Testing

@Suite struct URIBuildingTests {
    @Test(
        "appending(path:) goes below the base, with one slash between",
        arguments: [
            ("https://h/v1", "users", "https://h/v1/users"), ("https://h/v1/", "users", "https://h/v1/users"),
            ("https://h/v1/", "/users", "https://h/v1/users"), ("https://h", "users/", "https://h/users/"),
            ("https://h/v1?a=b#c", "users/1", "https://h/v1/users/1?a=b#c"), ("https://h/v1", "", "https://h/v1"),
            ("https://h/v1", "/", "https://h/v1/"), ("https://h/v1", "a b/ü", "https://h/v1/a%20b/%C3%BC"),
            ("https://h/v1", "a%2Fb", "https://h/v1/a%2Fb"), ("https://h/v1", "a?b#c", "https://h/v1/a%3Fb%23c"),
            ("https://h/v1", "//evil.example/x", "https://h/v1/evil.example/x"),
            ("https://h/v1", "http://evil/", "https://h/v1/http://evil/"),
            ("https://h/v1", "a//b", "https://h/v1/a//b"),
            ("https://h/v1", "..a/.b", "https://h/v1/..a/.b"), ("https://h/v1", "\\..\\x", "https://h/v1/%5C..%5Cx"),
        ]
    )
    func path(_ base: String, _ path: String, _ expected: String) throws {
        #expect(try URI(base).appending(path: path).description == expected)
    }

    @Test("What would lead out of the base is refused", arguments: ["..", "a/../b", ".", "%2e%2E/x", "a/.%2e", "/../"])
    func dots(_ path: String) throws {
        let base = try URI("https://h/v1")
        #expect {
            try base.appending(path: path)
        } throws: {
            ($0 as? URIError)?.code == .invalidPath
        }
    }

    @Test("appending(segment:) makes one segment of any text")
    func segment() throws {
        let base = try URI("https://h/v1?q")
        #expect(try base.appending(segment: "a/b?c#d%41").description == "https://h/v1/a%2Fb%3Fc%23d%2541?q")
        #expect(try base.appending(segment: "../x").description == "https://h/v1/..%2Fx?q")
        for text in ["", ".", ".."] {
            #expect(throws: URIError.self) { try base.appending(segment: text) }
        }
    }

    @Test("C11: a query that is written already is added as it is")
    func rawQuery() throws {
        #expect(
            try URI("http://h/p#f").appending(rawQuery: "a=%2f&b=c d#e").description == "http://h/p?a=%2F&b=c%20d%23e#f"
        )
        #expect(try URI("http://h/?x").appending(rawQuery: "y").description == "http://h/?x&y")
        #expect(try URI("http://h/?").appending(rawQuery: "y").description == "http://h/?y")
        #expect(try URI("http://h/?x").appending(rawQuery: "").description == "http://h/?x")
        #expect(throws: URIError.self) { try URI("http://h/").appending(rawQuery: "a\r\nX: y") }
    }

    @Test("C11: params are added to the query that is there, and everything that means something is encoded")
    func params() throws {
        let uri = try URI("http://h/?a=1").appendingQuery([("a", "2"), ("b&c", "d=e+f%"), ("", "")])
        #expect(uri.description == "http://h/?a=1&a=2&b%26c=d%3De%2Bf%25&=")
    }

    @Test("Userinfo and fragment can be taken off")
    func without() throws {
        let uri = try URI("http://u:p@h:81/x?q#f")
        #expect(uri.withoutUserinfo.description == "http://h:81/x?q#f")
        #expect(uri.withoutFragment.description == "http://u:p@h:81/x?q")
        #expect(try URI("http://h/").withoutUserinfo.withoutFragment.description == "http://h/")
        #expect(try URI("http://@h/#").withoutUserinfo.withoutFragment.description == "http://h/")
    }

    // Each row: a text, what this library makes of it (nil: refused), and what the page on URI rules says about others.
    static let differences: [(String, String?)] = [
        // WHATWG reads a backslash as "/"; RFC 3986 does not know it.
        ("http://h\\x", nil), ("http://h/a\\b", "http://h/a%5Cb"),
        // WHATWG drops tabs and line ends, and trims spaces.
        ("http://h/a\tb", nil), (" http://h/", nil), ("http://h/ ", "http://h/%20"),
        // WHATWG reads other forms of IPv4 addresses.
        ("http://127.1/", nil), ("http://0x7f.0.0.1/", nil),
        // WHATWG adds slashes.
        ("http:h/", nil), ("http:/h/", nil), ("http:///h/", nil),
        // WHATWG decodes the host; RFC 3986 allows it to be encoded.
        ("http://%61.example/", nil),
        // WHATWG takes the last "@".
        ("http://a@b@c/", nil),
        // WHATWG leaves default ports out; here they stay, and are left out of Host.
        ("http://h:80/", "http://h:80/"), ("http://h:/", "http://h/"),
        // WHATWG removes dot segments of absolute URLs; here only resolving does.
        ("http://h/a/../b", "http://h/a/../b"),
        // WHATWG leaves a "%" without two digits, and the case of digits.
        ("http://h/%zz%c3", "http://h/%25zz%C3"),
        // WHATWG leaves these in a query; RFC 3986 has no place for them.
        ("http://h/?{}|^`", "http://h/?%7B%7D%7C%5E%60"),
        // WHATWG writes the last 32 bits in hexadecimal.
        ("http://[::ffff:1.2.3.4]/", "http://[::ffff:1.2.3.4]/"),
        // WHATWG takes "_" and more in hosts; RFC 3986 sub-delims too.
        ("http://a_b/", "http://a_b/"), ("http://a!b/", nil),
        // WHATWG takes port 0.
        ("http://h:0/", nil),
    ]

    @Test("C12: where WHATWG, RFC 3986 and this library differ", arguments: differences)
    func differs(_ text: String, _ expected: String?) {
        #expect((try? URI(text))?.description == expected)
    }
}
