import Apus

/// Draws a run on a terminal, some ten times a second.
struct LiveView: Sendable {
    static let interval: Duration = .milliseconds(100)
    /// A run that ends sooner is only summed up.
    static let delay: Duration = .milliseconds(300)
    /// Who was stopped so long (Ctrl-Z) finds the shell's words where the frame was.
    static let pause: Duration = .seconds(2)

    let statistics: RunStatistics
    let console: Console

    /// Cancel safety: ends. The frame stays until ``Console/close()``.
    func run() async {
        var meter = RateMeter()
        var isLate = false
        do {
            try await sleep(for: Self.delay)
            while true {
                let snapshot = statistics.snapshot(hosts: LiveFrame.hosts)
                meter.look(snapshot)
                let frame = LiveFrame(snapshot: snapshot, rate: meter.rate, timeLeft: meter.timeLeft(snapshot))
                if isLate { console.forgetFrame() }
                await console.draw(frame.lines(isUTF8: console.error.isUTF8))
                let start = EventLoop.current?.clock.now
                try await sleep(for: Self.interval)
                if let start, let clock = EventLoop.current?.clock {
                    isLate = start.duration(to: clock.now) > Self.pause
                }
            }
        } catch {
            // Cancelled, which is how it ends.
        }
    }
}
