import CApus

/// Writes reports of debug mode in which names and lines are to be looked up: on a thread of its own, since that may take a second, in
/// which the loop would stand still. Nothing is lost: the end of a loop in debug mode waits for its reports.
enum DebugReports {
    private struct State {
        var waiting: [@Sendable () -> Void] = []
        var isRunning = false
        /// The fork after which they are written: a child has neither its parent's thread nor its reports to write.
        var epoch = apus_fork_epoch()
    }

    private static let state = ForkSafeLock(State())

    static func add(_ report: @escaping @Sendable () -> Void) {
        let (starts, parents) = state.withLock { state in
            var parents: [@Sendable () -> Void] = []
            if state.epoch != apus_fork_epoch() {
                swap(&parents, &state.waiting)
                state.isRunning = false
                state.epoch = apus_fork_epoch()
            }
            state.waiting.append(report)
            defer { state.isRunning = true }
            return (!state.isRunning, parents)
        }
        // What they hold is the user's, and is let go of here, where the lock is free.
        _ = parents
        guard starts else { return }
        do {
            try startThread(name: "apus-reports", run)
        } catch {
            // No thread to be had: here, then.
            run()
        }
    }

    /// Waits until what was added so far is written.
    static func finish() {
        guard state.withLock({ $0.isRunning && $0.epoch == apus_fork_epoch() }) else { return }
        let written = BlockingEnd()
        add { written.comes() }
        _ = written.wait(until: .max)
    }

    private static func run() {
        while true {
            let reports = state.withLock { state in
                defer { state.waiting = [] }
                state.isRunning = !state.waiting.isEmpty
                return state.waiting
            }
            if reports.isEmpty { return }
            for report in reports { report() }
        }
    }
}
