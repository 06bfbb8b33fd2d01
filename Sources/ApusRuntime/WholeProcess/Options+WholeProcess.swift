extension EventLoop.Options {
    #if WholeProcess && compiler(>=6.3) && compiler(<6.4)
    /// The whole process runs on the loop: `Task { }`, default actors, `@concurrent` functions, `Task.sleep` and the main actor too.
    ///
    /// ```swift
    /// try EventLoop.run(.wholeProcess) {
    ///     Task { try await Task.sleep(for: .seconds(1)) }  // on the loop's thread, with its timers
    /// }
    /// ```
    ///
    /// This is asyncio's model, with a compiler that proves the absence of data races. Nothing changes threads, so that `await` of an
    /// actor costs no wake-up, and what blocks or computes in any task holds everything: send it to ``offload(to:_:)``.
    ///
    /// - **Once per process**, by ``EventLoop/run(_:_:)``, on the main thread, from a `main` that is not async, before the first
    ///   `Task { }`. Otherwise `run` throws ``LoopError`` `.tooLate`, `.wrongThread`, or, for other ways in, `.invalidArgument`.
    /// - **`Task.sleep`** is a timer of the loop: virtual on ``EventLoop/TimeSource/virtual``, there rounded up to a millisecond. Time that
    ///   the machine was suspended does not count, not on `ContinuousClock` either.
    /// - **Priorities** of tasks are not looked at: jobs run in the order in which they came.
    /// - **When `run` returns**, `Task { }`s that it left behind are not cancelled, since nobody knows them. They go on elsewhere, as long
    ///   as the program does, and find that Apus's operations throw `.loopClosed`. New tasks run in Swift's pool, as without this.
    /// - **libdispatch** keeps its threads: blocks of `DispatchQueue.global()` run there, those of `DispatchQueue.main` on the loop.
    ///   `dispatchPrecondition(condition: .onQueue(.main))` fails in main-actor code, which is on the thread but not in the queue:
    ///   write `MainActor.assertIsolated()`. `RunLoop` and `Timer` are not served.
    /// - Tasks that prefer another executor, and actors with one of their own, keep it.
    ///
    /// It needs Swift 6.3 (what it uses is not yet public there) and the package's trait `WholeProcess`, one of the defaults; where they
    /// are missing this is unavailable, and the compiler says so.
    public static var wholeProcess: EventLoop.Options {
        var options = EventLoop.Options()
        options.isWholeProcess = true
        return options
    }
    #else
    @available(
        *,
        unavailable,
        message:
            "whole-process mode needs Swift 6.3 and the trait WholeProcess: .package(url: …, traits: [.defaults, \"WholeProcess\"])"
    )
    public static var wholeProcess: EventLoop.Options { EventLoop.Options() }
    #endif
}
