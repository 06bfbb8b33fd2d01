import Apus
import Testing

@testable import ApusCLI

struct ResultLineBytesTests {
    @Test func theShortWaySaysTheSameAsTheLongOne() throws {
        let urls = ["http://h/", "http://h:81/a?b=c", "http://ada:secret@h/a#b", "http://[::1]:8/x", "https://h"]
        let durations: [Duration] = [
            .zero, .microseconds(499), .microseconds(500), .milliseconds(59_999), .seconds(100_000),
        ]
        for url in urls {
            for duration in durations {
                for bytes in [0, 7, 12_345_678_901] {
                    var result = FetchResult(number: 1, place: "-", outcome: .fetched, url: try URI(url))
                    (result.status, result.bytes, result.duration) = (200, bytes, duration)
                    var line: [UInt8] = []
                    ResultLine.append(&result, to: &line)
                    #expect(String(decoding: line, as: UTF8.self) == ResultLine.text(result) + "\n")
                }
            }
        }
        var failed = FetchResult(number: 1, place: "list:1", outcome: .failed)
        failed.failure = FetchResult.Failure(code: "x", message: "y\u{1B}z")
        var line: [UInt8] = []
        ResultLine.append(&failed, to: &line)
        #expect(String(decoding: line, as: UTF8.self) == ResultLine.text(failed) + "\n")
    }

    /// Eight bytes at a time are looked at as one would be, wherever a byte stands.
    @Test func onlyVisibleBytesWithoutEndsOfPartsArePlain() {
        func isPlain(_ byte: UInt8) -> Bool {
            (0x21...0x7E).contains(byte) && ![UInt8(ascii: "@"), UInt8(ascii: "?"), UInt8(ascii: "#")].contains(byte)
        }
        for count in 8...27 {
            for place in 0..<count {
                for byte in UInt8.min...UInt8.max {
                    var bytes = [UInt8](repeating: UInt8(ascii: "!"), count: count)
                    bytes[place] = byte
                    let found = bytes.withUnsafeBufferPointer { ResultLine.isPlain($0) }
                    #expect(found == isPlain(byte), "\(byte) at \(place) of \(count)")
                }
            }
        }
        #expect(![UInt8](repeating: 0x61, count: 7).withUnsafeBufferPointer { ResultLine.isPlain($0) })
    }
}
