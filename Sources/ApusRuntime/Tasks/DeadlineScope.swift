/// The deadline of a ``withDeadline(_:_:)`` body: asyncio's `Timeout` object. Safe from any thread, and harmless after its scope's end.
public final class DeadlineScope: Sendable {
    private struct State {
        var deadline: LoopClock.Instant?
        /// The one entry in the loop's timer queue. It may be earlier than the deadline, after a rescheduling: then it looks, and is
        /// set again, so that moving the deadline away costs nothing.
        var timer: (call: ScheduledCall, moment: LoopClock.Instant)?
        /// Tells a timer that was replaced while it fired.
        var generation = 0
        var hasExpired = false
        var isOver = false
    }

    private let loop: EventLoop
    private let beginning: LoopClock.Instant
    private let lock = FutexLock()
    // Guarded by `lock`, which the compiler's check and the runtime's would not see.
    @exclusivity(unchecked) private nonisolated(unsafe) var state = State()

    @inline(__always)
    private func withState<Result>(_ body: (inout State) -> Result) -> Result {
        lock.lock()
        defer { lock.unlock() }
        return body(&state)
    }
    /// The child, between ``begin()`` and ``end()``. A lock of its own, since cancelling runs handlers of the user's, and those may
    /// ask this scope.
    private let taskLock = FutexLock()
    @exclusivity(unchecked) private nonisolated(unsafe) var task: CancellableTask?

    init(until deadline: LoopClock.Instant?) {
        loop = EventLoop.keepingTime
        beginning = loop.clock.now
        if let deadline { setDeadline(deadline, now: beginning) }
    }

    init(after duration: Duration) {
        loop = EventLoop.keepingTime
        beginning = loop.clock.now
        setDeadline(beginning.advanced(by: duration), now: beginning)
    }

    // MARK: For the body

    /// When the body is cancelled, or was; nil if it is not.
    public var deadline: LoopClock.Instant? { withState { $0.deadline } }

    /// Whether the deadline came before the body's end, and cancelled it.
    public var hasExpired: Bool { withState { $0.hasExpired } }

    /// Moves the deadline: asyncio's `Timeout.reschedule`.
    ///
    /// - Parameter deadline: one that has passed cancels the body at once; nil is no deadline.
    /// - Returns: whether it was moved. False when the scope has expired, which cannot be taken back, or is over.
    @discardableResult
    public func reschedule(to deadline: LoopClock.Instant?) -> Bool { setDeadline(deadline, now: loop.clock.now) }

    /// Moves the deadline to `duration` from now.
    ///
    /// - Parameter duration: zero or less cancels the body at once.
    /// - Returns: whether it was moved. False when the scope has expired, which cannot be taken back, or is over.
    @discardableResult
    public func reschedule(after duration: Duration) -> Bool {
        let now = loop.clock.now
        return setDeadline(now.advanced(by: duration), now: now)
    }

    // MARK: For the scoped function

    /// From the beginning to the deadline.
    var duration: Duration { withState { $0.deadline }.map { beginning.duration(to: $0) } ?? .zero }

    /// Called by the child, first.
    func begin() {
        withUnsafeCurrentTask { current in
            let current = CancellableTask(current)
            taskLock.lock()
            defer { taskLock.unlock() }
            task = current
            // Expired before the child began: there are no handlers yet.
            if hasExpired { current?.cancel() }
        }
    }

    /// Called by the child, last: from now on nothing expires.
    func end() {
        taskLock.lock()
        task = nil
        taskLock.unlock()
        let timer = withState { state in
            state.isOver = true
            defer { state.timer = nil }
            return state.timer
        }
        timer?.call.cancel()
    }

    /// - Throws: `expired`, if it was this scope, and only this scope, that cancelled the body.
    func outcome<Success>(of result: Result<Success, any Error>, expired: TimeoutError) throws -> Success {
        if case .failure(let error) = result, error is CancellationError, hasExpired, !Task.isCancelled {
            throw expired
        }
        return try result.get()
    }

    // MARK: The timer

    @discardableResult
    private func setDeadline(_ deadline: LoopClock.Instant?, now: LoopClock.Instant) -> Bool {
        let (isMoved, expires) = withState { state in
            guard !state.hasExpired, !state.isOver else { return (false, false) }
            state.deadline = deadline
            if let deadline, deadline <= now {
                expire(&state)
                return (true, true)
            }
            // A timer that fires earlier looks again by itself.
            if let deadline, let timer = state.timer, timer.moment <= deadline { return (true, false) }
            state.timer?.call.cancel()
            state.timer = nil
            if let deadline { setTimer(deadline, &state) }
            return (true, false)
        }
        if expires { cancelTask() }
        return isMoved
    }

    private func setTimer(_ deadline: LoopClock.Instant, _ state: inout State) {
        state.generation += 1
        let call = loop.schedule(at: deadline) { [self, generation = state.generation] in fire(generation) }
        state.timer = (call, deadline)
    }

    private func fire(_ generation: Int) {
        let now = loop.clock.now
        let expires = withState { state in
            guard !state.isOver, state.generation == generation, let deadline = state.deadline else { return false }
            state.timer = nil
            if deadline <= now {
                expire(&state)
            } else {
                setTimer(deadline, &state)
            }
            return state.hasExpired
        }
        if expires { cancelTask() }
    }

    private func expire(_ state: inout State) {
        state.hasExpired = true
        state.timer?.call.cancel()
        state.timer = nil
    }

    private func cancelTask() {
        taskLock.lock()
        defer { taskLock.unlock() }
        task?.cancel()
    }
}

extension EventLoop {
    /// The loop whose timers serve the running task: a closed one keeps no time.
    static var keepingTime: EventLoop {
        if let current, current.closedError == nil { current } else { shared }
    }
}

/// A task that somebody else may cancel while it lives.
// @unchecked: UnsafeCurrentTask is not Sendable, for its properties; `cancel()` may be called from anywhere.
private struct CancellableTask: @unchecked Sendable {
    private let task: UnsafeCurrentTask

    init?(_ task: UnsafeCurrentTask?) {
        guard let task else { return nil }
        self.task = task
    }

    func cancel() { task.cancel() }
}
