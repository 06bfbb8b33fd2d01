import Testing

@testable import ApusCLI

@Suite struct LineSplitterTests {
    private func lines(_ bytes: [UInt8], piece: Int) -> [LineSplitter.Line] {
        var splitter = LineSplitter()
        var lines: [LineSplitter.Line] = []
        var start = 0
        while true {
            while let line = splitter.next() { lines.append(line) }
            if splitter.isAtEnd { return lines }
            let end = min(start + piece, bytes.count)
            splitter.append(Array(bytes[start..<end]))
            start = end
        }
    }

    private static let sample =
        [0xEF, 0xBB, 0xBF] + Array("http://a/\r\n\n  x y \t\r\n#c\n".utf8) + [0xC3, 0x28, 0x0A]
        + Array("\u{FEFF}z\nend".utf8)

    @Test(arguments: Array(1...40) + [1_000])
    func linesAreTheSameHoweverTheyArrive(piece: Int) {
        let expected: [LineSplitter.Line] = [
            .text("http://a/"), .nothing, .text("x y"), .nothing, .notText, .text("\u{FEFF}z"), .text("end"),
        ]
        #expect(lines(Self.sample, piece: piece) == expected)
    }

    @Test(arguments: [1_000, 65_536, 10_000_000])
    func aLineIsTooLongFromOneByteMoreOn(piece: Int) {
        let most = [UInt8](repeating: 0x61, count: LineSplitter.maximumLine)
        let bytes = most + [0x0A] + most + [0x61, 0x0A, 0x62, 0x0A] + most + [0x61]
        let found = lines(bytes, piece: piece)
        #expect(found.count == 4)
        #expect(found.dropFirst() == [.tooLong, .text("b"), .tooLong])
        guard case .text(let text) = found.first else {
            Issue.record("the first line fits")
            return
        }
        #expect(text.utf8.count == LineSplitter.maximumLine)
    }

    /// Nothing is kept of a line that has no end.
    @Test func aLineWithoutEndIsToldOnce() {
        var splitter = LineSplitter()
        var told = 0
        for _ in 0..<64 {
            splitter.append([UInt8](repeating: 0x61, count: 65_536))
            while let line = splitter.next() {
                #expect(line == .tooLong)
                told += 1
            }
        }
        splitter.append([0x0A, 0x62])
        splitter.append([])
        #expect(told == 1)
        #expect(splitter.next() == .text("b"))
        #expect(splitter.next() == nil && splitter.isAtEnd)
    }
}
