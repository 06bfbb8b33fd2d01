import ApusHTTPClient
import ApusTesting
import Testing

@Suite("C41: text and JSON")
struct TextTests {
    private struct Point: Codable, Hashable, Sendable {
        var x: Int
        var label: String
    }

    private func answer(_ type: String?, _ bytes: [UInt8]) -> [UInt8] {
        let line = type.map { "Content-Type: \($0)\r\n" } ?? ""
        return Array("HTTP/1.1 200 OK\r\n\(line)Content-Length: \(bytes.count)\r\n\r\n".utf8) + bytes
    }

    private func read<Result: Sendable>(
        _ type: String?,
        _ bytes: [UInt8],
        _ body: @escaping @Sendable (ClientResponse) async throws -> Result
    ) async throws -> Result? {
        let box = Box<Result>()
        try await withScripts([.expectRequest, .send(answer(type, bytes))]) { session, _ in
            box.value = try await body(try await session.get(someURL))
        }
        return box.value
    }

    private final class Box<Value>: @unchecked Sendable {
        var value: Value?
    }

    @Test(
        "the charset of the head decides, by the labels of WHATWG",
        arguments: [
            ("text/html", [0xE4, 0xB8, 0xAD], "中"), ("text/html; charset=utf-8", [0xE4, 0xB8, 0xAD], "中"),
            ("text/html;charset=\"UTF-8\"", [0xE4, 0xB8, 0xAD], "中"),
            ("text/html; charset=gb2312", [0xD6, 0xD0, 0xCE, 0xC4], "中文"),
            ("text/html; charset=GBK", [0x8E, 0x5C, 0x61], "嶾a"),
            ("text/html; charset=gb18030", [0x95, 0x32, 0x82, 0x36, 0xD6, 0xD0], "𠀀中"),
            ("text/plain; charset=Shift_JIS", [0x93, 0xFA, 0x96, 0x7B], "日本"),
            ("text/plain; charset=euc-kr", [0xC7, 0xD1], "한"), ("text/plain; charset=big5", [0xA4, 0xA4], "中"),
            ("text/plain; charset=koi8-r", [0xED, 0xC9, 0xD2], "Мир"),
            ("text/plain; charset=latin1", [0x80, 0xE4], "€ä"), ("text/plain; charset=utf-16", [0x2D, 0x4E], "中"),
            ("text/plain; charset=utf-16be", [0x4E, 0x2D], "中"),
            ("text/plain; charset=no-such-charset!", [0xC3, 0xA4], "ä"),
            ("text/plain; charset=klingon", [0xC3, 0xA4], "ä"), ("text/html; charset=utf8mb4", [0xC3, 0xA4], "ä"),
            ("text/html; charset=none", [0xC3, 0xA4], "ä"), ("text/html; charset=", [0xC3, 0xA4], "ä"),
        ] as [(String, [UInt8], String)]
    )
    func charsets(type: String, bytes: [UInt8], expected: String) async throws {
        let text = try await read(type, bytes) { try await $0.text() }
        #expect(text == expected)
    }

    @Test("an encoding of the head's whose table this system lacks is an error: its bytes are something else")
    func missingTable() async throws {
        // There was never a twelfth part of ISO 8859.
        let error = try await read("text/plain; charset=iso-8859-12", [0xC3, 0xA4]) { response in
            await clientError { try await response.text() }
        }
        #expect(error??.code == .decodingFailed)
        #expect(error??.message.contains("iso-8859-12") == true)
    }

    @Test("a byte order mark overrides the head, and is no part of the text")
    func marks() async throws {
        for (bytes, expected): ([UInt8], String) in [
            ([0xEF, 0xBB, 0xBF, 0xC3, 0xA4], "ä"), ([0xFF, 0xFE, 0x2D, 0x4E], "中"), ([0xFE, 0xFF, 0x4E, 0x2D], "中"),
            ([0xEF, 0xBB, 0xBF], ""),
        ] {
            for type in ["text/plain", "text/plain; charset=gbk"] {
                let text = try await read(type, bytes) { try await $0.text() }
                #expect(text == expected)
            }
        }
    }

    @Test("an encoding that the caller names goes before the head's; one that nobody knows is an error")
    func named() async throws {
        let text = try await read("text/plain; charset=utf-8", [0xD6, 0xD0]) { try await $0.text(encoding: "gb18030") }
        #expect(text == "中")
        let error = try await read("text/plain", [0x61]) { response in
            await clientError { try await response.text(encoding: "klingon-1") }
        }
        #expect(error??.code == .decodingFailed)
    }

    @Test(
        "what is malformed becomes U+FFFD, or an error that says where if strict; an ASCII character is never swallowed"
    )
    func malformed() async throws {
        let replaced = try await read("text/plain; charset=gbk", [0x61, 0xFF, 0x62, 0xD6]) { try await $0.text() }
        #expect(replaced == "a\u{FFFD}b\u{FFFD}")
        for (type, bytes, offset): (String, [UInt8], Int) in [
            ("text/plain", [0x61, 0xFF], 1), ("text/plain; charset=gbk", [0x61, 0x62, 0xFF, 0xFF], 2),
            ("text/plain; charset=utf-16le", [0x61, 0x00, 0x62], 2),
        ] {
            let error = try await read(type, bytes) { response in
                await clientError { try await response.text(strict: true) }
            }
            #expect(error??.code == .decodingFailed)
            #expect(error??.message.contains("byte \(offset) of \(bytes.count)") == true, "\(type)")
        }
        let fine = try await read("text/plain", [0xC3, 0xA4]) { try await $0.text(strict: true) }
        #expect(fine == "ä")
    }

    @Test("JSON comes in UTF-8, with a mark, in UTF-16, and in the charset of the head")
    func json() async throws {
        let text = "{\"x\": 4, \"label\": \"ä中\"}"
        let point = Point(x: 4, label: "ä中")
        let little = text.utf16.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] }
        let big = text.utf16.flatMap { [UInt8($0 >> 8), UInt8(truncatingIfNeeded: $0)] }
        for (type, bytes): (String, [UInt8]) in [
            ("application/json", Array(text.utf8)), ("application/json", [0xEF, 0xBB, 0xBF] + Array(text.utf8)),
            ("application/json", little), ("application/json", big), ("application/json", [0xFF, 0xFE] + little),
            ("application/json; charset=utf-16le", little),
            (
                "application/json; charset=gb18030",
                Array("{\"x\": 4, \"label\": \"".utf8) + [0x81, 0x30, 0x8A, 0x30 + 0] + Array("\"}".utf8)
            ),
        ] {
            let decoded = try await read(type, bytes) { try await $0.json(Point.self) }
            if type.contains("gb18030") {
                #expect(decoded?.x == 4)
            } else {
                #expect(decoded == point, "\(type)")
            }
        }
    }

    @Test("an empty body, a page, and what has no type each say what they are")
    func wrongJSON() async throws {
        for (type, bytes, hint): (String?, [UInt8], String) in [
            ("application/json", [], "empty"), ("text/html", Array("<html>".utf8), "text/html"),
            (nil, [0x7B], "does not say"),
        ] {
            let error = try await read(type, bytes) { response in
                await clientError { try await response.json(Point.self) }
            }
            #expect(error??.code == .decodingFailed)
            #expect(error??.message.contains(hint) == true)
        }
    }
}
