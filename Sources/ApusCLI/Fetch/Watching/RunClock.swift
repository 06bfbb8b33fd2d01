import Glibc

/// The time since a run began.
struct RunClock: Sendable {
    private let read: (@Sendable () -> Duration)?
    private let start: Int64

    /// - Parameter read: the time since the run began; asked from any thread.
    init(_ read: @escaping @Sendable () -> Duration) {
        self.read = read
        start = 0
    }

    private init() {
        read = nil
        start = Self.now()
    }

    /// Begins now.
    static func started() -> RunClock { RunClock() }

    var elapsed: Duration { .nanoseconds(nanoseconds) }

    /// The same without 128 bits to divide: it is asked several times for each URL.
    var nanoseconds: Int64 { read.map { $0().inNanoseconds } ?? Self.now() &- start }

    /// As `ContinuousClock`, which goes on while the machine sleeps.
    private static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
    }
}

extension Duration {
    /// As far as they fit: what is longer than 285 years is as long as can be.
    var inNanoseconds: Int64 {
        // Up to 18 seconds fit into one word of attoseconds.
        if let attoseconds = UInt64(exactly: attoseconds) { return Int64(attoseconds / 1_000_000_000) }
        let (seconds, attoseconds) = components
        guard abs(seconds) < 9_000_000_000 else { return seconds < 0 ? .min : .max }
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }
}
