import Apus

/// Tells of a run, a line every few seconds: for files, pipes and terminals that cannot be drawn on.
struct PlainView: Sendable {
    static let interval: Duration = .seconds(5)

    let statistics: RunStatistics
    let console: Console

    /// Cancel safety: ends.
    func run() async {
        var meter = RateMeter()
        do {
            while true {
                try await sleep(for: Self.interval)
                let snapshot = statistics.snapshot(hosts: 0)
                meter.look(snapshot)
                let line = Self.line(snapshot, rate: meter.rate, timeLeft: meter.timeLeft(snapshot))
                try await console.print(Array("apus: \(line)\n".utf8), to: .error)
            }
        } catch {
            // Cancelled, which is how it ends.
        }
    }

    /// `0:05  1,200 done, 3 failed, 98,797 left; 240/s, 1.2 MB/s; ETA 6:51`.
    static func line(_ snapshot: RunSnapshot, rate: (items: Double, bytes: Double), timeLeft: Duration?) -> String {
        var counts = [
            "\(Format.number(snapshot.fetched + snapshot.unchanged)) done", "\(Format.number(snapshot.failed)) failed",
        ]
        if snapshot.skipped > 0 { counts.append("\(Format.number(snapshot.skipped)) skipped") }
        if let left = snapshot.left { counts.append("\(left.isExact ? "" : "≈ ")\(Format.number(left.count)) left") }
        var parts = [
            counts.joined(separator: ", "),
            "\(Format.rate(rate.items))/s, \(Format.bytes(Int(min(max(0, rate.bytes), 1e18))))/s",
        ]
        if let timeLeft { parts.append("ETA \(Format.clock(timeLeft))") }
        if snapshot.phase == .finishing { parts.append("finishing \(Format.number(snapshot.inFlight)) in flight") }
        return "\(Format.clock(snapshot.elapsed))  \(parts.joined(separator: "; "))"
    }
}
