#if WholeProcess
import Apus
import ApusRuntime
import ApusTesting
import CApus
import Dispatch
import Glibc
import Synchronization

// Scenes about a process that is a loop's own: `EventLoop.run(.wholeProcess)`.
extension Scene {
    static let ofProcess: [String: @Sendable () -> Int32] = [
        "whole-process": wholeProcess,
        "whole-process-end": wholeProcessEnd,
        "whole-process-late": wholeProcessLate,
        "whole-process-refused": wholeProcessRefused,
        "whole-process-virtual": wholeProcessVirtual,
        "whole-process-storm": wholeProcessStorm,
        "whole-process-fork": wholeProcessFork,
        "whole-process-debug": wholeProcessDebug,
    ]

    // MARK: Where code runs

    /// Everything is on one thread, and Apus's operations take the direct path there.
    static func wholeProcess() -> Int32 {
        let report = Report()
        let code = play {
            // Top-level code is the main actor's: its tasks wait in the main queue, as always.
            Task { @MainActor in Tally.shared.add("before run") }
            try EventLoop.run(.wholeProcess) {
                let process = try await ProcessCheck.make(report)
                await report.attempt("tasks") { try await process.tasks() }
                await report.attempt("actors") { try await process.actors() }
                await report.attempt("sleeps") { try await process.sleeps() }
                await report.attempt("other threads") { try await process.otherThreads() }
                await report.attempt("libdispatch") { try await process.dispatchQueues() }
                await process.echo.stop()
            }
        }
        return max(code, report.finish())
    }

    // MARK: The end

    /// What `run` leaves behind goes on and ends; new tasks run as in any process; the mode cannot be entered again.
    static func wholeProcessEnd() -> Int32 {
        play {
            let ends = Ends()
            let sockets = try EventLoop.run(.wholeProcess) { () -> [TCPStream] in
                let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
                let near = try await TCPStream.connect(to: listener.address)
                let far = try await listener.accept()
                Task {
                    do { _ = try await near.read() } catch let error as NetError { ends.note("read", "\(error.code)") }
                }
                Task {
                    do { try await sleep(for: .seconds(3600)) } catch let error as LoopError {
                        ends.note("sleep", "\(error.code)")
                    }
                    // It is in no operation any more.
                    await Bystander().visit()
                    ends.note("after sleep", "visited an actor")
                }
                Task {
                    try await Task.sleep(for: .milliseconds(20))
                    ends.note("Task.sleep", "over")
                }
                Task {
                    let value = try await offload {
                        usleep(20_000)
                        return 1
                    }
                    ends.note("offload", "\(value)")
                }
                Task { @MainActor in
                    // It waits for its own task, which waits for the loop.
                    do { try await sleep(for: .seconds(3600)) } catch let error as LoopError {
                        ends.note("main", "\(error.code)")
                    }
                }
                // All of them wait now.
                for _ in 0..<10 { await Task.yield() }
                return [near, far]
            }
            print("blocked: \(ends.wait(for: "read", "sleep", "after sleep", "Task.sleep", "offload"))")
            Task.detached { ends.note("new", "\(apus_gettid() == getpid() ? "main thread" : "elsewhere")") }
            print("new task: \(ends.wait(for: "new"))")
            try EventLoop.run {
                while !ends.has("main") { await Task.yield() }
                await Task { @MainActor in MainActor.assertIsolated() }.value
                await Task.detached { await Bystander().visit() }.value
                try await Task.sleep(for: .milliseconds(1))
            }
            print("main actor: \(ends.wait(for: "main"))")
            do {
                try EventLoop.run(.wholeProcess) {}
            } catch let error as LoopError {
                print("again: \(error.code)")
            }
            withExtendedLifetime(sockets) {}
        }
    }

    private actor Bystander {
        func visit() {}
    }

    /// What tasks came to, awaited by a thread that blocks.
    private final class Ends: Sendable {
        private let notes = Mutex<[(key: String, value: String)]>([])

        func note(_ key: String, _ value: String) { notes.withLock { $0.append((key, value)) } }

        func value(of key: String) -> String? { notes.withLock { $0.first { $0.key == key }?.value } }

        func has(_ key: String) -> Bool { value(of: key) != nil }

        /// In the order in which they came.
        var keys: [String] { notes.withLock { $0.map(\.key) } }

        func wait(for keys: String...) -> String {
            while !keys.allSatisfy(has) { usleep(1000) }
            return keys.map { "\($0) \(value(of: $0) ?? "")" }.joined(separator: ", ")
        }
    }

    // MARK: Refusals

    /// After Swift's pool has run a task it is too late.
    static func wholeProcessLate() -> Int32 {
        play {
            let ended = DispatchSemaphore(value: 0)
            Task.detached { ended.signal() }
            ended.wait()
            do {
                try EventLoop.run(.wholeProcess) { print("runs") }
            } catch let error as LoopError {
                print(error.code)
            }
            try EventLoop.run { print("without: \(await Task.detached { EventLoop.current == nil }.value)") }
        }
    }

