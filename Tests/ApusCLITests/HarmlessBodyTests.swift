import Testing

@testable import ApusCLI

/// Bodies on a terminal.
struct HarmlessBodyTests {
    private static let cases = [
        ("plain\ttext\r\nand more\n", "plain\ttext\nand more\n"),
        ("\u{1B}]0;title\u{7}red", "\\u{1B}]0;title\\u{7}red"),
        ("c1 \u{9B}31m", "c1 \\u{9B}31m"),
        ("bidi \u{202E}abc", "bidi \\u{202E}abc"),
        ("over\rwritten", "over\\u{D}written"),
        ("last\r", "last\\u{D}"),
        ("größer 日本 👩‍💻", "größer 日本 👩‍💻"),
    ]

    /// However it is cut into pieces.
    @Test(arguments: cases)
    func whatCouldCommandATerminalIsShownEscaped(text: String, expected: String) {
        let bytes = Array(text.utf8)
        for size in 1...bytes.count {
            var body = HarmlessBody()
            var shown: [UInt8] = []
            for start in stride(from: 0, to: bytes.count, by: size) {
                shown += body.add(Array(bytes[start..<min(start + size, bytes.count)]))
            }
            shown += body.finish()
            #expect(String(decoding: shown, as: UTF8.self) == expected)
        }
    }

    @Test func bytesThatAreNoTextEndNowhereElse() {
        var body = HarmlessBody()
        let shown = body.add([0xFF, 0x9B, 0x41, 0xE2, 0x80]) + body.finish()
        #expect(!shown.contains(0x9B) && !shown.contains(0xFF))
        #expect(String(decoding: shown, as: UTF8.self).contains("A"))
    }
}
