import CApus
import Logging
import Synchronization

/// An event loop that *is* a Swift executor.
///
/// One thread runs one loop. Tasks that prefer it run on that thread, and the same thread waits for sockets and timers: a
/// socket that becomes readable resumes its task where the event was seen, without a hop to another thread and without a lock.
///
/// ```swift
/// let page = try EventLoop.run {
///     try await ClientSession.with { session in
///         try await session.get("http://localhost:8080/").text()
///     }
/// }
/// ```
///
/// From synchronous code use ``run(_:_:)``, or ``Runner`` for several runs on one loop; from asynchronous code ``with(_:_:)``, or
/// ``LoopGroup`` for several loops. Child tasks (`async let`, task groups,
/// ``gather(_:limit:_:)``) stay on the loop. `Task { }` leaves it: start unstructured tasks with ``spawn(name:_:)``, or make the whole
/// process the loop's, by ``Options/wholeProcess``.
///
/// A loop runs one job at a time, so a blocking call in a task holds all the others: send it to a thread with
/// ``offload(to:_:)``.
// @unchecked: `state` and `selector` are touched by the loop's thread only, except for `Selector.wake()`, which any thread may
// call until `Inbox.close()` returns; everything else is immutable, atomic or locked.
public final class EventLoop: TaskExecutor, SerialExecutor, @unchecked Sendable {
    @usableFromInline let state: UnsafeMutablePointer<LoopState>
    let selector: UnsafeMutablePointer<PlatformSelector>
    let inbox = Inbox()
    /// Work under way elsewhere whose end will reach this loop (offloaded calls, name lookups): virtual time stands still
    /// while it is not zero.
    let inFlight = Atomic<Int>(0)
    let registry = TaskRegistry()
    /// The looks of threads that wait for a task of this loop.
    let waitSpin = SharedSpin()
    private let serialExecutor = LoopSerialExecutor()
    /// Virtual time as other threads see it.
    let virtualNow = Atomic<Int64>(0)
    private let forkEpoch = apus_fork_epoch()
    /// The thread whose ``Runner`` this loop is, while it does not run: nobody else could run a task of the loop. 0 for none.
    let restingThread = Atomic<Int32>(0)

    /// The loop's name, as logs and reports show it.
    public let name: String
    /// How the loop was set up.
    public let options: Options
    /// The loop's time: every timer and deadline of Apus reads this clock and no other.
    public var clock: LoopClock { LoopClock(loop: self) }
    var logger: Logger { options.logger }

    /// - Parameter isProcess: whether the loop becomes the whole process's, as only `run` can have it.
    init(_ options: Options, isProcess: Bool = false) throws(LoopError) {
        if options.isWholeProcess != isProcess {
            throw LoopError(
                .invalidArgument,
                "Options.wholeProcess is for EventLoop.run only: other loops share the process with it as usual."
            )
        }
        self.options = options
        name = options.name
        selector = .allocate(capacity: 1)
        do {
            selector.initialize(to: try PlatformSelector())
        } catch {
            selector.deallocate()
            throw error
        }
        state = .allocate(capacity: 1)
        state.initialize(to: LoopState())
        state.pointee.readyOrder = options.shuffleSeed.map { ReadyOrder(seed: $0) }
        state.pointee.beginning = apus_monotonic_now()
        if options.clock == .monotonic { state.pointee.now = state.pointee.beginning }
        if options.measuresLag { state.pointee.lag = LagMeter() }
        serialExecutor.loop = self
        apus_ignore_sigpipe()
        claimPools()
        // A task holds its executor unowned, and may outlive every other reference to it: what is left of a closed loop (its
        // empty queue and its name, some hundred bytes) stays.
        _ = Unmanaged.passRetained(self)
    }

    // MARK: Where am I

    /// The loop that runs on this thread, or nil.
    public static var current: EventLoop? {
        guard let pointer = apus_current_loop() else { return nil }
        return Unmanaged<EventLoop>.fromOpaque(pointer).takeUnretainedValue()
    }

    /// Whether this thread runs the loop.
    public var isCurrent: Bool { apus_current_loop() == Unmanaged.passUnretained(self).toOpaque() }

    /// Whether the running task belongs to this loop: it was enqueued here and prefers it, so that it resumes on this thread after
    /// each wait, whatever it is isolated to.
    ///
    /// Narrower than ``isCurrent``: the main actor served by this thread, an immediate task, and a task of the global pool in an
    /// actor that is bound to this loop are on the thread, but nonisolated code of theirs goes on elsewhere. They reach
    /// loop-owned state through ``hop(_:)``.
    package var runsCurrentTask: Bool {
        guard isCurrent, state.pointee.runningJob != nil,
            state.pointee.runningJob == UnsafeRawPointer(swift_task_getCurrent())
        else { return false }
        return state.pointee.runningKind == .own || runsForeignTaskAsOwn
    }

