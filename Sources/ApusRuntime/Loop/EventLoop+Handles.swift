import Glibc

// Descriptors that others read and write: level semantics, by asking the selector anew for each wait. Loop thread only.
extension EventLoop {
    enum Direction: Sendable { case reading, writing }

    /// Registers a descriptor of somebody else's.
    func registerHandle(_ fd: Int32) throws(LoopError) -> Descriptor {
        precondition(isCurrent, "descriptors are registered on the loop's own thread")
        try checkOpen()
        guard fd >= 0 else { throw LoopError(.invalidArgument, "\(fd) is not a descriptor.") }
        let slot = state.pointee.descriptors.acquire(fd: fd)
        slot.pointee.isOneShot = true
        let error = selector.pointee.addUnarmed(fd, token: slot.pointee.token)
        if error == EPERM {
            // epoll refuses regular files: they are always ready, as poll(2) says too.
            slot.pointee.isAlwaysReady = true
            return Descriptor(loop: self, slot: slot)
        }
        guard error == 0 else {
            state.pointee.descriptors.release(slot)
            switch error {
            case EEXIST:
                throw LoopError(
                    .descriptorInUse,
                    "Event loop “\(name)” watches descriptor \(fd) already, for a stream or another handle. "
                        + "Wait with that one, or close it first."
                )
            case EBADF: throw LoopError(.invalidArgument, errno: error, while: "watching descriptor \(fd)")
            default: throw LoopError(.systemResources, errno: error, while: "watching descriptor \(fd)")
            }
        }
        forgetStaleHandle(of: fd)
        state.pointee.handles[fd] = slot.pointee.token
        return Descriptor(loop: self, slot: slot)
    }

    /// The number was registered anew, so that what was registered under it before has been closed: the system forgets what is closed,
    /// and refuses what is there twice. Without this, the old handle would take over the new descriptor's registration.
    func forgetStaleHandle(of fd: Int32) {
        guard let token = state.pointee.handles.removeValue(forKey: fd), let slot = state.pointee.descriptors[token]
        else {
            return
        }
        forget(slot)
    }

    /// Begins a wait. The condition is tested here, inside the continuation's closure.
    func waitOnce(
        _ slot: UnsafeMutablePointer<DescriptorState>,
        for direction: Direction,
        deadline: Int64,
        _ continuation: UnsafeContinuation<WaitOutcome, Never>
    ) -> Bool {
        let waiter = DescriptorState.Waiter(continuation: continuation, deadline: deadline)
        switch direction {
        case .reading:
            if slot.pointee.reader.continuation != nil {
                continuation.resume(returning: .busy)
                return false
            }
            slot.pointee.reader = waiter
        case .writing:
            if slot.pointee.writer.continuation != nil {
                continuation.resume(returning: .busy)
                return false
            }
            slot.pointee.writer = waiter
        }
        if deadline != .max { armDeadline(slot, deadline) }
        return arm(slot)
    }

    /// Resumes who waits for what has happened, and asks again for the other.
    func deliverOnce(_ readiness: Readiness, to slot: UnsafeMutablePointer<DescriptorState>) {
        if !readiness.isDisjoint(with: [.readable, .readEnd, .broken]), let waiting = slot.pointee.reader.continuation {
            slot.pointee.reader = .init()
            waiting.resume(returning: .ready)
        }
        if !readiness.isDisjoint(with: [.writable, .broken]), let waiting = slot.pointee.writer.continuation {
            slot.pointee.writer = .init()
            waiting.resume(returning: .ready)
        }
        _ = arm(slot)
    }

    /// Asks the selector for what is waited for. If it does not know the descriptor any more, the descriptor was closed under its handle,
    /// and the waits end.
    private func arm(_ slot: UnsafeMutablePointer<DescriptorState>) -> Bool {
        let (reading, writing) = (slot.pointee.reader.continuation != nil, slot.pointee.writer.continuation != nil)
        guard reading || writing else { return true }
        let error = selector.pointee.arm(
            slot.pointee.fd,
            token: slot.pointee.token,
            reading: reading,
            writing: writing
        )
        if error == 0 { return true }
        endWaits(slot.pointee.token, with: .closed)
        return false
    }
}
