import Testing

@testable import ApusWire

@Suite("Netscape's cookie file, and lists of public suffixes")
struct CookieFileTests {
    @Test("each field is read, and written as it was")
    func fields() throws {
        let text = """
            # Netscape HTTP Cookie File

            www.example.com\tFALSE\t/\tTRUE\t1800000000\tid\t"a b"
            #HttpOnly_.example.com\tTRUE\t/x\tFALSE\t0\tempty\t

            """
        let cookies = try NetscapeCookieFile.parse(Array(text.utf8))
        #expect(cookies.count == 2)
        #expect(cookies[0].isHostOnly && cookies[0].isSecure && !cookies[0].isHTTPOnly && cookies[0].value == "\"a b\"")
        #expect(cookies[0].expires?.secondsSince1970 == 1_800_000_000)
        #expect(!cookies[1].isHostOnly && cookies[1].isHTTPOnly && cookies[1].path == "/x" && cookies[1].value == "")
        #expect(cookies[1].domain == "example.com" && cookies[1].expires == nil)
        #expect(String(decoding: NetscapeCookieFile.text(cookies), as: UTF8.self) == text)
    }

    @Test("comments, empty lines, CR LF and a missing value do no harm")
    func tolerated() throws {
        let text = "# c\r\n\r\n#comment\r\n \t \r\na.test\tFALSE\t/\tfalse\t0\tname\r\n"
        let cookies = try NetscapeCookieFile.parse(Array(text.utf8))
        #expect(cookies.map(\.name) == ["name"])
        #expect(try NetscapeCookieFile.parse([]).isEmpty)
    }

    @Test("a path without its slash, as curl writes it, is every path")
    func slashless() throws {
        let cookies = try NetscapeCookieFile.parse(Array("a.test\tFALSE\tnonsense\tFALSE\t0\ta\tb\n".utf8))
        #expect(cookies.map(\.path) == ["/"])
    }

    @Test(
        "what is no cookie is told with its line",
        arguments: [
            "nonsense", "a.test\tFALSE\t/\tFALSE\t0", "a.test\tYES\t/\tFALSE\t0\ta\tb",
            "a.test\tFALSE\t/\tFALSE\tsoon\ta\tb",
            "a test\tFALSE\t/\tFALSE\t0\ta\tb", "\tFALSE\t/\tFALSE\t0\ta\tb",
            "a.test\tFALSE\t/\tFALSE\t0\ta\tb;c", "a.test\tFALSE\t/\tFALSE\t0\ta=b\tc",
            "a.test/x\tFALSE\t/\tFALSE\t0\ta\tb",
            "192.0.2.1\tTRUE\t/\tFALSE\t0\ta\tb", "a.test\tFALSE\t/\tFALSE\t0\t__Secure-a\tb",
            "a.test\tFALSE\t/\tFALSE\t0\ta\tb\tc\u{1}",
        ]
    )
    func refused(_ line: String) {
        do {
            _ = try NetscapeCookieFile.parse(Array("# c\n\(line)\n".utf8))
            Issue.record("\(line) was read")
        } catch let problem as NetscapeCookieFile.Problem {
            #expect(problem.line == 2)
            #expect(!problem.message.contains("nonsense"))
        } catch {
            Issue.record("\(error)")
        }
    }

    @Test("what the format cannot say is left out")
    func unsayable() throws {
        var lab = CookieLab()
        for field in ["a=1", "nameless", "tab=1\t2", "session=1; Max-Age=5", "old=1; Path=/p\tq"] { try lab.set(field) }
        let text = NetscapeCookieFile.text(lab.store.cookies(at: lab.moment))
        let again = try NetscapeCookieFile.parse(text)
        #expect(again.map(\.name) == ["a", "session"])
    }

    @Test("public suffixes: rules, wildcards, exceptions, comments, and what no rule names")
    func suffixes() throws {
        let rules = PublicSuffixRules(
            Array(
                "// x\r\ncom\n  indented.com\nco.uk trailing words\n*.ck\n!www.ck\n*.kobe.jp\njp\n!city.kobe.jp\nck\n// end\nS3.TEST\n\n"
                    .utf8
            )
        )
        let cases: [(String, String?)] = [
            ("com", nil), ("example.com", "example.com"), ("a.b.example.com", "example.com"), ("co.uk", nil),
            ("a.co.uk", "a.co.uk"), ("b.a.co.uk", "a.co.uk"), ("uk", nil), ("ck", nil), ("x.ck", nil),
            ("y.x.ck", "y.x.ck"),
            ("z.y.x.ck", "y.x.ck"), ("www.ck", "www.ck"), ("a.www.ck", "www.ck"), ("jp", nil), ("kobe.jp", nil),
            ("x.kobe.jp", nil), ("y.x.kobe.jp", "y.x.kobe.jp"), ("city.kobe.jp", "city.kobe.jp"),
            ("a.city.kobe.jp", "city.kobe.jp"), ("unknown", nil), ("a.unknown", "a.unknown"),
            ("indented.com", "indented.com"),
            ("s3.test", nil), ("b.s3.test", "b.s3.test"), ("", nil),
        ]
        for (host, expected) in cases {
            #expect(rules.registrableDomain(of: host) == expected, "\(host)")
            #expect(rules.isSuffix(host) == (expected == nil), "\(host)")
        }
        #expect(!rules.isEmpty && PublicSuffixRules(Array("// nothing\n\n".utf8)).isEmpty)
    }
}
