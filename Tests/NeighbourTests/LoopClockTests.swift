import Apus
import ApusTesting
import AsyncAlgorithms
import Testing

/// What swift-async-algorithms does with a loop's clock.
///
/// Its sequences that wait in the caller's task (timers, throttle) are the loop's own work, and exact in virtual time. Those that start
/// a `Task { }` (debounce, chunks by time, merge, zip, combineLatest) run in Swift's pool, of which virtual time knows nothing: it
/// may jump before they have set their timer. On the monotonic clock all of them work.
@Suite("A loop's clock in swift-async-algorithms")
struct LoopClockTests {
    @Test("a timer sequence ticks exactly, by virtual time")
    func timer() async throws {
        try await withVirtualTime {
            let clock = try #require(Apus.EventLoop.current).clock
            let start = clock.now
            var ticks: [Duration] = []
            for await tick in AsyncTimerSequence(interval: .seconds(1), clock: clock).prefix(5) {
                #expect(tick == clock.now)
                ticks.append(start.duration(to: tick))
            }
            #expect(ticks == (1...5).map { .seconds($0) })
        }
    }

    @Test("a consumer that is late gets the ticks it missed at once, and the next in time")
    func late() async throws {
        try await withVirtualTime {
            let clock = try #require(Apus.EventLoop.current).clock
            let start = clock.now
            var ticks: [Duration] = []
            for await tick in AsyncTimerSequence.repeating(every: .seconds(1), clock: clock).prefix(4) {
                ticks.append(start.duration(to: tick))
                if ticks.count == 1 { try await Apus.sleep(for: .milliseconds(2_500)) }
            }
            #expect(ticks == [.seconds(1), .milliseconds(3_500), .milliseconds(3_500), .seconds(4)])
        }
    }

    @Test("throttle lets one element in so much virtual time pass: the latest")
    func throttle() async throws {
        try await withVirtualTime {
            let clock = try #require(Apus.EventLoop.current).clock
            let start = clock.now
            let ticks = AsyncTimerSequence(interval: .seconds(1), clock: clock).prefix(9)
            var seen: [Duration] = []
            for await tick in ticks._throttle(for: .seconds(3), clock: clock) { seen.append(start.duration(to: tick)) }
            #expect(seen == [1, 4, 7, 9].map { .seconds($0) })
            #expect(start.duration(to: clock.now) == .seconds(10), "the last waits until it is due")
        }
    }

    @Test("cancelling ends a timer sequence, and leaves no timer")
    func cancelled() async throws {
        try await withVirtualTime {
            let left = try await leaks {
                let loop = try #require(Apus.EventLoop.current)
                let counting = loop.spawn {
                    var count = 0
                    for await _ in AsyncTimerSequence(interval: .seconds(1), clock: loop.clock) { count += 1 }
                    return count
                }
                try await Apus.sleep(for: .milliseconds(3_500))
                counting.cancel()
                #expect(try await counting.value == 3)
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test("debounce passes a lone element on exactly so much virtual time later: no other timer can overtake its own")
    func debounce() async throws {
        try await withVirtualTime {
            let clock = try #require(Apus.EventLoop.current).clock
            let start = clock.now
            let (source, input) = AsyncStream<Int>.makeStream()
            input.yield(1)
            var seen: [Int] = []
            for await number in source.debounce(for: .seconds(90), clock: clock) {
                seen.append(number)
                #expect(start.duration(to: clock.now) == .seconds(90))
                input.finish()
            }
            #expect(seen == [1])
        }
    }

    @Test("debounce and chunks by time work on a loop's monotonic clock")
    func monotonic() async throws {
        try await withTestLoop {
            let clock = try #require(Apus.EventLoop.current).clock
            let (source, input) = AsyncStream<Int>.makeStream()
            for number in 1...100 { input.yield(number) }
            var last: Int?
            for await number in source.debounce(for: .milliseconds(1), clock: clock) {
                last = number
                if number == 100 { input.finish() }
            }
            #expect(last == 100)

            let ticks = AsyncTimerSequence(interval: .milliseconds(1), clock: clock)
            let (numbers, more) = AsyncStream<Int>.makeStream()
            for number in 1...100 { more.yield(number) }
            var all: [Int] = []
            for await chunk in numbers.chunked(by: ticks) {
                all += chunk
                if all.count == 100 { more.finish() }
            }
            #expect(all == Array(1...100))
        }
    }

    @Test("from elsewhere a loop's clock works too: each wait is a hop to the loop and back")
    func elsewhere() async throws {
        try await withVirtualTime {
            let clock = try #require(Apus.EventLoop.current).clock
            let start = clock.now
            let count = await Task.detached {
                var count = 0
                for await _ in AsyncTimerSequence(interval: .seconds(1), clock: clock).prefix(5) { count += 1 }
                return count
            }.value
            #expect(count == 5)
            #expect(start.duration(to: clock.now) == .seconds(5))
        }
    }
}
