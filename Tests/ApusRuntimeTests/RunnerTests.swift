import ApusRuntime
import CApus
import Glibc
import Testing

@Suite("EventLoop.Runner")
struct RunnerTests {
    /// As synchronous code uses a runner: on a thread of its own.
    private func withRunner<Success: Sendable>(
        _ options: EventLoop.Options = .init(),
        _ body: @escaping @Sendable (EventLoop.Runner) throws -> Success
    ) async throws -> Success {
        try await offload { try EventLoop.Runner.with(options, body) }
    }

    private static func code(_ body: () throws -> Void) -> LoopError.Code? {
        do {
            try body()
            return nil
        } catch {
            return (error as? LoopError)?.code
        }
    }

    @Test("several runs use one loop and one thread, and give their values and errors")
    func runs() async throws {
        try await offload { try Self.severalRuns() }
    }

    private static func severalRuns() throws {
        let runner = EventLoop.Runner()
        let first = try runner.run { Run(loop: ObjectIdentifier(try currentLoop()), thread: apus_gettid()) }
        do {
            try runner.run { throw Oops(number: 3) }
            Issue.record("it threw")
        } catch let error as Oops {
            #expect(error.number == 3)
        }
        let second = try runner.run { Run(loop: ObjectIdentifier(try currentLoop()), thread: apus_gettid()) }
        let between = Run(loop: ObjectIdentifier(try runner.loop), thread: apus_gettid())
        #expect(first == second && first == between)
        #expect(EventLoop.current == nil)
        try runner.close()
    }

    private struct Run: Equatable, Sendable {
        var loop: ObjectIdentifier
        var thread: Int32
    }

    @Test("what was spawned in one run goes on in the next, and close cancels and awaits what is left")
    func leftovers() async throws {
        let order = Recorder<String>()
        var options = EventLoop.Options()
        options.clock = .virtual
        try await withRunner(options) { runner in
            let task = try runner.run {
                EventLoop.spawn {
                    order.note("begins")
                    try await sleep(for: .seconds(10))
                    order.note("slept")
                    do { try await untilCancelled() } catch { order.note("cancelled") }
                }
            }
            #expect(order.count == 0)
            try runner.run { await turns() }
            #expect(order.all == ["begins"])
            try runner.run { try await sleep(for: .seconds(20)) }
            #expect(order.all == ["begins", "slept"])
            withExtendedLifetime(task) {}
        }
        #expect(order.all == ["begins", "slept", "cancelled"])
    }

    @Test("descriptors and timers of one run are there in the next")
    func state() async throws {
        try await withRunner { runner in
            let pair = try SocketPair()
            defer { pair.close() }
            let handle = try runner.run { try IOHandle(pair.near) }
            let fired = Recorder<Int>()
            let call = try runner.run { try currentLoop().schedule(after: .nanoseconds(1)) { fired.note(1) } }
            pair.write([1])
            try runner.run {
                try await handle.readable()
                while fired.count == 0 { await Task.yield() }
            }
            #expect(call.isOver)
            handle.close()
            let left = try runner.run {
                await turns()
                return try currentLoop().statistics()?.descriptors
            }
            #expect(left == 0)
        }
    }

    @Test("what other threads send between two runs waits for the next one")
    func between() async throws {
        try await withRunner { runner in
            let loop = try runner.loop
            let gate = Gate()
            let task = Recorder<LoopTask<Int>>()
            let thread = Task.detached {
                task.note(loop.spawn { 7 })
                gate.open()
            }
            gate.pass()
            let value = try runner.run { try await task.all[0].value }
            #expect(value == 7)
            withExtendedLifetime(thread) {}
        }
    }

    @Test("a closed runner says so, closing twice is nothing, and an unused one makes no loop")
    func closed() async throws {
        try await offload {
            let unused = EventLoop.Runner()
            try unused.close()
            try unused.close()
            #expect(Self.code { try unused.run {} } == .loopClosed)
            let runner = EventLoop.Runner()
            let loop = try runner.loop
            try runner.run {}
            try runner.close()
            #expect(Self.code { try runner.run {} } == .loopClosed)
            #expect(Self.code { _ = try runner.loop } == .loopClosed)
            // Tasks of the closed loop still finish, elsewhere.
            #expect(try loop.spawn { 5 }.wait() == 5)
        }
    }

    @Test("inside a loop, and on another thread, a runner refuses, and works again afterwards")
    func misuse() async throws {
        // Shared on purpose: its own check has to tell.
        struct Shared: @unchecked Sendable { let runner: EventLoop.Runner }
        try await withRunner { runner in
            let shared = Shared(runner: runner)
            let codes = try runner.run {
                [Self.nested { try shared.runner.run {} }, Self.nested { try shared.runner.close() }]
                    + [try await offload { Self.code { try shared.runner.run {} } }]
                    + [try await offload { Self.code { _ = try shared.runner.loop } }]
                    + [try await offload { Self.code { try shared.runner.close() } }]
            }
            #expect(codes == [.nestedRun, .nestedRun, .wrongThread, .wrongThread, .wrongThread])
            #expect(try runner.run { 1 } == 1)
        }
    }

    private static func nested(_ body: () throws -> Void) -> LoopError.Code? { code(body) }

