/// How a listener is set up, and the connections that it accepts.
public struct ListenerOptions: Sendable {
    /// Connections that may wait to be accepted; the system may allow fewer (`net.core.somaxconn`).
    public var backlog: Int
    /// Lets several listeners share an address (SO_REUSEPORT); the system spreads connections over them. TCP only.
    public var reusePort: Bool
    /// Sends small pieces at once instead of collecting them (TCP_NODELAY).
    public var noDelay = true
    /// Asks silent peers whether they are there; nil leaves that to the application.
    public var keepAlive: SocketOptions.KeepAlive?
    /// Who turns names into addresses.
    public var resolver: any Resolver = SystemResolver.shared

    public init(backlog: Int = 1024, reusePort: Bool = false) {
        self.backlog = backlog
        self.reusePort = reusePort
    }
}
