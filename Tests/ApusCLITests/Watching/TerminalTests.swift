import Glibc
import Testing

@testable import ApusCLI

@Suite struct TerminalTests {
    @Test func aPipeIsNeitherDrawnOnNorColoured() {
        // Not open, so no terminal.
        let terminal = Terminal(-1) { ["TERM": "xterm-256color", "LANG": "en_US.UTF-8"][$0] }
        #expect(!terminal.isLive)
        #expect(!terminal.isStyled)
        #expect(terminal.isUTF8)
        #expect(terminal.size.columns == 80)
    }

    @Test(arguments: [("/dev/null", true), ("/dev/zero", false), ("/proc/self/exe", false)])
    func onlyTheNullDeviceIsNull(path: String, isNull: Bool) throws {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        #expect(Terminal(descriptor).isNull == isNull)
        #expect(!Terminal(-1).isNull)
    }

    @Test(
        arguments: [
            ("de_DE.UTF-8", nil, nil, true), ("C.utf8", nil, nil, true), (nil, "en_US.ISO-8859-1", "C.UTF-8", false),
            ("", "", "POSIX", false), (nil, nil, nil, false),
        ] as [(String?, String?, String?, Bool)]
    )
    func theLocaleSaysWhatBytesMean(all: String?, type: String?, language: String?, isUTF8: Bool) {
        let terminal = Terminal(-1) { ["LC_ALL": all, "LC_CTYPE": type, "LANG": language][$0] ?? nil }
        #expect(terminal.isUTF8 == isUTF8)
    }

    @Test func wideLettersTakeTwoColumns() {
        #expect(TerminalText.columns(of: "abc") == 3)
        #expect(TerminalText.columns(of: "日本") == 4)
        #expect(TerminalText.columns(of: "e\u{301}") == 1)
        #expect(TerminalText.cut("日本語", to: 5) == "日本…")
        #expect(TerminalText.cut("日本語", to: 6) == "日本語")
        #expect(TerminalText.cut("abc", to: 0) == "")
    }

    /// Some bytes of UTF-8 are commands where it is not understood: 0x9B is one of “Л”.
    @Test func whereUTF8IsNotUnderstoodNothingIsSentButASCII() {
        let text = TerminalText.ascii("Л ≤ 12 µs …")
        #expect(text.utf8.allSatisfy { $0 < 0x80 })
        #expect(text == "? <= 12 us .")
    }

    @Test func whatMattersLessGivesWay() {
        var line = StyledLine()
        line.add("first", .bold)
        line.add("second", rank: 2)
        line.add("third", rank: 1)
        #expect(line.fitted(to: 80).text == "first  second  third")
        #expect(line.fitted(to: 19).text == "first  third")
        #expect(line.fitted(to: 8).text == "first")
        #expect(line.fitted(to: 4).text == "fir…")
        #expect(line.fitted(to: 0).text == "")
        #expect(line.rendered(isStyled: true) == "\u{1B}[1mfirst\u{1B}[0m  second  third")
        #expect(line.rendered(isStyled: false) == "first  second  third")
    }
}
