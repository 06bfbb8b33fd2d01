/// How a TCP connection is set up.
public struct SocketOptions: Sendable {
    /// When the system asks a silent peer whether it is still there (tcp(7)).
    public struct KeepAlive: Sendable, Hashable {
        /// How long the connection is silent before the first question; whole seconds, at least one (TCP_KEEPIDLE).
        public var idle: Duration
        /// The time between questions; whole seconds, at least one (TCP_KEEPINTVL).
        public var interval: Duration
        /// Questions without an answer before the connection counts as broken (TCP_KEEPCNT).
        public var count: Int

        public init(idle: Duration = .seconds(60), interval: Duration = .seconds(10), count: Int = 6) {
            self.idle = idle
            self.interval = interval
            self.count = count
        }
    }

    /// Sends small pieces at once instead of collecting them (TCP_NODELAY).
    public var noDelay = true
    /// Asks silent peers whether they are there; nil leaves that to the application.
    public var keepAlive: KeepAlive?
    /// Bytes that the system keeps for the peer (SO_SNDBUF); nil lets it find out by itself, which is mostly better.
    public var sendBufferSize: Int?
    /// Bytes that the system keeps for us (SO_RCVBUF); nil lets it find out by itself, which is mostly better.
    public var receiveBufferSize: Int?
    /// The address of this machine to connect from, with port 0 for any.
    public var localAddress: SocketAddress?
    /// The network interface to connect through, such as `eth1` (SO_BINDTODEVICE); nil leaves it to the routes. Before Linux 5.7 that needs
    /// a privilege.
    public var interface: String?
    /// How long an address has alone before the next is tried as well (RFC 8305 §5).
    public var attemptDelay = Duration.milliseconds(250)
    /// Who turns names into addresses.
    public var resolver: any Resolver = SystemResolver.shared

    public init() {}
}
