import Apus
import Foundation
import Testing

@testable import ApusCLI

struct ReportLineTests {
    private func object(_ result: FetchResult) throws -> [String: Any] {
        var line: [UInt8] = []
        ReportLine.append(result, to: &line)
        #expect(line.last == UInt8(ascii: "\n"))
        #expect(line.filter { $0 == UInt8(ascii: "\n") }.count == 1)
        return try #require(try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any])
    }

    @Test func everythingOfAResultIsThere() throws {
        var result = FetchResult(number: 7, place: "urls.txt:7", outcome: .fetched, url: try URI("http://h/a?b=c"))
        result.finalURL = try URI("http://ada:secret@h/d")
        result.status = 200
        result.bytes = 12
        result.contentType = "text/html; charset=\"utf-8\""
        result.duration = .milliseconds(1_234)
        result.attempts = 2
        result.file = "h/a@b=c"
        result.sha256 = "00ff"
        let object = try object(result)
        #expect(object["n"] as? Int == 7)
        #expect(object["url"] as? String == "http://h/a?b=c")
        #expect(object["final_url"] as? String == "http://h/d")
        #expect(object["status"] as? Int == 200)
        #expect(object["bytes"] as? Int == 12)
        #expect(object["content_type"] as? String == "text/html; charset=\"utf-8\"")
        #expect(object["seconds"] as? Double == 1.234)
        #expect(object["attempts"] as? Int == 2)
        #expect(object["file"] as? String == "h/a@b=c")
        #expect(object["sha256"] as? String == "00ff")
        #expect(object["outcome"] as? String == "fetched")
    }

    @Test func anyTextComesBackAsItWasAndHarmlessMeanwhile() throws {
        let text = "a\"b\\c\nd\re\tf\u{0}g\u{1B}[31mh\u{9B}i\u{202E}j\u{2028}k\u{E0001}ü漢🦢"
        var result = FetchResult(number: 1, place: "\(text)", outcome: .failed)
        result.failure = FetchResult.Failure(code: "x", message: text)
        let object = try object(result)
        #expect(object["place"] as? String == text)
        #expect(object["message"] as? String == text)
        var line: [UInt8] = []
        JSONText.append(text, to: &line)
        let shown = String(decoding: line, as: UTF8.self)
        for scalar in ["\u{0}", "\u{1B}", "\u{9B}", "\u{202E}", "\u{2028}", "\u{E0001}"] as [Unicode.Scalar] {
            #expect(!shown.unicodeScalars.contains(scalar))
        }
        #expect(shown.contains("ü漢🦢"))
    }

    @Test func shortTimesKeepTheirZeros() throws {
        var result = FetchResult(number: 1, place: "-", outcome: .fetched)
        result.duration = .microseconds(42)
        #expect(try object(result)["seconds"] as? Double == 0.000_042)
    }
}
