import Testing

@testable import ApusWire

/// C41: text of bytes in a character set.
@Suite struct TextDecoderTests {
    private static func decode(_ bytes: [UInt8], _ encoding: TextEncoding, size: Int) -> (String, Int?, TextEncoding) {
        var decoder = TextDecoder(encoding)
        var text = ""
        for start in stride(from: 0, to: bytes.count, by: size) {
            text += decoder.decode(Array(bytes[start..<min(start + size, bytes.count)]))
        }
        text += decoder.finish()
        return (text, decoder.malformedOffset, decoder.encoding)
    }

    static let rows: [(TextEncoding, [UInt8], String, Int?)] = [
        (.utf8, Array("aü€🐦".utf8), "aü€🐦", nil), (.utf8, [0xEF, 0xBB, 0xBF, 0x61], "a", nil), (.utf8, [], "", nil),
        (.utf8, [0xEF, 0xBB, 0xBF, 0xEF, 0xBB, 0xBF], "\u{FEFF}", nil), (.utf8, [0xEF, 0xBB], "\u{FFFD}", 0),
        (.utf8, [0x61, 0xFF, 0x62], "a\u{FFFD}b", 1), (.utf8, [0x61, 0xC3], "a\u{FFFD}", 1),
        (.utf8, [0xE2, 0x82, 0x41], "\u{FFFD}A", 0), (.utf8, [0xED, 0xA0, 0x80], "\u{FFFD}\u{FFFD}\u{FFFD}", 0),
        (.utf8, [0xF0, 0x9F, 0x90], "\u{FFFD}", 0),
        (.utf8, [0xF4, 0x90, 0x80, 0x80], "\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}", 0),
        (.utf8, [0xC0, 0xAF], "\u{FFFD}\u{FFFD}", 0), (.utf8, [0x61, 0x62, 0xE2, 0x82, 0xAC, 0x80], "ab€\u{FFFD}", 5),
        (.utf16LittleEndian, [0x61, 0, 0xAC, 0x20, 0x3D, 0xD8, 0x26, 0xDC], "a€🐦", nil),
        (.utf16BigEndian, [0, 0x61, 0x20, 0xAC, 0xD8, 0x3D, 0xDC, 0x26], "a€🐦", nil),
        (.utf16LittleEndian, [0xFE, 0xFF, 0, 0x61], "a", nil), (.utf8, [0xFF, 0xFE, 0x61, 0], "a", nil),
        (.windows1252, [0xEF, 0xBB, 0xBF, 0xC3, 0xBC], "ü", nil),
        (.utf16LittleEndian, [0x61, 0, 0x62], "a\u{FFFD}", 2),
        (.utf16LittleEndian, [0x3D, 0xD8, 0x61, 0], "\u{FFFD}a", 0),
        (.utf16LittleEndian, [0x26, 0xDC, 0x61, 0], "\u{FFFD}a", 0),
        (.utf16LittleEndian, [0x3D, 0xD8, 0x26], "\u{FFFD}", 0),
        (.utf16BigEndian, [0, 0x61, 0xD8, 0x3D], "a\u{FFFD}", 2),
        (.utf16BigEndian, [0xD8, 0x3D, 0xD8, 0x3D, 0xDC, 0x26], "\u{FFFD}🐦", 0),
        (.windows1252, [0x61, 0xFC, 0x80, 0x99, 0x81], "aü€™\u{81}", nil),
        (.latin9, [0xA4, 0xBD, 0x80], "€œ\u{80}", nil),
        (.utf8, [0xEF], "\u{FFFD}", 0), (.utf8, [0xFE, 0x61], "\u{FFFD}a", 0), (.windows1252, [0xFF], "ÿ", nil),
    ]

    @Test("C41: bytes become text, the same however they arrive", arguments: rows)
    func decodes(_ encoding: TextEncoding, _ bytes: [UInt8], _ text: String, _ malformed: Int?) {
        for size in 1...max(1, bytes.count) {
            let found = Self.decode(bytes, encoding, size: size)
            // Compared as scalars: strings compare by canonical equivalence.
            #expect(Array(found.0.unicodeScalars) == Array(text.unicodeScalars), "pieces of \(size)")
            #expect(found.1 == malformed, "pieces of \(size)")
        }
    }

    @Test("C41: labels are found as on the web; what needs iconv(3) is said, under a name that is safe to give it")
    func labels() {
        for label in ["utf-8", " UTF8\n", "unicode-1-1-utf-8"] { #expect(TextEncoding.named(label) == .builtIn(.utf8)) }
        for label in ["iso-8859-1", "Latin1", "ascii", "US-ASCII", "windows-1252", "cp1252"] {
            #expect(TextEncoding.named(label) == .builtIn(.windows1252))
        }
        #expect(
            TextEncoding.named("utf-16") == .builtIn(.utf16LittleEndian)
                && TextEncoding.named("UTF-16BE") == .builtIn(.utf16BigEndian)
        )
        #expect(TextEncoding.named("iso-8859-15") == .builtIn(.latin9))
        #expect(TextEncoding.named("Shift_JIS") == .needs("cp932") && TextEncoding.named("gb2312") == .needs("gb18030"))
        #expect(
            TextEncoding.named("KOI8-R") == .needs("koi8-r")
                && TextEncoding.named("windows-1251") == .needs("windows-1251")
        )
        for label in ["", " ", "utf-8//TRANSLIT", "../../x", "a b", "ü", "x\0", String(repeating: "a", count: 41)] {
            #expect(TextEncoding.named(label) == .unknown, "\(label)")
        }
    }

    @Test("Random bytes give the same text and place however they are cut")
    func fuzz() {
        let seed: UInt64 = 0x7E47
        var random = SplitMix(seed: seed)
        let bytes: [UInt8] = [
            0x00, 0x61, 0x80, 0xBF, 0xC3, 0xE2, 0x82, 0xAC, 0xED, 0xA0, 0xF0, 0x9F, 0x90, 0xF4, 0xFF, 0xFE, 0xEF, 0xBB,
            0xD8, 0xDC,
        ]
        let encodings: [TextEncoding] = [.utf8, .utf16LittleEndian, .utf16BigEndian, .windows1252, .latin9]
        for round in 0..<20_000 {
            let input = (0..<random.next() % 16).map { _ in bytes[Int(random.next() % UInt64(bytes.count))] }
            let encoding = encodings[Int(random.next() % 5)]
            let whole = Self.decode(input, encoding, size: max(1, input.count))
            let cut = Self.decode(input, encoding, size: 1 + Int(random.next() % 3))
            if Array(whole.0.unicodeScalars) != Array(cut.0.unicodeScalars) || whole.1 != cut.1 || whole.2 != cut.2 {
                Issue.record("seed \(seed), round \(round): \(encoding) \(input)\nwhole: \(whole)\ncut: \(cut)")
                return
            }
            #expect((whole.1 != nil) == whole.0.unicodeScalars.contains("\u{FFFD}"), "seed \(seed), round \(round)")
        }
    }
}
