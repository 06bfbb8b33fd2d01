import ApusTesting
import Logging
import Synchronization
import Testing

@testable import ApusRuntime

/// Nobody keeps the loop for himself, at its end or before.
@Suite
struct FairnessTests {
    @Test func `a callback that schedules itself anew at a time that has passed lets others have their turn`()
        async throws
    {
        try await withVirtualTime {
            let loop = try #require(EventLoop.current)
            let past = loop.clock.now
            let count = Mutex(0)
            @Sendable func again() {
                guard
                    count.withLock({
                        $0 += 1
                        return $0 < 1_000_000
                    })
                else { return }
                loop.schedule(at: past) { again() }
            }
            again()
            for _ in 0..<100 { await Task.yield() }
            let calls = count.withLock { $0 }
            #expect(calls < 100_000)
            // Ends it.
            count.withLock { $0 = 1_000_000 }
        }
    }

    @Test func `work in a circle gives way after a slice`() async throws {
        try await withVirtualTime {
            let loop = try #require(EventLoop.current)
            let turns = Mutex(0)
            let other = EventLoop.spawn {
                while !Task.isCancelled {
                    turns.withLock { $0 += 1 }
                    await Task.yield()
                }
            }
            for _ in 0..<10_000 { await loop.yieldIfSliceIsOver() }
            let seen = turns.withLock { $0 }
            other.cancel()
            #expect(seen > 100)
        }
    }

    @Test func `a job that has waited its turn is not sent away for the rounds of those before it`() async throws {
        try await withVirtualTime {
            let loop = try #require(EventLoop.current)
            var sentAway = 0
            for _ in 0..<1_000 {
                await Task.yield()
                if loop.sliceIsOver { sentAway += 1 }
            }
            #expect(sentAway == 0)
        }
    }

    @Test func `a task that starts others whenever it is cancelled does not keep the loop from ending`() async throws {
        @Sendable func worker() {
            EventLoop.spawn(name: "hydra") {
                try? await sleep(for: .seconds(3600))
                if EventLoop.current?.closedError == nil { worker() }
            }
        }
        var options = EventLoop.Options()
        options.logger.logLevel = .critical
        let value = try await EventLoop.with(options) {
            worker()
            await Task.yield()
            return 7
        }
        #expect(value == 7)
    }

    @Test(arguments: [nil, 5_000, .max, 4_999] as [Int?])
    func `gathering many children that end in another order keeps the order of the elements`(limit: Int?) async throws {
        let results = try await withVirtualTime {
            try await gather(0..<5_000, limit: limit) { index in
                try await sleep(for: .milliseconds((index * 7_919) % 1_000))
                return index
            }
        }
        #expect(results == Array(0..<5_000))
    }

    @Test func `a sequence that does not know its count keeps to its limit`() async throws {
        let gauge = Gauge()
        try await withVirtualTime {
            // It says that it has none of them, and then that it has as many as that.
            for known in [0, 2_000] {
                let limited = Vague(count: 3_000, underestimatedCount: known)
                _ = try await gather(limited, limit: 2_500) { _ in
                    gauge.enter()
                    try await sleep(for: .seconds(1))
                    gauge.leave()
                }
            }
        }
        #expect(gauge.most == 2_500)
    }

    /// A sequence with more elements than it promises.
    private struct Vague: Sequence, IteratorProtocol {
        var count: Int
        let underestimatedCount: Int

        mutating func next() -> Int? {
            guard count > 0 else { return nil }
            count -= 1
            return count
        }
    }

    @Test func `the first error of many children is thrown, and the others are cancelled`() async throws {
        struct Refused: Error {}
        let cancelled = Mutex(0)
        _ = try await withVirtualTime {
            await #expect(throws: Refused.self) {
                try await gather(0..<3_000) { index in
                    do {
                        try await sleep(for: index == 2_000 ? .milliseconds(1) : .seconds(3600))
                    } catch {
                        cancelled.withLock { $0 += 1 }
                        throw error
                    }
                    if index == 2_000 { throw Refused() }
                }
            }
        }
        #expect(cancelled.withLock { $0 } == 2_999)
    }

    @Test func `a pool without limits is one with very high ones`() async throws {
        let pool = OffloadPool(name: "limitless", maximumThreads: .max, maximumQueue: .max)
        #expect(try await offload(to: pool) { 5 } == 5)
    }
}
