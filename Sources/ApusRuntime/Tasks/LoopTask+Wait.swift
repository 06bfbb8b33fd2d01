import CApus
import Synchronization

extension LoopTask {
    /// Blocks this thread until the task has ended, and gives its value: for synchronous code that hands work to a loop.
    ///
    /// ```swift
    /// // On a thread that knows nothing of the loop, such as a C library's:
    /// let text = try loop.spawn { try await session.get(url).text() }.wait(timeout: .seconds(10))
    /// ```
    ///
    /// The task goes on when the time has passed: end it with ``cancel()``, or wait again. Not for the main thread while the task needs the
    /// main actor, which could not run.
    ///
    /// - Parameter timeout: real time, whatever the loop's clock is; nil for ever, zero or less to look once.
    /// - Throws: what the task throws; ``TimeoutError``; ``LoopError`` `.wouldDeadlock` on the loop's own thread, or on that of a
    ///   ``EventLoop/Runner`` that is not running, `.loopForked` in a forked child.
    @available(*, noasync, message: "wait blocks its thread. From asynchronous code write: try await task.value")
    @inlinable
    public func wait(timeout: Duration? = nil) throws -> Success {
        try record.waitForEnd(timeout: timeout)
        return try record.result()
    }
}

extension TaskRecord {
    /// Blocks this thread until the task has ended.
    @usableFromInline
    final func waitForEnd(timeout: Duration?) throws {
        if loop.isForked { throw LoopError.forked(loop.name) }
        if loop.isCurrent {
            throw LoopError(
                .wouldDeadlock,
                "wait() was called on the thread of event loop “\(loop.name)”, which is to run the task. "
                    + "In asynchronous code await the task's `value`; in a callback, spawn a task that does."
            )
        }
        let resting = loop.restingThread.load(ordering: .relaxed)
        if resting != 0, resting == apus_gettid() {
            throw LoopError(
                .wouldDeadlock,
                "wait() was called between two runs of event loop “\(loop.name)”, on the thread that is to run the task. "
                    + "Run the loop instead: `try runner.run { try await task.value }`."
            )
        }
        if hasEnded { return }
        let end = timeout.map { apus_monotonic_now().addingClamped(max(0, $0.clampedNanoseconds)) } ?? .max
        // Usual, where the loop is awake and the task is short: needs no place to sleep in.
        loop.waitSpin.spin(until: end) { hasEnded }
        guard !hasEnded, let blockingEnd else { return }
        if !blockingEnd.wait(until: end) { throw TimeoutError(duration: timeout ?? .zero) }
    }
}
