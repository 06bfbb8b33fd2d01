/// How fast a run is just now: from looks at it, a few each second.
struct RateMeter: Sendable {
    private struct Look {
        var elapsed: Duration
        var done: Int
        var bytes: Int
    }

    /// The rate that is shown is that of this time: shorter, and nobody can read it.
    private static let recent: Duration = .seconds(3)
    /// When it ends is judged by a longer time.
    private static let memory: Duration = .seconds(30)

    /// From the run's beginning, of which everything is known.
    private var looks = [Look(elapsed: .zero, done: 0, bytes: 0)]

    /// At most ten a second are kept.
    mutating func look(_ snapshot: RunSnapshot) {
        if let last = looks.last, looks.count > 1, snapshot.elapsed - last.elapsed < .milliseconds(95) { return }
        looks.append(Look(elapsed: snapshot.elapsed, done: snapshot.done, bytes: snapshot.bytes))
        // One that is older stays, to measure from.
        while looks.count > 2, snapshot.elapsed - looks[1].elapsed > Self.memory { looks.removeFirst() }
    }

    /// Items and bytes, each second.
    var rate: (items: Double, bytes: Double) { rate(over: Self.recent) }

    /// How long the rest will take, if it goes on like this.
    func timeLeft(_ snapshot: RunSnapshot) -> Duration? {
        guard let left = snapshot.left else { return nil }
        let rate = rate(over: Self.memory).items
        guard rate > 0, snapshot.done > 0 else { return left.count == 0 ? .zero : nil }
        let seconds = Double(left.count) / rate
        return seconds < 1e9 ? .seconds(seconds) : nil
    }

    private func rate(over time: Duration) -> (items: Double, bytes: Double) {
        guard let last = looks.last else { return (0, 0) }
        let first = looks.last { last.elapsed - $0.elapsed >= time } ?? looks[0]
        let seconds = (last.elapsed - first.elapsed).inSeconds
        guard seconds > 0.01 else { return (0, 0) }
        return (Double(last.done - first.done) / seconds, Double(last.bytes - first.bytes) / seconds)
    }
}
