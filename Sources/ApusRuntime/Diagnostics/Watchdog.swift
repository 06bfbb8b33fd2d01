import CApus
import Synchronization

/// The part of a `BlockMonitor` that its thread keeps alive.
final class Watchdog: Sendable {
    let job = CurrentJob()
    /// The ticket of the last job that has been found over the threshold.
    let noticed = Atomic<UInt64>(0)

    private let threshold: Duration
    private let loop: String
    private let task: @Sendable (UInt64) -> TrackedTask?
    private let report: @Sendable (BlockReport) -> Void
    private let gate = Gate()
    /// Held while a job is looked at and reported.
    private let reporting = ForkSafeLock<Void>(())
    private let closing = ForkSafeLock(Closing())
    private let isStopped = Atomic<Bool>(false)
    private let threadID = Atomic<Int32>(0)

    /// The two reports of one job come from two threads; this keeps them in order.
    private struct Closing {
        /// The first report has been delivered; the second one now waits for the job's end.
        var opening: BlockReport?
        /// The job has ended before its first report was delivered.
        var duration: Duration?
    }

    init(
        threshold: Duration,
        loop: String,
        task: @escaping @Sendable (UInt64) -> TrackedTask?,
        report: @escaping @Sendable (BlockReport) -> Void
    ) {
        self.threshold = threshold
        self.loop = loop
        self.task = task
        self.report = report
    }

    func start(watching thread: SampledThread) {
        let context = Unmanaged.passRetained(Start(watchdog: self, thread: thread))
        let error = apus_bt_spawn(
            "apus-watchdog",
            { raw in
                let start = Unmanaged<Start>.fromOpaque(raw!).takeRetainedValue()
                start.watchdog.run(watching: start.thread)
            },
            context.toOpaque(),
            false
        )
        if error != 0 { context.release() }  // No thread to be had: a program without a watchdog is still a program.
    }

    private final class Start: Sendable {
        let watchdog: Watchdog
        let thread: SampledThread

        init(watchdog: Watchdog, thread: SampledThread) {
            self.watchdog = watchdog
            self.thread = thread
        }
    }

    func stop() {
        isStopped.store(true, ordering: .sequentiallyConsistent)
        gate.open()
        if threadID.load(ordering: .relaxed) != apus_bt_gettid() { reporting.withLock { _ in } }
    }

    // MARK: On the watchdog's thread

    private func run(watching thread: SampledThread) {
        threadID.store(apus_bt_gettid(), ordering: .relaxed)
        let limit = max(1, threshold.clampedNanoseconds)
        let interval = max(5_000_000, limit / 4)
        var hasOverslept = false
        while true {
            let slept = MonotonicTime.now()
            if gate.wait(nanoseconds: interval) { return }
            let now = MonotonicTime.now()
            // If this thread got no turn either, the whole process was stopped or starved, and the job is not to blame.
            // It is looked at in the next round.
            if now - slept > interval + limit / 2, !hasOverslept {
                hasOverslept = true
                continue
            }
            hasOverslept = false
            guard let job = job.snapshot(), now - job.started >= limit else { continue }
            guard job.ticket != noticed.load(ordering: .relaxed) else { continue }
            reporting.withLock { _ in
                if !isStopped.load(ordering: .sequentiallyConsistent) { examine(job, on: thread) }
            }
        }
    }

    private func examine(_ found: CurrentJob.Snapshot, on thread: SampledThread) {
        closing.withLock { $0 = Closing() }
        // From here on the loop's thread tells when the job ends. If it has ended just before, there is nothing to say.
        noticed.store(found.ticket, ordering: .sequentiallyConsistent)
        guard job.isRunning(found.ticket) else { return }

        let sample = StackSampler.sample(thread) { job.isRunning(found.ticket) }
        let isStillHolding = job.isRunning(found.ticket)
        let known = found.kind == .task ? task(found.taskID) : nil
        var message = BlockReport(
            phase: .holding,
            kind: found.kind,
            taskName: known?.name,
            taskID: found.kind == .task ? found.taskID : nil,
            duration: .nanoseconds(MonotonicTime.now() - found.started),
            threshold: threshold,
            loop: loop,
            frames: [],
            threadState: sample.state,
            creationSite: known?.creationSite
        )
        if isStillHolding {
            message.frames = Symbolicator.frames(for: sample.addresses)
            report(message)
        }
        let duration = closing.withLock { closing in
            if closing.duration == nil { closing.opening = message }
            return closing.duration
        }
        if let duration { report(message.ended(after: duration)) }
    }

    // MARK: On the loop's thread

    /// A job that was noticed has ended.
    func ended(_ ticket: UInt64, started: Int64) {
        let duration = Duration.nanoseconds(MonotonicTime.now() - started)
        let opening = closing.withLock { closing in
            if closing.opening == nil { closing.duration = duration }
            return closing.opening
        }
        if let opening { report(opening.ended(after: duration)) }
    }
}

/// A sleep that can be ended. `@unchecked`: the pointer leads to a mutex and a condition, made to be shared.
private final class Gate: @unchecked Sendable {
    private let raw = apus_bt_gate_make()

    deinit { apus_bt_gate_free(raw) }

    /// True once the gate is open.
    func wait(nanoseconds: Int64) -> Bool {
        apus_bt_gate_wait(raw, nanoseconds) != 0
    }

    func open() {
        apus_bt_gate_open(raw)
    }
}

extension BlockReport {
    /// The closing report to this one.
    func ended(after duration: Duration) -> BlockReport {
        var report = self
        report.phase = .ended
        report.duration = duration
        report.frames = []
        return report
    }
}
