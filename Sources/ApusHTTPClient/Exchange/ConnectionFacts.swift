import ApusNet
import ApusRuntime

/// Where a connection leads, and how it came about: what responses tell of it, also when it is closed or somebody else's by then.
final class ConnectionFacts: Sendable {
    let remoteAddress: SocketAddress?
    let localAddress: SocketAddress?
    let tls: TLSInfo?
    /// The proxy that answers for the server, if requests go through it one by one.
    let forwardingProxy: Proxy?
    /// Nanoseconds, or nil for what was not done.
    let lookup: Int64?
    let connect: Int64?
    let handshake: Int64?

    init(_ transport: any Transport, _ phases: ConnectPhases, _ forwardingProxy: Proxy?) {
        self.forwardingProxy = forwardingProxy
        remoteAddress = transport.remoteAddress
        localAddress = transport.localAddress
        tls = phases.tls
        (lookup, connect, handshake) = (phases.lookup, phases.connect, phases.handshake)
    }
}

/// The clock's readings while a connection is made. Loop thread only.
// @unchecked: made, filled and read on the loop's thread; it goes through a closure that only runs there.
final class ConnectPhases: @unchecked Sendable {
    private let loop: EventLoop
    private var last: Int64
    private(set) var lookup: Int64?
    private(set) var connect: Int64?
    private(set) var handshake: Int64?
    private(set) var tls: TLSInfo?
    /// The name whose lookup was told of.
    private var asked: String?
    /// For whom it is made, if anybody wants to know.
    private let observed: Exchange?

    init(on loop: EventLoop, for exchange: Exchange?) {
        self.loop = loop
        observed = exchange?.observation == nil ? nil : exchange
        last = loop.currentTime()
    }

    func began() { observed?.tell { $0.connectionOpeningStarted($1) } }

    func ended(_ error: (any Error)?) { observed?.tell { $0.connectionOpeningEnded($1, error: error) } }

    func resolving(_ host: String, by resolver: any Resolver) {
        guard let observed else { return }
        if let resolver = resolver as? SystemResolver {
            // Figures are not looked up.
            guard (try? SocketAddress(host, port: 0)) == nil else { return }
            if resolver.remembers(host) {
                return observed.tell { $0.lookupCacheHit($1, host: host) }
            }
            observed.tell { $0.lookupCacheMiss($1, host: host) }
        }
        observed.tell { $0.lookupStarted($1, host: host) }
        asked = host
    }

    /// Several names may be looked up: a server's here, and a proxy's.
    func resolved() {
        lookup = (lookup ?? 0) + lap()
        if let asked { observed?.tell { $0.lookupEnded($1, host: asked) } }
        asked = nil
    }
    func connected() { connect = lap() }

    func secured(_ info: TLSInfo) {
        handshake = lap()
        tls = info
    }

    private func lap() -> Int64 {
        let now = loop.currentTime()
        defer { last = now }
        return now - last
    }
}

/// When an exchange was where, in nanoseconds of the loop's clock; 0 for what has not been.
struct ExchangeMoments {
    /// The first request of a chain of redirects began.
    var called: Int64 = 0
    /// It had to open a connection, or to wait for one.
    var queued: Int64 = 0
    /// Then it had one.
    var acquired: Int64 = 0
    /// The request was written.
    var sent: Int64 = 0
    /// The response's head was there.
    var head: Int64 = 0
    /// The body was there, if it did not come with the head.
    var end: Int64 = 0
    /// Whether the connection was new.
    var isFirst = false
}
