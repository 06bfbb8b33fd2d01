import ApusRuntime
import ApusTesting
import Testing

@Suite("sleep")
struct SleepTests {
    @Test("A29: takes its time on the loop's clock, and no other")
    func duration() async throws {
        try await onCleanLoop {
            let clock = try currentLoop().clock
            let start = clock.now
            try await sleep(for: .seconds(3600))
            #expect(start.duration(to: clock.now) == .seconds(3600))
            try await sleep(until: clock.now.advanced(by: .nanoseconds(1)))
            #expect(start.duration(to: clock.now) == .seconds(3600) + .nanoseconds(1))
        }
    }

    @Test("wakes sleepers by deadline, and equal ones in the order in which they lay down")
    func order() async throws {
        let woken = Recorder<Int>()
        try await onCleanLoop {
            try await withThrowingTaskGroup { group in
                for (number, seconds) in [3, 1, 2, 1, 2, 1].enumerated() {
                    group.addTask {
                        try await sleep(for: .seconds(seconds))
                        woken.note(number)
                    }
                }
                try await group.waitForAll()
            }
        }
        #expect(woken.all == [1, 3, 5, 2, 4, 0])
    }

    @Test(
        "of zero or less gives everyone who is ready one turn, and no time",
        arguments: [Duration.zero, .seconds(-1), .seconds(Int64.min)]
    )
    func zero(duration: Duration) async throws {
        let order = Recorder<String>()
        try await onCleanLoop {
            let loop = try currentLoop()
            let start = loop.clock.now
            let other = loop.spawn { order.note("other") }
            try await sleep(for: duration)
            order.note("sleeper")
            try await other.value
            try await sleep(until: start)
            #expect(loop.clock.now == start)
        }
        #expect(order.all == ["other", "sleeper"])
    }

    @Test("A29: of zero throws in a cancelled task too")
    func zeroCancelled() async throws {
        try await onCleanLoop {
            let task = try currentLoop().spawn { try await sleep(for: .zero) }
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
        }
    }

    @Test("for ever neither overflows nor ends", arguments: [Duration.seconds(Int64.max), .seconds(10_000_000_000)])
    func huge(duration: Duration) async throws {
        try await onCleanLoop {
            let clock = try currentLoop().clock
            let start = clock.now
            await #expect(throws: TimeoutError.self) {
                try await withTimeout(.seconds(86_400 * 365 * 100)) { try await sleep(for: duration) }
            }
            #expect(start.duration(to: clock.now) == .seconds(86_400 * 365 * 100))
        }
    }

    @Test("in a task cancelled before throws at once")
    func cancelledBefore() async throws {
        try await onCleanLoop {
            let loop = try currentLoop()
            let start = loop.clock.now
            let task = loop.spawn { try await untilCancelled() }
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            #expect(loop.clock.now == start)
        }
    }

    @Test("A29: cancelled meanwhile ends at once and leaves no timer, however often it is cancelled")
    func cancelledDuring() async throws {
        try await onCleanLoop {
            let loop = try currentLoop()
            let task = loop.spawn { try await untilCancelled() }
            await turns()
            #expect(loop.statistics()?.timers == 1)
            task.cancel()
            task.cancel()
            #expect(loop.statistics()?.timers == 0)
            await #expect(throws: CancellationError.self) { try await task.value }
            task.cancel()
        }
    }

    @Test("is cancelled from other threads", arguments: 0..<50)
    func cancelledElsewhere(round: Int) async throws {
        try await onCleanLoop {
            let loop = try currentLoop()
            let tasks = (0..<20).map { _ in loop.spawn { try await untilCancelled() } }
            // Some rounds cancel before the tasks began, some meanwhile.
            if round % 2 == 0 { await turns() }
            try await offload { for task in tasks { task.cancel() } }
            for task in tasks {
                await #expect(throws: CancellationError.self) { try await task.value }
            }
        }
    }

    @Test("works off every loop, and is cancelled there")
    func offLoop() async throws {
        #expect(EventLoop.current == nil)
        try await sleep(for: .zero)
        try await sleep(for: .nanoseconds(1))
        try await sleep(until: EventLoop.shared.clock.now)
        let task = Task { try await untilCancelled() }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    @Test("for ever does not end off a loop either", arguments: [Duration.seconds(Int64.max), .nanoseconds(Int64.max)])
    func offLoopForEver(duration: Duration) async throws {
        await #expect(throws: TimeoutError.self) {
            try await withTimeout(.milliseconds(1)) { try await sleep(for: duration) }
        }
    }

    @Test("on a loop's clock sleeps on that loop, from elsewhere too")
    func otherLoop() async throws {
        try await onCleanLoop {
            let loop = try currentLoop()
            let start = loop.clock.now
            let task = Task.detached {
                try await loop.clock.sleep(until: start.advanced(by: .seconds(5)))
                return EventLoop.current == nil
            }
            #expect(try await task.value, "the task is back on its pool")
            #expect(start.duration(to: loop.clock.now) == .seconds(5))
        }
    }
}
