import ApusTesting
import Synchronization
import Testing

@testable import ApusRuntime

/// The loop takes any ready job next, drawn from a seed.
@Suite("Shuffled schedules")
struct ScheduleShuffleTests {
    /// Who had a turn, in order: `tasks` tasks with some turns each, one of which sleeps in between.
    private func trace(seed: UInt64?, tasks: Int = 6, turns: Int = 5) async throws -> [Int] {
        let trace = Trace()
        try await withVirtualTime(shuffling: seed) {
            _ = try await gather(0..<tasks) { number in
                for turn in 0..<turns {
                    trace.add(number)
                    if turn == 2, number == 0 { try await sleep(for: .seconds(1)) } else { await Task.yield() }
                }
            }
        }
        return trace.entries
    }

    @Test("the same seed gives the same order, each time", arguments: [0, 1, 42, UInt64.max])
    func same(seed: UInt64) async throws {
        let first = try await trace(seed: seed)
        for _ in 0..<20 {
            let again = try await trace(seed: seed)
            #expect(again == first)
        }
    }

    @Test("different seeds give different orders, and nothing runs twice or not at all")
    func different() async throws {
        var orders: Set<[Int]> = []
        for seed in 0..<50 {
            let order = try await trace(seed: UInt64(seed))
            orders.insert(order)
            for task in 0..<6 { #expect(order.count { $0 == task } == 5) }
        }
        // Of some 10^19 orders two are the same by a defect only.
        #expect(orders.count == 50)
    }

    @Test("the order that a seed stands for does not change between versions")
    func pinned() {
        var order = ReadyOrder(seed: 42)
        let drawn = (0..<8).map { _ in order.draw(below: 10) }
        #expect(drawn == [7, 1, 2, 3, 0, 8, 2, 8])
    }

    @Test("without a seed the order is that of arrival")
    func off() async throws {
        let order = try await trace(seed: nil, tasks: 3, turns: 2)
        #expect(order == [0, 1, 2, 0, 1, 2])
    }

    @Test("a runner's next run goes on drawing, and does not begin anew")
    func runs() async throws {
        let orders = try await offload {
            var options = EventLoop.Options()
            options.clock = .virtual
            options.shuffleSeed = 3
            return try EventLoop.Runner.with(options) { runner in
                try (0..<2).map { _ in
                    let trace = Trace()
                    try runner.run {
                        _ = try await gather(0..<6) { number in
                            for _ in 0..<5 {
                                trace.add(number)
                                await Task.yield()
                            }
                        }
                    }
                    return trace.entries
                }
            }
        }
        #expect(orders[0].sorted() == orders[1].sorted() && orders[0] != orders[1])
    }

    @Test("where there is nothing to choose nothing is drawn; a draw reaches every number below its bound and no other")
    func draws() {
        var order = ReadyOrder(seed: 7)
        var untouched = ReadyOrder(seed: 7)
        for bound in [1, 0, 1] { _ = order.draw(below: bound) }
        #expect((0..<100).allSatisfy { _ in order.draw(below: 1_000) == untouched.draw(below: 1_000) })
        let drawn = Set((0..<1_000).map { _ in order.draw(below: 7) })
        #expect(drawn == Set(0..<7))
    }

    @Test("every job that is taken out of its turn is taken once, however the ring has turned")
    func queue() throws {
        var random = SplitMix(seed: 1)
        var queue = JobQueue()
        var model: Set<UInt> = []
        var next: UInt = 0
        for _ in 0..<5_000 {
            if Int.random(in: 0..<5, using: &random) < 3 {
                // The runtime aligns jobs to 16 bytes; nobody runs these.
                next += 16
                queue.append(ReadyJob(unsafeBitCast(next, to: UnownedJob.self), .own))
                model.insert(next)
            } else {
                let number = queue.isEmpty ? 0 : Int.random(in: 0..<queue.count, using: &random)
                let job = queue.pop(number)
                #expect((job == nil) == model.isEmpty)
                guard let job else { continue }
                let removed = model.remove(UInt(bitPattern: job.address))
                #expect(removed != nil)
            }
            #expect(queue.count == model.count)
        }
        let beyond = queue.pop(queue.count)
        #expect(beyond == nil)
        while let job = queue.pop(queue.count / 2) { model.remove(UInt(bitPattern: job.address)) }
        #expect(model.isEmpty && queue.isEmpty)
    }

    // MARK: What does not depend on the order

    @Test("each task's own steps, timers, scheduled calls and locks keep their order under every seed")
    func promises() async throws {
        try await forEachSchedule(100) {
            let loop = try currentLoop()
            let start = loop.clock.now
            let calls = Trace()
            let lock = AsyncLock()
            let line = Line()
            _ = try await gather(0..<4) { number in
                loop.schedule { calls.add(calls.entries.count) }
                // Timers are due in their order, and never early.
                try await sleep(for: .seconds(number + 1))
                try require(loop.clock.now == start.advanced(by: .seconds(number + 1)), "a timer was early or late")
                for _ in 0..<3 {
                    line.come(number)
                    try await lock.withLock {
                        try line.served(number)
                        await Task.yield()
                    }
                }
            }
            try require(calls.entries == [0, 1, 2, 3], "scheduled calls: \(calls.entries)")
        }
    }

    @Test(
        "tasks that never wait keep nobody from having a turn, nor the loop from looking at timers and scheduled calls"
    )
    func fair() async throws {
        try await forEachSchedule(50) {
            let loop = try currentLoop()
            let seen = Counter()
            let spinners = (0..<3).map { _ in
                EventLoop.spawn { while !Task.isCancelled { await Task.yield() } }
            }
            loop.schedule { seen.add() }
            EventLoop.spawn { seen.add() }
            let before = try #require(loop.statistics())
            while seen.value < 2 {
                await Task.yield()
                let now = try #require(loop.statistics())
                try require(now.jobs - before.jobs < 10_000, "10,000 jobs, and still no turn")
            }
            for spinner in spinners { spinner.cancel() }
            for spinner in spinners { _ = await spinner.result }
        }
    }

    @Test("what is left at the loop's end is cancelled and awaited, and closing leaves nothing", arguments: 0..<20)
    func end(seed: Int) async throws {
        let ended = Counter()
        try await withVirtualTime(shuffling: UInt64(seed)) {
            for _ in 0..<10 {
                EventLoop.spawn {
                    defer { ended.add() }
                    try await untilCancelled()
                }
            }
        }
        #expect(ended.value == 10)
    }

    @Test("errors, values and cancellations of combinators are the same under every seed")
    func combinators() async throws {
        struct Refused: Error {}
        try await forEachSchedule(100) {
            try await withoutLeaks {
                let values = try await gather(0..<5) { number in
                    await Task.yield()
                    return number * 2
                }
                try require(values == [0, 2, 4, 6, 8], "\(values)")
                let cancelled = Counter()
                do {
                    _ = try await gather(0..<5) { number in
                        if number == 3 {
                            try await sleep(for: .seconds(1))
                            throw Refused()
                        }
                        do { try await sleep(for: .seconds(60)) } catch {
                            cancelled.add()
                            throw error
                        }
                    }
                    throw Broken(description: "no error")
                } catch is Refused {}
                try require(cancelled.value == 4, "\(cancelled.value) were cancelled")
            }
        }
    }

    // MARK: What it finds

    /// Looks, waits, and then writes what it saw: right as long as nobody else does so meanwhile.
    private final class Account: Sendable {
        private let balance = Mutex(100)
        var value: Int { balance.withLock { $0 } }
        func withdraw(_ amount: Int) async {
            let seen = value
            if seen >= amount {
                await Task.yield()
                balance.withLock { $0 = seen - amount }
            }
        }
    }

    /// In the order of arrival the second task comes when the first is through.
    private func race() async throws {
        let account = Account()
        async let first: Void = account.withdraw(30)
        async let second: Void = {
            for _ in 0..<3 { await Task.yield() }
            await account.withdraw(50)
        }()
        _ = await (first, second)
        try require(account.value == 20, "\(account.value) is left of 100 - 30 - 50")
    }

    @Test("a race that the order of arrival never shows is found, and its seed shows it again")
    func findsRace() async throws {
        try await withVirtualTime { try await self.race() }
        let failure = await #expect(throws: ScheduleFailure.self) {
            try await forEachSchedule(100) { try await self.race() }
        }
        let found = try #require(failure)
        #expect(found.cause is Broken)
        #expect("\(found)".contains("forEachSchedule(1, seed: \(found.seed))"))
        #expect("\(found)".contains("is left of 100"))
        for _ in 0..<5 {
            let again = await #expect(throws: ScheduleFailure.self) {
                try await forEachSchedule(1, seed: found.seed) { try await self.race() }
            }
            #expect(again?.seed == found.seed)
            let cause = again.map { "\($0.cause)" }
            #expect(cause == "\(found.cause)")
        }
    }

    @Test("two locks that are taken in two orders: the deadlock is found at once, by virtual time")
    func findsDeadlock() async throws {
        @Sendable func deadlock() async throws {
            let (left, right) = (AsyncLock(), AsyncLock())
            _ = try await gather(
                { try await left.withLock { try await right.withLock {} } },
                {
                    try await right.withLock {
                        await Task.yield()
                        try await left.withLock {}
                    }
                }
            )
        }
        try await withVirtualTime { try await withTimeout(.seconds(10)) { try await deadlock() } }
        let failure = await #expect(throws: ScheduleFailure.self) {
            try await forEachSchedule(100) { try await deadlock() }
        }
        #expect(failure?.cause is TimeoutError)
    }

    @Test("a test that is cancelled ends by that and by no finding; a count below one is one")
    func ends() async throws {
        let runs = Counter()
        try await forEachSchedule(0) { runs.add() }
        #expect(runs.value == 1)
        let task = EventLoop.spawn {
            try await forEachSchedule(1_000_000) {
                runs.add()
                // Without a timer, which virtual time would reach at once.
                while !Task.isCancelled { await Task.yield() }
                throw CancellationError()
            }
        }
        while runs.value < 2 { await Task.yield() }
        task.cancel()
        let result = await task.result
        #expect(throws: CancellationError.self) { try result.get() }
        #expect(runs.value == 2)
    }
}

/// Numbers in the order in which they came.
private final class Trace: Sendable {
    private let numbers = Mutex<[Int]>([])
    var entries: [Int] { numbers.withLock { $0 } }
    func add(_ number: Int) { numbers.withLock { $0.append(number) } }
}
