import ApusWire
import Testing

/// C12: hosts outside of ASCII.
@Suite struct InternationalHostTests {
    // The last ones are the samples of RFC 3492 §7.1 (without those whose capital letters only carry annotations), and of
    // UTS #46.
    static let mapped: [(String, String)] = [
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.Example", "xn--bcher-kva.example"),
        ("bu\u{308}cher.example", "xn--bcher-kva.example"),
        ("faß.de", "xn--fa-hia.de"),
        ("βόλος.com", "xn--nxasmm1c.com"),
        ("ΒΌΛΟΣ.com", "xn--nxasmq6b.com"),
        ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
        ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
        ("ｅｘａｍｐｌｅ．com", "example.com"),
        ("☃.net", "xn--n3h.net"),
        ("l·l.cat", "xn--ll-0ea.cat"),
        ("\u{212B}.se", "xn--5ca.se"),
        ("пример.испытание.", "xn--e1afmkfd.xn--80akhbyknj4f."),
        ("xn--bcher-kva.ü", "xn--bcher-kva.xn--tda"),
        ("עברית.example", "xn--5dbqzzl.example"),
        ("ليهمابتكلموشعربي", "xn--mgbcah9ar9a4efegftvvn"),
        ("他们为什么不说中文", "xn--ihqwcrb4cv8a8dqg056pqjye"),
        ("pročprostěnemluvíčesky", "xn--proprostnemluvesky-uyb24dma41a"),
        ("なぜみんな日本語を話してくれないのか", "xn--n8jok5ay5dzabd5bym9f0cm5685rrjetr6pdxa"),
        ("세계의모든사람들이한국어를이해한다면얼마나좋을까", "xn--989aomsvi5e83db1d2a355cv1e0vak1dwrv93d5xbh15a0dt30a5jpsd879ccm6fea98c"),
        ("porquénopuedensimplementehablarenespañol", "xn--porqunopuedensimplementehablarenespaol-fmd56a"),
        ("3年b組金八先生", "xn--3b-ww4c5e180e575a65lsy2b"),
        ("ひとつ屋根の下2", "xn--2-u9tlzr9756bt3uc0v"),
        ("그", "xn--2i0b"), ("\u{1100}\u{1173}", "xn--2i0b"),
    ]

    @Test("C12: a host is mapped to its ASCII form", arguments: mapped)
    func maps(_ host: String, _ ascii: String) throws {
        let isTooLong = ascii.split(separator: ".").contains { $0.utf8.count > 63 }
        if isTooLong {
            #expect(throws: URIError.self) { try URI("http://\(host)/") }
            return
        }
        let uri = try URI("http://u:p@\(host):8080/ü?ü#ü")
        #expect(uri.host == ascii)
        #expect(uri.hostHeader == "\(ascii):8080")
        #expect(uri.user == "u" && uri.password == "p" && uri.port == 8080)
        #expect(uri.path == "/%C3%BC" && uri.query == "%C3%BC" && uri.fragment == "%C3%BC")
        #expect(try URI("http://\(host)").description == "http://\(ascii)/")
        #expect(try URI(uri.description) == uri)
    }

    static let refused: [String] = [
        // Characters that UTS #46 maps to several, or to nothing.
        "ﬁle.example", "ｶﾀｶﾅ.example", "so\u{AD}ft.example", "a\u{200D}b.example", "a\u{200C}b.example", "℀.example",
        "½.example", "a\u{FE0F}.example", "ＡＢ\u{FF0F}evil.example",
        // Delimiters in another width, and characters that look like some.
        "a／b.example", "a＠b.example", "a：80", "a＃b", "a？b", "a＼b", "a\u{2044}b", "a\u{2215}b", "a\u{3000}b", "a\u{A0}b",
        "a％41b",
        // Controls, private use, unassigned, noncharacters.
        "a\u{85}b", "a\u{E000}b", "a\u{378}b", "a\u{FFFF}b", "a\u{202E}b", "a\u{2028}b", "a\u{10FFFF}b",
        // Marks, dots and hyphens in the wrong place.
        "\u{301}a.example", "a.\u{301}é", "a·b.example", "・a.example", "-ü.example", "ü-.example", "üb--c.example",
        "xn--ü.example", "ｘｎ--ü.example", "a$ü.example", "a_\u{2E2E}",
        // Directions.
        "aא.example", "אa.example", "1א.example", "א-.example", "א١1.example", "١۱.example", "א.1a", "א.1é",
        // Too long.
        String(repeating: "ü", count: 64) + ".example",
        String(repeating: "üüüüüüüü.", count: 40) + "example",
        String(repeating: "ü", count: 20_000),
    ]

    @Test("C12: what cannot be mapped safely is refused, with its code", arguments: refused)
    func refuses(_ host: String) {
        #expect {
            try URI("http://\(host)/")
        } throws: {
            // These two are wrong for any host: a character in ASCII, and the length of the whole.
            let isWrongAnyway = host.contains("$") || host.hasPrefix("üüüüüüüü.")
            return ($0 as? URIError)?.code == (isWrongAnyway ? .invalidHost : .invalidInternationalHost)
        }
    }

    @Test("A refusal names the character, and neither userinfo nor query")
    func message() {
        #expect {
            try URI("http://canary:canary@ﬁle.example/?canary")
        } throws: {
            "\($0)".contains("U+FB01") && !"\($0)".contains("canary")
        }
    }

    @Test("Digits in another width are read as digits, and so by the rules for addresses")
    func addresses() throws {
        #expect(try URI("http://１２７.０.０.１/").host == "127.0.0.1")
        for host in ["１２７.１", "０x7f.1", "２１３０７０６４３３", "127。1"] {
            #expect {
                try URI("http://\(host)/")
            } throws: {
                ($0 as? URIError)?.code == .invalidIPv4
            }
        }
    }

    @Test("A redirect to an international host is followed to its ASCII form")
    func reference() throws {
        #expect(try URI("http://a/").resolve("//bücher.example/x").description == "http://xn--bcher-kva.example/x")
    }

    @Test("Random hosts are mapped to ASCII or refused, and mapping twice changes nothing")
    func fuzz() {
        let seed: UInt64 = 0x1D4A
        var random = SplitMix(seed: seed)
        let blocks: [ClosedRange<UInt32>] = [
            0x61...0x7A, 0x2D...0x2E, 0xC0...0x24F, 0x300...0x36F, 0x370...0x58F, 0x590...0x6FF, 0x3040...0x30FF,
            0x4E00...0x4E7F, 0xFF00...0xFFEF, 0x1F300...0x1F5FF, 0x80...0x10FFFF,
        ]
        for round in 0..<5_000 {
            var host = String.UnicodeScalarView()
            for _ in 0...random.next() % 12 {
                let block = blocks[Int(random.next() % UInt64(blocks.count))]
                let value = block.lowerBound + UInt32(random.next() % UInt64(block.count))
                if let scalar = Unicode.Scalar(value) { host.append(scalar) }
            }
            guard let uri = try? URI("http://a@\(String(host)):1/x") else { continue }
            let again = try? URI(uri.description)
            #expect(again == uri, "seed \(seed) round \(round): \(String(host).debugDescription)")
            #expect(
                uri.host.utf8.allSatisfy { $0 < 0x80 } && uri.port == 1 && uri.path == "/x",
                "seed \(seed) round \(round)"
            )
        }
    }
}
