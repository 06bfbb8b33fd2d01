import ApusWire
import Testing

/// C110: application/x-www-form-urlencoded.
@Suite struct URLEncodedFormTests {
    @Test("C110: fields are encoded as browsers do")
    func encodes() {
        #expect(
            URLEncodedForm.encode([("a b", "c&d=e+f"), ("ü", "*-._~"), ("", ""), ("x", "\r\n\0/")])
                == "a+b=c%26d%3De%2Bf&%C3%BC=*-._%7E&=&x=%0D%0A%00%2F"
        )
        #expect(URLEncodedForm.encode([]) == "")
    }

    @Test(
        "Bodies are decoded, whatever they are",
        arguments: [
            ("", []), ("&&", []), ("a", ["a", ""]), ("a=b=c", ["a", "b=c"]), ("=b", ["", "b"]), ("=", ["", ""]),
            ("a+b=%2B+%zz%4&a=%C3%BC", ["a b", "+ %zz%4", "a", "ü"]), ("a=%FF", ["a", "\u{FFFD}"]),
            ("a=1&a=2", ["a", "1", "a", "2"]),
            ("a%3Db=c%26d", ["a=b", "c&d"]),
        ]
    )
    func decodes(_ text: String, _ expected: [String]) throws {
        let fields = try URLEncodedForm.decode(Array(text.utf8))
        #expect(fields.flatMap { [$0.name, $0.value] } == expected)
    }

    @Test("The number of fields is bounded")
    func limit() throws {
        let body = Array(String(repeating: "a&", count: 5).utf8)
        #expect(try URLEncodedForm.decode(body, limit: 5).count == 5)
        #expect(throws: URLEncodedFormError.self) { try URLEncodedForm.decode(body, limit: 4) }
    }
}