    /// Only `run` on the main thread can have it, and a refusal uses nothing up.
    static func wholeProcessRefused() -> Int32 {
        play {
            let ended = DispatchSemaphore(value: 0)
            let outcome = Mutex("")
            DispatchQueue.global().async {
                let found = code { try EventLoop.run(.wholeProcess) {} }
                outcome.withLock { $0 = found }
                ended.signal()
            }
            ended.wait()
            print("another thread: \(outcome.withLock { $0 })")
            print("runner: \(code { try EventLoop.Runner.with(.wholeProcess) { try $0.run {} } })")
            try EventLoop.run {
                print("nested: \(code { try nestedWholeProcess() })")
            }
            try EventLoop.run(.wholeProcess) {
                do { try await EventLoop.with(.wholeProcess) {} } catch {
                    print("with: \((error as? LoopError)?.code.description ?? "")")
                }
                print("nested: \(code { try nestedWholeProcess() })")
            }
        }
    }

    private static func code(_ body: () throws -> Void) -> String {
        do {
            try body()
            return "runs"
        } catch {
            return (error as? LoopError)?.code.description ?? "\(error)"
        }
    }

    private static func nestedWholeProcess() throws { try EventLoop.run(.wholeProcess) {} }

    // MARK: Time

    /// On virtual time `Task.sleep` is virtual too, and in order with everything else.
    static func wholeProcessVirtual() -> Int32 {
        play {
            var options = EventLoop.Options.wholeProcess
            options.clock = .virtual
            try EventLoop.run(options) {
                let order = Ends()
                let tasks = [
                    Task {
                        try await Task.sleep(for: .seconds(3600))
                        order.note("hour", "")
                    },
                    Task {
                        try await SuspendingClock().sleep(until: .now + .seconds(1800))
                        order.note("half an hour", "")
                    },
                    Task {
                        try await sleep(for: .seconds(1801))
                        order.note("a second more", "")
                    },
                    Task {
                        try await Task.sleep(nanoseconds: 5_000_000_000)
                        order.note("five seconds", "")
                    },
                ]
                for task in tasks { try await task.value }
                print(order.keys)
            }
        }
    }

    // MARK: Much at once

    /// A hundred thousand tasks, and tasks from eight threads: nothing lost.
    static func wholeProcessStorm() -> Int32 {
        play {
            try EventLoop.run(.wholeProcess) {
                let thread = apus_gettid()
                let count = Number()
                let strangers = Number()
                let tasks = (0..<100_000).map { _ in
                    Task {
                        if apus_gettid() != thread { strangers.add() }
                        await Task.yield()
                        if apus_gettid() != thread { strangers.add() }
                        count.add()
                    }
                }
                for task in tasks { await task.value }
                print("tasks: \(count.value), elsewhere: \(strangers.value)")
                let values = try await gather(0..<8) { _ in
                    try await offload { (0..<1000).map { number in Task { number } } }
                }
                var sum = 0
                for task in values.joined() { sum += await task.value }
                print("from threads: \(sum)")
                let tally = StormActor()
                await withTaskGroup { group in
                    for _ in 0..<1000 {
                        group.addTask {
                            await tally.add()
                            try? await Task.sleep(for: .milliseconds(1))
                            await tally.add()
                        }
                    }
                }
                print("actor: \(await tally.count)")
            }
        }
    }

    private final class Number: Sendable {
        private let count = Atomic(0)
        var value: Int { count.load(ordering: .relaxed) }
        func add() { count.add(1, ordering: .relaxed) }
    }

    private actor StormActor {
        var count = 0
        func add() { count += 1 }
    }

    // MARK: fork

    /// A child is a process like any other: its tasks run in Swift's pool, and a loop of its own serves its main actor.
    static func wholeProcessFork() -> Int32 {
        play {
            try EventLoop.run(.wholeProcess) {
                // The pool has a thread, which the child will not have.
                try await offload {}
                let child = systemFork()
                if child == 0 { _exit(inChild()) }
                var status: Int32 = 0
                waitpid(child, &status, 0)
                print("child: \(status)")
                print("parent goes on: \(await Task { EventLoop.current != nil }.value)")
            }
        }
    }

    private static func inChild() -> Int32 {
        do {
            return try EventLoop.run {
                guard await Task.detached(operation: { EventLoop.current == nil }).value else { return 1 }
                guard await Task(operation: { @MainActor in apus_gettid() == getpid() }).value else { return 2 }
                try await Task.sleep(for: .milliseconds(1))
                return 0
            }
        } catch {
            print("child: \(error)")
            return 3
        }
    }

    // MARK: Watchdog

    /// A blocking call in a `Task { }` is found like any other.
    static func wholeProcessDebug() -> Int32 {
        play {
            var options = EventLoop.Options.wholeProcess
            options.debug = true
            options.blockThreshold = .milliseconds(20)
            let reports = Ends()
            options.onBlock = { reports.note("reported", "\($0)") }
            try EventLoop.run(options) {
                await Task { blockHere() }.value
            }
            print("names it: \(reports.wait(for: "reported").contains("blockHere"))")
        }
    }

    @inline(never)
    private static func blockHere() { usleep(100_000) }
}

/// What the main actor notes.
@MainActor
final class Tally {
    static let shared = Tally()
    private(set) var notes: [String] = []
    func add(_ note: String) { notes.append(note) }
}
#else
extension Scene {
    static let ofProcess: [String: @Sendable () -> Int32] = [:]
}
#endif
