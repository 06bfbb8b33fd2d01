/// How long to wait before trying again: exponentially longer after each failure, up to a maximum, and by chance, so that those who
/// failed together do not come back together. A value without clock or chance of its own, for ``retry(attempts:backoff:shouldRetry:_:)``
/// and policies of any kind.
///
/// With the defaults the longest waits are 100 ms, 200 ms, 400 ms … 30 s.
public struct Backoff: Sendable, Hashable {
    /// What chance does to a wait.
    public enum Jitter: Sendable, Hashable {
        /// Anything from nothing to the whole wait, which spreads best ("full jitter", Amazon's architecture blog, 2015).
        case full
        /// Anything from half the wait to the whole.
        case equal
        /// Nothing.
        case none
    }

    /// The longest wait after the first failure. Less than zero counts as zero.
    public var initial: Duration
    /// By what the longest wait grows with each failure. Less than 1 counts as 1, and so does what is no number.
    public var factor: Double
    /// What no wait is longer than. Less than zero counts as zero.
    public var maximum: Duration
    /// What chance does to each wait.
    public var jitter: Jitter

    public init(
        initial: Duration = .milliseconds(100),
        factor: Double = 2,
        maximum: Duration = .seconds(30),
        jitter: Jitter = .full
    ) {
        self.initial = initial
        self.factor = factor
        self.maximum = maximum
        self.jitter = jitter
    }

    /// The same wait after each failure, without chance.
    public static func constant(_ delay: Duration) -> Backoff {
        Backoff(initial: delay, factor: 1, maximum: delay, jitter: .none)
    }

    /// No waits.
    public static let none = constant(.zero)

    /// The longest wait after a number of failures in a row, chance aside.
    ///
    /// - Parameter failures: 1 after the first; less counts as 1.
    public func longestDelay(afterFailures failures: Int) -> Duration {
        let (initial, maximum) = (max(initial, .zero), max(maximum, .zero))
        var delay = min(initial, maximum)
        guard failures > 1, factor > 1, delay > .zero else { return delay }
        // In steps that each are exact enough, and that end at the maximum: a power would overflow.
        for _ in 1..<failures {
            if delay / maximum >= 1 / factor { return maximum }
            let next = delay * factor
            if next <= delay { return delay }
            delay = next
        }
        return delay
    }

    /// A wait after a number of failures in a row.
    ///
    /// - Parameters:
    ///   - failures: 1 after the first; less counts as 1.
    ///   - generator: where chance comes from.
    public func delay(afterFailures failures: Int, using generator: inout some RandomNumberGenerator) -> Duration {
        let longest = longestDelay(afterFailures: failures)
        let nanoseconds = longest.clampedNanoseconds
        return switch jitter {
        case .none: longest
        case .full: .nanoseconds(Int64.random(in: 0...nanoseconds, using: &generator))
        case .equal: .nanoseconds(Int64.random(in: (nanoseconds / 2)...nanoseconds, using: &generator))
        }
    }

    /// A wait after a number of failures in a row, by the system's chance.
    public func delay(afterFailures failures: Int) -> Duration {
        var generator = SystemRandomNumberGenerator()
        return delay(afterFailures: failures, using: &generator)
    }
}
