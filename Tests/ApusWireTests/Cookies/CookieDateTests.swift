import Testing

@testable import ApusWire

@Suite("Dates of cookies, as browsers read them")
struct CookieDateTests {
    private func date(_ text: String) -> String? { HTTPTimestamp(cookieDate: text.utf8)?.description }

    @Test(
        "C80: the parts may stand in any order, with anything between them",
        arguments: [
            "Wed, 21 Oct 2015 07:28:00 GMT", "Wednesday, 21-Oct-15 07:28:00 GMT", "Wed Oct 21 07:28:00 2015",
            "21 Oct 2015 07:28:00", "2015 21 oct 07:28:00", "07:28:00 21 OCTOBER 2015", "21/Oct/2015/07:28:00",
            "Oct-21-2015 7:28:0 PST", "(21)[Oct];2015 07:28:00", "21st October 2015, 07:28:00 or so",
            "21 Oct 2015 07:28:00 GMT+0300", "nonsense 07:28:00 more 21 words Oct here 2015", "21 Octopus 15 07:28:00x",
        ]
    )
    func forms(_ text: String) { #expect(date(text) == "Wed, 21 Oct 2015 07:28:00 GMT", "\(text)") }

    @Test(
        "what lacks a part, or has an impossible one, is no date",
        arguments: [
            "", " ", "21 Oct 2015", "Oct 2015 07:28:00", "21 2015 07:28:00", "21 Oct 07:28:00", "0 Oct 2015 07:28:00",
            "32 Oct 2015 07:28:00", "29 Feb 2015 07:28:00", "31 Apr 2015 07:28:00", "21 Oct 1600 07:28:00",
            "21 Oct 2015 24:00:00", "21 Oct 2015 07:60:00", "21 Oct 2015 07:28:60", "21 Oct 20155 07:28:00",
            "21 Oct 2015 07:28", "21 Oct 2015 007:28:00", "021 Oct 2015 07:28:00", "21 Okt 2015 07:28:00", "2015-10-21",
            // The first that looks like a time takes the place, and is none.
            "21 Oct 2015 99:99:99 07:28:00",
        ]
    )
    func refused(_ text: String) { #expect(date(text) == nil, "\(text)") }

    @Test("two digits are of 1970 to 2069")
    func shortYears() {
        #expect(date("1 Jan 70 00:00:00") == "Thu, 01 Jan 1970 00:00:00 GMT")
        #expect(date("1 Jan 99 00:00:00")?.contains("1999") == true)
        #expect(date("1 Jan 00 00:00:00")?.contains("2000") == true)
        #expect(date("1 Jan 69 00:00:00")?.contains("2069") == true)
        #expect(date("1 Jan 170 00:00:00") == nil, "three digits are the year 170")
        #expect(date("29 Feb 00 12:00:00") == "Tue, 29 Feb 2000 12:00:00 GMT")
        #expect(date("1 Jan 1601 00:00:00") == "Mon, 01 Jan 1601 00:00:00 GMT")
        #expect(date("31 Dec 9999 23:59:59") == "Fri, 31 Dec 9999 23:59:59 GMT")
    }

    @Test("any bytes at all are read without a trap")
    func anything() {
        var random = SplitMix(seed: 6265)
        let alphabet = Array("0123456789: ,-JanFebOct\t;/\u{80}\u{ff}".utf8)
        for _ in 0..<20_000 {
            let count = Int.random(in: 0..<40, using: &random)
            let text = (0..<count).map { _ in alphabet.randomElement(using: &random) ?? 0 }
            if let date = HTTPTimestamp(cookieDate: text) { #expect(date.secondsSince1970 >= -11_644_473_600) }
        }
        #expect(HTTPTimestamp(cookieDate: [UInt8](repeating: 0x31, count: 100_000)) == nil)
    }
}
