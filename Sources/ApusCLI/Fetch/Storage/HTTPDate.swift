/// Dates of HTTP (RFC 9110 §5.6.7) as seconds since 1970.
enum HTTPDate {
    /// - Returns: nil for what is no date in one of the three forms, or is before 1970.
    static func parse(_ text: String) -> Int64? {
        guard text.utf8.count <= 64 else { return nil }
        let words = text.split { $0 == " " || $0 == "," || $0 == "-" || $0 == ":" }
        // Sun, 06 Nov 1994 08:49:37 GMT; Sunday, 06-Nov-94 08:49:37 GMT; Sun Nov  6 08:49:37 1994
        let (day, month, year, time): (Substring, Substring, Substring, ArraySlice<Substring>)
        if words.count == 8, words[7] == "GMT" || words[7] == "UTC" {
            (day, month, year, time) = (words[1], words[2], words[3], words[4...6])
        } else if words.count == 7 {
            (day, month, year, time) = (words[2], words[1], words[6], words[3...5])
        } else {
            return nil
        }
        guard weekdays.contains(where: { words[0].hasPrefix($0) }) else { return nil }
        guard let monthNumber = months.firstIndex(of: String(month)), let dayNumber = number(day, 1...31) else {
            return nil
        }
        guard var yearNumber = number(year, 0...9_999) else { return nil }
        if year.utf8.count == 2 { yearNumber += yearNumber < 70 ? 2_000 : 1_900 }
        guard yearNumber >= 1_970, dayNumber <= daysOfMonth(monthNumber, yearNumber) else { return nil }
        let clock = time.map { number($0, 0...60) }
        guard let hour = clock[0], let minute = clock[1], let second = clock[2], hour < 24, minute < 60 else {
            return nil
        }
        let days = days(year: yearNumber, month: monthNumber, day: dayNumber)
        return Int64(days) * 86_400 + Int64(hour * 3_600 + minute * 60 + second)
    }

    /// `Sun, 06 Nov 1994 08:49:37 GMT`.
    ///
    /// - Parameter seconds: since 1970, up to the year 9999; what is outside is brought to the nearest.
    static func format(_ seconds: Int64) -> String {
        let seconds = Int(min(max(seconds, 0), 253_402_300_799))
        let (days, rest) = (seconds / 86_400, seconds % 86_400)
        var year = 1_970 + days / 366
        while self.days(year: year + 1, month: 0, day: 1) <= days { year += 1 }
        var month = 11
        while self.days(year: year, month: month, day: 1) > days { month -= 1 }
        let day = days - self.days(year: year, month: month, day: 1) + 1
        let clock = [rest / 3_600, rest / 60 % 60, rest % 60].map(twoDigits).joined(separator: ":")
        return "\(weekdays[(days + 3) % 7]), \(twoDigits(day)) \(months[month]) \(year) \(clock) GMT"
    }

    private static let weekdays = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    private static func isLeap(_ year: Int) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

    private static func daysOfMonth(_ month: Int, _ year: Int) -> Int {
        switch month {
        case 1: isLeap(year) ? 29 : 28
        case 3, 5, 8, 10: 30
        default: 31
        }
    }

    /// From 1970-01-01; the month counts from 0.
    private static func days(year: Int, month: Int, day: Int) -> Int {
        let before = year - 1
        let leapDays = before / 4 - before / 100 + before / 400 - (1_969 / 4 - 1_969 / 100 + 1_969 / 400)
        let months = (0..<month).reduce(0) { $0 + daysOfMonth($1, year) }
        return (year - 1_970) * 365 + leapDays + months + day - 1
    }

    private static func number(_ text: Substring, _ range: ClosedRange<Int>) -> Int? {
        guard text.utf8.count <= 4, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let value = Int(text) else {
            return nil
        }
        return range.contains(value) ? value : nil
    }

    private static func twoDigits(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
}
