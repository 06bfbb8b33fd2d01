public import ApusRuntime

/// A TCP connection, or one over a Unix socket.
///
/// ```swift
/// let stream = try await TCPStream.connect(host: "localhost", port: 7)
/// try await stream.write("hello\n")
/// let answer = try await stream.read()
/// await stream.close()
/// ```
///
/// A stream belongs to the loop on which it was made, or to ``EventLoop/shared`` if there was none. It may be used from anywhere:
/// elsewhere each operation costs a hop there and back. One task may read while another writes; two that read (or write) at
/// once are an error. Dropping the last reference closes the connection.
public final class TCPStream: Sendable {
    private let conversation: LoopBound<Conversation>
    /// The loop that the stream belongs to.
    public let eventLoop: EventLoop
    /// The other end, if it is still known.
    public let remoteAddress: SocketAddress?
    /// This end.
    public let localAddress: SocketAddress?

    package init(_ transport: any Transport, on loop: EventLoop) {
        conversation = LoopBound(Conversation(transport), on: loop)
        eventLoop = loop
        remoteAddress = transport.remoteAddress
        localAddress = transport.localAddress
    }

    deinit {
        let conversation = conversation
        conversation.perform { $0.transport.close() }
    }

    /// Connects to the first address of `host` that answers.
    ///
    /// - Parameters:
    ///   - host: a name or an address in figures.
    ///   - port: 1...65535.
    ///   - timeout: bounds the whole, name lookup included. Nil waits as long as the system does.
    /// - Throws: ``NetError``, `CancellationError`, ``LoopError`` `.loopClosed`.
    ///
    /// Cancel safety: leaves no socket behind.
    public static func connect(host: String, port: Int, timeout: Duration? = .seconds(10)) async throws -> TCPStream {
        try await onLoop { loop in
            let deadline = loop.deadline(after: timeout)
            let addresses: [SocketAddress]
            if let timeout {
                do {
                    addresses = try await withTimeout(timeout) {
                        try await SystemResolver.shared.addresses(of: host, port: port)
                    }
                } catch is TimeoutError {
                    throw NetError(.timedOut, "Looking up “\(host)” took longer than \(timeout).")
                }
            } else {
                addresses = try await SystemResolver.shared.addresses(of: host, port: port)
            }
            return try await open(addresses, host: host, on: loop, deadline: deadline)
        }
    }

    /// Connects to `address`, a Unix socket's among them.
    ///
    /// - Parameter timeout: nil waits as long as the system does.
    /// - Throws: ``NetError``, `CancellationError`, ``LoopError`` `.loopClosed`.
    ///
    /// Cancel safety: leaves no socket behind.
    public static func connect(to address: SocketAddress, timeout: Duration? = .seconds(10)) async throws -> TCPStream {
        try await onLoop { loop in
            try await open([address], host: address.host, on: loop, deadline: loop.deadline(after: timeout))
        }
    }

    private static func open(
        _ addresses: [SocketAddress],
        host: String,
        on loop: EventLoop,
        deadline: Int64
    ) async throws -> TCPStream {
        try loop.checkOpen()
        let transport = try await Connector.connect(toAny: addresses, host: host, on: loop, deadline: deadline)
        return TCPStream(transport, on: loop)
    }

    private static func onLoop(_ body: @escaping @Sendable (EventLoop) async throws -> TCPStream) async throws
        -> TCPStream
    {
        let loop = EventLoop.current ?? .shared
        if loop.runsCurrentTask { return try await body(loop) }
        return try await loop.hop { try await body(loop) }
    }

    // MARK: Reading and writing

    /// Reads what has come, at least one byte.
    ///
    /// - Parameters:
    ///   - count: the most to return, in bytes; at least 1.
    ///   - timeout: how long to wait for the first byte; nil for ever.
    /// - Returns: 1...`count` bytes; none at the end of the stream.
    /// - Throws: ``NetError`` (`.timedOut`, `.connectionReset`, `.closed`, `.busy` when another task reads), `CancellationError`.
    ///
    /// Cancel safety: no bytes are lost; the next read gets them.
    public func read(upTo count: Int = 65_536, timeout: Duration? = nil) async throws -> [UInt8] {
        guard eventLoop.runsCurrentTask else {
            return try await eventLoop.hop { try await self.readHere(upTo: count, timeout: timeout) }
        }
        return try await readHere(upTo: count, timeout: timeout)
    }

