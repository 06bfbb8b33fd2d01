import ApusWire
import Testing

/// C40, C41: Content-Type and Content-Disposition.
@Suite struct MediaTypeTests {
    @Test(
        "C41: media types are parsed, in lower case, with their parameters",
        arguments: [
            ("text/html", "text/html"), ("TEXT/HTML;Charset=UTF-8", "text/html; charset=UTF-8"),
            (" text/html ; charset=\"utf-8\" ", "text/html; charset=utf-8"),
            ("text/html;charset=a;charset=b", "text/html; charset=a"),
            ("text/html;;x;=y;charset=utf-8;", "text/html; charset=utf-8"),
            ("text/html; a=\"b;c\\\"d\"; e=f", "text/html; a=\"b;c\\\"d\"; e=f"),
            ("text/html; a=\"unfinished", "text/html"), ("text/html; a=\"b\"junk; c=d", "text/html; a=b; c=d"),
            ("text/html; a = b", "text/html; a=b"), ("text/html; a=b c ; d=e", "text/html; a=\"b c\"; d=e"),
            ("text/html; a=", "text/html"), ("text/html; a=\"\"", "text/html; a=\"\""),
            ("application/vnd.api+json", "application/vnd.api+json"), ("text/html; @@; a=b", "text/html; a=b"),
        ]
    )
    func parses(_ text: String, _ expected: String) throws {
        let type = try #require(MediaType(text))
        #expect(type.description == expected)
        #expect(MediaType(type.description) == type, "what is written is read back")
    }

    @Test(
        "What has no type and subtype is no media type",
        arguments: [
            "", "text", "text/", "/html", "text /html", "text/ html", "text/html, text/plain", "text/html x", "*",
            "\"a\"/b",
        ]
    )
    func refuses(_ text: String) {
        #expect(MediaType(text) == nil)
    }

    @Test("C41: JSON is known by its subtype")
    func json() {
        for text in ["application/json", "Application/Problem+JSON; charset=utf-8", "text/json", "image/svg+json"] {
            #expect(MediaType(text)?.isJSON == true, "\(text)")
        }
        for text in ["text/html", "application/jsonx", "application/json-seq", "image/json"] {
            #expect(MediaType(text)?.isJSON == false, "\(text)")
        }
        #expect(MediaType("text/html; charset=\"latin1\"")?.charset == "latin1")
        #expect(MediaType("text/html")?.charset == nil)
        #expect(MediaType(type: "Text", subtype: "X", parameters: [("A", "b c")]).description == "text/x; a=\"b c\"")
        #expect(MediaType(type: "a", subtype: "b", parameters: [("c", "d\r\ne")]).description == "a/b; c=\"d  e\"")
    }

    // RFC 6266 §5 and appendix, and what servers send.
    static let dispositions: [(String, String, String?)] = [
        ("attachment", "attachment", nil), ("Inline; filename=x.txt", "inline", "x.txt"),
        ("attachment; filename=\"an example.html\"", "attachment", "an example.html"),
        ("attachment; filename=an example.html; size=3", "attachment", "an example.html"),
        ("attachment; filename=\"EURO rates\"; filename*=utf-8''%e2%82%ac%20rates", "attachment", "€ rates"),
        ("attachment; filename*=UTF-8'en'%e2%82%ac%20rates; filename=x", "attachment", "€ rates"),
        ("attachment; filename*=iso-8859-1''%a3%20rates", "attachment", "£ rates"),
        ("attachment; filename*=utf-8''%zz; filename=fallback", "attachment", "fallback"),
        ("attachment; filename*=utf-8''%ff; filename=fallback", "attachment", "fallback"),
        ("attachment; filename*=shift_jis''x; filename=fallback", "attachment", "fallback"),
        ("attachment; filename*=nothing; filename=fallback", "attachment", "fallback"),
        ("attachment; filename*0=\"foo-\"; filename*1*=\"%c3%bc\"; filename*2=.txt", "attachment", "foo-%c3%bc.txt"),
        ("attachment; filename*0*=utf-8''foo-%c3; filename*1*=%bc; filename*2=.txt", "attachment", "foo-ü.txt"),
        ("attachment; filename*1=b; filename*2=c", "attachment", nil),
        ("form-data; name=\"field\"; filename=\"a\\\"b\"", "form-data", "a\"b"),
        ("attachment; filename=naïve.txt", "attachment", "naïve.txt"),
    ]

    @Test("C40: content dispositions, with file names as RFC 6266 prefers them", arguments: dispositions)
    func disposition(_ text: String, _ type: String, _ filename: String?) throws {
        let found = try #require(ContentDisposition(text))
        #expect(found.type == type)
        #expect(found.filename == filename?.replacing("%c3%bc", with: "ü"))
    }

    @Test("What has no type is no content disposition")
    func noDisposition() {
        for text in ["", ";filename=x", "\"attachment\"", "filename=x", "a b"] {
            #expect(ContentDisposition(text) == nil, "\(text)")
        }
        #expect(ContentDisposition("form-data; name=\"f\"")?.name == "f")
    }

    @Test(
        "safeFilename strips paths and what systems trip over",
        arguments: [
            ("report.pdf", "report.pdf"), ("../../etc/passwd", "passwd"), ("/etc/passwd", "passwd"),
            ("C:\\Windows\\system.ini", "system.ini"), ("a/b\\c", "c"), ("..", nil), (".", nil), ("", nil), ("a/", nil),
            ("a/..", nil), (".bashrc", "bashrc"), ("...", nil), (" . x . ", "x"), ("a\0b\r\n.txt", "ab.txt"),
            ("a:b*c?.txt", "a_b_c_.txt"), ("C:evil", "C_evil"), ("txt.\u{202E}gpj", "txt.gpj"), ("NUL", "_NUL"),
            ("con.txt", "_con.txt"), ("LPT1.x", "_LPT1.x"), ("com.txt", "com.txt"), ("console", "console"),
            ("naïve €.txt", "naïve €.txt"), ("\u{2028}", nil), ("\u{200B}\u{FEFF}", nil), ("a\u{301}", "a\u{301}"),
        ] as [(String, String?)]
    )
    func safe(_ given: String, _ expected: String?) {
        #expect(ContentDisposition.safeFilename(given) == expected)
    }

    @Test("A long file name is cut to 255 bytes, between characters, and keeps its extension")
    func long() throws {
        let name = try #require(ContentDisposition.safeFilename(String(repeating: "ü", count: 1_000) + ".txt"))
        #expect(name.utf8.count <= 255 && name.utf8.count >= 254 && name.hasSuffix("ü.txt"))
        let device = try #require(ContentDisposition.safeFilename("con." + String(repeating: "x", count: 300)))
        #expect(device.utf8.count == 255 && device.hasPrefix("_con."))
    }
}
