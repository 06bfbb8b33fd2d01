import CApus
import Glibc

// The descriptors of a loop: registration, events, deadlines. Loop thread only.
extension EventLoop {
    /// Registers a descriptor for its whole life, or (`fd` -1) makes a slot for an in-memory stream.
    ///
    /// - Parameters:
    ///   - isAmbient: virtual time does not stand still for it.
    ///   - isDatagram: an error of it is news about one datagram and not an end: it makes the descriptor readable and writable, since either
    ///     call reports it, and calls the watcher, if there is one, which is told of nothing else then.
    package func register(
        _ fd: Int32,
        isAmbient: Bool = false,
        isDatagram: Bool = false
    ) throws(LoopError) -> Descriptor {
        precondition(isCurrent, "descriptors are registered on the loop's own thread")
        try checkOpen()
        let slot = state.pointee.descriptors.acquire(fd: fd)
        slot.pointee.isAmbient = isAmbient
        slot.pointee.isDatagram = isDatagram
        if fd >= 0 {
            let error = selector.pointee.add(fd, token: slot.pointee.token)
            if error == EPERM {
                // epoll refuses regular files: they are always ready, as poll(2) says too.
                slot.pointee.isAlwaysReady = true
                slot.pointee.isReadable = true
                slot.pointee.isWritable = true
            } else if error != 0 {
                state.pointee.descriptors.release(slot)
                throw LoopError(.systemResources, errno: error, while: "watching descriptor \(fd)")
            }
            if !state.pointee.handles.isEmpty { forgetStaleHandle(of: fd) }
        }
        return Descriptor(loop: self, slot: slot)
    }

    /// Forgets a descriptor and wakes its waiters with `.closed`. The caller closes the descriptor itself.
    func unregister(_ slot: UnsafeMutablePointer<DescriptorState>) {
        if slot.pointee.fd >= 0, !slot.pointee.isAlwaysReady, !state.pointee.isClosed {
            selector.pointee.remove(slot.pointee.fd)
        }
        if slot.pointee.isOneShot { state.pointee.handles[slot.pointee.fd] = nil }
        forget(slot)
    }

    /// Frees the slot of a descriptor that the selector does not know any more.
    func forget(_ slot: UnsafeMutablePointer<DescriptorState>) {
        if slot.pointee.timerDeadline != .max { _ = state.pointee.timers.remove(slot.pointee.timer) }
        let reader = slot.pointee.reader.continuation
        let writer = slot.pointee.writer.continuation
        state.pointee.descriptors.release(slot)
        reader?.resume(returning: .closed)
        writer?.resume(returning: .closed)
    }

    func deliver(_ event: SelectorEvent) {
        guard let slot = state.pointee.descriptors[event.token] else { return }
        if slot.pointee.isOneShot { return deliverOnce(event.readiness, to: slot) }
        deliver(event.readiness, to: slot)
    }

    /// Latches what has happened and resumes who waits for it.
    func deliver(_ readiness: Readiness, to slot: UnsafeMutablePointer<DescriptorState>) {
        if readiness.contains(.urgent) {
            slot.pointee.shortReadsMislead = true
            slot.pointee.isReadable = true
        }
        if readiness.contains(.readable) { slot.pointee.isReadable = true }
        if readiness.contains(.writable) { slot.pointee.isWritable = true }
        if !readiness.isDisjoint(with: [.readEnd, .broken]), !latchEnd(readiness, of: slot) { return }
        if slot.pointee.isReadable || slot.pointee.readEnded {
            if let waiting = slot.pointee.reader.continuation {
                slot.pointee.reader = .init()
                waiting.resume(returning: .ready)
            } else if slot.pointee.writerMindsReading, let waiting = slot.pointee.writer.continuation {
                slot.pointee.writer = .init()
                waiting.resume(returning: .ready)
            } else if let watcher = slot.pointee.watcher, !slot.pointee.isDatagram {
                runCallback(kind: watcher.jobKind) {
                    watcher.descriptorChanged(.ready)
                }
                return
            }
        }
        if slot.pointee.isWritable || slot.pointee.writeEnded, let waiting = slot.pointee.writer.continuation {
            slot.pointee.writer = .init()
            waiting.resume(returning: .ready)
        }
    }

