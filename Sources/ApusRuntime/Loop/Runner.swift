import CApus
import Logging
import Synchronization

extension EventLoop {
    /// Several runs on one loop, from synchronous code: asyncio's `Runner`.
    ///
    /// ```swift
    /// try EventLoop.Runner.with { runner in
    ///     let session = try runner.run { ClientSession() }
    ///     while let url = readLine() {
    ///         print(try runner.run { try await session.get(url).text() })
    ///     }
    ///     try runner.run { await session.close() }
    /// }
    /// ```
    ///
    /// The loop is made by the first ``run(_:)``, and stays until ``close()``. Between two runs it stands still: what was spawned and
    /// has not ended, timers and connections wait, and go on in the next run. What other threads send it meanwhile waits as well.
    ///
    /// A runner belongs to the thread that made it. On the process's main thread each run serves the main actor, and Ctrl-C cancels the
    /// closure of the run that it meets, as with ``EventLoop/run(_:_:)``, which is a runner with one run.
    public final class Runner {
        private enum State {
            case unstarted
            case open(EventLoop)
            case closed
        }

        private let options: Options
        private let thread = apus_gettid()
        private var state = State.unstarted

        /// Makes nothing yet.
        public init(_ options: Options = Options()) { self.options = options }

        deinit {
            guard case .open(let loop) = state else { return }
            // Nobody is there to run what is left: it ends on the shared loop's thread, where nothing new can begin.
            loop.logger.warning("The runner of event loop “\(loop.name)” was dropped without close().")
            guard !loop.isForked else { return }
            for record in loop.registry.all { record.cancel() }
            loop.close()
        }

        /// Runs `body` with a runner, and closes it.
        ///
        /// - Throws: what `body` throws; what ``close()`` throws.
        @available(
            *,
            noasync,
            message: "a runner blocks its thread. From asynchronous code write: try await EventLoop.with { … }"
        )
        public static func with<Success>(
            _ options: Options = Options(),
            _ body: (Runner) throws -> Success
        ) throws -> Success {
            let runner = Runner(options)
            let result: Success
            do {
                result = try body(runner)
            } catch {
                // What went wrong first is what is told.
                try? runner.close()
                throw error
            }
            try runner.close()
            return result
        }

        /// The loop, made now if there is none yet: other threads may ``EventLoop/spawn(name:_:)`` and ``EventLoop/schedule(_:)`` on it.
        ///
        /// - Throws: ``LoopError`` `.loopClosed` after ``close()``, `.wrongThread`, `.systemResources`.
        public var loop: EventLoop {
            get throws(LoopError) {
                try checkThread()
                switch state {
                case .open(let loop):
                    if loop.isForked { throw .forked(loop.name) }
                    return loop
                case .closed: throw .closed(options.name)
                case .unstarted:
                    let loop = try EventLoop(options)
                    loop.restingThread.store(thread, ordering: .relaxed)
                    state = .open(loop)
                    return loop
                }
            }
        }

        /// Runs `body` on the loop, on this thread, until it returns.
        ///
        /// - Returns: what `body` returns.
        /// - Throws: what `body` throws; ``LoopError`` `.loopClosed` after ``close()``, `.nestedRun` if a loop runs on this thread,
        ///   `.wrongThread` on another than the one that made the runner, `.loopForked`, `.systemResources`.
        @available(
            *,
            noasync,
            message: "run blocks its thread. From asynchronous code write: try await EventLoop.with { … }"
        )
        public func run<Success: Sendable>(_ body: @escaping @Sendable () async throws -> Success) throws -> Success {
            try checkIdle("run")
            let loop = try loop
            return try occupy(loop) {
                let root = RootTask<Success>(name: options.name, loop: loop)
                let duties = try MainThreadDuties(of: loop, cancel: root.record.cancel)
                defer { duties.end() }
                loop.startMonitor()
                loop.state.pointee.isFinished = false
                root.start(body)
                loop.turn()
                return try root.result.get()
            }
        }

        /// Cancels and awaits what was spawned and has not ended, and closes the loop. A second call does nothing.
        ///
        /// - Throws: ``LoopError`` `.nestedRun` inside a run, `.wrongThread`, and `.systemResources` if there is no descriptor left to serve
        ///   the main actor with meanwhile; then the runner is still open.
        @available(*, noasync, message: "close blocks its thread.")
        public func close() throws(LoopError) {
            try checkThread()
            guard case .open(let loop) = state else {
                state = .closed
                return
            }
            try checkIdle("close")
            if loop.isForked {
                state = .closed
                return
            }
            try occupy(loop) { () throws(LoopError) in
                // The leftovers may need the main actor; who will not wait for them presses Ctrl-C twice.
                let duties = try MainThreadDuties(of: loop, cancel: {})
                loop.windUp()
                duties.end()
                state = .closed
                loop.close()
            }
        }

        /// Makes this thread the loop's for as long as `body` takes.
        private func occupy<Success, Failure: Error>(
            _ loop: EventLoop,
            _ body: () throws(Failure) -> Success
        ) throws(Failure) -> Success {
            apus_set_current_loop(Unmanaged.passUnretained(loop).toOpaque())
            loop.restingThread.store(0, ordering: .relaxed)
            defer {
                if case .open = state { loop.restingThread.store(thread, ordering: .relaxed) }
                apus_set_current_loop(nil)
            }
            return try body()
        }

        private func checkThread() throws(LoopError) {
            guard apus_gettid() == thread else {
                throw LoopError(
                    .wrongThread,
                    "The runner of event loop “\(options.name)” was used on another thread than the one that made it. "
                        + "Other threads hand it work with `loop.spawn { … }.wait()`."
                )
            }
        }

        private func checkIdle(_ call: String) throws(LoopError) {
            guard let current else { return }
            throw LoopError(
                .nestedRun,
                "EventLoop.Runner.\(call) was called on a thread that runs event loop “\(current.name)”. "
                    + "Inside a loop call asynchronous functions with `await`, or start them with `EventLoop.spawn`."
            )
        }

        private var current: EventLoop? { EventLoop.current }
    }
}