    @Test("the body's error is the one that is told, after the loop has ended in order")
    func bodyError() async throws {
        let ended = Recorder<Int>()
        await #expect(throws: Oops(number: 8)) {
            try await withRunner { runner in
                try runner.run {
                    EventLoop.spawn {
                        do { try await untilCancelled() } catch { ended.note(1) }
                    }
                    await turns()
                }
                throw Oops(number: 8)
            }
        }
        #expect(ended.all == [1])
    }

    @Test("a runner that is dropped unclosed cancels what is left, which still ends")
    func dropped() async throws {
        let ended = Recorder<Bool>()
        let gate = Gate()
        try await offload {
            let runner = EventLoop.Runner()
            try runner.run {
                EventLoop.spawn {
                    try? await untilCancelled()
                    ended.note(Task.isCancelled)
                    gate.open()
                }
                await turns()
            }
        }
        try await offload { gate.pass() }
        #expect(ended.all == [true])
    }

    @Test("an error of one run's leftover that nobody asked for is reported at the end")
    func unhandled() async throws {
        let reports = Recorder<UnhandledError>()
        var options = EventLoop.Options()
        options.exceptionHandler = reports.note
        try await withRunner(options) { runner in
            try runner.run { _ = EventLoop.spawn(name: "late") { throw Oops(number: 1) } }
        }
        #expect(reports.all.map(\.taskName) == ["late"])
    }

    @Test("on the main thread each run serves the main actor, and Ctrl-C cancels the run that it meets and no other")
    func mainThread() async throws {
        let result = try await play("runner")
        #expect(
            result.output == """
                run 1: cancelled, default between: true
                main actor: 1
                run 2: not cancelled
                spawned in run 1: still there
                closed: loopClosed, leftover cancelled: true

                """
        )
        #expect(result.status == 0)
    }
}

@Suite("LoopTask.wait")
struct BlockingWaitTests {
    /// `wait` is for synchronous code.
    private static func wait<Success>(_ task: LoopTask<Success>, _ timeout: Duration? = nil) -> Result<
        Success, any Error
    > {
        Result { try task.wait(timeout: timeout) }
    }

    @Test("gives the task's value or error to a thread, before its end and after, again and again")
    func value() async throws {
        try await onCleanLoop(.monotonic) {
            let loop = try currentLoop()
            try await offload {
                let task = loop.spawn {
                    try await sleep(for: .milliseconds(1))
                    return EventLoop.current === loop
                }
                let (first, again) = (try task.wait(), try task.wait(timeout: .zero))
                #expect(first && again)
                let failing = loop.spawn { throw Oops(number: 2) }
                #expect(throws: Oops(number: 2)) { try failing.wait() }
                #expect(throws: Oops(number: 2)) { try failing.wait() }
            }
        }
    }

    @Test("a timeout leaves the task going; cancel ends it, and the wait with it")
    func timeoutAndCancel() async throws {
        try await onCleanLoop(.monotonic) {
            let loop = try currentLoop()
            try await offload {
                let task = loop.spawn { try await untilCancelled() }
                for duration in [Duration.zero, .milliseconds(1), .seconds(-1)] {
                    #expect(throws: TimeoutError.self) { try task.wait(timeout: duration) }
                }
                #expect(!task.isCancelled)
                task.cancel()
                #expect(throws: CancellationError.self) { try task.wait(timeout: .seconds(Int64.max)) }
            }
        }
    }

    @Test("many threads wait for many tasks, several for the same one")
    func storm() async throws {
        try await onCleanLoop(.monotonic) {
            let loop = try currentLoop()
            let shared = loop.spawn {
                try await sleep(for: .milliseconds(1))
                return 1
            }
            let sum = try await gather(0..<16) { number in
                try await offload {
                    var sum = try shared.wait()
                    for index in 0..<200 { sum += try loop.spawn { index }.wait() }
                    return sum
                }
            }
            #expect(sum.reduce(0, +) == 16 * (1 + 19_900))
        }
    }

    @Test("on the loop's own thread, and between a runner's runs, it is an error and not a deadlock")
    func deadlock() async throws {
        let result = try await onCleanLoop {
            let task = try currentLoop().spawn { 1 }
            let result = Self.wait(task)
            #expect(try await task.value == 1)
            return result
        }
        let error = #expect(throws: LoopError.self) { try result.get() }
        #expect(error?.code == .wouldDeadlock)
        try await offload {
            try EventLoop.Runner.with { runner in
                let task = try runner.run { EventLoop.spawn { 2 } }
                let error = #expect(throws: LoopError.self) { try task.wait() }
                #expect(error?.code == .wouldDeadlock && error.map { "\($0)".contains("runner.run") } == true)
                #expect(try runner.run { try await task.value } == 2)
            }
        }
    }

    @Test("an error that a thread received is not reported, one that it did not wait for is")
    func reports() async throws {
        let reports = Recorder<UnhandledError>()
        try await onCleanLoop(.monotonic, exceptionHandler: reports.note) {
            let loop = try currentLoop()
            try await offload {
                let task = loop.spawn(name: "received") { throw Oops(number: 1) }
                _ = Self.wait(task)
                let gate = Gate()
                let late = loop.spawn(name: "late") {
                    try await offload { gate.pass() }
                    throw Oops(number: 2)
                }
                _ = Self.wait(late, .zero)
                gate.open()
            }
            while reports.count == 0 { await Task.yield() }
        }
        #expect(reports.all.map(\.taskName) == ["late"])
    }

    @Test("the loop's end ends the wait")
    func loopEnd() async throws {
        let waiting = Recorder<Task<Result<Void, any Error>, Never>>()
        try await EventLoop.with {
            let loop = try currentLoop()
            let task = loop.spawn { try await untilCancelled() }
            await turns()
            waiting.note(Task.detached { (try? await offload { Self.wait(task) }) ?? .success(()) })
            // Whether the thread waits already or comes later: both must end.
            await turns(5)
        }
        let result = await waiting.all[0].value
        #expect(throws: CancellationError.self) { try result.get() }
    }
}
