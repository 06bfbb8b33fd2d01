package import ApusRuntime
import CApus

/// What streams share: a transport, who uses it, and the rules of waiting. Loop thread only.
///
/// Public stream types hold one in a ``StreamHandle``, which brings callers here from wherever they are.
package final class StreamCore {
    @exclusivity(unchecked) private(set) var transport: any Transport
    // Plain variables of one thread; dynamic exclusivity checks cost a tenth of a small read.
    @exclusivity(unchecked) private var isReading = false
    @exclusivity(unchecked) private var isWriting = false
    /// The task whose cancellation ends the waits here already, so that they need no handler of their own: see ``guarding(_:)``.
    @exclusivity(unchecked) private var guardedTask: UnsafeMutableRawPointer?
    private let loop: EventLoop

    package init(_ transport: any Transport, on loop: EventLoop) {
        self.transport = transport
        self.loop = loop
    }

    // MARK: Reading

    func read(into buffer: inout [UInt8], startingAt offset: Int, timeout: Duration?) async throws -> Int {
        try NetError.checkRoom(in: buffer, from: offset)
        try await beginReading()
        defer { isReading = false }
        let deadline = loop.deadline(after: timeout)
        while true {
            let descriptor = transport.descriptor
            if descriptor.mayRead || !descriptor.isOpen {
                let transport = transport
                let count = try buffer.withUnsafeMutableBytes {
                    try transport.receive(into: UnsafeMutableRawBufferPointer(rebasing: $0[offset...]))
                }
                if let count { return count }
            }
            try await wait(toRead: true, deadline: deadline)
        }
    }

    func read(upTo count: Int, timeout: Duration?) async throws -> [UInt8] {
        try await beginReading()
        defer { isReading = false }
        let deadline = loop.deadline(after: timeout)
        while true {
            let descriptor = transport.descriptor
            if descriptor.mayRead || !descriptor.isOpen {
                // By way of the loop's buffer: the array gets the size that is needed, not the one that was allowed.
                let scratch = loop.scratch
                let buffer = UnsafeMutableRawBufferPointer(rebasing: scratch[..<min(max(1, count), scratch.count)])
                if let received = try transport.receive(into: buffer) { return [UInt8](buffer[..<received]) }
            }
            try await wait(toRead: true, deadline: deadline)
        }
    }

    private func beginReading() async throws {
        try Task.checkCancellation()
        // Not only while it waits: bytes that come for one reader must not go to another.
        guard !isReading else { throw busy(toRead: true) }
        isReading = true
        guard transport.descriptor.mayRead else { return }
        // Whoever reads in a circle from a peer that always has more never waits.
        await loop.yieldIfSliceIsOver()
    }

    // MARK: Writing

    func write(_ bytes: ArraySlice<UInt8>, timeout: Duration?) async throws {
        try await beginWriting()
        defer { isWriting = false }
        var rest = bytes
        while !rest.isEmpty {
            let transport = transport
            let piece = rest
            if let count = try piece.withUnsafeBytes({ try transport.send($0) }) {
                rest.removeFirst(count)
            } else {
                try await wait(toRead: false, deadline: loop.deadline(after: timeout))
            }
        }
    }

    func write(vector pieces: [[UInt8]], timeout: Duration?) async throws {
        try await beginWriting()
        defer { isWriting = false }
        var first = 0
        var offset = 0
        while true {
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
                try await wait(toRead: false, deadline: loop.deadline(after: timeout))
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
        try await beginWriting()
        defer { isWriting = false }
        while !file.isDone {
            try await file.prepare()
            if try !file.send(to: transport) {
                try await wait(toRead: false, deadline: loop.deadline(after: timeout))
            }
            await loop.yieldIfSliceIsOver()
        }
    }

    private func beginWriting() async throws {
        try Task.checkCancellation()
        // Pieces of two writes must not mix.
        guard !isWriting else { throw busy(toRead: false) }
        isWriting = true
        await loop.yieldIfSliceIsOver()
    }

    // MARK: Ending

    func finishSending() { transport.finishSending() }

    package func close() { transport.close() }

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

    private func wait(toRead: Bool, deadline: Int64) async throws {
        let descriptor = toRead ? transport.descriptor : transport.writeDescriptor
        while true {
            let outcome: WaitOutcome
            if let guardedTask, guardedTask == swift_task_getCurrent() {
                outcome =
                    toRead
                    ? await descriptor.waitReadable(deadline: deadline)
                    : await descriptor.waitWritable(deadline: deadline)
            } else {
                outcome = await descriptor.wait(toRead: toRead, deadline: deadline)
            }
            switch outcome {
            case .ready: return
            case .cancelled:
                if Task.isCancelled {
                    if !toRead { transport.abandonSend() }
                    throw CancellationError()
                }
                // The cancellation of an earlier wait, or of the stream's other user, came late: this task goes on.
                continue
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
    }

    private func busy(toRead: Bool) -> NetError {
        NetError(.busy, "Another task is \(toRead ? "reading" : "writing") this stream: one at a time.")
    }

    private var peerName: String { transport.remoteAddress?.description ?? "the peer" }
}
