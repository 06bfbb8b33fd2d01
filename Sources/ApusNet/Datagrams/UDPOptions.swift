/// How a UDP socket is set up.
public struct UDPOptions: Sendable {
    /// The size that every datagram fits in (RFC 768: a length of 16 bits).
    public static let largestSize = 65_535

    /// Allows sending to broadcast addresses (SO_BROADCAST); without it that is an error, `.permissionDenied`.
    public var broadcast = false
    /// Lets sockets share an address if all of them ask for it (SO_REUSEADDR). Of a unicast datagram only one of them gets a copy, and
    /// another program can take datagrams away: meant for multicast.
    public var reuseAddress = false
    /// Lets sockets of one user share an address (SO_REUSEPORT): the system spreads senders over them.
    public var reusePort = false
    /// Keeps an IPv6 socket from IPv4 (IPV6_V6ONLY). If false, one that is bound to `::` takes both, and IPv4 peers appear with their IPv4
    /// addresses.
    public var ipv6Only = true
    /// Hops that a datagram may take (IP_TTL, IPV6_UNICAST_HOPS), 1...255; nil for the system's default.
    public var timeToLive: Int?
    /// Hops that a datagram to a group may take (IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS), 0...255; the system's default, 1, stays in the local
    /// network.
    public var multicastTimeToLive: Int?
    /// Whether members of a group on this machine get what is sent from here (IP_MULTICAST_LOOP).
    public var multicastLoopback = true
    /// The interface by which datagrams to groups leave, such as `eth0` (IP_MULTICAST_IF); nil for the one of the routing table.
    public var multicastInterface: String?
    /// Bytes that the system keeps until they are received (SO_RCVBUF; `net.core.rmem_max` bounds it); nil for its default. What does not fit is
    /// dropped.
    public var receiveBufferSize: Int?
    /// Bytes that the system keeps until they are on the wire (SO_SNDBUF; `net.core.wmem_max` bounds it); nil for its default.
    public var sendBufferSize: Int?
    /// The most bytes of a datagram that are received; what is more is cut off, and ``Datagram/isTruncated`` says so. The default cuts off nothing.
    ///
    /// Batches need this much memory for each of their datagrams: a protocol whose datagrams are small saves much with its own bound.
    public var maximumSize = UDPOptions.largestSize
    /// For sockets that connect: the address of this machine to send from, with port 0 for any.
    public var localAddress: SocketAddress?
    /// Who turns names into addresses.
    public var resolver: any Resolver = SystemResolver.shared

    public init() {}
}
