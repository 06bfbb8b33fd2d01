import HTTPTypes
import Testing

@testable import ApusWire

/// C111: multipart bodies as they are sent.
@Suite struct MultipartPlanTests {
    private static func text(_ plan: MultipartPlan, sources: [Int: String] = [:]) -> String {
        plan.segments().map {
            switch $0 {
            case .bytes(let bytes): String(decoding: bytes, as: UTF8.self)
            case .source(let number): sources[number] ?? "?"
            }
        }.joined()
    }

    private static func field(_ name: String, _ filename: String? = nil) -> HTTPFields {
        [.contentDisposition: MultipartFormField.disposition(name: name, filename: filename)]
    }

    @Test("C111: parts, in bytes and from sources, and the length of all of it")
    func parts() throws {
        var plan = try MultipartPlan(boundary: MultipartBoundary("b"))
        try plan.append(Self.field("a"), bytes: Array("1".utf8))
        var file = Self.field("f", "x.txt")
        file[.contentType] = "text/plain"
        try plan.append(file, source: 7, length: 5)
        try plan.append([:], bytes: [])
        let expected =
            "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n"
            + "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x.txt\"\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
            + "--b\r\n\r\n\r\n--b--\r\n"
        #expect(Self.text(plan, sources: [7: "hello"]) == expected)
        #expect(plan.length == expected.utf8.count)
        #expect(plan.segments().count == 3, "what is small is joined")
        #expect(plan.segments() == plan.segments(), "it can be sent again")
        #expect(plan.contentType(subtype: "form-data") == "multipart/form-data; boundary=b")
        try plan.append([:], source: 8, length: nil)
        #expect(plan.length == nil)
    }

    @Test("Without parts it is the final boundary")
    func empty() throws {
        let plan = try MultipartPlan(boundary: MultipartBoundary("b"))
        #expect(Self.text(plan) == "--b--\r\n" && plan.length == 7)
    }

    @Test("C111: multiparts nest, and their lengths add up")
    func nested() throws {
        var inner = try MultipartPlan(boundary: MultipartBoundary("in ner"))
        try inner.append([:], bytes: [0x61])
        try inner.append([:], source: 3, length: 2)
        var outer = try MultipartPlan(boundary: MultipartBoundary("outer"))
        try outer.append(Self.field("n"), nested: inner)
        let expected =
            "--outer\r\nContent-Disposition: form-data; name=\"n\"\r\n"
            + "Content-Type: multipart/mixed; boundary=\"in ner\"\r\n\r\n"
            + "--in ner\r\n\r\na\r\n--in ner\r\n\r\nxx\r\n--in ner--\r\n\r\n--outer--\r\n"
        #expect(Self.text(outer, sources: [3: "xx"]) == expected)
        #expect(outer.length == expected.utf8.count)
        var again = try MultipartPlan(boundary: MultipartBoundary("in"))
        #expect(throws: MultipartError.self) { try again.append([:], nested: outer) }
        #expect(again.segments().count == 1, "nothing was added")
    }

    @Test("A length that is no Int is unknown, and does not trap")
    func overflow() throws {
        var plan = MultipartPlan(boundary: MultipartBoundary(random: 1, 2))
        try plan.append([:], source: 0, length: Int.max)
        #expect(plan.length == nil)
        var other = MultipartPlan(boundary: MultipartBoundary(random: 1, 2))
        try other.append([:], source: 0, length: Int.max - 60)
        #expect(other.length == nil)
    }

    @Test(
        "Boundaries are as RFC 2046 §5.1.1 allows",
        arguments: [
            ("a", true), ("'()+_,-./:=?", true), ("a b", true), (String(repeating: "a", count: 70), true), ("", false),
            ("a ", false), ("ü", false), ("a\r\n", false), ("a\"", false), (String(repeating: "a", count: 71), false),
        ]
    )
    func boundaries(_ text: String, _ isValid: Bool) {
        #expect(((try? MultipartBoundary(text)) != nil) == isValid)
    }

    @Test("A random boundary is a token made of the bytes that are passed in")
    func randomBoundary() {
        let boundary = MultipartBoundary(random: 0x0123_4567_89AB_CDEF, 1)
        #expect(boundary.description == "apus-0123456789abcdef0000000000000001")
    }

    @Test("A boundary of the caller's that occurs in content is refused")
    func collision() throws {
        let boundary = try MultipartBoundary("b")
        #expect(boundary.occurs(in: Array("--b".utf8)))
        #expect(boundary.occurs(in: Array("x\r\r\n--bcd".utf8)))
        #expect(!boundary.occurs(in: Array("x--b\n--b\r\n-b\r\n--".utf8)))
        #expect(!boundary.occurs(in: []))
        var plan = MultipartPlan(boundary: boundary)
        #expect(throws: MultipartError.self) { try plan.append([:], bytes: Array("a\r\n--b".utf8)) }
        #expect(plan.partCount == 0)
    }

    @Test("C110: names and file names are escaped as browsers do, and cannot end a line")
    func escaping() throws {
        #expect(MultipartFormField.disposition(name: "a\"b%ü") == "form-data; name=\"a%22b%ü\"")
        #expect(
            MultipartFormField.disposition(name: "a\nb\rc\r\nd\r") == "form-data; name=\"a%0D%0Ab%0D%0Ac%0D%0Ad%0D%0A\""
        )
        #expect(
            MultipartFormField.disposition(name: "n", filename: "a\nb\r\"\0\\.txt")
                == "form-data; name=\"n\"; filename=\"a%0Ab%0D%22%00\\.txt\""
        )
        #expect(
            MultipartFormField.disposition(name: "n", filename: "naïve.txt", style: .extended)
                == "form-data; name=\"n\"; filename=\"naïve.txt\"; filename*=UTF-8''na%C3%AFve.txt"
        )
        #expect(
            MultipartFormField.disposition(name: "n", filename: "x", style: .extended)
                == "form-data; name=\"n\"; filename=\"x\""
        )
        for byte in UInt8(0)..<128 {
            let value = MultipartFormField.disposition(
                name: String(Unicode.Scalar(byte)),
                filename: String(Unicode.Scalar(byte))
            )
            #expect(HTTPField.isValidValue(value), "byte \(byte)")
        }
    }

    @Test("Many tiny parts take time in proportion")
    func manyParts() throws {
        var plan = MultipartPlan(boundary: MultipartBoundary(random: 1, 2))
        for _ in 0..<50_000 { try plan.append([:], bytes: [0x61]) }
        let size = plan.segments().reduce(0) { if case .bytes(let bytes) = $1 { $0 + bytes.count } else { $0 } }
        #expect(plan.length == size)
        #expect(plan.segments().count < size / 2_000)
    }
}
