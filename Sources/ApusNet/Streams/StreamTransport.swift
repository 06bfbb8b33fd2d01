package import ApusRuntime

/// A transport over any ``ByteStream``: for protocols that are spoken over streams of the user's. Loop thread only.
///
/// A stream only has calls that wait, and a transport only such that do not. So a task of the loop's reads ahead, one read at a time and
/// only after somebody has found nothing; another writes what ``send(_:)`` has taken, one piece at a time.
package final class StreamTransport: Transport {
    /// Bytes of one read, and of one write.
    private static let pieceSize = 64 * 1024
    /// How long a close waits for the last piece to be written.
    static let closeLimit = Duration.seconds(10)

    package let descriptor: Descriptor
    private let stream: any ByteStream
    private let loop: EventLoop
    private var input: ArraySlice<UInt8> = []
    private var hasEnded = false
    private var readFailure: NetError?
    /// Of its own: a peer that reads no more may have said why.
    private var writeFailure: NetError?
    private var reader: LoopTask<Void>?
    private var writer: LoopTask<Void>?
    private var finishesAfterwards = false
    private var isOpen = true

    private init(_ stream: any ByteStream, on loop: EventLoop) throws {
        self.stream = stream
        self.loop = loop
        descriptor = try loop.register(-1)
        descriptor.signal([.readable, .writable])
    }

    deinit {
        guard isOpen else { return }
        let (descriptor, stream) = (LoopBound(descriptor, on: loop), stream)
        descriptor.perform { $0.release() }
        loop.perform { [loop] in loop.startDetached { await stream.close() } }
    }

    /// The transport of a stream of this loop's that has one, or else one that reads and writes the stream.
    package static func over(_ stream: any ByteStream, on loop: EventLoop) throws -> any Transport {
        if let stream = stream as? TCPStream, stream.eventLoop === loop {
            return HeldTransport(stream.handle.core.transport, of: stream)
        }
        if let stream = stream as? UnixStream, stream.eventLoop === loop {
            return HeldTransport(stream.handle.core.transport, of: stream)
        }
        return try StreamTransport(stream, on: loop)
    }

    // MARK: Reading

    package func receive(into buffer: UnsafeMutableRawBufferPointer) throws(NetError) -> Int? {
        guard isOpen else { throw Self.closed }
        guard input.isEmpty else {
            let count = min(input.count, buffer.count)
            buffer.copyBytes(from: input.prefix(count))
            input.removeFirst(count)
            return count
        }
        if let readFailure { throw readFailure }
        if hasEnded { return 0 }
        descriptor.readWouldBlock()
        startReading()
        return nil
    }

    private func startReading() {
        guard reader == nil else { return }
        let (bound, stream) = (LoopBound(self, on: loop), stream)
        reader = loop.spawn(name: "reads a stream for a transport") {
            let result: Result<[UInt8], any Error>
            do {
                result = .success(try await stream.read(upTo: Self.pieceSize, timeout: nil))
            } catch {
                result = .failure(error)
            }
            bound.value.didRead(result)
        }
    }

    private func didRead(_ result: Result<[UInt8], any Error>) {
        reader = nil
        guard isOpen else { return }
        switch result {
        case .success(let bytes) where bytes.isEmpty:
            hasEnded = true
            descriptor.signal([.readable, .readEnd])
        case .success(let bytes):
            input = bytes[...]
            descriptor.signal(.readable)
        case .failure(let error):
            readFailure = Self.described(error)
            descriptor.signal([.readable, .readEnd])
        }
    }

    // MARK: Writing

    package func send(_ bytes: UnsafeRawBufferPointer) throws(NetError) -> Int? {
        guard isOpen else { throw Self.closed }
        if let writeFailure { throw writeFailure }
        guard !finishesAfterwards else {
            throw NetError(.brokenPipe, "This side has said already that it writes no more.")
        }
        guard !bytes.isEmpty else { return 0 }
        guard writer == nil else {
            descriptor.writeWouldBlock()
            return nil
        }
        let piece = [UInt8](bytes.prefix(Self.pieceSize))
        let (bound, stream) = (LoopBound(self, on: loop), stream)
        writer = loop.spawn(name: "writes a stream for a transport") {
            do {
                try await stream.write(piece[...], timeout: nil)
                await bound.value.didWrite(nil)
            } catch {
                await bound.value.didWrite(error)
            }
        }
        return piece.count
    }

    private func didWrite(_ error: (any Error)?) async {
        writer = nil
        if let error, writeFailure == nil { writeFailure = Self.described(error) }
        if finishesAfterwards, isOpen { await stream.finishWriting() }
        if isOpen { descriptor.signal(.writable) }
    }

    private static func described(_ error: any Error) -> NetError {
        error as? NetError ?? NetError(.connectionReset, "The stream below failed: \(error)", cause: error)
    }

    package func finishSending() {
        guard isOpen, !finishesAfterwards else { return }
        finishesAfterwards = true
        guard writer == nil else { return }
        let stream = stream
        loop.startDetached { await stream.finishWriting() }
    }

    // MARK: Ending

    package func close() { end(isAbort: false) }

    package func abort() { end(isAbort: true) }

    private func end(isAbort: Bool) {
        guard isOpen else { return }
        isOpen = false
        descriptor.release()
        reader?.cancel()
        let (stream, writer) = (stream, writer)
        loop.startDetached {
            if isAbort { return await stream.abort() }
            // What was taken is written first, such as TLS's own end, but a peer that reads nothing does not keep the stream.
            if let writer { _ = try? await withTimeout(Self.closeLimit) { await writer.result } }
            await stream.close()
        }
    }

    private static var closed: NetError { NetError(.closed, "The connection was closed on this side.") }

    package var remoteAddress: SocketAddress? { nil }
    package var localAddress: SocketAddress? { nil }
}

/// A stream's own transport, which keeps the stream: it would close with its last reference. Loop thread only.
private final class HeldTransport: Transport {
    private let lower: any Transport
    private let stream: any ByteStream

    init(_ lower: any Transport, of stream: any ByteStream) {
        self.lower = lower
        self.stream = stream
    }

    var descriptor: Descriptor { lower.descriptor }
    var writeDescriptor: Descriptor { lower.writeDescriptor }
    func receive(into buffer: UnsafeMutableRawBufferPointer) throws(NetError) -> Int? {
        try lower.receive(into: buffer)
    }
    func send(_ bytes: UnsafeRawBufferPointer) throws(NetError) -> Int? { try lower.send(bytes) }
    func send(vector pieces: [UnsafeRawBufferPointer]) throws(NetError) -> Int? { try lower.send(vector: pieces) }
    func sendFile(_ fd: Int32, at offset: Int64, count: Int) throws(NetError) -> FileTransfer {
        try lower.sendFile(fd, at: offset, count: count)
    }
    func abandonSend() { lower.abandonSend() }
    func finishSending() { lower.finishSending() }
    func close() { lower.close() }
    var mayResetOnClose: Bool { lower.mayResetOnClose }
    func abort() { lower.abort() }
    var remoteAddress: SocketAddress? { lower.remoteAddress }
    var localAddress: SocketAddress? { lower.localAddress }
}
