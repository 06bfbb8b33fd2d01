import ApusRuntime
import CApus
import Glibc
import Logging

/// A connected stream socket. Loop thread only.
final class SocketTransport: Transport {
    let descriptor: Descriptor
    private let fd: Int32
    private let peer: SocketAddress?
    private var isOpen = true
    /// Debug mode: the connection in the words of the log, from when it stood.
    private var toldAs: String?

    /// Takes `fd` over: on an error it is closed.
    ///
    /// - Parameter isUnix: nil to tell by `peer`.
    init(adopting fd: Int32, peer: SocketAddress?, isUnix: Bool? = nil, on loop: EventLoop) throws {
        self.fd = fd
        self.peer = peer
        do {
            descriptor = try loop.register(fd)
        } catch {
            Socket.close(fd)
            throw error
        }
        // Each message that brings descriptors ends a read (unix(7)), whatever is behind it.
        if isUnix ?? (peer.map { $0.port == nil } ?? false) { descriptor.expectShortReads() }
    }

    /// Takes over a connected socket that was made elsewhere: see ``TCPStream/adopt(fd:)``.
    static func adopt(_ fd: Int32, families: Socket.Families, on loop: EventLoop) throws -> SocketTransport {
        try Socket.adopt(fd, families: families, isListening: false)
        return try SocketTransport(adopting: fd, peer: nil, isUnix: families == .unix, on: loop)
    }

    /// In debug mode: tells of a connection that stands now; its end is told then, too.
    func tellOpened(_ verb: String) {
        let loop = descriptor.loop
        guard loop.options.debug else { return }
        let here = localAddress?.description ?? "unknown"
        let there = remoteAddress?.description ?? "unknown"
        let connection = "here \(here), there \(there), descriptor \(fd)"
        toldAs = connection
        loop.options.logger.debug("\(verb) a connection: \(connection).")
    }

    private func tellClosed() {
        guard let toldAs else { return }
        descriptor.loop.options.logger.debug("Closed a connection: \(toldAs).")
    }

    deinit {
        // Whoever dropped the transport was on the loop, or nothing can reach the descriptor any more.
        if isOpen {
            tellClosed()
            let (descriptor, fd) = (UncheckedDescriptor(descriptor), fd)
            descriptor.value.loop.perform {
                descriptor.value.release()
                Socket.close(fd)
            }
        }
    }

    func receive(into buffer: UnsafeMutableRawBufferPointer) throws(NetError) -> Int? {
        guard isOpen else { throw NetError(.closed, "The connection was closed on this side.") }
        let count = Socket.receive(fd, into: buffer)
        if count >= 0 {
            descriptor.didRead(count, of: buffer.count)
            return count
        }
        if count == -Int(EAGAIN) {
            descriptor.readWouldBlock()
            return nil
        }
        throw NetError(errno: Int32(-count), while: "Reading from \(peerName)")
    }

    func send(_ bytes: UnsafeRawBufferPointer) throws(NetError) -> Int? {
        guard isOpen else { throw NetError(.closed, "The connection was closed on this side.") }
        let count = Socket.send(fd, bytes)
        if count >= 0 { return count }
        if count == -Int(EAGAIN) {
            descriptor.writeWouldBlock()
            return nil
        }
        throw NetError(errno: Int32(-count), while: "Writing to \(peerName)")
    }

    func send(vector pieces: [UnsafeRawBufferPointer]) throws(NetError) -> Int? {
        guard isOpen else { throw NetError(.closed, "The connection was closed on this side.") }
        let count = Socket.send(fd, vector: pieces)
        if count >= 0 { return count }
        if count == -Int(EAGAIN) {
            descriptor.writeWouldBlock()
            return nil
        }
        throw NetError(errno: Int32(-count), while: "Writing to \(peerName)")
    }

    func sendFile(_ file: Int32, at offset: Int64, count: Int) throws(NetError) -> FileTransfer {
        guard isOpen else { throw NetError(.closed, "The connection was closed on this side.") }
        let sent = Socket.sendFile(fd, from: file, at: offset, count: count)
        if sent >= 0 { return .sent(sent) }
        switch Int32(-sent) {
        case EAGAIN:
            descriptor.writeWouldBlock()
            return .wouldBlock
        // sendfile(2): the file is none that can be mapped, or the system has the call for no such pair.
        case EINVAL, ENOSYS, EOPNOTSUPP, ESPIPE: return .unsupported
        case let code: throw NetError(errno: code, while: "Sending a file to \(peerName)")
        }
    }

    func finishSending() {
        if isOpen { Socket.finishSending(fd) }
    }

    func close() {
        guard isOpen else { return }
        isOpen = false
        tellClosed()
        descriptor.release()
        Socket.close(fd)
    }

    var mayResetOnClose: Bool { isOpen }

    func abort() {
        if isOpen { Socket.abortOnClose(fd) }
        close()
    }

    func peerCredentials() throws(NetError) -> UnixStream.PeerCredentials {
        guard isOpen else { throw NetError(.closed, "The connection was closed on this side.") }
        return try Socket.peerCredentials(fd)
    }

    var remoteAddress: SocketAddress? { peer ?? (isOpen ? SocketAddress(of: fd, getpeername) : nil) }
    var localAddress: SocketAddress? { isOpen ? SocketAddress(of: fd, getsockname) : nil }
    private var peerName: String { remoteAddress?.description ?? "the peer" }
}

/// Carries a descriptor's handle to its loop's thread.
// @unchecked: only the loop's thread looks inside.
private struct UncheckedDescriptor: @unchecked Sendable {
    let value: Descriptor
    init(_ value: Descriptor) { self.value = value }
}
