import Testing

@testable import ApusCLI

@Suite struct FormatTests {
    @Test func times() {
        #expect(Format.time(.microseconds(12)) == "12 µs")
        #expect(Format.time(.microseconds(1_234)) == "1.2 ms")
        #expect(Format.time(.milliseconds(305)) == "305 ms")
        #expect(Format.time(.milliseconds(1_249)) == "1.25 s")
        #expect(Format.seconds(.milliseconds(12)) == "0.012s")
        #expect(Format.seconds(.seconds(61)) == "61.000s")
    }

    @Test func bytes() {
        #expect(Format.bytes(0) == "0 bytes")
        #expect(Format.bytes(1) == "1 byte")
        #expect(Format.bytes(1_449) == "1.4 kB")
        #expect(Format.bytes(20_000_000) == "20.0 MB")
        #expect(Format.bytes(3_210_000_000) == "3.21 GB")
    }

    @Test func decimals() {
        #expect(Format.decimal(0.999, 2) == "1.00")
        #expect(Format.decimal(-1.05, 1) == "-1.1")
        #expect(Format.decimal(12.3, 0) == "12")
    }

    /// A server's words must not command the terminal, nor look like another line.
    @Test func serversCannotCommandTheTerminal() {
        #expect(Format.harmless("a\u{1B}[31mb\r\n200  0 0.1s x\u{202E}") == "a\\u{1B}[31mb 200 0 0.1s x\\u{202E}")
    }

    @Test func textIsWrappedAtWords() {
        #expect(Screen.wrapped("one two three", width: 7) == ["one two", "three"])
        #expect(Screen.wrapped("  indented words here", width: 12) == ["  indented", "words here"])
        #expect(Screen.wrapped("a-word-that-is-too-long b", width: 5) == ["a-word-that-is-too-long", "b"])
        #expect(Screen.wrapped("", width: 5) == [""])
    }
}
