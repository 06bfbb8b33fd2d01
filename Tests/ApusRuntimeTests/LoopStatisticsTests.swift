import CApus
import Testing

@testable import ApusRuntime

@Suite("Statistics of a loop")
struct LoopStatisticsTests {
    @Test("lag is measured only where that was asked for")
    func off() async throws {
        try await EventLoop.with {
            await turns()
            let lag = try #require(EventLoop.current?.statistics()).lag
            #expect(lag == nil)
        }
    }

    /// Holds this thread, by waiting for others, for longer than twice `past`.
    ///
    /// - Returns: for how long.
    private func hold(beyond past: Duration) -> Duration {
        let start = apus_monotonic_now()
        var held = Duration.zero
        repeat {
            let gate = Gate()
            do { try startThread(name: "holder") { gate.open() } } catch { gate.open() }
            gate.pass()
            held = .nanoseconds(apus_monotonic_now() - start)
        } while held <= past * 2
        return held
    }

    @Test("a job that holds the loop, and a call from another thread that does, are lag at least as long")
    func lag() async throws {
        var options = EventLoop.Options()
        options.measuresLag = true
        try await EventLoop.with(options) {
            let loop = try currentLoop()
            await turns()
            let calm = try #require(loop.statistics()?.lag)
            #expect(calm.count > 0)
            let byJob = hold(beyond: calm.maximum)
            await turns()
            let held = try #require(loop.statistics()?.lag)
            #expect(held.maximum >= byJob)
            // The difference of two histograms knows its maximum by its bucket.
            #expect(held.since(calm).maximum * 33 / 32 >= byJob)
            #expect(held.count > calm.count)
            let byCall = try await offload {
                let (held, ended) = (Recorder<Duration>(), Gate())
                loop.schedule {
                    held.note(hold(beyond: byJob))
                    ended.open()
                }
                ended.pass()
                return held.all[0]
            }
            await turns()
            let called = try #require(loop.statistics()?.lag)
            #expect(called.maximum >= byCall)
            let timer = Recorder<Duration>()
            loop.schedule(after: .zero) { timer.note(hold(beyond: byCall)) }
            while timer.count == 0 { await turns() }
            await turns()
            let timed = try #require(loop.statistics()?.lag)
            #expect(timed.maximum >= timer.all[0])
        }
    }

    @Test("a loop that sleeps has no lag")
    func sleeping() async throws {
        var options = EventLoop.Options()
        options.measuresLag = true
        try await EventLoop.with(options) {
            let loop = try currentLoop()
            var laps: [(count: Int, longest: Duration)] = []
            // A busy machine may hold the loop for as long as that, but not each time.
            repeat {
                let before = try #require(loop.statistics()?.lag)
                // One wait of the system's, and not one lap of that length.
                try await sleep(for: .milliseconds(30))
                let recent = try #require(loop.statistics()?.lag).since(before)
                laps.append((recent.count, recent.maximum))
            } while (laps.last?.longest ?? .zero) >= .milliseconds(29) && laps.count < 50
            #expect(laps.count < 50, "\(laps)")
            #expect(laps.allSatisfy { $0.count < 30 }, "\(laps)")
        }
    }

    @Test("jobs per second, in all and since an earlier look")
    func rate() {
        var (early, late) = (LoopStatistics(), LoopStatistics())
        #expect(early.jobsPerSecond == 0)
        early.uptime = .seconds(10)
        early.jobs = 1_000
        late.uptime = .seconds(12)
        late.jobs = 1_050
        #expect(early.jobsPerSecond == 100)
        #expect(late.jobsPerSecond(since: early) == 25)
        #expect(late.jobsPerSecond(since: late) == 0)
        #expect(early.jobsPerSecond(since: late) == 0, "time does not run backwards")
    }

    @Test("a loop's uptime grows")
    func uptime() async throws {
        try await EventLoop.with {
            let loop = try currentLoop()
            let first = try #require(loop.statistics()?.uptime)
            let held = hold(beyond: .zero)
            let second = try #require(loop.statistics()?.uptime)
            #expect(second >= first + held)
        }
    }
}
