import ApusRuntime
import ApusTesting
import CApus
import Testing

@Suite("Ways in")
struct EntryTests {
    /// `EventLoop.run` as synchronous code calls it, on a thread of its own.
    private func run<Success: Sendable>(
        _ options: EventLoop.Options = .init(),
        _ body: @escaping @Sendable () async throws -> Success
    ) async throws -> Success {
        try await offload { try EventLoop.run(options, body) }
    }

    @Test("run gives the closure's value, and rethrows its error")
    func run() async throws {
        #expect(try await run { 42 } == 42)
        await #expect(throws: Oops(number: 1)) { try await run { throw Oops(number: 1) } }
        #expect(try await run { EventLoop.current?.name } == "main")
    }

    @Test("run uses the calling thread, and leaves no loop on it")
    func runHere() async throws {
        let same = try await offload {
            let thread = apus_gettid()
            let inside = try EventLoop.run { apus_gettid() }
            return inside == thread && EventLoop.current == nil
        }
        #expect(same)
    }

    @Test("run inside a loop is an error that names the loop and the way out")
    func nestedRun() async throws {
        var options = EventLoop.Options()
        options.name = "outer"
        let error = try await EventLoop.with(options) {
            #expect(throws: LoopError.self) { try Self.callsRun() }
        }
        #expect(error?.code == .nestedRun)
        #expect(error.map { "\($0)".contains("“outer”") && "\($0)".contains("spawn") } == true)
    }

    private static func callsRun() throws { try EventLoop.run {} }

    @Test("what was left behind is cancelled and awaited before run and with return", arguments: [false, true])
    func leftovers(blocking: Bool) async throws {
        let ended = Recorder<String>()
        let body: @Sendable () async throws -> Void = {
            let loop = try currentLoop()
            for number in 0..<10 {
                loop.spawn(name: "left \(number)") {
                    do {
                        try await untilCancelled()
                    } catch {
                        // Starts another one at its end, which is left behind too; a task of its own is not cancelled yet.
                        loop.spawn {
                            do { try await untilCancelled() } catch { ended.note("second") }
                        }
                        await Task.yield()
                        ended.note("first")
                    }
                }
            }
            await turns()
        }
        if blocking { try await run(.init(), body) } else { try await EventLoop.with(.init(), body) }
        #expect(ended.all.sorted() == Array(repeating: "first", count: 10) + Array(repeating: "second", count: 10))
    }

