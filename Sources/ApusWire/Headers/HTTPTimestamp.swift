/// A point of time as HTTP writes it (RFC 9110 §5.6.7): whole seconds, in GMT.
public struct HTTPTimestamp: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// Seconds since 1970-01-01 00:00:00 GMT, leap seconds not counted.
    public var secondsSince1970: Int

    /// The time so many seconds after 1970-01-01 00:00:00 GMT.
    public init(secondsSince1970: Int) { self.secondsSince1970 = secondsSince1970 }

    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    private static let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]

    /// Parses one of the three forms: `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT`,
    /// `Sun Nov  6 08:49:37 1994`. Nil for anything else, and for dates that do not exist.
    ///
    /// The name of the day is not compared with the date. A leap second is the second after it.
    ///
    /// - Parameters:
    ///   - text: the value of a field such as Date or Last-Modified.
    ///   - now: for two-digit years: one that seems more than 50 years ahead of it is in the past (RFC 9110 §5.6.7). Without
    ///     it, 70 to 99 are of the twentieth century.
    public init?(_ text: String, now: HTTPTimestamp? = nil) {
        let usual = text.utf8.withContiguousStorageIfAvailable { Self.usual(UnsafeRawBufferPointer($0)) }
        if let usual = usual ?? nil {
            self = usual
            return
        }
        self.init(general: text, now: now)
    }

    /// The same of a value's bytes, which are no text yet.
    init?(_ bytes: UnsafeRawBufferPointer) {
        if let usual = Self.usual(bytes) {
            self = usual
            return
        }
        self.init(general: HTTP1FieldBlock.text(bytes), now: nil)
    }

    /// Any of the three forms.
    init?(general text: String, now: HTTPTimestamp?) {
        var scanner = HeaderScanner(text)
        scanner.skipSpace()
        let isLetter: (UInt8) -> Bool = { ($0 | 0x20) &- 0x61 < 26 }
        let day = String(decoding: scanner.takeUntil { !isLetter($0) }, as: UTF8.self)
        let long = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
        guard Self.days.contains(day) || long.contains(day) else { return nil }
        let isAfterComma = scanner.take(0x2C)
        guard scanner.take(0x20) else { return nil }
        let seconds: Int?
        if isAfterComma {
            seconds = Self.commaForm(&scanner, isLong: day.utf8.count > 3, now)
        } else {
            seconds = Self.ascTimeForm(&scanner)
        }
        scanner.skipSpace()
        guard let seconds, scanner.isAtEnd else { return nil }
        secondsSince1970 = seconds
    }

    // RFC 9110 §5.6.7: IMF-fixdate = day-name "," SP date1 SP time-of-day SP GMT, always 29 bytes, each in its place.
    /// What nearly all dates are, `Sun, 06 Nov 1994 08:49:37 GMT`; nil for any other form, and for what is no date.
    static func usual(_ bytes: UnsafeRawBufferPointer) -> HTTPTimestamp? {
        guard bytes.count == 29, let base = bytes.baseAddress else { return nil }
        func word(_ offset: Int) -> UInt32 {
            UInt32(bigEndian: base.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
        }
        var isOther = base[4] != 0x20 || base[7] != 0x20 || base[16] != 0x20 || base[19] != 0x3A || base[22] != 0x3A
        func number(_ offset: Int) -> Int {
            let (high, low) = (base[offset] &- 0x30, base[offset &+ 1] &- 0x30)
            if high > 9 || low > 9 { isOther = true }
            return Int(high) &* 10 &+ Int(low)
        }
        // "Sun," to "Sat," and "Jan " to "Dec ", as numbers.
        switch word(0) {
        case 0x5375_6E2C, 0x4D6F_6E2C, 0x5475_652C, 0x5765_642C, 0x5468_752C, 0x4672_692C, 0x5361_742C: break
        default: return nil
        }
        let month: Int
        switch word(8) {
        case 0x4A61_6E20: month = 1
        case 0x4665_6220: month = 2
        case 0x4D61_7220: month = 3
        case 0x4170_7220: month = 4
        case 0x4D61_7920: month = 5
        case 0x4A75_6E20: month = 6
        case 0x4A75_6C20: month = 7
        case 0x4175_6720: month = 8
        case 0x5365_7020: month = 9
        case 0x4F63_7420: month = 10
        case 0x4E6F_7620: month = 11
        case 0x4465_6320: month = 12
        default: return nil
        }
        let (day, year) = (number(5), number(12) &* 100 &+ number(14))
        let (hour, minute, second) = (number(17), number(20), number(23))
        // " GMT".
        guard !isOther, word(25) == 0x2047_4D54, hour < 24, minute < 60, second <= 60 else { return nil }
        return seconds(year, month, day, hour &* 3_600 &+ minute &* 60 &+ second).map(HTTPTimestamp.init)
    }

    // IMF-fixdate = day-name "," SP date1 SP time-of-day SP GMT, date1 = day SP month SP year (4 digits);
    // rfc850-date = day-name-l "," SP date2 SP time-of-day SP GMT, date2 = day "-" month "-" 2DIGIT. Some servers write the
    // dashes with the short name and four digits, which can be read in one way only.
    private static func commaForm(_ scanner: inout HeaderScanner, isLong: Bool, _ now: HTTPTimestamp?) -> Int? {
        guard let day = number(&scanner, 2) else { return nil }
        let separator = scanner.current
        guard separator == 0x20 || separator == 0x2D, scanner.take(separator ?? 0),
            let month = month(&scanner), scanner.take(separator ?? 0)
        else { return nil }
        guard var year = number(&scanner, 2) else { return nil }
        if scanner.current != 0x20 {
            guard let low = number(&scanner, 2) else { return nil }
            year = year * 100 + low
        } else {
            guard separator == 0x2D else { return nil }
            year = fullYear(year, now)
        }
        guard scanner.take(0x20), let time = time(&scanner), scanner.take(0x20),
            scanner.take(0x47), scanner.take(0x4D), scanner.take(0x54)
        else { return nil }
        return seconds(year, month, day, time)
    }

    // asctime-date = day-name SP date3 SP time-of-day SP year, date3 = month SP ( 2DIGIT / ( SP 1DIGIT ) ).
    private static func ascTimeForm(_ scanner: inout HeaderScanner) -> Int? {
        guard let month = month(&scanner), scanner.take(0x20) else { return nil }
        guard let day = scanner.take(0x20) ? number(&scanner, 1) : number(&scanner, 2) else { return nil }
        guard scanner.take(0x20), let time = time(&scanner), scanner.take(0x20),
            let high = number(&scanner, 2), let low = number(&scanner, 2)
        else { return nil }
        return seconds(high * 100 + low, month, day, time)
    }

    private static func number(_ scanner: inout HeaderScanner, _ digits: Int) -> Int? {
        var value = 0
        for _ in 0..<digits {
            guard let byte = scanner.current, byte &- 0x30 < 10, scanner.take(byte) else { return nil }
            value = value * 10 + Int(byte - 0x30)
        }
        return value
    }

    private static func month(_ scanner: inout HeaderScanner) -> Int? {
        let name = scanner.takeUntil { ($0 | 0x20) &- 0x61 >= 26 }
        return months.firstIndex(of: String(decoding: name, as: UTF8.self)).map { $0 + 1 }
    }

    // time-of-day = hour ":" minute ":" second; the second may be 60.
    private static func time(_ scanner: inout HeaderScanner) -> Int? {
        guard let hour = number(&scanner, 2), scanner.take(0x3A), let minute = number(&scanner, 2), scanner.take(0x3A),
            let second = number(&scanner, 2), hour < 24, minute < 60, second <= 60
        else { return nil }
        return hour * 3_600 + minute * 60 + second
    }

    private static func fullYear(_ year: Int, _ now: HTTPTimestamp?) -> Int {
        guard let now else { return year < 70 ? 2000 + year : 1900 + year }
        let current = date(days: now.secondsSince1970.flooredQuotient(86_400)).year
        let guess = current - current % 100 + year
        return guess > current + 50 ? guess - 100 : guess
    }

    /// The seconds since 1970 of a date and of so many seconds of its day; nil for a date that does not exist.
    static func seconds(_ year: Int, _ month: Int, _ day: Int, _ time: Int) -> Int? {
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        // 31 and 30 in turn, and from August on again.
        let length = month == 2 ? (isLeap ? 29 : 28) : 30 + (month + month / 8) % 2
        guard day >= 1, day <= length else { return nil }
        return Self.days(year, month, day) * 86_400 + time
    }

    // Days are counted from 1 March, so that leap days are at the end of a year, in eras of 400 years (146,097 days).
    private static func days(_ year: Int, _ month: Int, _ day: Int) -> Int {
        let year = month <= 2 ? year - 1 : year
        let era = year.flooredQuotient(400)
        let yearOfEra = year - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private static func date(days: Int) -> (year: Int, month: Int, day: Int) {
        let days = days + 719_468
        let era = days.flooredQuotient(146_097)
        let dayOfEra = days - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shifted + 2) / 5 + 1)
    }

    public static func < (left: HTTPTimestamp, right: HTTPTimestamp) -> Bool {
        left.secondsSince1970 < right.secondsSince1970
    }

    // The form has four digits for the year: what is outside of them is shown as the first or last second that has.
    /// As HTTP writes it today (IMF-fixdate): `Sun, 06 Nov 1994 08:49:37 GMT`.
    public var description: String {
        let seconds = min(max(secondsSince1970, -62_167_219_200), 253_402_300_799)
        let days = seconds.flooredQuotient(86_400)
        let time = seconds - days * 86_400
        let (year, month, day) = Self.date(days: days)
        let weekday = Self.days[days + 4 - (days + 4).flooredQuotient(7) * 7]
        func digits(_ value: Int, _ count: Int) -> String {
            let text = String(value)
            return String(repeating: "0", count: max(0, count - text.utf8.count)) + text
        }
        let clock = "\(digits(time / 3_600, 2)):\(digits(time / 60 % 60, 2)):\(digits(time % 60, 2))"
        return "\(weekday), \(digits(day, 2)) \(Self.months[month - 1]) \(digits(year, 4)) \(clock) GMT"
    }
}

extension Int {
    /// The quotient rounded down; the divisor is positive.
    fileprivate func flooredQuotient(_ divisor: Int) -> Int {
        self / divisor - (self % divisor < 0 ? 1 : 0)
    }
}
