import CApus

// Jobs that come to the loop because the whole process is its own: see `Options.wholeProcess`.
extension EventLoop {
    /// Takes a job of the process's. Safe from any thread.
    func take(_ job: ReadyJob) {
        // A closed loop may be “current” on another thread, which finishes its tasks: see `runOrphan`.
        if isCurrent, !state.pointee.isClosed {
            state.pointee.ready.append(job)
        } else if WholeProcess.hasEnded, !isForked {
            passOn(.job(job))
        } else {
            post(.job(job))
        }
    }

    /// Takes a job of the process's that is to run after `delay` nanoseconds of the loop's clock. Safe from any thread.
    func take(_ job: ReadyJob, after delay: Int64) {
        if delay <= 0 { return take(job) }
        if isForked || WholeProcess.hasEnded { return WholeProcess.giveBack(job, of: self, after: delay) }
        if isCurrent, options.clock == .virtual {
            return insert(job, at: currentTime().addingClamped(Self.wholeMilliseconds(delay)))
        }
        if options.clock == .virtual {
            return perform { self.insert(job, at: self.currentTime().addingClamped(Self.wholeMilliseconds(delay))) }
        }
        let deadline = apus_monotonic_now().addingClamped(delay)
        perform { self.insert(job, at: deadline) }
    }

    private func insert(_ job: ReadyJob, at deadline: Int64) {
        // After the loop's end this is another thread, or there is nobody to look at the timers.
        guard isCurrent, !state.pointee.isClosed else {
            return WholeProcess.giveBack(job, of: self, after: max(0, deadline.addingClamped(-currentTime())))
        }
        _ = state.pointee.timers.insert(at: deadline, .job(job))
    }

    /// `Task.sleep` says when it ends by a real clock, which has gone on since it began: virtual time gives the microseconds back.
    private static func wholeMilliseconds(_ nanoseconds: Int64) -> Int64 {
        nanoseconds.addingClamped(999_999) / 1_000_000 * 1_000_000
    }
}