    /// The same for a job that did not come because its task prefers the loop.
    @inline(never)
    private var runsForeignTaskAsOwn: Bool {
        switch state.pointee.runningKind {
        case .global:
            // Without an actor, it resumes where everything does that has no other place. A default actor that it entered may be
            // held by another thread when it resumes.
            return apus_runs_without_actor()
        case .main:
            // The main actor outlives the loop, and then runs elsewhere.
            return false
        default:
            // The runtime takes 150 ns to tell a task's preference: asked only where the answer is open.
            return withUnsafeCurrentTask { $0?.unownedTaskExecutor == asUnownedTaskExecutor() }
        }
    }

    /// Whether the running task was cancelled: what `Task.isCancelled` says, which retains and releases the task to say it.
    @usableFromInline
    package static var currentTaskIsCancelled: Bool { apus_task_is_cancelled() }

    // MARK: Executor

    /// Takes a part of a task to run: called by the Swift runtime. Safe from any thread.
    public func enqueue(_ job: consuming ExecutorJob) {
        enqueue(ReadyJob(UnownedJob(job), .own))
    }

    @inline(__always)
    func enqueue(_ job: ReadyJob) {
        if isCurrent {
            state.pointee.ready.append(job)
        } else {
            post(.job(job))
        }
    }

    public func asUnownedTaskExecutor() -> UnownedTaskExecutor { UnownedTaskExecutor(ordinary: self) }

    /// The executor of an actor that lives on this loop:
    ///
    /// ```swift
    /// actor Cache {
    ///     nonisolated let loop: EventLoop
    ///     nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
    /// }
    /// ```
    ///
    /// Always by this function, never by `UnownedSerialExecutor(ordinary: loop)`: it is not the loop itself.
    public func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: serialExecutor) }

    public func checkIsolated() {
        precondition(isCurrent, "This code is isolated to event loop “\(name)”, but runs on another thread.")
    }

    public func isIsolatingCurrentContext() -> Bool? { isCurrent }

    // MARK: From other threads

    /// Leaves an item in the inbox; what a closed loop is sent runs on ``shared``'s thread.
    func post(_ item: InboxItem) {
        if isForked {
            // Nobody runs this loop in the child, and its lock may have been held at the fork.
            if case .job(let job) = item, job.isOfProcess { return WholeProcess.giveBack(job, of: self) }
            return logger.error("\(LoopError.forked(name))")
        }
        if inbox.post(item, wake: { selector.pointee.wake() }) { return }
        passOn(item)
    }

    /// What a closed loop will not run.
    func passOn(_ item: InboxItem) {
        switch item {
        case .job(let job) where job.isOfProcess && !WholeProcess.isLeftOver(job, of: self):
            WholeProcess.giveBack(job, of: self)
        case .job(let job): EventLoop.shared.post(.orphan(job, self))
        case .orphan, .call: EventLoop.shared.post(item)
        }
    }

    /// Runs `body` on the loop's thread: at once if this is it.
    package func perform(_ body: @escaping @Sendable () -> Void) {
        if isCurrent { body() } else { post(.call(body)) }
    }

    /// Throws if the loop can start nothing new.
    package func checkOpen() throws(LoopError) {
        if forkEpoch != apus_fork_epoch() { throw .forked(name) }
        if isCurrent, state.pointee.isClosed { throw .closed(name) }
    }

    /// The error of a loop that was closed; nil while it is open. Loop thread only.
    package var closedError: LoopError? { state.pointee.isClosed ? .closed(name) : nil }

    var isForked: Bool { forkEpoch != apus_fork_epoch() }

    /// Announces work done elsewhere whose end will reach this loop: see ``LoopClock``.
    package func beginExternalWork() { inFlight.wrappingAdd(1, ordering: .relaxed) }

    package func endExternalWork() {
        inFlight.wrappingSubtract(1, ordering: .relaxed)
        // The loop may be asleep because of it, with only virtual timers left.
        if options.clock == .virtual, !isCurrent { post(.call({})) }
    }

    /// Counters of the loop. Exact on the loop's own thread; nil elsewhere, where they could be read half-written.
    public func statistics() -> LoopStatistics? {
        guard isCurrent else { return nil }
        var result = state.pointee.statistics
        result.ready = state.pointee.ready.count
        result.timers = state.pointee.timers.count
        result.descriptors = state.pointee.descriptors.count
        result.tasks = registry.count
        result.uptime = .nanoseconds(apus_monotonic_now() &- state.pointee.beginning)
        result.lag = state.pointee.lag?.histogram
        return result
    }
}
