package import ApusRuntime
import CApus

/// What streams share: a transport, who uses it, and the rules of waiting. Loop thread only.
///
/// Public stream types hold one in a ``StreamHandle``, which brings callers here from wherever they are.
package final class StreamCore {
    @exclusivity(unchecked) private(set) var transport: any Transport {
        didSet { socket = transport as? SocketTransport }
    }
    /// The transport, if it is a plain socket: its calls are known to the compiler then.
    @exclusivity(unchecked) private var socket: SocketTransport?
    // Plain variables of one thread; dynamic exclusivity checks cost a tenth of a small read.
    @exclusivity(unchecked) private var isReading = false
    @exclusivity(unchecked) private var isWriting = false
    /// The task whose cancellation ends the waits here already, so that they need no handler of their own: see ``guarding(_:)``.
    @exclusivity(unchecked) private var guardedTask: UnsafeMutableRawPointer?
    private unowned(unsafe) let loop: EventLoop

    /// Debug mode: where the stream was made, if its user is to close it.
    private let site: CallTrace?

    /// - Parameter isServed: whoever made it closes it, and not its user.
    package init(_ transport: any Transport, on loop: EventLoop, isServed: Bool = false) {
        self.transport = transport
        self.loop = loop
        site = isServed ? nil : loop.resourceSite
        socket = transport as? SocketTransport
    }

    // MARK: Reading

    // This and `write` are inlined into the functions of the public types: each async function of its own on the way costs some
    // 150 instructions, which is what makes a small read dear.
    @inline(__always)
    func read(into buffer: inout [UInt8], startingAt offset: Int, timeout: Duration?) async throws -> Int {
        try NetError.checkRoom(in: buffer, from: offset)
        try beginReading()
        defer { isReading = false }
        if mayReceive, loop.sliceIsOver { await Task.yield() }
        let deadline = deadline(after: timeout)
        while true {
            if mayReceive {
                let count = try buffer.withUnsafeMutableBytes {
                    try receive(into: UnsafeMutableRawBufferPointer(rebasing: $0[offset...]))
                }
                if let count { return count }
            }
            try await wait(toRead: true, deadline: deadline)
        }
    }

    func read(upTo count: Int, timeout: Duration?) async throws -> [UInt8] {
        try beginReading()
        defer { isReading = false }
        if mayReceive, loop.sliceIsOver { await Task.yield() }
        let deadline = deadline(after: timeout)
        while true {
            if mayReceive {
                // By way of the loop's buffer: the array gets the size that is needed, not the one that was allowed.
                let scratch = loop.scratch
                let buffer = UnsafeMutableRawBufferPointer(rebasing: scratch[..<min(max(1, count), scratch.count)])
                if let received = try receive(into: buffer) { return [UInt8](buffer[..<received]) }
            }
            try await wait(toRead: true, deadline: deadline)
        }
    }

    @inline(__always)
    private func beginReading() throws {
        if EventLoop.currentTaskIsCancelled { throw CancellationError() }
        // Not only while it waits: bytes that come for one reader must not go to another.
        guard !isReading else { throw busy(toRead: true) }
        isReading = true
    }

    /// Whether a read would find something, if only that the stream is closed. Who reads in a circle from a peer that always has more never
    /// waits: let others have their turn first.
    @inline(__always)
    private var mayReceive: Bool {
        let descriptor = readDescriptor
        return descriptor.mayRead || !descriptor.isOpen
    }

    @inline(__always)
    private func receive(into buffer: UnsafeMutableRawBufferPointer) throws(NetError) -> Int? {
        if let socket { return try socket.receive(into: buffer) }
        return try transport.receive(into: buffer)
    }

    // MARK: Writing

    @inline(__always)
    func write(_ bytes: ArraySlice<UInt8>, timeout: Duration?) async throws {
        try beginWriting()
        defer { isWriting = false }
        if loop.sliceIsOver { await Task.yield() }
        let sent = try bytes.withUnsafeBytes { $0.isEmpty ? 0 : try send($0) }
        if sent != bytes.count { try await writeRest(of: bytes, from: sent, timeout: timeout) }
    }

    /// Goes on with a write.
    ///
    /// - Parameter sent: how many bytes have gone; nil when none did because there was no room.
    private func writeRest(of bytes: ArraySlice<UInt8>, from sent: Int?, timeout: Duration?) async throws {
        var rest = bytes.dropFirst(sent ?? 0)
        if sent == nil { try await wait(toRead: false, deadline: deadline(after: timeout)) }
        while !rest.isEmpty {
            // A peer that takes as fast as we give never makes us wait.
            if loop.sliceIsOver { await Task.yield() }
            if let count = try rest.withUnsafeBytes({ try send($0) }) {
                rest = rest.dropFirst(count)
            } else {
                try await wait(toRead: false, deadline: deadline(after: timeout))
            }
        }
    }

    @inline(__always)
    private func send(_ bytes: UnsafeRawBufferPointer) throws(NetError) -> Int? {
        if let socket { return try socket.send(bytes) }
        return try transport.send(bytes)
    }

    func write(vector pieces: [[UInt8]], timeout: Duration?) async throws {
        try beginWriting()
        defer { isWriting = false }
        var first = 0
        var offset = 0
        while true {
            if loop.sliceIsOver { await Task.yield() }
            while first < pieces.count, offset >= pieces[first].count {
                offset -= pieces[first].count
                first += 1
            }
            if first == pieces.count { return }
            let transport = transport
            let count = try Self.withBuffers(pieces[first...], skipping: offset) { try transport.send(vector: $0) }
            if let count {
                offset += count
            } else {
                try await wait(toRead: false, deadline: deadline(after: timeout))
            }
        }
    }

    /// Pieces for one system call. Far below IOV_MAX (1,024): the memory of each is borrowed by a call within the last one's.
    private static let piecesPerCall = 64

    /// Gives `body` the memory of the first pieces, without the `offset` bytes that are sent already.
    private static func withBuffers<Result>(
        _ pieces: ArraySlice<[UInt8]>,
        skipping offset: Int,
        _ borrowed: [UnsafeRawBufferPointer] = [],
        _ body: ([UnsafeRawBufferPointer]) throws -> Result
    ) rethrows -> Result {
        guard let piece = pieces.first, borrowed.count < piecesPerCall else { return try body(borrowed) }
        return try piece.withUnsafeBytes {
            let buffer = UnsafeRawBufferPointer(rebasing: $0[offset...])
            return try withBuffers(pieces.dropFirst(), skipping: 0, borrowed + [buffer], body)
        }
    }

    /// Sends a part of a file: see ``FileSender``.
    func sendFile(_ file: FileSender, timeout: Duration?) async throws {
        try beginWriting()
        defer { isWriting = false }
        while !file.isDone {
            if loop.sliceIsOver { await Task.yield() }
            try await file.prepare()
            if try !file.send(to: transport) {
                try await wait(toRead: false, deadline: deadline(after: timeout))
            }
        }
    }

    @inline(__always)
    private func beginWriting() throws {
        if EventLoop.currentTaskIsCancelled { throw CancellationError() }
        // Nothing would tell when there is room again.
        if let error = loop.closedError { throw error }
        // Pieces of two writes must not mix.
        guard !isWriting else { throw busy(toRead: false) }
        isWriting = true
    }

    // MARK: Ending

    func finishSending() { transport.finishSending() }

    package func close() { transport.close() }

    /// The last reference to the stream is gone.
    func drop() {
        if site != nil, transport.descriptor.isOpen {
            let peer = transport.remoteAddress.map { " to \($0)" } ?? ""
            loop.reportUnclosed("A stream\(peer) (descriptor \(transport.descriptor.fd))", madeAt: site)
        }
        close()
    }

    package func abort() { transport.abort() }

    /// Puts another transport in the place of the present one, such as TLS over it.
    ///
    /// - Throws: ``NetError`` `.busy` while a task reads or writes.
    func replaceTransport(_ make: (any Transport) async throws -> any Transport) async throws {
        try Task.checkCancellation()
        guard !isReading else { throw busy(toRead: true) }
        guard !isWriting else { throw busy(toRead: false) }
        isReading = true
        isWriting = true
        defer {
            isReading = false
            isWriting = false
        }
        transport = try await make(transport)
    }

    // MARK: Waiting

    /// Runs `body` with one cancellation handler for all of its task's waits here: a handler per wait costs about 1,650 instructions,
    /// a fifth of what an echoed message takes outside the kernel.
    package func guarding<Success>(_ body: () async throws -> Success) async rethrows -> Success {
        let (loop, token, writeToken) = (loop, transport.descriptor.token, transport.writeDescriptor.token)
        return try await withTaskCancellationHandler {
            let before = guardedTask
            guardedTask = swift_task_getCurrent()
            defer { guardedTask = before }
            return try await body()
        } onCancel: {
            loop.perform {
                loop.endWaits(token, with: .cancelled)
                if writeToken != token { loop.endWaits(writeToken, with: .cancelled) }
            }
        }
    }

    /// Waits, and throws what ended the wait if that was not readiness. It may also return without: look again.
    @inline(__always)
    private func wait(toRead: Bool, deadline: Int64) async throws {
        let descriptor = toRead ? readDescriptor : writeDescriptor
        let outcome: WaitOutcome
        if let guardedTask, guardedTask == swift_task_getCurrent() {
            outcome =
                toRead
                ? await descriptor.waitReadable(deadline: deadline)
                : await descriptor.waitWritable(deadline: deadline)
        } else {
            outcome = await descriptor.wait(toRead: toRead, deadline: deadline)
        }
        if outcome != .ready { try check(outcome, of: descriptor, toRead: toRead) }
    }

    @inline(never)
    private func check(_ outcome: WaitOutcome, of descriptor: Descriptor, toRead: Bool) throws {
        switch outcome {
        case .ready: return
        case .cancelled:
            // The cancellation of an earlier wait, or of the stream's other user, may have come late: this task goes on then.
            guard Task.isCancelled else { return }
            if !toRead { transport.abandonSend() }
            throw CancellationError()
        case .timedOut:
            if !toRead { transport.abandonSend() }
            throw NetError(
                .timedOut,
                "\(toRead ? "Reading from" : "Writing to") \(peerName) took longer than was allowed."
            )
        case .closed where !toRead && transport.descriptor.isOpen && !descriptor.isOpen:
            // A pipe has closed the one end only.
            throw NetError(.brokenPipe, "The end of writing was announced while a write was waiting.")
        case .closed: throw NetError(.closed, "The connection to \(peerName) was closed on this side.")
        case .busy: throw busy(toRead: toRead)
        }
    }

    /// What reads wait for. A plain socket's stays the same; that of other transports may change when they are closed.
    @inline(__always)
    private var readDescriptor: Descriptor { socket?.descriptor ?? transport.descriptor }

    @inline(__always)
    private var writeDescriptor: Descriptor { socket?.descriptor ?? transport.writeDescriptor }

    @inline(__always)
    private func deadline(after timeout: Duration?) -> Int64 {
        timeout == nil ? .max : loop.deadline(after: timeout)
    }

    @inline(never)
    private func busy(toRead: Bool) -> NetError {
        NetError(.busy, "Another task is \(toRead ? "reading" : "writing") this stream: one at a time.")
    }

    private var peerName: String { transport.remoteAddress?.description ?? "the peer" }
}
