/// So many a second: when the next may begin.
///
/// Evenly spaced, and not a bucket that is full at the start: with `--rate 100` there are never more than 100 in any second. Whoever is
/// woken a little late makes up for it, for as much as ``slack``.
struct Pace: Sendable {
    private let interval: Int64
    /// When the next one is due.
    private(set) var next: Int64 = .min

    /// A loop wakes to the millisecond, and may have been busy.
    private static let slack: Int64 = 20_000_000

    /// - Parameter rate: a second.
    init(perSecond rate: Double) { interval = max(1, Int64((1e9 / rate).rounded())) }

    func allows(at now: Int64) -> Bool { next <= now }

    mutating func take(at now: Int64) { next = max(next, now - Self.slack) &+ interval }
}
