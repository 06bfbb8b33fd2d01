import Glibc

/// The Date field (RFC 9110 §5.6.7), made once per second. One per loop's server.
struct HTTPDate {
    private var second = -1
    private var text = ""

    /// The current time, such as `Sun, 06 Nov 1994 08:49:37 GMT`, and the nanoseconds until the next second begins.
    mutating func now() -> (text: String, remaining: Int64) {
        var precise = timespec()
        clock_gettime(CLOCK_REALTIME, &precise)
        let remaining = 1_000_000_000 - Int64(precise.tv_nsec)
        let current = precise.tv_sec
        if current == second { return (text, remaining) }
        second = current
        var moment = current
        var parts = tm()
        gmtime_r(&moment, &parts)
        let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
        text =
            "\(days[Int(parts.tm_wday) % 7]), \(two(parts.tm_mday)) \(months[Int(parts.tm_mon) % 12]) "
            + "\(parts.tm_year + 1900) \(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)) GMT"
        return (text, remaining)
    }
}