    @Test("leftovers are awaited after an error too, and do not hide it")
    func leftoversAfterError() async throws {
        let ended = Recorder<Int>()
        await #expect(throws: Oops(number: 5)) {
            try await EventLoop.with {
                EventLoop.spawn {
                    do { try await untilCancelled() } catch { ended.note(1) }
                }
                await turns()
                throw Oops(number: 5)
            }
        }
        #expect(ended.all == [1])
    }

    @Test("a leftover that was never run once is cancelled and awaited as well")
    func leftoverNotBegun() async throws {
        let ended = Recorder<Bool>()
        try await EventLoop.with { _ = EventLoop.spawn { ended.note(Task.isCancelled) } }
        #expect(ended.count == 1)
    }

    @Test("with gives the value, rethrows, and runs on a thread and a loop of its own")
    func with() async throws {
        #expect(try await EventLoop.with { 1 } == 1)
        await #expect(throws: Oops(number: 2)) { try await EventLoop.with { throw Oops(number: 2) } }
        let (outer, inner, back) = try await EventLoop.with {
            let outer = apus_gettid()
            let inner = try await EventLoop.with { apus_gettid() }
            return (outer, inner, apus_gettid())
        }
        #expect(outer != inner)
        #expect(outer == back)
    }

    @Test("with: nested five deep, each on its own loop")
    func nestedWith() async throws {
        @Sendable func descend(_ depth: Int) async throws -> [ObjectIdentifier] {
            let own = ObjectIdentifier(try currentLoop())
            if depth == 0 { return [own] }
            let deeper = try await EventLoop.with { try await descend(depth - 1) }
            #expect(ObjectIdentifier(try currentLoop()) == own)
            return [own] + deeper
        }
        let loops = try await EventLoop.with { try await descend(4) }
        #expect(Set(loops).count == 5)
    }

    @Test(
        "with forwards cancellation, before it begins and meanwhile, and waits for the body",
        arguments: [false, true]
    )
    func withCancelled(before: Bool) async throws {
        let ended = Recorder<String>()
        let begun = Gate()
        let task = Task {
            try await EventLoop.with {
                defer { ended.note("body") }
                begun.open()
                try await untilCancelled()
            }
        }
        if !before { try await offload { begun.pass() } }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        ended.note("caller")
        #expect(ended.all == ["body", "caller"])
    }

    @Test("with works from an actor and the main actor, and comes back to it")
    @MainActor
    func withFromMainActor() async throws {
        #expect(try await EventLoop.with { EventLoop.current?.name } == "main")
        MainActor.assertIsolated()
        actor Caller {
            var count = 0
            func call() async throws -> Int {
                count += try await EventLoop.with { 2 }
                return count
            }
        }
        #expect(try await Caller().call() == 2)
    }

    @Test("a hundred loops at once")
    func manyLoops() async throws {
        let sum = try await gather(0..<100, limit: 20) { number in
            try await EventLoop.with {
                try await sleep(for: .nanoseconds(number))
                return number
            }
        }
        #expect(sum.reduce(0, +) == 4950)
    }

    @Test("current is nil off every loop, and the loop on it, child tasks included")
    func current() async throws {
        #expect(EventLoop.current == nil)
        try await onCleanLoop {
            let loop = try currentLoop()
            #expect(loop.isCurrent)
            async let child = EventLoop.current === loop
            #expect(await child)
            #expect(await Task.immediate { EventLoop.current === loop }.value)
        }
        #expect(!EventLoop.shared.isCurrent)
        #expect(EventLoop.current == nil)
    }

    @Test("statistics are exact on the loop and nil elsewhere")
    func statistics() async throws {
        #expect(EventLoop.shared.statistics() == nil)
        try await onCleanLoop {
            let loop = try currentLoop()
            let before = try #require(loop.statistics())
            let task = loop.spawn { try await untilCancelled() }
            await turns()
            let during = try #require(loop.statistics())
            #expect(during.tasks == 1 && during.timers == 1)
            #expect(during.jobs >= before.jobs + 201)
            task.cancel()
            _ = await task.result
        }
    }

    @Test("the shared loop is always there")
    func shared() async throws {
        let name = try await EventLoop.shared.spawn { EventLoop.current?.name }.value
        #expect(name == "shared")
        #expect(try await EventLoop.spawn { EventLoop.current === EventLoop.shared }.value)
    }

    @Test("jobs are run in order, and none starves: timers, calls from outside and tasks take turns")
    func fairness() async throws {
        try await onCleanLoop(.monotonic) {
            let loop = try currentLoop()
            let stop = Recorder<Int>()
            // Two tasks that never stop by themselves.
            let busy = (0..<2).map { _ in loop.spawn { while stop.count == 0 { await Task.yield() } } }
            try await sleep(for: .nanoseconds(1))
            try await offload {}
            let pair = try SocketPair()
            let descriptor = LoopBound(try loop.register(pair.near), on: loop)
            pair.write([1])
            #expect(await descriptor.value.waitReadable() == .ready)
            descriptor.value.release()
            pair.close()
            stop.note(1)
            for task in busy { try await task.value }
        }
    }
}

@Suite("spawn")
struct SpawnTests {
    @Test("gives a handle with the task's value and name, from the loop's own thread")
    func value() async throws {
        try await onCleanLoop {
            let loop = try currentLoop()
            let task = loop.spawn(name: "answer") {
                #expect(Task.name == "answer")
                #expect(EventLoop.current === loop)
                await Task.yield()
                return 42
            }
            #expect(task.name == "answer")
            #expect(try await task.value == 42)
            #expect(try await task.result.get() == 42)
            #expect(loop.spawn {}.name == nil)
            await turns()
        }
    }

    @Test("begins later, not at once, and in order")
    func order() async throws {
        let order = Recorder<Int>()
        try await onCleanLoop {
            let loop = try currentLoop()
            let tasks = (1...3).map { number in loop.spawn { order.note(number) } }
            order.note(0)
            for task in tasks { try await task.value }
        }
        #expect(order.all == [0, 1, 2, 3])
    }

