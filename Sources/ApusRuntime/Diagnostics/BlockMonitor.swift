import CApus
import Glibc
import Synchronization

/// Notices that one job has held its event loop's thread for longer than a threshold, while it still does, and says which
/// task it is and on which line.
///
/// The loop's part is `jobBegins` and `jobEnded`, a clock reading and a few stores per job. All else happens on a thread
/// of the monitor's own, which allocates, reads debug information and calls `report`. That closure may therefore block or
/// do what it likes, except wait for the loop to be stopped. Closing reports come from the loop's thread, or from the
/// watchdog's if that was still busy with the first one. After `stop()` has returned on another thread than the
/// watchdog's, nothing more is reported by the watchdog.
package final class BlockMonitor: Sendable {
    package typealias JobKind = BlockReport.JobKind

    package struct Configuration: Sendable {
        /// How long a job may hold the loop.
        package var threshold: Duration = .milliseconds(100)

        package init(threshold: Duration = .milliseconds(100)) {
            self.threshold = threshold
        }
    }

    private let core: Watchdog
    private let hasStarted = Atomic<Bool>(false)

    /// - Parameters:
    ///   - task: what is known of the task with an id (`swift_task_getJobTaskId`); called on the watchdog's thread.
    ///   - report: neither closure is let go before the monitor is; a loop that owns its monitor is not captured by them.
    init(
        configuration: Configuration,
        loopDescription: String,
        task: @escaping @Sendable (UInt64) -> TrackedTask?,
        report: @escaping @Sendable (BlockReport) -> Void
    ) {
        core = Watchdog(
            threshold: configuration.threshold,
            loop: loopDescription,
            task: task,
            report: report
        )
    }

    deinit { core.stop() }

    /// Starts the watchdog. Called once, on the loop's thread, before its first job.
    package func start() {
        guard !hasStarted.exchange(true, ordering: .relaxed) else { return }
        core.start(watching: .current())
    }

    /// Ends the watchdog. Waits for a report that is being made, and no longer. A second call does nothing.
    package func stop() {
        core.stop()
    }

    /// On the loop's thread, right before a job runs.
    package func jobBegins(taskID: UInt64, kind: JobKind) {
        core.job.begin(taskID: taskID, kind: kind)
    }

    /// On the loop's thread, right after it.
    package func jobEnded() {
        let (ticket, started) = core.job.end()
        if core.noticed.load(ordering: .relaxed) == ticket { core.ended(ticket, started: started) }
    }
}

/// The job that a loop is running, written by the loop and read by its watchdog.
struct CurrentJob: ~Copyable {
    /// Counts jobs, in steps of four; the two lower bits are the job's kind, or zero between jobs.
    private let ticket = Atomic<UInt64>(0)
    private let started = Atomic<Int64>(0)
    private let taskID = Atomic<UInt64>(0)

    struct Snapshot {
        var ticket: UInt64
        var kind: BlockReport.JobKind
        var taskID: UInt64
        var started: Int64
    }

    /// The stores are releasing, which costs nothing on x86-64 and an `stlr` on AArch64, so that a reader who sees the
    /// same ticket before and after has read that job's values.
    func begin(taskID id: UInt64, kind: BlockReport.JobKind) {
        let next = (ticket.load(ordering: .relaxed) | 3) &+ 1
        started.store(MonotonicTime.now(), ordering: .releasing)
        taskID.store(id, ordering: .releasing)
        ticket.store(next | kind.rawValue, ordering: .releasing)
    }

    func end() -> (ticket: UInt64, started: Int64) {
        let current = ticket.load(ordering: .relaxed)
        ticket.store(current & ~3, ordering: .relaxed)
        return (current, started.load(ordering: .relaxed))
    }

    /// The running job, or nil between jobs.
    func snapshot() -> Snapshot? {
        let before = ticket.load(ordering: .acquiring)
        let start = started.load(ordering: .acquiring)
        let id = taskID.load(ordering: .acquiring)
        guard let kind = BlockReport.JobKind(rawValue: before & 3), isRunning(before) else { return nil }
        return Snapshot(ticket: before, kind: kind, taskID: id, started: start)
    }

    func isRunning(_ ticket: UInt64) -> Bool {
        self.ticket.load(ordering: .acquiring) == ticket
    }
}

/// CLOCK_MONOTONIC, as the threshold is about real time whatever the loop's clock is.
enum MonotonicTime {
    static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
    }
}
