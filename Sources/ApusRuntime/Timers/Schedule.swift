/// A function that a loop will run: see ``EventLoop/schedule(_:)``.
///
/// Dropping the handle does not cancel the call. The loop's end cancels what waits for a time.
public final class ScheduledCall: Sendable {
    private enum State {
        case waiting(@Sendable () -> Void, TimerID)
        case over
    }

    private let loop: EventLoop
    private let lock = FutexLock()
    // Guarded by `lock`, which the compiler's check and the runtime's would not see.
    @exclusivity(unchecked) private nonisolated(unsafe) var state: State

    @inline(__always)
    private func withState<Result>(_ body: (inout State) -> Result) -> Result {
        lock.lock()
        defer { lock.unlock() }
        return body(&state)
    }

    init(loop: EventLoop, _ body: @escaping @Sendable () -> Void) {
        self.loop = loop
        state = .waiting(body, .none)
    }

    /// Keeps the function from running, if it has not begun. Safe from any thread, any number of times.
    ///
    /// - Returns: whether this call prevented it.
    @discardableResult
    public func cancel() -> Bool {
        guard let (_, timer) = take() else { return false }
        if timer != .none { loop.perform { [loop] in _ = loop.state.pointee.timers.remove(timer) } }
        return true
    }

    /// Whether the function has run, runs, or was cancelled.
    public var isOver: Bool {
        withState { if case .over = $0 { true } else { false } }
    }

    func fire() {
        if let (body, _) = take() { body() }
    }

    /// Notes the timer to remove at ``cancel()``. Returns false if the call was cancelled before.
    func waits(for timer: TimerID) -> Bool {
        withState { state in
            guard case .waiting(let body, _) = state else { return false }
            state = .waiting(body, timer)
            return true
        }
    }

    private func take() -> (@Sendable () -> Void, TimerID)? {
        withState { state in
            guard case .waiting(let body, let timer) = state else { return nil }
            state = .over
            return (body, timer)
        }
    }
}

extension EventLoop {
    /// Runs `body` on the loop's thread, after what is ready now. Safe from any thread: asyncio's `call_soon` and
    /// `call_soon_threadsafe`.
    ///
    /// A loop that has ended has no thread: what it is sent then, or has not got to, runs on ``shared``'s, so that nobody who waits
    /// for it waits for ever. Timed calls are cancelled by the loop's end. `body` must not block. It runs outside any task: to call asynchronous code, ``spawn(name:_:)``.
    @discardableResult
    public func schedule(_ body: @escaping @Sendable () -> Void) -> ScheduledCall {
        let call = ScheduledCall(loop: self, body)
        post(.call { call.fire() })
        return call
    }

    /// Runs `body` on the loop's thread after `delay`: asyncio's `call_later`. Safe from any thread.
    ///
    /// - Parameter delay: counted from now; zero or less means after what is ready now.
    @discardableResult
    public func schedule(after delay: Duration, _ body: @escaping @Sendable () -> Void) -> ScheduledCall {
        let call = ScheduledCall(loop: self, body)
        if isCurrent {
            insert(call, at: currentTime().addingClamped(max(0, delay.clampedNanoseconds)))
        } else if options.clock == .monotonic {
            let deadline = currentTime().addingClamped(max(0, delay.clampedNanoseconds))
            perform { self.insert(call, at: deadline) }
        } else {
            perform { self.insert(call, at: self.currentTime().addingClamped(max(0, delay.clampedNanoseconds))) }
        }
        return call
    }

    /// Runs `body` on the loop's thread at `deadline` of ``clock``: asyncio's `call_at`. Safe from any thread.
    @discardableResult
    public func schedule(at deadline: LoopClock.Instant, _ body: @escaping @Sendable () -> Void) -> ScheduledCall {
        let call = ScheduledCall(loop: self, body)
        perform { self.insert(call, at: deadline.nanoseconds) }
        return call
    }

    private func insert(_ call: ScheduledCall, at deadline: Int64) {
        guard !state.pointee.isClosed else {
            call.cancel()
            return
        }
        let timer = state.pointee.timers.reserve()
        guard call.waits(for: timer) else {
            _ = state.pointee.timers.remove(timer)
            return
        }
        state.pointee.timers.arm(timer, at: deadline, .call(call))
    }
}
