/// Waits for a descriptor that somebody else reads and writes: asyncio's `add_reader` and `add_writer`.
///
/// For pipes, eventfds, devices, and the sockets of C libraries that are driven from outside (libpq, hiredis, c-ares):
///
/// ```swift
/// let handle = try IOHandle(PQsocket(connection))
/// while PQisBusy(connection) != 0 {
///     try await handle.readable()
///     PQconsumeInput(connection)
/// }
/// handle.close()
/// ```
///
/// - The handle does not own the descriptor: it never closes it. Close the handle first, then the descriptor. (The other order is found out
///   where that is possible: the waits then end with `.descriptorClosed`.)
/// - What it says is about *now*: a descriptor of which only a part was read is readable still, and each wait asks the system anew.
/// - An end or an error of the descriptor (EPOLLHUP, EPOLLERR) makes both directions ready: the next read or write says what is wrong.
/// - Regular files are always ready.
///
/// A handle belongs to the loop on which it was made. It can be used from anywhere; from elsewhere a wait costs a hop.
///
/// Each wait is one epoll_ctl(2) more than a wait of Apus's own streams, which know what they have read.
public final class IOHandle: Sendable {
    /// The descriptor.
    public let descriptor: Int32
    /// The loop that watches it.
    public let loop: EventLoop
    private let core: LoopBound<IOHandleCore>

    /// Makes a handle for `descriptor` on the loop of this thread.
    ///
    /// - Throws: ``LoopError`` `.descriptorInUse` if this loop watches the descriptor already, for a stream or another handle;
    ///   `.invalidArgument` if it is not open, or no loop runs on this thread (``EventLoop/call(_:)`` brings you to one);
    ///   `.loopClosed`, `.systemResources`.
    public init(_ descriptor: Int32) throws(LoopError) {
        guard let loop = EventLoop.current else {
            throw LoopError(
                .invalidArgument,
                "IOHandle(\(descriptor)) was made on a thread without an event loop. "
                    + "Make it on the loop that is to watch it: `try await loop.call { try IOHandle(\(descriptor)) }`."
            )
        }
        self.descriptor = descriptor
        self.loop = loop
        core = LoopBound(IOHandleCore(try loop.registerHandle(descriptor)), on: loop)
    }

    deinit {
        let descriptor = descriptor
        core.perform { $0.drop(descriptor) }
    }

    /// Waits until a read finds something, or an end, or an error.
    ///
    /// - Parameter timeout: how long to wait; nil for ever, zero or less to look once.
    /// - Throws: ``TimeoutError``; `CancellationError`; ``LoopError`` `.busy` if another task waits to read, `.descriptorClosed`,
    ///   `.loopClosed`.
    ///
    /// Cancel safety: ends the wait at once and leaves nothing behind.
    public func readable(timeout: Duration? = nil) async throws { try await wait(for: .reading, timeout) }

    /// Waits until a write accepts something, or fails.
    ///
    /// - Parameter timeout: as in ``readable(timeout:)``.
    /// - Throws: as ``readable(timeout:)``; `.busy` if another task waits to write.
    ///
    /// Cancel safety: ends the wait at once and leaves nothing behind.
    public func writable(timeout: Duration? = nil) async throws { try await wait(for: .writing, timeout) }

    /// Ends all waits, with ``LoopError`` `.descriptorClosed`, and gives the descriptor back to whoever owns it, open. Safe from any
    /// thread, any number of times; on the loop's own it takes effect at once. A handle that is dropped closes itself.
    public func close() { core.perform { $0.close() } }

    private func wait(for direction: EventLoop.Direction, _ timeout: Duration?) async throws {
        if loop.runsCurrentTask { return try await waitHere(for: direction, timeout) }
        try await loop.hop { try await self.waitHere(for: direction, timeout) }
    }

    private func waitHere(for direction: EventLoop.Direction, _ timeout: Duration?) async throws {
        let core = core
        let wait = core.value.nextWait()
        let deadline = loop.deadline(after: timeout)
        await loop.yieldIfSliceIsOver()
        let outcome = await withTaskCancellationHandler {
            await withUnsafeContinuation { core.value.begin(wait, direction, deadline: deadline, $0) }
        } onCancel: {
            core.perform { $0.cancel(wait, direction) }
        }
        switch outcome {
        case .ready: return
        case .timedOut: throw TimeoutError(duration: timeout ?? .zero)
        case .cancelled: throw CancellationError()
        case .busy:
            let what = direction == .reading ? "read from" : "write to"
            throw LoopError(
                .busy,
                "Another task waits to \(what) descriptor \(descriptor) already. One at a time can be told."
            )
        case .closed:
            throw loop.closedError
                ?? LoopError(
                    .descriptorClosed,
                    "Descriptor \(descriptor), or its handle, was closed. Make a new handle."
                )
        }
    }
}

/// The loop's side of an ``IOHandle``. Loop thread only.
private final class IOHandleCore {
    private let registration: Descriptor
    private var lastWait: UInt64 = 0
    /// Who waits: a cancellation that comes late must not end the next one's wait.
    private var reading: UInt64 = 0
    private var writing: UInt64 = 0
    private let site: CallTrace?

    init(_ registration: Descriptor) {
        self.registration = registration
        site = registration.loop.resourceSite
    }

    func nextWait() -> UInt64 {
        lastWait += 1
        return lastWait
    }

    func begin(
        _ wait: UInt64,
        _ direction: EventLoop.Direction,
        deadline: Int64,
        _ continuation: UnsafeContinuation<WaitOutcome, Never>
    ) {
        let loop = registration.loop
        guard registration.isOpen, loop.closedError == nil else { return continuation.resume(returning: .closed) }
        if Task.isCancelled { return continuation.resume(returning: .cancelled) }
        if registration.slot.pointee.isAlwaysReady { return continuation.resume(returning: .ready) }
        guard loop.waitOnce(registration.slot, for: direction, deadline: deadline, continuation) else { return }
        if direction == .reading { reading = wait } else { writing = wait }
    }

    func cancel(_ wait: UInt64, _ direction: EventLoop.Direction) {
        guard wait == (direction == .reading ? reading : writing) else { return }
        let loop = registration.loop
        loop.endWaits(
            registration.token,
            with: .cancelled,
            reading: direction == .reading,
            writing: direction == .writing
        )
    }

    func close() { registration.release() }

    func drop(_ descriptor: Int32) {
        guard registration.isOpen else { return }
        registration.loop.reportUnclosed("The IOHandle of descriptor \(descriptor)", madeAt: site)
        close()
    }
}
