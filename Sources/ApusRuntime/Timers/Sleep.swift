import CApus

/// Suspends the current task for `duration`, and lets others run.
///
/// Asyncio's `asyncio.sleep`. On a loop it is a timer of that loop; elsewhere it is `Task.sleep`. Zero or less gives every ready
/// task one turn.
///
/// ```swift
/// try await sleep(for: .seconds(1))
/// ```
///
/// - Throws: `CancellationError` when the task is cancelled, ``LoopError`` `.loopClosed` when the loop is closed.
///
/// Cancel safety: ends the sleep at once and leaves nothing behind.
public func sleep(for duration: Duration) async throws {
    guard duration > .zero else {
        try Task.checkCancellation()
        // Else what goes round by it would go on for ever on the shared loop's thread.
        try EventLoop.current?.checkOpen()
        return await Task.yield()
    }
    guard let loop = EventLoop.current else { return try await sleepOffLoop(for: duration) }
    try await loop.sleep(until: loop.clock.now.advanced(by: duration))
}

/// Suspends the current task until `deadline` of its loop's clock.
///
/// - Parameter deadline: a moment of `EventLoop.current`'s ``EventLoop/clock``; one that has passed gives every ready task one
///   turn. Off a loop, the moment is taken as one of the monotonic clock.
/// - Throws: as ``sleep(for:)``.
///
/// Cancel safety: ends the sleep at once and leaves nothing behind.
public func sleep(until deadline: LoopClock.Instant) async throws {
    guard let loop = EventLoop.current else {
        return try await sleepOffLoop(for: .nanoseconds(deadline.nanoseconds) - .nanoseconds(apus_monotonic_now()))
    }
    try await loop.sleep(until: deadline)
}

/// `Task.sleep` stops the program when the moment does not fit into 64 bits of nanoseconds (6.3.1): a hundred years will do.
///
/// Never inlined, like ``EventLoop/sleepFromElsewhere(until:)``: the frames of the rare ways would be part of every sleeping task,
/// which then needs a second kilobyte of the runtime's memory.
@inline(never)
private func sleepOffLoop(for duration: Duration) async throws {
    try await Task.sleep(for: min(max(duration, .zero), .seconds(100 * 365 * 86_400)))
}

extension EventLoop {
    func sleep(until deadline: LoopClock.Instant) async throws {
        if !runsCurrentTask { return try await sleepFromElsewhere(until: deadline) }
        try await sleepHere(until: deadline.nanoseconds)
    }

    @inline(never)
    private func sleepFromElsewhere(until deadline: LoopClock.Instant) async throws {
        try await hop { try await self.sleepHere(until: deadline.nanoseconds) }
    }

    private func sleepHere(until deadline: Int64) async throws {
        try Task.checkCancellation()
        try checkOpen()
        if deadline <= currentTime() { return await Task.yield() }
        // The slot exists before its task waits, so that the cancellation handler, which may run first, can name it.
        let id = state.pointee.timers.reserve()
        let outcome = await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                // Looked at here, inside: the task may have been enqueued anew since, and the loop closed.
                if Task.isCancelled || state.pointee.isClosed {
                    _ = state.pointee.timers.remove(id)
                    continuation.resume(returning: Task.isCancelled ? WaitOutcome.cancelled : .closed)
                } else {
                    state.pointee.timers.arm(id, at: deadline, .resume(continuation))
                }
            }
        } onCancel: {
            perform { self.cancelSleep(id) }
        }
        switch outcome {
        case .timedOut, .ready: return
        case .closed: throw LoopError.closed(name)
        case .cancelled, .busy: throw CancellationError()
        }
    }

    private func cancelSleep(_ id: TimerID) {
        // Before the task waits, the entry is only reserved: it stays, and the waiting closure sees the cancellation itself.
        guard case .resume(let continuation)? = state.pointee.timers.removeIfArmed(id) else { return }
        continuation.resume(returning: .cancelled)
    }
}
