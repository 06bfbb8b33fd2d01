/// What a server's answer means for the wait before the next try.
package enum RetryWait: Sendable, Hashable {
    /// Not before so many seconds; 0 if the server says nothing.
    case seconds(Int)
    /// The server wants to be left alone for longer than anybody waits.
    case giveUp

    /// - Parameters:
    ///   - values: of all Retry-After fields. What cannot be read says nothing; of several the longest counts.
    ///   - limit: the longest wait in seconds that is not given up.
    ///   - date: the response's Date. A server's own clock is the one that its Retry-After is about, so that a wrong one cancels out.
    package init(_ values: [String], limit: Int, date: String?, now: HTTPTimestamp) {
        let own = date.flatMap { HTTPTimestamp($0, now: now) } ?? now
        var longest = 0
        for value in values {
            guard let parsed = RetryAfter(value, now: now) else { continue }
            longest = max(longest, parsed.delay(from: own))
        }
        self = longest > limit ? .giveUp : .seconds(longest)
    }
}
