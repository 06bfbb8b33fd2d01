import HTTPTypes
import Testing

@testable import ApusWire

@Suite struct HTTPTimestampTests {
    static let rows: [(String, Int)] = [
        ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777), ("Sunday, 06-Nov-94 08:49:37 GMT", 784_111_777),
        ("Sun Nov  6 08:49:37 1994", 784_111_777), ("Sun Nov 16 08:49:37 1994", 784_975_777),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0), ("Wed, 31 Dec 1969 23:59:59 GMT", -1),
        ("Tue, 29 Feb 2000 12:00:00 GMT", 951_825_600), ("Fri, 31 Dec 9999 23:59:59 GMT", 253_402_300_799),
        ("Sat, 01 Jan 0000 00:00:00 GMT", -62_167_219_200), ("Sun, 06-Nov-1994 08:49:37 GMT", 784_111_777),
        ("Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_800), ("Mon, 01 Mar 1900 00:00:00 GMT", -2_203_891_200),
        ("Sunday, 06-Nov-69 08:49:37 GMT", 3_150_953_377), ("Sunday, 06-Nov-70 08:49:37 GMT", 26_729_377),
        (" Sun, 06 Nov 1994 08:49:37 GMT ", 784_111_777),
    ]

    @Test("The three forms of RFC 9110 §5.6.7 are read", arguments: rows)
    func parses(_ text: String, _ seconds: Int) {
        #expect(HTTPTimestamp(text)?.secondsSince1970 == seconds)
    }

    @Test(
        "Anything else is no date",
        arguments: [
            "", "0", "Sun", "Sun,", "Sun, 06 Nov 1994", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 6 Nov 1994 08:49:37 GMT", "Xxx, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nox 1994 08:49:37 GMT",
            "Sun, 29 Feb 1900 00:00:00 GMT", "Sun, 31 Apr 2000 00:00:00 GMT", "Sun, 00 Jan 2000 00:00:00 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT", "Sun, 06 Nov 1994 08:60:00 GMT", "Sun, 06 Nov 1994 08:00:61 GMT",
            "Sun, 06 Nov 94 08:49:37 GMT", "Sun, 06 Nov 19945 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT x",
            "Sun Nov 6 08:49:37 1994", "Sun, 06 Nov  1994 08:49:37 GMT", "sun, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov -994 08:49:37 GMT", "1994-11-06T08:49:37Z", "Sun, ٠٦ Nov 1994 08:49:37 GMT",
        ]
    )
    func refuses(_ text: String) {
        #expect(HTTPTimestamp(text) == nil)
    }

    @Test("The quick way to the usual form is that of the general one: for every date, and for everything beside one")
    func quickWay() throws {
        var random = SplitMix(seed: 0xF1DA)
        var dates = Self.rows.map(\.0)
        dates += (0..<2_000).map { _ in
            HTTPTimestamp(secondsSince1970: Int(random.next() % 315_569_520_000) - 62_167_219_200).description
        }
        // The days around the ends of months, of leap years and others.
        for year in [1900, 1999, 2000, 2023, 2024, 2100] {
            for month in ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"] {
                dates += [0, 1, 28, 29, 30, 31, 32, 99].map {
                    "Mon, \($0 < 10 ? "0" : "")\($0) \(month) \(year) 23:59:60 GMT"
                }
            }
        }
        var usual = 0
        for date in dates {
            let general = HTTPTimestamp(general: date, now: nil)
            #expect(HTTPTimestamp(date) == general, "\(date)")
            let quick = Array(date.utf8).withUnsafeBytes { HTTPTimestamp.usual($0) }
            // Nothing is read by it alone; the general way also reads what has dashes.
            #expect(quick == nil || quick == general, "\(date)")
            if quick != nil { usual += 1 }
        }
        #expect(usual > 2_000)
        // One byte changed, one too many, one missing.
        func compare(_ bytes: [UInt8]) {
            let text = bytes.withUnsafeBytes { HTTP1FieldBlock.text($0) }
            let general = HTTPTimestamp(general: text, now: nil)
            #expect(bytes.withUnsafeBytes { HTTPTimestamp($0) } == general, "\(bytes)")
            #expect(HTTPTimestamp(text) == general, "\(bytes)")
        }
        let date = Array("Sun, 06 Nov 1994 08:49:37 GMT".utf8)
        for index in date.indices {
            for byte in UInt8.min...UInt8.max {
                var changed = date
                changed[index] = byte
                compare(changed)
            }
            compare(Array(date[..<index] + date[(index + 1)...]))
            compare(Array(date[...index] + date[index...]))
        }
    }

    @Test("A head's date is that of its field's text")
    func ofAHead() throws {
        for text in Self.rows.map(\.0) + ["", "soon", "Sun, 06 Nov 1994 08:49:37 UTC"] {
            let head = try HTTP1ResponseHead(status: .ok, fields: [.lastModified: text])
            #expect(head.block.timestamp("last-modified") == HTTPTimestamp(text), "\(text)")
            #expect(head.block.timestamp("date") == nil)
        }
    }

    @Test("Two-digit years more than 50 years ahead are in the past")
    func pivot() {
        func year(_ digits: String, _ now: String) -> String? {
            HTTPTimestamp("Sunday, 06-Nov-\(digits) 08:49:37 GMT", now: HTTPTimestamp(now)).map {
                String($0.description.dropFirst(12).prefix(4))
            }
        }
        let now = "Sun, 06 Nov 2024 00:00:00 GMT"
        #expect(
            year("24", now) == "2024" && year("74", now) == "2074" && year("75", now) == "1975"
                && year("99", now) == "1999"
        )
        #expect(year("10", "Sun, 06 Nov 2099 00:00:00 GMT") == "2010")
    }

    @Test("What is written is read back, at random seconds every ten months or so; and never traps")
    func roundTrip() {
        let seed: UInt64 = 0xDA7E
        var random = SplitMix(seed: seed)
        let first = -62_167_219_200
        for day in stride(from: 0, to: 3_652_425, by: 311) {
            let seconds = first + day * 86_400 + Int(random.next() % 86_400)
            let text = HTTPTimestamp(secondsSince1970: seconds).description
            #expect(HTTPTimestamp(text)?.secondsSince1970 == seconds, "\(text)")
        }
        #expect(HTTPTimestamp(secondsSince1970: .max).description == "Fri, 31 Dec 9999 23:59:59 GMT")
        #expect(HTTPTimestamp(secondsSince1970: .min).description == "Sat, 01 Jan 0000 00:00:00 GMT")
        #expect(HTTPTimestamp("Sunday, 06-Nov-94 08:49:37 GMT", now: HTTPTimestamp(secondsSince1970: .max)) != nil)
        #expect(HTTPTimestamp("Sunday, 06-Nov-94 08:49:37 GMT", now: HTTPTimestamp(secondsSince1970: .min)) != nil)
    }

    @Test("Retry-After is a number or a date, and the wait is never negative and never overflows")
    func retryAfter() {
        let now = HTTPTimestamp(secondsSince1970: 784_111_700)
        #expect(RetryAfter("120") == .seconds(120))
        #expect(RetryAfter(" 0 ")?.delay(from: now) == 0)
        #expect(RetryAfter("Sun, 06 Nov 1994 08:49:37 GMT")?.delay(from: now) == 77)
        #expect(RetryAfter("Thu, 01 Jan 1970 00:00:00 GMT")?.delay(from: now) == 0)
        #expect(RetryAfter("99999999999999999999")?.delay(from: now) == Int.max)
        for text in ["", "-1", "1.5", "1 s", "soon", "+1", "0x10"] { #expect(RetryAfter(text) == nil, "\(text)") }
        let date = RetryAfter.date(HTTPTimestamp(secondsSince1970: .max))
        #expect(date.delay(from: HTTPTimestamp(secondsSince1970: .min)) == Int.max)
        #expect(
            RetryAfter.date(HTTPTimestamp(secondsSince1970: .min)).delay(from: HTTPTimestamp(secondsSince1970: .max))
                == 0
        )
    }
}