    @Test("works from any thread, and wakes the loop")
    func fromElsewhere() async throws {
        try await onCleanLoop(.monotonic) {
            let loop = try currentLoop()
            let tasks = try await offload {
                (0..<1000).map { number in loop.spawn { EventLoop.current === loop ? number : -1 } }
            }
            for (number, task) in tasks.enumerated() { #expect(try await task.value == number) }
        }
    }

    @Test("cancel reaches the task, once or often, and shows")
    func cancel() async throws {
        try await onCleanLoop {
            let task = try currentLoop().spawn { try await untilCancelled() }
            #expect(!task.isCancelled)
            await turns()
            task.cancel()
            task.cancel()
            #expect(task.isCancelled)
            await #expect(throws: CancellationError.self) { try await task.value }
        }
    }

    @Test("a task goes on without its handle")
    func withoutHandle() async throws {
        let done = Recorder<Int>()
        try await onCleanLoop {
            try currentLoop().spawn {
                try await sleep(for: .seconds(1))
                done.note(1)
            }
            try await sleep(for: .seconds(2))
        }
        #expect(done.all == [1])
    }

    @Test("an error whose handle is dropped is reported once, with name and loop")
    func unhandled() async throws {
        let reports = Recorder<UnhandledError>()
        try await onCleanLoop(exceptionHandler: reports.note) {
            try currentLoop().spawn(name: "loser") { throw Oops(number: 4) }
            await turns()
        }
        #expect(reports.count == 1)
        let report = try #require(reports.all.first)
        #expect(report.error as? Oops == Oops(number: 4))
        #expect(report.taskName == "loser")
        #expect(report.loop == "test")
        #expect("\(report)".contains("“loser”") && "\(report)".contains("“test”"))
    }

    @Test("while the handle is kept nothing is reported: somebody may still ask")
    func kept() async throws {
        let reports = Recorder<UnhandledError>()
        try await onCleanLoop(exceptionHandler: reports.note) {
            var task: LoopTask<Void>? = try currentLoop().spawn { throw Oops(number: 4) }
            await turns()
            #expect(reports.count == 0)
            withExtendedLifetime(task) {}
            task = nil
            #expect(reports.count == 1)
        }
        #expect(reports.count == 1)
    }

    @Test("an error that was awaited is not reported, whether the wait came before its end or after")
    func awaited() async throws {
        let reports = Recorder<UnhandledError>()
        try await onCleanLoop(exceptionHandler: reports.note) {
            let loop = try currentLoop()
            do {
                let early = loop.spawn { throw Oops(number: 1) }
                await #expect(throws: Oops.self) { try await early.value }
                let late = loop.spawn { throw Oops(number: 2) }
                await turns()
                if case .success = await late.result { Issue.record("it threw") }
            }
            await turns()
        }
        #expect(reports.count == 0)
    }

    @Test("being cancelled is no error to report")
    func cancellationIsQuiet() async throws {
        let reports = Recorder<UnhandledError>()
        try await onCleanLoop(exceptionHandler: reports.note) {
            try currentLoop().spawn { try await untilCancelled() }.cancel()
            await turns()
        }
        #expect(reports.count == 0)
    }

    @Test("errors of leftovers are reported too")
    func leftoverError() async throws {
        let reports = Recorder<UnhandledError>()
        var options = EventLoop.Options()
        options.exceptionHandler = reports.note
        try await EventLoop.with(options) {
            EventLoop.spawn(name: "left") {
                do { try await untilCancelled() } catch { throw Oops(number: 9) }
            }
            await turns()
        }
        #expect(reports.all.map(\.taskName) == ["left"])
    }

    @Test("a task's captures are let go at its end, though its handle stays")
    func lifetimes() async throws {
        final class Witness: Sendable {}
        try await onCleanLoop {
            weak var witness: Witness?
            let task: LoopTask<Void>
            do {
                let strong = Witness()
                witness = strong
                task = try currentLoop().spawn { withExtendedLifetime(strong) {} }
            }
            try await task.value
            await turns()
            #expect(witness == nil)
            withExtendedLifetime(task) {}
        }
    }

    @Test("a hundred thousand tasks, and none is left")
    func many() async throws {
        try await onCleanLoop {
            let loop = try currentLoop()
            let tasks = (0..<100_000).map { number in loop.spawn { number } }
            var sum = 0
            for task in tasks { sum += try await task.value }
            #expect(sum == 4_999_950_000)
            #expect(loop.statistics()?.tasks == 0)
        }
    }
}
