import ApusTesting
import CApus
import Testing

@testable import ApusRuntime

/// An actor that lives on a loop.
private actor Bound {
    nonisolated let loop: EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
    private var count = 0

    init(on loop: EventLoop) { self.loop = loop }

    func step() async -> (Int, Bool) {
        count += 1
        await Task.yield()
        return (count, EventLoop.current === loop)
    }

    nonisolated func peek() -> Int { assumeIsolated { $0.count } }

    func nap() async throws {
        try await sleep(for: .seconds(1))
        #expect(loop.isCurrent)
    }
}

@Suite("A closed loop")
struct ClosedLoopTests {
    /// A loop that was closed, and what `body` made on it.
    private func closed<Success: Sendable>(
        _ body: @escaping @Sendable (EventLoop) async throws -> Success
    ) async throws -> (EventLoop, Success) {
        try await EventLoop.with {
            let loop = try currentLoop()
            return (loop, try await body(loop))
        }
    }

    @Test("tasks that outlive it finish, on the shared loop's thread, as tasks of the closed one")
    func tasksFinish() async throws {
        let sharedThread = try await EventLoop.shared.spawn { apus_gettid() }.value
        let (loop, task) = try await closed { loop in
            // Not a task of the loop's own: nobody cancels or awaits it.
            Task(executorPreference: loop) { () -> (LoopError.Code?, Bool, Int32) in
                do {
                    try await sleep(for: .seconds(Int64.max))
                    return (nil, false, 0)
                } catch {
                    await Task.yield()
                    return ((error as? LoopError)?.code, EventLoop.current === loop, apus_gettid())
                }
            }
        }
        let (code, isCurrent, thread) = await task.value
        #expect(code == .loopClosed)
        #expect(isCurrent)
        #expect(thread == sharedThread)
        #expect(!loop.isCurrent)
    }

