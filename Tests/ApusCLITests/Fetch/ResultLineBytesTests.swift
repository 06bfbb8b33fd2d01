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
                    ResultLine.append(result, to: &line)
                    #expect(String(decoding: line, as: UTF8.self) == ResultLine.text(result) + "\n")
                }
            }
        }
        var failed = FetchResult(number: 1, place: "list:1", outcome: .failed)
        failed.failure = FetchResult.Failure(code: "x", message: "y\u{1B}z")
        var line: [UInt8] = []
        ResultLine.append(failed, to: &line)
        #expect(String(decoding: line, as: UTF8.self) == ResultLine.text(failed) + "\n")
    }
}
