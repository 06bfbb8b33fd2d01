/// The time since a run began.
struct RunClock: Sendable {
    private let read: @Sendable () -> Duration

    /// - Parameter read: the time since the run began; asked from any thread.
    init(_ read: @escaping @Sendable () -> Duration) { self.read = read }

    /// Begins now.
    static func started() -> RunClock {
        let start = ContinuousClock.now
        return RunClock { ContinuousClock.now - start }
    }

    var elapsed: Duration { read() }
}

extension Duration {
    /// As far as they fit: what is longer than 285 years is as long as can be.
    var inNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        guard abs(seconds) < 9_000_000_000 else { return seconds < 0 ? .min : .max }
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }
}
