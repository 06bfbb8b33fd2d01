extension EventLoop {
    /// The tasks of this loop: asyncio's `all_tasks`, `print_call_graph` and `python -m asyncio pstree`. From anywhere.
    ///
    /// ```swift
    /// print(try await loop.tasks())
    /// ```
    /// ```text
    /// Event loop “main”: 4 tasks
    ///   #1 “main”: waits for its children
    ///       at Program.run() at Sources/Program/Program.swift:12
    ///     #3: waits for something to read from descriptor 7
    ///         at fetch(_:) at Sources/Program/Fetch.swift:30
    ///     …
    /// ```
    ///
    /// These are the tasks that Apus started (``spawn(name:_:)``, and what the loop was made to run) and their children, by whomever those were
    /// started: task groups, `async let`, ``gather(_:limit:_:)``, connections. `Task { }` belongs to nobody, and is not found.
    ///
    /// It needs no debug mode, and costs nothing until it is called. In debug mode (``Options/debug``) there is more: where each was started and
    /// by whom, how often and how long it has run, and the names of Apus's own children.
    ///
    /// The list is exact for what happens on the loop's thread, which stands still meanwhile. A child that begins or ends on another thread
    /// at the same moment (one that is isolated to the main actor, say) may be missing.
    ///
    /// - Parameter timeout: how long the loop has, by real time, to answer a caller on another thread; zero or less asks no longer than it takes
    ///   to look once.
    /// - Throws: ``LoopError`` `.unresponsive` when it does not, since a job holds it; `.loopClosed`, `.loopForked`; `CancellationError`.
    ///
    /// Cancel safety: ends the wait at once and leaves nothing behind.
    public func tasks(timeout: Duration = .seconds(1)) async throws -> TaskList {
        if isForked { throw LoopError.forked(name) }
        if isCurrent {
            try checkOpen()
            return TaskSnapshot.take(self)
        }
        let answer = TaskAnswer()
        // A virtual clock must not jump because its loop waits for this one.
        let caller = EventLoop.current
        caller?.beginExternalWork()
        defer { caller?.endExternalWork() }
        // A thread, since the loop that is asked may be the one whose timers everybody uses.
        let end = BlockingEnd()
        try startThread(name: "apus-tasks") {
            if !end.wait(timeout: timeout) { answer.give(.late) }
        }
        defer { end.comes() }
        // Before anything that may suspend: the handler's closure runs on Swift's pool when an actor calls, and where that is busy the time
        // would be over before the loop was asked.
        post(
            .call {
                // What a closed loop is sent runs on another's thread.
                guard self.isCurrent, self.closedError == nil else { return answer.give(.closed) }
                answer.give(.tasks(TaskSnapshot.take(self)))
            }
        )
        let outcome = await withTaskCancellationHandler {
            await answer.wait()
        } onCancel: {
            answer.give(.cancelled)
        }
        switch outcome {
        case .tasks(let list): return list
        case .closed: throw LoopError.closed(name)
        case .cancelled: throw CancellationError()
        case .late: throw LoopError.unresponsive(name, after: timeout)
        }
    }
}

/// What another thread is told, the first answer only.
private final class TaskAnswer: Sendable {
    enum Outcome: Sendable {
        case tasks(TaskList)
        case closed, late, cancelled
    }

    private struct State {
        var outcome: Outcome?
        var waiter: UnsafeContinuation<Outcome, Never>?
    }

    private let state = ForkSafeLock(State())

    func give(_ outcome: Outcome) {
        let waiter = state.withLock { state in
            guard state.outcome == nil else { return nil as UnsafeContinuation<Outcome, Never>? }
            state.outcome = outcome
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume(returning: outcome)
    }

    func wait() async -> Outcome {
        await withUnsafeContinuation { continuation in
            let outcome = state.withLock { state in
                if state.outcome == nil { state.waiter = continuation }
                return state.outcome
            }
            if let outcome { continuation.resume(returning: outcome) }
        }
    }
}
