extension HTTPTimestamp {
    /// Reads the value of a cookie's Expires as browsers do (RFC 6265 §5.1.1): a time, a day, a month and a year in any order, with
    /// anything between them. Zones are not looked at: all is GMT.
    ///
    /// - Returns: nil where one of the four is missing, for years before 1601, and for dates that do not exist.
    init?(cookieDate text: some Sequence<UInt8>) {
        var found = CookieDateParts()
        var token: [UInt8] = []
        for byte in text {
            if CookieDateParts.isDelimiter(byte) {
                found.take(token)
                token.removeAll(keepingCapacity: true)
            } else if token.count < CookieDateParts.longestToken {
                token.append(byte)
            }
        }
        found.take(token)
        guard let seconds = found.seconds else { return nil }
        self.init(secondsSince1970: seconds)
    }
}

/// What has been found of a date.
private struct CookieDateParts {
    private var time: Int?
    private var day: Int?
    private var month: Int?
    private var year: Int?

    /// Only the beginnings of tokens are looked at, and the longest beginning is that of a time.
    static let longestToken = 32

    // RFC 6265 §5.1.1: delimiter = %x09 / %x20-2F / %x3B-40 / %x5B-60 / %x7B-7E.
    static func isDelimiter(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x09, 0x20...0x2F, 0x3B...0x40, 0x5B...0x60, 0x7B...0x7E: true
        default: false
        }
    }

    /// Step 2: each token is the first of these that it can be and that is still missing.
    mutating func take(_ token: [UInt8]) {
        if token.isEmpty { return }
        if time == nil, let value = Self.time(token) {
            time = value
        } else if day == nil, let value = Self.number(token, 0, digits: 1...2)?.value {
            day = value
        } else if month == nil, let value = Self.month(token) {
            month = value
        } else if year == nil, let value = Self.number(token, 0, digits: 2...4)?.value {
            year = value
        }
    }

    var seconds: Int? {
        guard let time, time >= 0, let day, let month, var year else { return nil }
        // Steps 3 and 4: two-digit years.
        if (70...99).contains(year) { year += 1900 } else if (0...69).contains(year) { year += 2000 }
        guard year >= 1601 else { return nil }
        return HTTPTimestamp.seconds(year, month, day, time)
    }

    /// A number with a count of digits in `digits`, behind which no digit follows.
    private static func number(_ token: [UInt8], _ start: Int, digits: ClosedRange<Int>) -> (value: Int, end: Int)? {
        var index = start
        var value = 0
        while index < token.count, token[index] &- 0x30 < 10 {
            guard index - start < digits.upperBound else { return nil }
            value = value * 10 + Int(token[index] &- 0x30)
            index += 1
        }
        return index - start >= digits.lowerBound ? (value, index) : nil
    }

    /// hms-time = time-field ":" time-field ":" time-field, each of one or two digits. -1 for what looks like a time and is none: it
    /// takes the time's place, and the whole date is nothing then (step 5).
    private static func time(_ token: [UInt8]) -> Int? {
        var fields: [Int] = []
        var index = 0
        while true {
            guard let (value, end) = number(token, index, digits: 1...2) else { return nil }
            fields.append(value)
            if fields.count == 3 { break }
            guard end < token.count, token[end] == 0x3A else { return nil }
            index = end + 1
        }
        guard fields[0] < 24, fields[1] < 60, fields[2] < 60 else { return -1 }
        return fields[0] * 3_600 + fields[1] * 60 + fields[2]
    }

    private static func month(_ token: [UInt8]) -> Int? {
        guard token.count >= 3 else { return nil }
        let name = String(decoding: token.prefix(3).map { $0 | 0x20 }, as: UTF8.self)
        let names = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
        return names.firstIndex(of: name).map { $0 + 1 }
    }
}
