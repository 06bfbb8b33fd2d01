import ApusRuntime
import ApusTesting
import Testing

@Suite("wait")
struct WaitTests {
    private static func spawnSleepers(_ seconds: [Int]) throws -> [LoopTask<Int>] {
        let loop = try currentLoop()
        return seconds.map { seconds in
            loop.spawn {
                try await sleep(for: .seconds(seconds))
                return seconds
            }
        }
    }

    private static func end(_ tasks: [LoopTask<Int>]) async {
        for task in tasks { task.cancel() }
        for task in tasks { _ = await task.result }
    }

    @Test("A31: allCompleted waits for all, firstCompleted for one, and neither cancels anybody")
    func conditions() async throws {
        try await onCleanLoop {
            let clock = try currentLoop().clock
            let start = clock.now
            let tasks = try Self.spawnSleepers([3, 1, 2])
            let first = try await wait(tasks, returnWhen: .firstCompleted)
            #expect(first.done.map(ObjectIdentifier.init) == [ObjectIdentifier(tasks[1])])
            #expect(first.pending.map(ObjectIdentifier.init) == [tasks[0], tasks[2]].map(ObjectIdentifier.init))
            #expect(start.duration(to: clock.now) == .seconds(1))
            let all = try await wait(tasks)
            #expect(all.done.count == 3 && all.pending.isEmpty)
            #expect(start.duration(to: clock.now) == .seconds(3))
            #expect(tasks.allSatisfy { $0.isFinished && !$0.isCancelled })
            // Of tasks that have ended already.
            let again = try await wait(tasks)
            #expect(again.done.count == 3)
        }
    }

    @Test("A31: firstFailure ends at the first error, and a cancelled task is none")
    func firstFailure() async throws {
        try await onCleanLoop {
            let loop = try currentLoop()
            let start = loop.clock.now
            let failing = loop.spawn { () -> Int in
                try await sleep(for: .seconds(5))
                throw Oops()
            }
            let tasks = try Self.spawnSleepers([1, 100, 200]) + [failing]
            tasks[1].cancel()
            let (done, pending) = try await wait(tasks, returnWhen: .firstFailure)
            #expect(start.duration(to: loop.clock.now) == .seconds(5))
            #expect(done.count == 3 && pending.count == 1)
            await Self.end(tasks)
            let fine = try Self.spawnSleepers([1, 2])
            let ended = try await wait(fine, returnWhen: .firstFailure)
            #expect(ended.done.count == 2)
        }
    }

    @Test("A31: when the time is up it returns what is done, without an error", arguments: [2, 0, -1])
    func timeout(seconds: Int) async throws {
        try await onCleanLoop {
            let clock = try currentLoop().clock
            let start = clock.now
            let tasks = try Self.spawnSleepers([1, 10])
            let (done, pending) = try await wait(tasks, timeout: .seconds(seconds))
            #expect(done.count == (seconds > 0 ? 1 : 0))
            #expect(pending.count == 2 - done.count)
            #expect(start.duration(to: clock.now) == .seconds(max(0, seconds)))
            #expect(try currentLoop().statistics()?.timers == (seconds > 0 ? 1 : 0), "the wait's timer is gone")
            await Self.end(tasks)
        }
    }

    @Test("A31: for no tasks is an error; the same task twice is not")
    func arguments() async throws {
        try await onCleanLoop {
            let error = await #expect(throws: LoopError.self) { try await wait([] as [LoopTask<Int>]) }
            #expect(error?.code == .invalidArgument)
            let task = try Self.spawnSleepers([1])[0]
            let (done, _) = try await wait([task, task])
            #expect(done.count == 2)
        }
    }

    @Test(
        "cancelling the caller ends the wait at once, before it or in it, and the tasks go on",
        arguments: [false, true]
    )
    func cancelled(before: Bool) async throws {
        try await onCleanLoop {
            let loop = try currentLoop()
            let tasks = try Self.spawnSleepers([10, 20])
            let waiter = loop.spawn { _ = try await wait(tasks) }
            if !before { await turns() }
            waiter.cancel()
            waiter.cancel()
            await #expect(throws: CancellationError.self) { try await waiter.value }
            #expect(tasks.allSatisfy { !$0.isFinished && !$0.isCancelled })
            let (done, _) = try await wait(tasks)
            #expect(done.count == 2)
        }
    }

    @Test("takes no error away: one that nobody asks for is reported all the same")
    func errorsStay() async throws {
        let reported = Recorder<UnhandledError>()
        try await onCleanLoop(exceptionHandler: reported.note) {
            let loop = try currentLoop()
            func waitOnly() async throws {
                let task = loop.spawn(name: "unloved") { throw Oops() }
                let (done, _) = try await wait([task])
                #expect(done.count == 1)
            }
            try await waitOnly()
            await turns()
        }
        #expect(reported.all.map(\.taskName) == ["unloved"])
    }

    @Test("A34: asyncio's shield is a spawned task and wait: the caller leaves at once, a late error is reported")
    func asyncioShield() async throws {
        let reported = Recorder<UnhandledError>()
        try await onCleanLoop(exceptionHandler: reported.note) {
            let loop = try currentLoop()
            let start = loop.clock.now
            let caller = loop.spawn {
                let task = loop.spawn(name: "inner") {
                    try await sleep(for: .seconds(10))
                    throw Oops(number: 34)
                }
                _ = try await wait([task])
                try await task.value
            }
            await turns()
            caller.cancel()
            await #expect(throws: CancellationError.self) { try await caller.value }
            #expect(start.duration(to: loop.clock.now) == .zero)
            try await sleep(for: .seconds(11))
        }
        #expect(reported.all.map { $0.error as? Oops } == [Oops(number: 34)])
    }

    @Test("waits for tasks of another loop")
    func otherLoop() async throws {
        let task = EventLoop.shared.spawn {
            try await sleep(for: .milliseconds(1))
            return 1
        }
        try await onCleanLoop(.monotonic) {
            let (done, _) = try await wait([task])
            #expect(done.count == 1)
        }
        #expect(try await task.value == 1)
    }
}
