package import ApusRuntime

/// A connection as the loop sees it: calls that never wait, and a descriptor to wait on. Loop thread only.
///
/// Sockets, TLS and the in-memory streams of the tests have this shape, and protocols are written against it: they wait with
/// ``Descriptor/waitReadable(deadline:)`` and then call.
package protocol Transport: AnyObject {
    /// What to wait on.
    var descriptor: Descriptor { get }

    /// Reads what is there. Nil: nothing now, wait; 0: the peer has sent its last byte.
    func receive(into buffer: UnsafeMutableRawBufferPointer) throws(NetError) -> Int?

    /// Writes what fits. Nil: nothing fits now, wait.
    func send(_ bytes: UnsafeRawBufferPointer) throws(NetError) -> Int?

    /// Tells the peer that nothing more comes; reading goes on.
    func finishSending()

    /// Closes both directions; safe twice.
    func close()

    /// Closes and, where the transport can, tells the peer that its data was not wanted (RST).
    func abort()

    var remoteAddress: SocketAddress? { get }
    var localAddress: SocketAddress? { get }
}
