package import ApusRuntime

/// A connection as the loop sees it: calls that never wait, and a descriptor to wait on. Loop thread only.
///
/// Sockets, TLS and the in-memory streams of the tests have this shape, and protocols are written against it: they wait with
/// ``Descriptor/waitReadable(deadline:)`` and then call.
package protocol Transport: AnyObject {
    /// What to wait on; for room to write, only where there is no other ``writeDescriptor``.
    var descriptor: Descriptor { get }

    /// What to wait on for room to write: pipes have a descriptor for each direction.
    var writeDescriptor: Descriptor { get }

    /// Reads what is there. Nil: nothing now, wait; 0: the peer has sent its last byte.
    func receive(into buffer: UnsafeMutableRawBufferPointer) throws(NetError) -> Int?

    /// Writes what fits. Nil: nothing fits now, wait.
    func send(_ bytes: UnsafeRawBufferPointer) throws(NetError) -> Int?

    /// Writes what fits of several pieces. Nil: nothing fits now, wait.
    func send(vector pieces: [UnsafeRawBufferPointer]) throws(NetError) -> Int?

    /// Writes up to `count` bytes of the file `fd` from `offset` without bringing them here, as sendfile(2) does.
    func sendFile(_ fd: Int32, at offset: Int64, count: Int) throws(NetError) -> FileTransfer

    /// Tells that the bytes which ``send(_:)`` had no room for do not come again: their writer was cancelled, or has waited for too long. A
    /// part of them may be sent all the same.
    func abandonSend()

    /// Tells the peer that nothing more comes; reading goes on.
    func finishSending()

    /// Closes both directions; safe twice.
    func close()

    /// Whether closing with something unread, or before something comes, may take away from the peer what was sent: the system answers
    /// with RST then (RFC 9293 §3.6.1, RFC 2525 §2.17).
    var mayResetOnClose: Bool { get }

    /// Closes and, where the transport can, tells the peer that its data was not wanted (RST).
    func abort()

    var remoteAddress: SocketAddress? { get }
    var localAddress: SocketAddress? { get }
}

/// What ``Transport/sendFile(_:at:count:)`` did.
package enum FileTransfer {
    /// That many bytes; 0 at the end of the file.
    case sent(Int)
    /// Nothing fits now, wait.
    case wouldBlock
    /// This transport, or this file, has to be read and written.
    case unsupported
}

extension Transport {
    package var writeDescriptor: Descriptor { descriptor }

    /// Whoever has nothing better takes the first piece; a caller goes on with the rest.
    package func send(vector pieces: [UnsafeRawBufferPointer]) throws(NetError) -> Int? {
        guard let first = pieces.first(where: { !$0.isEmpty }) else { return 0 }
        return try send(first)
    }

    package func sendFile(_ fd: Int32, at offset: Int64, count: Int) throws(NetError) -> FileTransfer { .unsupported }

    package func abandonSend() {}

    package var mayResetOnClose: Bool { false }
}