    @Test("new tasks on it run, and every new operation there throws loopClosed")
    func newOperations() async throws {
        let (loop, _) = try await closed { _ in }
        let codes = try await loop.spawn {
            var codes: [LoopError.Code?] = []
            func collect(_ body: () async throws -> Void) async {
                do {
                    try await body()
                    codes.append(nil)
                } catch {
                    codes.append((error as? LoopError)?.code)
                }
            }
            await collect { try await sleep(for: .seconds(1)) }
            await collect { try await sleep(until: loop.clock.now.advanced(by: .seconds(1))) }
            await collect { try await offload {} }
            await collect { _ = try loop.register(-1) }
            return codes
        }.value
        #expect(codes == Array(repeating: .loopClosed, count: 4))
        await #expect(throws: LoopError.self) {
            try await loop.clock.sleep(until: loop.clock.now.advanced(by: .seconds(1)))
        }
    }

    @Test("combinators and timeouts work on it")
    func combinators() async throws {
        let (loop, _) = try await closed { _ in }
        let sum = try await loop.spawn { try await gather(1...10) { $0 }.reduce(0, +) }.value
        #expect(sum == 55)
        await #expect(throws: TimeoutError.self) {
            try await loop.spawn {
                try await withTimeout(.nanoseconds(1)) { try await Task.sleep(for: .seconds(1000)) }
            }.value
        }
    }

    @Test("schedule still runs its function; timers that were pending never fire, and are over")
    func schedule() async throws {
        let fired = Recorder<String>()
        let (loop, pending) = try await closed { loop in loop.schedule(after: .seconds(3600)) { fired.note("pending") }
        }
        #expect(pending.isOver)
        let late = loop.schedule(after: .zero) { fired.note("late") }
        await withUnsafeContinuation { continuation in loop.schedule { continuation.resume() } }
        #expect(late.isOver)
        #expect(!pending.cancel())
        #expect(fired.all == [])
    }

    @Test("a sleep of no length says loopClosed, as any other does")
    func sleepOfNoLength() async throws {
        let loop = try await EventLoop.with { try currentLoop() }
        for duration in [Duration.zero, .seconds(-1), .seconds(1)] {
            let error = await #expect(throws: LoopError.self) {
                try await loop.spawn { try await sleep(for: duration) }.value
            }
            #expect(error?.code == .loopClosed)
        }
    }

    @Test("descriptor waits end with .closed, and releasing works")
    func descriptors() async throws {
        let pair = try SocketPair()
        let (loop, task) = try await closed { loop in
            let descriptor = LoopBound(try loop.register(pair.near), on: loop)
            let task = Task(executorPreference: loop) {
                let outcome = await descriptor.value.waitReadable()
                let second = await descriptor.value.waitReadable()
                descriptor.value.release()
                return (outcome, second, descriptor.value.isOpen)
            }
            await turns()
            return task
        }
        let (outcome, second, isOpen) = await task.value
        #expect(outcome == .closed && second == .closed && !isOpen)
        pair.close()
        withExtendedLifetime(loop) {}
    }

    @Test("a thousand tasks that are busy when it closes all finish", arguments: 0..<20)
    func closingRace(round: Int) async throws {
        let (_, tasks) = try await closed { loop in
            let tasks = (0..<1000).map { number in
                Task(executorPreference: loop) {
                    for _ in 0..<number % 50 { await Task.yield() }
                    if number % 3 == 0 { try? await sleep(for: .seconds(1000)) }
                    if number % 3 == 1 { _ = try? await offload { number } }
                    return number
                }
            }
            for _ in 0..<round { await Task.yield() }
            return tasks
        }
        for (number, task) in tasks.enumerated() { #expect(await task.value == number) }
    }

    @Test("other threads may send to it while it closes", arguments: 0..<20)
    func sendingWhileClosing(round: Int) async throws {
        let received = Recorder<Int>()
        let senders = try await EventLoop.with {
            let loop = try currentLoop()
            let senders = (0..<4).map { sender in
                Task.detached {
                    var tasks: [LoopTask<Int>] = []
                    for number in 0..<200 {
                        loop.schedule { received.note(number) }
                        tasks.append(loop.spawn { sender })
                    }
                    var sum = 0
                    for task in tasks { sum += try await task.value }
                    return sum
                }
            }
            for _ in 0..<round { await Task.yield() }
            return senders
        }
        for (sender, task) in senders.enumerated() { #expect(try await task.value == sender * 200) }
        // Everything that was sent before has run by now, on the shared loop if need be.
        await withUnsafeContinuation { continuation in EventLoop.shared.schedule { continuation.resume() } }
        #expect(received.count == 800)
    }

    @Test("an actor bound to it keeps working")
    func boundActor() async throws {
        let (_, actor) = try await closed { loop in
            let actor = Bound(on: loop)
            #expect(await actor.step() == (1, true))
            return actor
        }
        #expect(await actor.step() == (2, true))
        let error = await #expect(throws: LoopError.self) { try await actor.nap() }
        #expect(error?.code == .loopClosed)
    }
}

@Suite("The loop as an executor")
struct ExecutorTests {
    @Test("an actor bound to a loop runs there, from anywhere, and resumes there after a wait")
    func boundActor() async throws {
        try await onCleanLoop {
            let loop = try currentLoop()
            let actor = Bound(on: loop)
            #expect(await actor.step() == (1, true))
            try await actor.nap()
            let outside = Task.detached { await actor.step() }
            #expect(await outside.value == (2, true))
        }
    }

    @Test("assumeIsolated holds on the loop's thread, in tasks and in calls")
    func assumeIsolated() async throws {
        try await onCleanLoop {
            let loop = try currentLoop()
            let actor = Bound(on: loop)
            _ = await actor.step()
            #expect(actor.peek() == 1)
            await withUnsafeContinuation { continuation in
                loop.schedule {
                    #expect(actor.peek() == 1)
                    continuation.resume()
                }
            }
            loop.checkIsolated()
            #expect(loop.isIsolatingCurrentContext() == true)
            #expect(try await offload { loop.isIsolatingCurrentContext() } == false)
        }
    }

    @Test("LoopBound gives its value on the loop, and performs there from elsewhere")
    func loopBound() async throws {
        try await onCleanLoop {
            let loop = try currentLoop()
            final class State { var count = 0 }
            let bound = LoopBound(State(), on: loop)
            bound.value.count += 1
            bound.perform { $0.count += 1 }
            #expect(bound.value.count == 2, "at once, on the loop's own thread")
            try await offload { bound.perform { $0.count += 1 } }
            await turns()
            #expect(bound.value.count == 3)
        }
    }

    @Test("runsCurrentTask tells the loop's own tasks from what merely runs on its thread")
    func runsCurrentTask() async throws {
        try await onCleanLoop {
            let loop = try currentLoop()
            #expect(loop.runsCurrentTask)
            await Task.yield()
            #expect(loop.runsCurrentTask)
            #expect(try await loop.spawn { loop.runsCurrentTask }.value)
            loop.schedule { #expect(!loop.runsCurrentTask) }
            await turns()
            let immediate = Task.immediate { loop.runsCurrentTask }
            #expect(await immediate.value == false)
            #expect(try await offload { loop.runsCurrentTask } == false)
        }
    }

    @Test("hop runs on the loop from elsewhere, with value, error and cancellation")
    func hop() async throws {
        try await onCleanLoop {
            let loop = try currentLoop()
            let outside = Task.detached {
                #expect(EventLoop.current == nil)
                let thread = try await loop.hop { (loop.runsCurrentTask, apus_gettid()) }
                #expect(EventLoop.current == nil)
                return thread
            }
            #expect(try await outside.value == (true, apus_gettid()))
            let failing = Task.detached { try await loop.hop { throw Oops(number: 1) } }
            await #expect(throws: Oops(number: 1)) { try await failing.value }
            let hanging = Task.detached { try await loop.hop { try await untilCancelled() } }
            hanging.cancel()
            await #expect(throws: CancellationError.self) { try await hanging.value }
        }
    }

    @Test("startDetached's tasks count as the loop's, and are cancelled and awaited at its end")
    func startDetached() async throws {
        let ended = Recorder<Int>()
        try await EventLoop.with {
            let loop = try currentLoop()
            loop.startDetached {
                try? await untilCancelled()
                ended.note(1)
            }
            await turns()
            #expect(loop.statistics()?.tasks == 1)
        }
        #expect(ended.all == [1])
    }

    @Test("the scratch buffer is the loop's own, and there is one")
    func scratch() async throws {
        try await onCleanLoop {
            let loop = try currentLoop()
            #expect(loop.scratch.count == 65_536)
            #expect(loop.scratch.baseAddress == loop.scratch.baseAddress)
        }
    }

    @Test("descriptions of errors say what to do")
    func errorDescriptions() {
        #expect("\(LoopError.closed("x"))".contains("Event loop “x” is closed"))
        #expect("\(LoopError.forked("x"))".contains("make a new loop in the child"))
        #expect("\(LoopError.Code.loopForked)" == "loopForked")
        #expect("\(LoopError(.systemResources, errno: 24, while: "opening"))".hasPrefix("opening failed: "))
        #expect("\(TimeoutError(duration: .seconds(5)))".contains("5.0 seconds"))
    }
}
