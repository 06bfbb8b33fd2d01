import Synchronization

/// The time of an ``EventLoop``: monotonic, or virtual.
///
/// Virtual time jumps to the next timer when nothing can run and nothing is in flight outside (offloaded calls, name lookups,
/// real descriptors that are waited on). It stands still otherwise.
///
/// It is a `Clock`: generic code, and the sequences of swift-async-algorithms, take it. In virtual time those are exact that wait in
/// the task that iterates them (`AsyncTimerSequence`, throttling). Those that start a `Task { }` of their own (`debounce`,
/// `chunked(by:)` with a timer, `merge`, `zip`, `combineLatest`) run in Swift's pool, which virtual time does not see: it may jump past
/// a deadline before such a task has set its timer. On the monotonic clock all of them work.
public struct LoopClock: Clock, Sendable {
    /// A moment of a loop's clock.
    public struct Instant: InstantProtocol, Hashable, Sendable {
        /// Nanoseconds since the clock's beginning, which has no meaning by itself.
        package var nanoseconds: Int64

        package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

        public func advanced(by duration: Duration) -> Instant {
            Instant(nanoseconds: nanoseconds.addingClamped(duration.clampedNanoseconds))
        }

        public func duration(to other: Instant) -> Duration {
            .nanoseconds(other.nanoseconds) - .nanoseconds(nanoseconds)
        }

        public static func < (left: Instant, right: Instant) -> Bool { left.nanoseconds < right.nanoseconds }
    }

    let loop: EventLoop

    /// The current moment.
    public var now: Instant {
        if loop.options.clock == .monotonic || loop.isCurrent { return Instant(nanoseconds: loop.currentTime()) }
        return Instant(nanoseconds: loop.virtualNow.load(ordering: .acquiring))
    }

    public var minimumResolution: Duration { .nanoseconds(1) }

    /// Sleeps until `deadline`.
    ///
    /// - Throws: `CancellationError` when the task is cancelled, ``LoopError`` `.loopClosed` when the loop is closed.
    ///
    /// Cancel safety: ends the sleep at once and leaves nothing behind.
    public func sleep(until deadline: Instant, tolerance: Duration? = nil) async throws {
        try await loop.sleep(until: deadline)
    }
}

extension Duration {
    /// Whole nanoseconds, as far as they fit in 64 bits (292 years): "for ever" stays for ever instead of overflowing.
    package var clampedNanoseconds: Int64 {
        // 10⁹ is 2⁹ · 5⁹. What is left after the shift is one word up to two and a half hours, and to divide that by a constant is to
        // multiply; `components` divides 128 bits, which costs some 200 instructions.
        if let word = UInt64(exactly: attoseconds &>> 9) { return Int64(word / 1_953_125) }
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        if overflow { return seconds < 0 ? .min : .max }
        return product.addingClamped(attoseconds / 1_000_000_000)
    }
}

extension Int64 {
    package func addingClamped(_ other: Int64) -> Int64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? (other < 0 ? .min : .max) : sum
    }
}
