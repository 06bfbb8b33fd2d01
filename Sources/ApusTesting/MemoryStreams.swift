public import ApusNet
package import ApusRuntime

/// Two streams of the current loop that are connected to each other in memory: no socket, and time may be virtual.
///
/// - Parameter capacity: how many bytes may be on the way in each direction; a writer waits when there is no room. At least 1.
/// - Throws: ``LoopError`` off a loop.
public func memoryStreams(capacity: Int = 65_536) throws -> (TCPStream, TCPStream) {
    guard let loop = EventLoop.current else {
        throw NetError(
            .invalidAddress,
            "memoryStreams() needs a loop: call it inside `EventLoop.run`, `with` or a test loop."
        )
    }
    let (left, right) = try MemoryTransport.pair(capacity: capacity, on: loop)
    return (TCPStream(left, on: loop), TCPStream(right, on: loop))
}

/// One end of an in-memory connection with bounded buffers. Loop thread only.
package final class MemoryTransport: Transport {
    package let descriptor: Descriptor
    private weak var peer: MemoryTransport?
    private let capacity: Int
    /// What this end can read.
    private var input: [UInt8] = []
    private var hasEnded = false
    private var failure: NetError?
    private var hasFinished = false
    private var isOpen = true

    private init(capacity: Int, on loop: EventLoop) throws {
        self.capacity = max(1, capacity)
        descriptor = try loop.register(-1)
    }

    deinit { if isOpen { close() } }

    /// Two connected ends.
    package static func pair(capacity: Int, on loop: EventLoop) throws -> (MemoryTransport, MemoryTransport) {
        let left = try MemoryTransport(capacity: capacity, on: loop)
        let right = try MemoryTransport(capacity: capacity, on: loop)
        left.peer = right
        right.peer = left
        return (left, right)
    }

    package func receive(into buffer: UnsafeMutableRawBufferPointer) throws(NetError) -> Int? {
        guard isOpen else { throw NetError(.closed, "The connection was closed on this side.") }
        if input.isEmpty {
            if let failure { throw failure }
            if hasEnded { return 0 }
            descriptor.readWouldBlock()
            return nil
        }
        let count = min(input.count, buffer.count)
        buffer.copyBytes(from: input[..<count])
        input.removeFirst(count)
        descriptor.didRead(count, of: buffer.count)
        peer?.descriptor.signal(.writable)
        return count
    }

    package func send(_ bytes: UnsafeRawBufferPointer) throws(NetError) -> Int? {
        guard isOpen else { throw NetError(.closed, "The connection was closed on this side.") }
        if let failure { throw failure }
        guard let peer, peer.isOpen, !hasFinished else { throw NetError(.brokenPipe, "The other end reads no more.") }
        let count = min(bytes.count, peer.capacity - peer.input.count)
        guard count > 0 || bytes.isEmpty else {
            descriptor.writeWouldBlock()
            return nil
        }
        peer.input.append(contentsOf: bytes[..<count])
        peer.descriptor.signal(.readable)
        return count
    }

    package func finishSending() {
        guard isOpen, !hasFinished else { return }
        hasFinished = true
        peer?.hasEnded = true
        peer?.descriptor.signal([.readable, .readEnd])
    }

    package func close() {
        guard isOpen else { return }
        isOpen = false
        descriptor.release()
        peer?.hasEnded = true
        peer?.descriptor.signal([.readable, .readEnd, .writable])
    }

    package func abort() {
        guard isOpen else { return }
        peer?.failure = NetError(.connectionReset, "The other end broke the connection off.")
        peer?.input = []
        let peer = peer
        close()
        peer?.descriptor.signal(.broken)
    }

    package var remoteAddress: SocketAddress? { nil }
    package var localAddress: SocketAddress? { nil }
}
