import CApus
import Glibc
import Logging

/// One listener to signals: an eventfd that the process's signal handler writes to, watched by one loop, and a queue.
///
/// One eventfd each, since the handler may only read memory and write to descriptors: with one for all, somebody would have to pass
/// signals on between loops.
final class SignalListener: DescriptorWatcher, Sendable {
    private struct State {
        /// What has come and was not taken, each signal once, in the order of coming.
        var queue: [Signal] = []
        var waiters: [(id: UInt64, continuation: UnsafeContinuation<Signal?, Never>)] = []
        var lastWaiter: UInt64 = 0
        var isOver = false
        /// Nil once it was closed.
        var eventDescriptor: Int32?
        var descriptor: LoopBound<Descriptor>?
    }

    private let loop: EventLoop
    private let eventDescriptor: Int32
    // Made to be used by several threads at once; its address never changes.
    private nonisolated(unsafe) let slot: OpaquePointer
    private let state = ForkSafeLock(State())

    init(_ signals: [Signal], on loop: EventLoop) throws(LoopError) {
        try loop.checkOpen()
        if signals.isEmpty { throw LoopError(.invalidArgument, "signals() was given no signal to wait for.") }
        for signal in signals { try signal.checkCatchable() }
        self.loop = loop
        eventDescriptor = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        guard eventDescriptor >= 0 else {
            throw LoopError(.systemResources, errno: errno, while: "making a descriptor to wait for signals")
        }
        guard let slot = apus_signal_slot_make(eventDescriptor) else {
            close(eventDescriptor)
            throw LoopError(.systemResources, errno: ENOMEM, while: "making room to wait for signals")
        }
        self.slot = slot
        for signal in signals {
            let error = apus_signal_slot_add(slot, signal.number)
            guard error != 0 else { continue }
            apus_signal_slot_free(slot)
            close(eventDescriptor)
            throw LoopError(
                error == EINVAL ? .invalidArgument : .systemResources,
                errno: error,
                while: "handling \(signal)"
            )
        }
        state.withLock { [eventDescriptor] in $0.eventDescriptor = eventDescriptor }
        loop.perform { self.begin() }
    }

    /// On the loop's thread, or, if the loop has ended meanwhile, elsewhere.
    private func begin() {
        guard loop.isCurrent, !state.withLock({ $0.isOver }) else { return stop() }
        do {
            let descriptor = try loop.register(eventDescriptor, isAmbient: true)
            descriptor.watch(self, idleDeadline: .max)
            // A program inherits its parent's mask, and all its threads its own: a signal that all of them block comes to nobody.
            apus_signal_slot_unblock(slot)
            let bound = LoopBound(descriptor, on: loop)
            state.withLock { $0.descriptor = bound }
        } catch {
            loop.logger.error("Signals cannot be waited for: \(error)")
            stop()
        }
    }

    // MARK: Receiving

    func descriptorChanged(_ outcome: WaitOutcome) {
        // Edge-triggered: each write to the eventfd is a new event, so it need not be read.
        let bits = apus_signal_slot_take(slot)
        let come = (1...64).filter { bits >> ($0 - 1) & 1 != 0 }.map { Signal(Int32($0)) }
        let served = state.withLock { state in
            var served: [(UnsafeContinuation<Signal?, Never>, Signal)] = []
            for signal in come {
                if !state.waiters.isEmpty {
                    served.append((state.waiters.removeFirst().continuation, signal))
                } else if !state.queue.contains(signal) {
                    state.queue.append(signal)
                }
            }
            return served
        }
        for (waiter, signal) in served { waiter.resume(returning: signal) }
    }

    func next() async -> Signal? {
        let id = state.withLock { state in
            state.lastWaiter += 1
            return state.lastWaiter
        }
        return await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                let answer: Signal?? = state.withLock { state in
                    if state.isOver || Task.isCancelled { return .some(nil) }
                    if !state.queue.isEmpty { return state.queue.removeFirst() }
                    state.waiters.append((id, continuation))
                    return nil
                }
                if let answer { continuation.resume(returning: answer) }
            }
        } onCancel: {
            // Before the task waits there is nothing to find, and the closure above looks.
            let waiter = state.withLock { state -> UnsafeContinuation<Signal?, Never>? in
                guard let index = state.waiters.firstIndex(where: { $0.id == id }) else { return nil }
                return state.waiters.remove(at: index).continuation
            }
            waiter?.resume(returning: nil)
        }
    }

    // MARK: Ending

    /// Puts the signals back at once; the descriptor follows on its loop's thread. Safe from any thread, any number of times.
    func stop() {
        let waiters = state.withLock { state -> [UnsafeContinuation<Signal?, Never>]? in
            guard !state.isOver else { return nil }
            state.isOver = true
            defer { state.waiters = [] }
            return state.waiters.map(\.continuation)
        }
        guard let waiters else { return }
        apus_signal_slot_free(slot)
        for waiter in waiters { waiter.resume(returning: nil) }
        // The loop of a forked child's parent does nothing here; its watched descriptors are copies.
        if loop.isForked { release() } else { loop.perform { self.release() } }
    }

    func loopClosed() {
        stop()
        release()
    }

    private func release() {
        let (eventDescriptor, descriptor) = state.withLock { state in
            defer { (state.eventDescriptor, state.descriptor) = (nil, nil) }
            return (state.eventDescriptor, state.descriptor)
        }
        // On another thread the loop has ended, and has forgotten its descriptors.
        if let descriptor, loop.isCurrent {
            descriptor.value.unwatch()
            descriptor.value.release()
        }
        if let eventDescriptor { close(eventDescriptor) }
    }
}
