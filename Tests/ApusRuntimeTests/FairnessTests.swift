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

    @Test func `gathering many children that end in another order keeps the order of the elements`() async throws {
        let results = try await withVirtualTime {
            try await gather(0..<5_000) { index in
                try await sleep(for: .milliseconds((index * 7_919) % 1_000))
                return index
            }
        }
        #expect(results == Array(0..<5_000))
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
