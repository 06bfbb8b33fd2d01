/// A datagram of UDP: it comes whole, once, or not at all (sometimes twice), and in any order.
public struct Datagram: Sendable, Hashable {
    /// What it carries; none at all is allowed.
    public var bytes: [UInt8]
    /// Who has sent it, or who is to get it.
    public var peer: SocketAddress
    /// Whether it had more bytes than ``UDPOptions/maximumSize``: those are gone.
    public var isTruncated = false

    /// A datagram to send. Its size is limited: see ``UDPSocket``.
    public init(_ bytes: [UInt8], to peer: SocketAddress) {
        self.bytes = bytes
        self.peer = peer
    }

    init(received bytes: UnsafeRawBufferPointer, from peer: SocketAddress, isTruncated: Bool) {
        self.bytes = [UInt8](bytes)
        self.peer = peer
        self.isTruncated = isTruncated
    }
}

/// A datagram could not be delivered, as somebody on its way has reported (ICMP): see ``UDPSocket/errors``.
public struct DeliveryError: Error, Sendable, CustomStringConvertible {
    /// Whom the datagram was for. Nil when so many reports came at once that the system had no room for their addresses.
    public var destination: SocketAddress?
    /// Who says so: the destination itself, or a router.
    public var reporter: SocketAddress?
    /// What was reported, such as `.connectionRefused`: no socket has that port.
    public var cause: NetError

    public var description: String { cause.description }
}
