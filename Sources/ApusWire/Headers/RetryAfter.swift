/// The value of Retry-After (RFC 9110 §10.2.3): how long to wait before the next request.
public enum RetryAfter: Sendable, Hashable {
    /// So many seconds after the response.
    case seconds(Int)
    /// At this time.
    case date(HTTPTimestamp)

    /// Parses the value of a Retry-After field; nil if it is neither a number of seconds nor a date.
    ///
    /// A number too large for an `Int` is the largest one: callers bound how long they wait.
    public init?(_ text: String, now: HTTPTimestamp? = nil) {
        var scanner = HeaderScanner(text)
        scanner.skipSpace()
        let digits = scanner.takeUntil { $0 &- 0x30 >= 10 }
        if digits.isEmpty {
            guard let date = HTTPTimestamp(text, now: now) else { return nil }
            self = .date(date)
            return
        }
        scanner.skipSpace()
        guard scanner.isAtEnd else { return nil }
        self = .seconds(ByteRange.number(digits))
    }

    /// How many seconds to wait from this time on; 0 for a date that is over.
    public func delay(from now: HTTPTimestamp) -> Int {
        switch self {
        case .seconds(let seconds): return seconds
        case .date(let date):
            let (difference, overflow) = date.secondsSince1970.subtractingReportingOverflow(now.secondsSince1970)
            if overflow { return date > now ? Int.max : 0 }
            return max(0, difference)
        }
    }
}
