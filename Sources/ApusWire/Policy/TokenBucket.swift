/// So many in a time, with a burst: a token bucket, as a value without a clock.
///
/// It notes one moment instead of tokens: the one at which the bucket will be full again (the "virtual scheduling" form of the algorithm,
/// ITU-T I.371), which needs no arithmetic on fractions.
package struct TokenBucket: Sendable, Hashable {
    /// Nanoseconds for one token.
    private let interval: Int64
    /// How far ahead of the clock the bucket may be: the burst, less one.
    private let slack: Int64
    private var fullAt: Int64 = .min

    /// - Parameters:
    ///   - interval: nanoseconds until another token is there; at least 1.
    ///   - burst: tokens that a full bucket has; at least 1.
    package init(interval: Int64, burst: Int) {
        self.interval = max(1, interval)
        let (slack, overflow) = self.interval.multipliedReportingOverflow(by: Int64(max(1, burst) - 1))
        self.slack = overflow ? .max / 4 : min(slack, .max / 4)
    }

    /// When the next token is there; now or earlier if there is one.
    package func next(at now: Int64) -> Int64 { max(fullAt, now) - slack }

    /// Takes a token, which has to be there.
    package mutating func take(at now: Int64) {
        let (sum, overflow) = max(fullAt, now).addingReportingOverflow(interval)
        fullAt = overflow ? .max : sum
    }

    /// Takes a token if there is one.
    package mutating func takeIfThere(at now: Int64) -> Bool {
        guard next(at: now) <= now else { return false }
        take(at: now)
        return true
    }

    /// Whether nothing is to be remembered of it.
    package func isFull(at now: Int64) -> Bool { fullAt <= now }
}
