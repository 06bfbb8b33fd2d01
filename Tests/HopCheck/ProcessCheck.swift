#if WholeProcess
import Apus
import ApusRuntime
import CApus
import Dispatch
import Glibc
import Synchronization

/// In a process that is a loop's own: on which thread is what, and does it take the direct path?
struct ProcessCheck: Sendable {
    let report: Report
    let loop: EventLoop
    let here: Place
    let echo: EchoServer

    static func make(_ report: Report) async throws -> ProcessCheck {
        guard let loop = EventLoop.current else { throw CancellationError() }
        return ProcessCheck(report: report, loop: loop, here: .here, echo: try await .start())
    }

    /// How many jobs the loop ran for `body`, and whether it stayed on its thread.
    private func isDirect(_ claim: String) {
        report.equal(Place.here, here, "\(claim) is on the loop's thread")
        report.check(loop.runsCurrentTask, "\(claim) takes the direct path")
    }

    func tasks() async throws {
        try await Task {
            isDirect("a Task { }")
            await Task.yield()
            isDirect("a Task { } after a yield")
            try await Stages.visit(echo: echo.address).check(report, "a Task { }", at: here)
            isDirect("a Task { } after all waits")
        }.value
        try await Task.detached(priority: .background) {
            try await Stages.visit(echo: echo.address).check(report, "a detached task", at: here)
            isDirect("a detached task")
        }.value
        await Task {
            await onAnyThread()
            async let child: Void = onAnyThread()
            await child
            await withTaskGroup { group in
                for _ in 0..<3 { group.addTask { await onAnyThread() } }
            }
        }.value
        let priorities = await withTaskGroup { group in
            for priority in [TaskPriority.low, .high, .medium] { group.addTask(priority: priority) { priority } }
            var order: [TaskPriority] = []
            for await priority in group { order.append(priority) }
            return order
        }
        report.equal(priorities, [.low, .high, .medium], "tasks run in the order in which they came")
        let spawned = try await Task { try await loop.spawn { Place.here }.value }.value
        report.equal(spawned, here, "a spawned task of a Task { } is on the loop")
    }

    @concurrent
    private func onAnyThread() async {
        report.equal(Place.here, here, "a @concurrent function is on the loop's thread")
    }

    func actors() async throws {
        let actor = DefaultActor()
        report.equal(await actor.place, here, "a default actor of the loop's task is on the loop")
        try await Task {
            report.equal(await actor.place, here, "a default actor of a Task { } is on the loop")
            try await actor.visit(echo: echo.address).check(report, "a default actor", at: here)
            report.check(
                !(await actor.isDirect(on: loop)),
                "a default actor, which another thread may hold at a resumption, takes no direct path"
            )
            isDirect("a Task { } after an actor")
        }.value
        let bound = BoundActor(loop)
        try await Task {
            report.equal(await bound.place, here, "an actor bound to the loop, called by a Task { }, is on the loop")
            try await bound.visit(echo: echo.address).check(report, "an actor bound to the loop", at: here)
        }.value
        try await Task { @MainActor in
            report.check(Tally.shared.notes == ["before run"], "what waited for the main actor before run has run")
            MainActor.assertIsolated()
            assumesMainActor()
            try await Stages.visit(echo: echo.address).check(report, "main-actor code", at: here)
            MainActor.assertIsolated()
            report.equal(Place.here, here, "main-actor code is on the loop's thread")
        }.value
        // The actor has a thread of its own, and keeps it.
        let other = OtherActor()
        try await Task {
            let there = await other.place
            report.check(there.thread != here.thread && there.loop == nil, "an actor with its own executor keeps it")
            isDirect("a Task { } after such an actor")
            try await other.visit(echo: echo.address)
            isDirect("a Task { } after waits in such an actor")
        }.value
        try await LoopGroup.with(count: 1) { group in
            let second = group.loops[0]
            try await second.call {
                let there = Place.here
                report.check(there.thread != here.thread, "a second loop keeps its thread")
                // The same default actor from both loops, while the first waits in it.
                let crossing = Task { try await actor.visit(echo: echo.address) }
                for _ in 0..<100 { _ = await actor.place }
                _ = try await crossing.value
                report.equal(Place.here, there, "a task of a second loop stays there")
                try await Task.sleep(for: .milliseconds(1))
                report.equal(Place.here, there, "a task of a second loop is there after Task.sleep")
            }
        }
    }

