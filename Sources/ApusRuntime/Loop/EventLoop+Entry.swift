import CApus
import Glibc
import Logging

// Ways in: from synchronous code, from asynchronous code, and the loop that is always there.
extension EventLoop {
    /// Makes a loop, runs `body` on this thread until it returns, and closes the loop: asyncio's `asyncio.run`.
    ///
    /// On the process's main thread the loop also serves the main actor, so that `await` of a `@MainActor` function works inside.
    /// What `body` has started with ``spawn(name:_:)`` and left behind is cancelled and awaited before this returns.
    ///
    /// With ``Options/signals`` at `.interrupt` (the default), on the main thread, the first Ctrl-C cancels `body`, and the second
    /// ends the process with status 130.
    ///
    /// - Returns: what `body` returns.
    /// - Throws: what `body` throws; ``LoopError`` `.nestedRun` if this thread already runs a loop, `.systemResources` if the
    ///   system has no descriptors left, `.tooLate` and `.wrongThread` for ``Options/wholeProcess``.
    @available(
        *,
        noasync,
        message: "EventLoop.run blocks its thread. From asynchronous code write: try await EventLoop.with { … }"
    )
    public static func run<Success: Sendable>(
        _ options: Options = Options(),
        _ body: @escaping @Sendable () async throws -> Success
    ) throws -> Success {
        if let current {
            throw LoopError(
                .nestedRun,
                "EventLoop.run was called on a thread that already runs event loop “\(current.name)”. "
                    + "Inside a loop call asynchronous functions with `await`, or start them with `EventLoop.spawn`."
            )
        }
        let loop = options.isWholeProcess ? try WholeProcess.begin(options) : try EventLoop(options)
        let root = RootTask<Success>(name: options.name, loop: loop)
        return try loop.runHere(root, body)
    }

    /// Makes a loop on a thread of its own, runs `body` on it, and closes the loop: ``run(_:_:)`` for asynchronous callers.
    ///
    /// The main actor stays with whoever serves it, and signals are left alone.
    ///
    /// - Throws: what `body` throws; ``LoopError`` `.systemResources` if there is no descriptor or thread left.
    ///
    /// The caller's task-local values reach `body`.
    ///
    /// Cancel safety: cancelling the caller cancels `body`, and still waits for it and for the loop's end.
    public static func with<Success: Sendable>(
        _ options: Options = Options(),
        _ body: @escaping @Sendable () async throws -> Success
    ) async throws -> Success {
        let loop = try EventLoop(options)
        let root = RootTask<Success>(name: options.name, loop: loop)
        let caller = current
        caller?.beginExternalWork()
        defer { caller?.endExternalWork() }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                do {
                    try startThread(name: options.name) {
                        continuation.resume(with: Result { try loop.runHere(root) })
                    }
                    // Here, so that the caller's task-local values reach `body`. The loop waits for it.
                    root.start(body)
                } catch {
                    loop.close()
                    continuation.resume(throwing: error)
                }
            }
        } onCancel: {
            root.record.cancel()
        }
    }

    /// A loop in the background, started at first use and never closed: where the work of callers without a loop runs.
    ///
    /// A forked process has one of its own; the parent's is dead there.
    public static var shared: EventLoop { SharedLoop.current }

    func runForever() {
        apus_set_current_loop(Unmanaged.passUnretained(self).toOpaque())
        startMonitor()
        turn()
    }

    /// Runs until `root`, which `body` starts on this thread, or somebody on another, has ended.
    fileprivate func runHere<Success: Sendable>(
        _ root: RootTask<Success>,
        _ body: (@Sendable () async throws -> Success)? = nil
    ) throws -> Success {
        apus_set_current_loop(Unmanaged.passUnretained(self).toOpaque())
        defer { apus_set_current_loop(nil) }
        let duties: MainThreadDuties
        do {
            duties = try MainThreadDuties(of: self, cancel: root.record.cancel)
        } catch {
            close()
            throw error
        }
        startMonitor()
        if let body { root.start(body) }
        turn()
        windUp()
        duties.end()
        close()
        return try root.result.get()
    }

    /// Cancels and awaits what was started and not awaited; that may start more.
    func finishLeftovers() {
        let reminder = remindOfLeftovers()
        defer { reminder?.cancel() }
        var rounds = 0
        while registry.count > 0 {
            rounds += 1
            guard rounds <= Self.leftoverRounds else {
                logger.warning(
                    "Event loop “\(name)” ends while its tasks go on starting others: \(leftoverNames). They go on without it."
                )
                return
            }
            state.pointee.isFinished = false
            // The same ones are cancelled and awaited: what they start meanwhile is the next round's.
            let records = registry.all
            for record in records { record.cancel() }
            RootTask<Void>(name: nil, loop: self).start {
                for record in records { await record.waitUntilFinished() }
            }
            turn()
        }
    }

    /// How often what was started while the rest was being cancelled is cancelled in its turn.
    private static let leftoverRounds = 1_000

    /// A task that does not end although it is cancelled keeps the loop from ending: after five seconds, says which one.
    private func remindOfLeftovers() -> ScheduledCall? {
        guard options.clock == .monotonic, registry.count > 0 else { return nil }
        return schedule(after: .seconds(5)) { [unowned self] in
            logger.warning(
                """
                Event loop “\(name)” cannot end: these tasks were cancelled five seconds ago and go on: \(leftoverNames). \
                A task that was cancelled must return, also when it catches errors in a loop.
                """
            )
        }
    }

    private var leftoverNames: String {
        let records = registry.all
        let names = records.prefix(8).map { $0.name.map { "“\($0)”" } ?? "one without a name" }
        return names.joined(separator: ", ") + (records.count > 8 ? " and \(records.count - 8) more" : "")
    }

    /// Refuses everything new. Jobs that are left, or come later, run on ``shared``'s thread, as this executor.
    func close() {
        releasePools()
        state.pointee.monitor?.stop()
        state.pointee.monitor = nil
        state.pointee.isClosed = true
        if options.isWholeProcess { WholeProcess.stampTasks() }
        for slot in state.pointee.descriptors.open {
            endWaits(slot.pointee.token, with: .closed)
            slot.pointee.watcher?.loopClosed()
        }
        let now = currentTime()
        while let deadline = state.pointee.timers.next, let action = state.pointee.timers.popDue(at: .max) {
            switch action {
            case .resume(let continuation): continuation.resume(returning: .closed)
            case .call(let call): call.cancel()
            case .job(let job): WholeProcess.giveBack(job, of: self, after: max(0, deadline.addingClamped(-now)))
            case .descriptor, .none: break
            }
        }
        // The loop itself stays, since tasks may reach it; what it had grown to does not.
        state.pointee.timers = TimerQueue()
        state.pointee.events = []
        state.pointee.deferred = []
        state.pointee.inboxBuffer = []
        state.pointee.scratch?.deallocate()
        state.pointee.scratch = nil
        // Taken before the inbox closes: from then on another thread's job may run at once on ``shared``'s thread, as this
        // executor, and own `state`.
        var ready = JobQueue()
        swap(&ready, &state.pointee.ready)
        let left = inbox.close()
        if options.isWholeProcess { WholeProcess.end() }
        selector.deinitialize(count: 1)
        selector.deallocate()
        while let job = ready.popFirst() { passOn(.job(job)) }
        for item in left { passOn(item) }
        if options.debug { DebugReports.finish() }
    }

    func startMonitor() {
        guard options.debug, state.pointee.monitor == nil else { return }
        let monitor = BlockMonitor(
            configuration: .init(threshold: options.blockThreshold),
            loopDescription: name,
            task: { [registry = RegistryReference(self)] in registry.loop.registry.tracked($0) },
            report: options.onBlock ?? { [logger] in logger.warning("\($0)") }
        )
        monitor.start()
        state.pointee.monitor = monitor
        state.pointee.needsCare = true
    }
}

