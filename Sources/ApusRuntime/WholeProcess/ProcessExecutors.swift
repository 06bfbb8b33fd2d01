// Swift 6.3 has what this needs as SPI, which may look otherwise in the next version: a new compiler is added when it was tried.
#if WholeProcess && compiler(>=6.3) && compiler(<6.4)
@_spi(ExperimentalCustomExecutors) @_spi(ExperimentalScheduling) import _Concurrency

/// In the place of Swift's pool, for ever: `Task { }`, default actors, `@concurrent` functions and the ends of `Task.sleep` come here.
final class ProcessExecutor: TaskExecutor, SchedulingExecutor {
    private let loop: EventLoop

    init(_ loop: EventLoop) { self.loop = loop }

    func enqueue(_ job: consuming ExecutorJob) {
        loop.take(ReadyJob(UnownedJob(job), .global))
    }

    func enqueue<C: Clock>(
        _ job: consuming ExecutorJob,
        after delay: C.Duration,
        tolerance: C.Duration?,
        clock: C
    ) {
        guard let delay = delay as? Duration else {
            // A clock that does not count in seconds: Swift's own executor knows what to do, or stops the program as ever.
            return WholeProcess.platformScheduling.enqueue(job, after: delay, tolerance: tolerance, clock: clock)
        }
        loop.take(ReadyJob(UnownedJob(job), .global), after: delay.clampedNanoseconds)
    }

    func enqueue<C: Clock>(
        _ job: consuming ExecutorJob,
        at instant: C.Instant,
        tolerance: C.Duration?,
        clock: C
    ) {
        enqueue(job, after: clock.now.duration(to: instant), tolerance: tolerance, clock: clock)
    }
}

/// In the place of the main actor's executor, for ever: while the loop runs, main-actor code is a job of it like all others, and
/// afterwards it goes through libdispatch's main queue, as without Apus.
final class ProcessMainExecutor: MainExecutor {
    private let loop: EventLoop

    init(_ loop: EventLoop) { self.loop = loop }

    func enqueue(_ job: consuming ExecutorJob) {
        loop.take(ReadyJob(UnownedJob(job), .main))
    }

    func run() throws { try PlatformExecutorFactory.mainExecutor.run() }

    func stop() { PlatformExecutorFactory.mainExecutor.stop() }

    func isIsolatingCurrentContext() -> Bool? {
        if loop.isCurrent, !loop.state.pointee.isClosed { return true }
        return WholeProcess.isMainThread ? true : nil
    }

    func checkIsolated() {
        if isIsolatingCurrentContext() == true { return }
        PlatformExecutorFactory.mainExecutor.checkIsolated()
    }
}
#endif
