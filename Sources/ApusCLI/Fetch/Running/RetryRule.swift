import Apus
import HTTPTypes

/// Whether, and after what wait, a URL is tried again.
///
/// Not the library's ``RetryPolicy``: that waits inside of the request, where it would take a place from another host, and it cannot try
/// again when the body has broken off.
struct RetryRule: Sendable {
    /// Attempts after the first.
    let retries: Int

    private static let backoff = Backoff(initial: .milliseconds(500), maximum: .seconds(30), jitter: .equal)
    /// The longest wait that a server may ask for.
    static let longestWait = 60

    /// 408, 429 and what a server may get over; not what it never will (501, 505).
    static func isTransient(_ status: Int) -> Bool {
        switch status {
        case 408, 429: true
        case 501, 505: false
        default: (500...599).contains(status)
        }
    }

    static func isIdempotent(_ method: HTTPRequest.Method) -> Bool {
        switch method {
        case .get, .head, .put, .delete, .options, .trace: true
        default: false
        }
    }

    /// - Parameters:
    ///   - attempts: how many there were.
    ///   - asked: what the server wants, in seconds.
    /// - Returns: nanoseconds; nil if it is not tried again.
    func wait(afterAttempts attempts: Int, asked: Int = 0) -> Int64? {
        guard attempts <= retries, asked <= Self.longestWait else { return nil }
        let delay = Self.backoff.delay(afterFailures: attempts).components
        let nanoseconds = delay.seconds * 1_000_000_000 + delay.attoseconds / 1_000_000_000
        return nanoseconds + Int64(asked) * 1_000_000_000
    }

    /// The seconds that a response asks for; 0 if it asks for none.
    static func wait(of response: ClientResponse) -> Int {
        let fields = response.headers
        guard let text = fields[.retryAfter] else { return 0 }
        let here = HTTPTimestamp(secondsSince1970: WallTime.now())
        guard let wait = RetryAfter(text, now: here) else { return 0 }
        // By the server's own clock, whose Date is what it counted from.
        return wait.delay(from: fields[.date].flatMap { HTTPTimestamp($0, now: here) } ?? here)
    }
}