/// A loop is never freed, so that its watchdog may refer to it without keeping anything alive.
private struct RegistryReference: Sendable {
    unowned(unsafe) let loop: EventLoop
    init(_ loop: EventLoop) { self.loop = loop }
}

/// The task that a loop runs for: its end is the end of the loop's turn.
final class RootTask<Success: Sendable>: Sendable {
    let record: TaskRecord
    private let outcome = ForkSafeLock<Result<Success, any Error>?>(nil)

    init(name: String?, loop: EventLoop) {
        record = TaskRecord(name: name, loop: loop)
    }

    var result: Result<Success, any Error> {
        // The loop's turn ends only when the task has stored its outcome.
        outcome.withLock { $0 } ?? .failure(CancellationError())
    }

    func start(_ body: @escaping @Sendable () async throws -> Success) {
        let loop = record.loop
        record.received()
        loop.startRoot(record) {
            let result: Result<Success, any Error>
            do {
                result = .success(try await body())
            } catch {
                result = .failure(error)
            }
            self.outcome.withLock { $0 = result }
            self.record.finished(nil)
            loop.perform { loop.state.pointee.isFinished = true }
        }
    }
}

/// What a loop does besides when it runs on the process's main thread: it serves the main actor, and hears Ctrl-C.
struct MainThreadDuties {
    private let mainQueue: MainQueue?
    private let interrupt: Interrupt?

    init(of loop: EventLoop, cancel: @escaping () -> Void) throws(LoopError) {
        let isMainThread = getpid() == apus_gettid()
        mainQueue = isMainThread ? try MainQueue(servedBy: loop) : nil
        interrupt = isMainThread && loop.options.signals == .interrupt ? Interrupt(on: loop, cancel) : nil
    }

    func end() {
        interrupt?.remove()
        mainQueue?.remove()
    }
}
