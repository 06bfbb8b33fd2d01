import CApus
import Glibc
import Synchronization

#if WholeProcess && compiler(>=6.3) && compiler(<6.4)
@_spi(ExperimentalCustomExecutors) @_spi(ExperimentalScheduling) import _Concurrency

/// The one time in a process's life that all of it is a loop's.
enum WholeProcess {
    private struct Executors: ExecutorFactory {
        private static let installed = ForkSafeLock<(global: ProcessExecutor, main: ProcessMainExecutor)?>(nil)

        static var mainExecutor: any MainExecutor {
            installed.withLock { $0?.main } ?? PlatformExecutorFactory.mainExecutor
        }

        static var defaultExecutor: any TaskExecutor {
            installed.withLock { $0?.global } ?? PlatformExecutorFactory.defaultExecutor
        }

        static func install(_ loop: EventLoop) {
            installed.withLock { $0 = (ProcessExecutor(loop), ProcessMainExecutor(loop)) }
            _createExecutors(factory: Self.self)
        }
    }

    private static let hasBegun = Atomic(false)
    /// The id of the newest task at the loop's end.
    private static let newestTask = Atomic<UInt64>(.max)

    /// Makes the loop, and hands the process over to it.
    static func begin(_ options: EventLoop.Options) throws(LoopError) -> EventLoop {
        guard isMainThread else {
            throw LoopError(
                .wrongThread,
                "EventLoop.run(.wholeProcess) was called off the main thread. The main actor is part of the process: "
                    + "call it from the program's main function, or leave out `.wholeProcess`."
            )
        }
        if hasBegun.load(ordering: .acquiring) {
            throw LoopError(
                .tooLate,
                "EventLoop.run(.wholeProcess) was called a second time. A process can be handed over once: do everything in one "
                    + "run, or leave out `.wholeProcess`."
            )
        }
        // Threads of the pool may be looking for their executor, which is two words and no lock.
        if apus_global_executor_was_used() {
            throw LoopError(
                .tooLate,
                "EventLoop.run(.wholeProcess) was called when Swift's own pool had run tasks already. Call it before the first "
                    + "`Task { }`, from a `main` that is not async, or leave out `.wholeProcess`."
            )
        }
        let loop = try EventLoop(options, isProcess: true)
        hasBegun.store(true, ordering: .releasing)
        loop.state.pointee.needsCare = true
        Executors.install(loop)
        return loop
    }

    private static let ended = Atomic(false)
    /// Whether the loop's door is closed: jobs need not knock any more.
    static var hasEnded: Bool { ended.load(ordering: .acquiring) }
    /// The door is closed.
    static func end() { ended.store(true, ordering: .releasing) }

    /// The loop has run its last job: from here on tasks are told apart by whether they were there already.
    static func stampTasks() {
        let stamp = TaskStamp()
        _ = EventLoop.startTask(on: stamp) {}
        newestTask.store(stamp.id.load(ordering: .relaxed), ordering: .releasing)
    }

    /// Whether a job is part of a task that may be in the middle of an operation of the closed loop, so that it must go on as a task of
    /// that loop. All others are the process's again.
    static func isLeftOver(_ job: ReadyJob, of loop: EventLoop) -> Bool {
        guard job.kind == .global, ExecutorJob(job.job).kind == .task else { return false }
        return jobTaskID(job.job) <= newestTask.load(ordering: .acquiring)
    }

    /// Hands a job to the executor that Swift would have had.
    static func giveBack(_ job: ReadyJob, of loop: EventLoop) {
        if job.kind == .main {
            PlatformExecutorFactory.mainExecutor.enqueue(ExecutorJob(job.job))
        } else {
            PlatformExecutorFactory.defaultExecutor.enqueue(ExecutorJob(job.job))
        }
    }

    /// The same, after `delay` nanoseconds.
    static func giveBack(_ job: ReadyJob, of loop: EventLoop, after delay: Int64) {
        // What does not fit into libdispatch's clock stops the program: a hundred years will do.
        let delay = min(delay, 100 * 365 * 86_400 * 1_000_000_000)
        platformScheduling.enqueue(
            ExecutorJob(job.job),
            after: .nanoseconds(delay),
            tolerance: nil,
            clock: ContinuousClock()
        )
    }

    static let platformScheduling: any SchedulingExecutor = {
        guard let executor = PlatformExecutorFactory.defaultExecutor as? any SchedulingExecutor else {
            preconditionFailure("Swift's own executor has no timers, which Task.sleep needs")
        }
        return executor
    }()

    static var isMainThread: Bool { getpid() == apus_gettid() }
}

/// Learns the id of a new task, and runs it at once.
private final class TaskStamp: TaskExecutor {
    let id = Atomic<UInt64>(0)

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        id.store(jobTaskID(job), ordering: .relaxed)
        job.runSynchronously(on: asUnownedTaskExecutor())
    }
}
#else
/// Without the trait, or with a compiler that does not have what it needs, nothing of this is ever reached: no `Options` ask for it.
enum WholeProcess {
    static func begin(_ options: EventLoop.Options) throws(LoopError) -> EventLoop { try EventLoop(options) }
    static var hasEnded: Bool { true }
    static func end() {}
    static func stampTasks() {}
    static func isLeftOver(_ job: ReadyJob, of loop: EventLoop) -> Bool { true }
    static func giveBack(_ job: ReadyJob, of loop: EventLoop) {}
    static func giveBack(_ job: ReadyJob, of loop: EventLoop, after delay: Int64) {}
}
#endif