    /// Latches an end or, on a datagram socket, an error, which is none. False if the descriptor was closed over it.
    private func latchEnd(_ readiness: Readiness, of slot: UnsafeMutablePointer<DescriptorState>) -> Bool {
        guard slot.pointee.isDatagram else {
            slot.pointee.readEnded = true
            if readiness.contains(.broken) { slot.pointee.writeEnded = true }
            return true
        }
        // EPOLLERR: recv or send will say what it is, once, and the next call goes on. A latched end would never be cleared by reading,
        // since datagrams go on coming, and every wait would return at once.
        slot.pointee.isReadable = true
        slot.pointee.isWritable = true
        guard let watcher = slot.pointee.watcher else { return true }
        let token = slot.pointee.token
        runCallback(kind: watcher.jobKind) { watcher.descriptorChanged(.ready) }
        return state.pointee.descriptors[token] != nil
    }

    // MARK: Deadlines

    /// Sees to it that the descriptor's one timer entry fires no later than `deadline`. An entry that fires too early looks at
    /// the deadlines and is armed anew: one entry per connection instead of an insertion and a removal per operation.
    @usableFromInline
    func armDeadline(_ slot: UnsafeMutablePointer<DescriptorState>, _ deadline: Int64) {
        guard deadline < slot.pointee.timerDeadline else { return }
        if slot.pointee.timerDeadline != .max { _ = state.pointee.timers.remove(slot.pointee.timer) }
        slot.pointee.timer = state.pointee.timers.insert(at: deadline, .descriptor(slot.pointee.token))
        slot.pointee.timerDeadline = deadline
    }

    func deadlinePassed(_ token: UInt64) {
        guard let slot = state.pointee.descriptors[token] else { return }
        slot.pointee.timerDeadline = .max
        let now = state.pointee.now
        if let waiting = slot.pointee.reader.continuation, slot.pointee.reader.deadline <= now {
            slot.pointee.reader = .init()
            waiting.resume(returning: .timedOut)
        }
        if let waiting = slot.pointee.writer.continuation, slot.pointee.writer.deadline <= now {
            slot.pointee.writer = .init()
            waiting.resume(returning: .timedOut)
        }
        var next = Int64.max
        if slot.pointee.reader.continuation != nil { next = slot.pointee.reader.deadline }
        if slot.pointee.writer.continuation != nil { next = min(next, slot.pointee.writer.deadline) }
        if let watcher = slot.pointee.watcher {
            if slot.pointee.idleDeadline <= now {
                slot.pointee.idleDeadline = .max
                runCallback(kind: watcher.jobKind) { watcher.descriptorChanged(.timedOut) }
                // The watcher may have closed the descriptor.
                guard state.pointee.descriptors[token] != nil else { return }
            }
            next = min(next, slot.pointee.idleDeadline)
        }
        if next != .max { armDeadline(slot, next) }
    }

    /// Resumes the waiters of a descriptor with `outcome`, if it is still the one that `token` names.
    package func endWaits(
        _ token: UInt64,
        with outcome: WaitOutcome,
        reading: Bool = true,
        writing: Bool = true
    ) {
        guard let slot = state.pointee.descriptors[token] else { return }
        if reading, let waiting = slot.pointee.reader.continuation {
            slot.pointee.reader = .init()
            waiting.resume(returning: outcome)
        }
        if writing, let waiting = slot.pointee.writer.continuation {
            slot.pointee.writer = .init()
            waiting.resume(returning: outcome)
        }
    }

    /// 64 KiB for one system call's data, shared by everything on the loop. Its bytes are gone after the next suspension.
    package var scratch: UnsafeMutableRawBufferPointer {
        if let scratch = state.pointee.scratch { return scratch }
        let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_536, alignment: 16)
        state.pointee.scratch = scratch
        return scratch
    }

    /// The clock's nanoseconds after `timeout` from now; `Int64.max` for none.
    package func deadline(after timeout: Duration?) -> Int64 {
        guard let timeout else { return .max }
        return currentTime().addingClamped(max(0, timeout.clampedNanoseconds))
    }
}
