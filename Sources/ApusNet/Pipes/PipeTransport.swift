import ApusRuntime
import Glibc

/// A pipe, a terminal or a device: up to two descriptors, one for each direction. Loop thread only.
final class PipeTransport: Transport {
    let descriptor: Descriptor
    let writeDescriptor: Descriptor
    private var reader: PipeEnd?
    private var writer: PipeEnd?
    /// In the place of a direction that there is not.
    private let absent: Descriptor?
    private var isOpen = true
    private var hasFinished = false

    /// - Parameters:
    ///   - reader: nil where there is nothing to read from.
    ///   - writer: nil where there is nothing to write to; may be `reader`.
    init(reader: PipeEnd?, writer: PipeEnd?, on loop: EventLoop) throws {
        self.reader = reader
        self.writer = writer
        if let reader, let writer {
            (descriptor, writeDescriptor, absent) = (reader.descriptor, writer.descriptor, nil)
        } else {
            let slot: Descriptor
            do {
                slot = try loop.register(-1)
            } catch {
                reader?.close()
                writer?.close()
                throw error
            }
            // Whoever uses it is not to wait, but to be told.
            slot.signal([.readable, .writable])
            absent = slot
            descriptor = reader?.descriptor ?? slot
            writeDescriptor = writer?.descriptor ?? slot
        }
    }

    func receive(into buffer: UnsafeMutableRawBufferPointer) throws(NetError) -> Int? {
        guard isOpen else { throw closed }
        guard let reader else { throw NetError(.invalidArgument, "This stream is for writing only.") }
        let count = reader.read(into: buffer)
        if count >= 0 {
            if reader.isDrainedByShortReads { descriptor.didRead(count, of: buffer.count) }
            return count
        }
        guard count == -Int(EAGAIN) else { throw NetError(errno: Int32(-count), while: "Reading from a pipe") }
        descriptor.readWouldBlock()
        return nil
    }

    func send(_ bytes: UnsafeRawBufferPointer) throws(NetError) -> Int? {
        try sent(try writableEnd().write(bytes))
    }

    func send(vector pieces: [UnsafeRawBufferPointer]) throws(NetError) -> Int? {
        try sent(try writableEnd().write(vector: pieces))
    }

    private func writableEnd() throws(NetError) -> PipeEnd {
        guard isOpen else { throw closed }
        guard !hasFinished else { throw NetError(.brokenPipe, "Writing after the end of writing was announced.") }
        guard let writer else { throw NetError(.invalidArgument, "This stream is for reading only.") }
        return writer
    }

    private func sent(_ count: Int) throws(NetError) -> Int? {
        if count >= 0 { return count }
        guard count == -Int(EAGAIN) else { throw NetError(errno: Int32(-count), while: "Writing to a pipe") }
        writeDescriptor.writeWouldBlock()
        return nil
    }

    /// Closes the end that is written to. A descriptor for both directions has no such end: its peer is not told.
    func finishSending() {
        guard isOpen, let writer else { return }
        hasFinished = true
        if writer !== reader { writer.close() }
        self.writer = nil
    }

    func close() {
        guard isOpen else { return }
        isOpen = false
        reader?.close()
        writer?.close()
        absent?.release()
    }

    func abort() { close() }

    var remoteAddress: SocketAddress? { nil }
    var localAddress: SocketAddress? { nil }
    private var closed: NetError { NetError(.closed, "The stream was closed on this side.") }
}

/// A registered descriptor of a pipe, a device or a shared socket. Loop thread only.
final class PipeEnd {
    let descriptor: Descriptor
    /// Whether a read that returns less than it was allowed has left nothing. A terminal returns a line at a time.
    let isDrainedByShortReads: Bool
    private let fd: Int32
    private let isSharedSocket: Bool
    private var isOpen = true

    /// Takes `fd` over: on an error it is closed.
    init(adopting fd: Int32, isSharedSocket: Bool = false, on loop: EventLoop) throws {
        self.fd = fd
        self.isSharedSocket = isSharedSocket
        isDrainedByShortReads = PipeCalls.kind(fd) == .pipe(keepsBytesTogether: false)
        do {
            descriptor = try loop.register(fd)
        } catch {
            PipeCalls.close(fd)
            throw error
        }
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        PipeCalls.read(fd, into: buffer, isSharedSocket: isSharedSocket)
    }

    func write(_ bytes: UnsafeRawBufferPointer) -> Int {
        PipeCalls.write(fd, bytes, isSharedSocket: isSharedSocket)
    }

    func write(vector pieces: [UnsafeRawBufferPointer]) -> Int {
        if isSharedSocket { return write(pieces.first { !$0.isEmpty } ?? UnsafeRawBufferPointer(start: nil, count: 0)) }
        return PipeCalls.write(fd, vector: pieces)
    }

    func close() {
        guard isOpen else { return }
        isOpen = false
        descriptor.release()
        PipeCalls.close(fd)
    }
}