    /// Writes all of `bytes`, waiting whenever the system's buffer is full.
    ///
    /// - Parameter timeout: bounds each wait for room, not the whole; nil for ever.
    /// - Throws: ``NetError`` (`.brokenPipe`, `.connectionReset`, `.timedOut`, `.closed`, `.busy`), `CancellationError`.
    ///
    /// Cancel safety: a part may have been written; how much is not known, so close the stream.
    public func write(_ bytes: [UInt8], timeout: Duration? = nil) async throws {
        guard eventLoop.runsCurrentTask else {
            return try await eventLoop.hop { try await self.writeHere(bytes, timeout: timeout) }
        }
        try await writeHere(bytes, timeout: timeout)
    }

    /// Writes all of `text` as UTF-8: see ``write(_:timeout:)-([UInt8],_)``.
    public func write(_ text: String, timeout: Duration? = nil) async throws {
        try await write(Array(text.utf8), timeout: timeout)
    }

    /// Tells the peer that nothing more comes. Reading goes on.
    public func finishWriting() async {
        let conversation = conversation
        _ = try? await performed { conversation.value.transport.finishSending() }
    }

    /// Closes both directions, and ends every wait on the stream with ``NetError`` `.closed`. Safe twice.
    public func close() async {
        let conversation = conversation
        _ = try? await performed { conversation.value.transport.close() }
    }

    /// Closes both directions and tells the peer that its data is not wanted (RST, on TCP): it may lose what was written to it
    /// before. Ends every wait on the stream with ``NetError`` `.closed`. Safe twice.
    public func abort() async {
        let conversation = conversation
        _ = try? await performed { conversation.value.transport.abort() }
    }

    private func performed(_ body: @escaping @Sendable () -> Void) async throws {
        if eventLoop.isCurrent { body() } else { try await eventLoop.hop { body() } }
    }

    private func readHere(upTo count: Int, timeout: Duration?) async throws -> [UInt8] {
        try Task.checkCancellation()
        let conversation = conversation.value
        // Not only while it waits: bytes that come for one reader must not go to another, and pieces of two writes not mix.
        guard !conversation.isReading else { throw Self.busy(toRead: true) }
        conversation.isReading = true
        defer { conversation.isReading = false }
        let transport = conversation.transport
        let limit = max(1, count)
        let deadline = eventLoop.deadline(after: timeout)
        while true {
            if transport.descriptor.mayRead || !transport.descriptor.isOpen {
                let scratch = eventLoop.scratch
                let buffer = UnsafeMutableRawBufferPointer(rebasing: scratch[..<min(limit, scratch.count)])
                if let received = try transport.receive(into: buffer) { return [UInt8](buffer[..<received]) }
            }
            try await wait(transport.descriptor, toRead: true, deadline: deadline)
        }
    }

    private func writeHere(_ bytes: [UInt8], timeout: Duration?) async throws {
        try Task.checkCancellation()
        let conversation = conversation.value
        guard !conversation.isWriting else { throw Self.busy(toRead: false) }
        conversation.isWriting = true
        defer { conversation.isWriting = false }
        let transport = conversation.transport
        var sent = 0
        while sent < bytes.count {
            let count = try bytes.withUnsafeBytes { try transport.send(UnsafeRawBufferPointer(rebasing: $0[sent...])) }
            if let count {
                sent += count
            } else {
                try await wait(transport.descriptor, toRead: false, deadline: eventLoop.deadline(after: timeout))
            }
        }
    }

    private func wait(_ descriptor: Descriptor, toRead: Bool, deadline: Int64) async throws {
        let loop = eventLoop
        let token = descriptor.token
        while true {
            let outcome = await withTaskCancellationHandler {
                toRead
                    ? await descriptor.waitReadable(deadline: deadline)
                    : await descriptor.waitWritable(deadline: deadline)
            } onCancel: {
                loop.perform { loop.endWaits(token, with: .cancelled, reading: toRead, writing: !toRead) }
            }
            switch outcome {
            case .ready: return
            case .cancelled:
                try Task.checkCancellation()
                // The cancellation of an earlier wait came late, from another thread: this task goes on.
                continue
            case .timedOut:
                throw NetError(
                    .timedOut,
                    "\(toRead ? "Reading from" : "Writing to") \(peerName) took longer than was allowed."
                )
            case .closed: throw NetError(.closed, "The connection to \(peerName) was closed on this side.")
            case .busy: throw Self.busy(toRead: toRead)
            }
        }
    }

    private static func busy(toRead: Bool) -> NetError {
        NetError(.busy, "Another task is \(toRead ? "reading" : "writing") this stream: one at a time.")
    }

    private var peerName: String { remoteAddress?.description ?? "the peer" }
}

/// A stream's transport, and who uses it. Loop thread only.
private final class Conversation {
    let transport: any Transport
    var isReading = false
    var isWriting = false

    init(_ transport: any Transport) { self.transport = transport }
}
