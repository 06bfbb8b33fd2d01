/// A registered descriptor, or one end of an in-memory stream: what tasks wait on. Loop thread only.
///
/// After ``release()`` every wait ends with `.closed` and everything else does nothing: the slot may already be another's.
@usableFromInline
package struct Descriptor {
    /// The loop that watches the descriptor.
    // Unowned: loops are never freed, and a retain and release per copy of this handle would cost more than most of its work.
    @usableFromInline package unowned(unsafe) let loop: EventLoop
    @usableFromInline let slot: UnsafeMutablePointer<DescriptorState>
    @usableFromInline let generation: UInt32

    init(loop: EventLoop, slot: UnsafeMutablePointer<DescriptorState>) {
        self.loop = loop
        self.slot = slot
        generation = slot.pointee.generation
    }

    /// Whether the descriptor is still registered.
    @inlinable
    package var isOpen: Bool { slot.pointee.isOpen && slot.pointee.generation == generation }
    /// The system's number, or -1.
    package var fd: Int32 { isOpen ? slot.pointee.fd : -1 }
    /// Names this registration among all that the loop ever had.
    package var token: UInt64 { UInt64(generation) << 32 | UInt64(slot.pointee.index) }

    /// Whether a read may find something. False means that a read would say EAGAIN.
    @inlinable
    package var mayRead: Bool { isOpen && (slot.pointee.isReadable || slot.pointee.readEnded) }
    package var mayWrite: Bool { isOpen && (slot.pointee.isWritable || slot.pointee.writeEnded) }
    /// Whether the peer was seen to have sent its last byte, or to have gone.
    package var hasEnded: Bool { isOpen && slot.pointee.readEnded }

    /// Notes that a read returned `count` of the `wanted` bytes: fewer mean "drained", unless an end is latched, for which no
    /// other event will come, or reads stop early there: see ``expectShortReads()``.
    @inlinable
    package func didRead(_ count: Int, of wanted: Int) {
        guard isOpen, !slot.pointee.isAlwaysReady else { return }
        if count < wanted, !slot.pointee.readEnded, !slot.pointee.shortReadsMislead { slot.pointee.isReadable = false }
    }

    /// Notes that a read said EAGAIN: even a latched end has nothing more to say.
    @inlinable
    package func readWouldBlock() {
        guard isOpen, !slot.pointee.isAlwaysReady else { return }
        slot.pointee.isReadable = false
        slot.pointee.readEnded = false
    }

    package func writeWouldBlock() {
        guard isOpen, !slot.pointee.isAlwaysReady else { return }
        slot.pointee.isWritable = false
        slot.pointee.writeEnded = false
    }

    /// Waits until a read may find something.
    ///
    /// - Parameter deadline: nanoseconds of the loop's clock, `Int64.max` for none.
    /// - Returns: `.ready`, `.timedOut`, `.cancelled` (the task, at or before the wait; or ``endWaits(_:)``), `.closed`, or `.busy`
    ///   if a task waits already.
    ///
    /// Cancel safety: cancelling does not end the wait by itself. Whoever owns the conversation installs *one* cancellation
    /// handler for all its waits and calls ``endWaits(_:)``: a handler costs about 1,650 instructions.
    @inlinable
    package func waitReadable(deadline: Int64 = .max) async -> WaitOutcome {
        await withContinuationHere { continuation in
            // The condition is tested here, inside: between `await` and this closure the task may have been re-enqueued.
            guard isOpen, !loop.state.pointee.isClosed else { return continuation.resume(returning: .closed) }
            if slot.pointee.isReadable || slot.pointee.readEnded { return continuation.resume(returning: .ready) }
            if EventLoop.currentTaskIsCancelled { return continuation.resume(returning: .cancelled) }
            if slot.pointee.reader.continuation != nil { return continuation.resume(returning: .busy) }
            slot.pointee.reader = .init(continuation: continuation, deadline: deadline)
            if deadline != .max { loop.armDeadline(slot, deadline) }
        }
    }

    /// Waits until a write may accept something: as ``waitReadable(deadline:)``.
    ///
    /// - Parameter orReadable: ends the wait, with `.ready`, also when there is something to read and nobody waits for that: a peer
    ///   may answer before it has taken everything.
    @inlinable
    package func waitWritable(deadline: Int64 = .max, orReadable: Bool = false) async -> WaitOutcome {
        await withContinuationHere { continuation in
            guard isOpen, !loop.state.pointee.isClosed else { return continuation.resume(returning: .closed) }
            if slot.pointee.isWritable || slot.pointee.writeEnded { return continuation.resume(returning: .ready) }
            if orReadable, slot.pointee.isReadable || slot.pointee.readEnded {
                return continuation.resume(returning: .ready)
            }
            if EventLoop.currentTaskIsCancelled { return continuation.resume(returning: .cancelled) }
            if slot.pointee.writer.continuation != nil { return continuation.resume(returning: .busy) }
            slot.pointee.writerMindsReading = orReadable
            slot.pointee.writer = .init(continuation: continuation, deadline: deadline)
            if deadline != .max { loop.armDeadline(slot, deadline) }
        }
    }

    /// Resumes the waiters, if any, with `outcome`.
    package func endWaits(_ outcome: WaitOutcome) {
        loop.endWaits(token, with: outcome)
    }

    /// Reports events and the passing of `idleDeadline` to `watcher`, which is not retained, until ``unwatch()``.
    package func watch(_ watcher: any DescriptorWatcher, idleDeadline: Int64) {
        guard isOpen else { return }
        slot.pointee.watcher = watcher
        slot.pointee.idleDeadline = idleDeadline
        if idleDeadline != .max { loop.armDeadline(slot, idleDeadline) }
    }

    package func unwatch() {
        guard isOpen else { return }
        slot.pointee.watcher = nil
        slot.pointee.idleDeadline = .max
    }

    /// Delivers an event by hand: how in-memory streams become ready.
    package func signal(_ readiness: Readiness) {
        guard isOpen else { return }
        loop.deliver(readiness, to: slot)
    }

    /// Unregisters, and ends every wait with `.closed`. The caller then closes the system's descriptor.
    package func release() {
        guard isOpen else { return }
        loop.unregister(slot)
    }
}

extension Descriptor {
    /// From now on only EAGAIN says that nothing is left to read.
    package func expectShortReads() {
        if isOpen { slot.pointee.shortReadsMislead = true }
    }

    /// Notes that a read would find something although the system says nothing: bytes that a layer above has read ahead.
    package func noteReadable() {
        if isOpen { slot.pointee.isReadable = true }
    }
}

/// `withUnsafeContinuation` without its first step, which asks the runtime whether the task is on its executor: the function that waits
/// has been called there. It takes 270 instructions, since the runtime locks the task's record to find its preference.
@inlinable
@inline(__always)
package func withContinuationHere<Success>(_ body: (UnsafeContinuation<Success, Never>) -> Void) async -> Success {
    #if compiler(<6.4)
    // The same function as it was before it knew isolation; emitted into the caller, so that only the compiler has to know it.
    return await _unsafeInheritExecutor_withUnsafeContinuation(body)
    #else
    return await withUnsafeContinuation(body)
    #endif
}