    func sleeps() async throws {
        try await Task {
            try await Task.sleep(for: .milliseconds(1))
            isDirect("a Task { } after Task.sleep")
            try await Task.sleep(until: .now + .milliseconds(1), clock: .suspending)
            try await ContinuousClock().sleep(for: .milliseconds(1))
            try await Task.sleep(nanoseconds: 1000)
            try await Task.sleep(for: .zero)
            try await Task.sleep(for: .seconds(-1))
            isDirect("a Task { } after all clocks")
        }.value
        let timers = loop.statistics()?.timers
        let task = Task { try await Task.sleep(until: .now + .seconds(3600)) }
        await Task.yield()
        await Task.yield()
        report.check(loop.statistics()?.timers == timers.map { $0 + 1 }, "Task.sleep is a timer of the loop")
        task.cancel()
        let result = await task.result
        report.check((try? result.get()) == nil, "a cancelled Task.sleep ends at once")
        let values = await withTaskGroup { group in
            for wait in [30, 10, 20] {
                group.addTask {
                    try? await Task.sleep(for: .milliseconds(wait))
                    return wait
                }
            }
            var order: [Int] = []
            for await wait in group { order.append(wait) }
            return order
        }
        report.equal(values, [10, 20, 30], "sleeps end in order")
    }

    func otherThreads() async throws {
        let task = try await offload { Task { Place.here } }
        report.equal(await task.value, here, "a Task { } of a pool's thread is on the loop, and wakes it")
        let place = await withCheckedContinuation { continuation in
            DispatchQueue.global().async { continuation.resume(returning: Place.here.thread) }
        }
        report.check(place != here.thread, "libdispatch keeps its threads")
        report.equal(Place.here, here, "a continuation that another thread resumes goes on here")
        let sleeper = try await offload { Task { try await Task.sleep(for: .milliseconds(1)) } }
        try await sleeper.value
        report.equal(try await offload { try loop.spawn { Place.here }.wait() }, here, "a thread can wait for a task")
    }

    func dispatchQueues() async throws {
        let thread = await withCheckedContinuation { continuation in
            DispatchQueue.main.async {
                MainActor.assumeIsolated { Tally.shared.add("block") }
                continuation.resume(returning: apus_gettid())
            }
        }
        report.equal(thread, here.thread, "a block of the main queue is on the loop's thread, as main-actor code")
        let stream = AsyncStream { continuation in
            Task.detached {
                for number in 0..<3 { continuation.yield(number) }
                continuation.finish()
            }
        }
        var sum = 0
        for await number in stream { sum += number }
        report.equal(sum, 3, "an AsyncStream's values arrive")
    }
}

private actor DefaultActor {
    var place: Place { .here }
    func isDirect(on loop: EventLoop) -> Bool { loop.runsCurrentTask }
    func visit(echo: SocketAddress) async throws -> Stages { try await Stages.visit(echo: echo) }
}

private actor BoundActor {
    nonisolated let loop: EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
    init(_ loop: EventLoop) { self.loop = loop }
    var place: Place { .here }
    func visit(echo: SocketAddress) async throws -> Stages { try await Stages.visit(echo: echo) }
}

private func assumesMainActor() {
    MainActor.assumeIsolated { Tally.shared.add("assumed") }
}

/// Has a thread of its own.
private actor OtherActor {
    private let executor = QueueExecutor()
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
    var place: Place { .here }
    func visit(echo: SocketAddress) async throws { _ = try await Stages.visit(echo: echo) }
}

private final class QueueExecutor: SerialExecutor {
    private let queue = DispatchQueue(label: "other")

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }
}
#endif
