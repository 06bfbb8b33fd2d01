import ApusNet
import ApusRuntime
import ApusWire

/// What connections have in common that may stand in for each other.
///
/// A later part of the key (a proxy with its credentials, a local address) belongs into ``ConnectionProfile``: sessions look a key up
/// once per host, and requests not at all.
struct PoolKey: Hashable {
    var origin: Origin
    var profile: ConnectionProfile
}

/// How connections are made, besides where to: compared by identity, because a pool gives out one profile for all that are alike.
///
/// The filter is part of it, or a session that may reach public addresses only would get another session's connection to this machine.
final class ConnectionProfile: Sendable, Hashable {
    /// Makes connections in place of resolver, sockets and TLS.
    typealias Connect =
        @Sendable (_ host: String, _ port: Int, _ isSecure: Bool, _ loop: EventLoop) async throws -> any Transport

    let tls: TLSConfiguration
    let resolver: any Resolver
    let filter: AddressFilter?
    let limits: HTTP1Limits
    let connector: Connect?

    init(_ configuration: ClientSession.Configuration, connector: Connect? = nil) {
        var tls = configuration.tls
        if tls.applicationProtocols.isEmpty { tls.applicationProtocols = ["http/1.1"] }
        self.tls = tls
        resolver = configuration.resolver
        filter = configuration.addressFilter
        limits = configuration.limits
        self.connector = connector
    }

    /// Whether connections of one may stand in for those of the other.
    func isLike(_ other: ConnectionProfile) -> Bool {
        connector == nil && other.connector == nil && tls == other.tls && filter == other.filter
            && limits == other.limits
            && Self.areSame(resolver, other.resolver)
    }

    /// The same object, or equal values; resolvers that are neither objects nor Hashable are all different.
    private static func areSame(_ one: any Resolver, _ other: any Resolver) -> Bool {
        if type(of: one) is AnyClass { return (one as AnyObject) === (other as AnyObject) }
        guard let one = one as? any Hashable, let other = other as? any Hashable else { return false }
        return AnyHashable(one) == AnyHashable(other)
    }

    /// Looks the name up, asks the filter, connects, and shakes hands.
    ///
    /// - Parameter phases: told when each is done.
    func connect(
        host: String,
        port: Int,
        isSecure: Bool,
        on loop: EventLoop,
        _ phases: ConnectPhases
    ) async throws -> LoopBound<any Transport> {
        do {
            return try await open(host, port, isSecure, loop, phases)
        } catch is CancellationError where !Task.isCancelled {
            throw NetError(
                .system,
                "Connecting to “\(host)” was given up by its own resolver, although nobody had cancelled it."
            )
        }
    }

    private func open(
        _ host: String,
        _ port: Int,
        _ isSecure: Bool,
        _ loop: EventLoop,
        _ phases: ConnectPhases
    ) async throws -> LoopBound<any Transport> {
        if let connector { return LoopBound(try await connector(host, port, isSecure, loop), on: loop) }
        phases.resolving(host, by: resolver)
        var addresses = try await resolver.addresses(of: host, port: port)
        phases.resolved()
        if let filter { addresses = try filter.allowed(addresses, of: host) }
        let plain = try await Connector.connect(toAny: addresses, host: host, on: loop, deadline: .max)
        phases.connected()
        guard isSecure else { return LoopBound(plain, on: loop) }
        let secure = try await TLSTransport.connect(over: plain, host: host, configuration: tls, deadline: .max)
        phases.secured(secure.info)
        return LoopBound(secure, on: loop)
    }

    static func == (left: ConnectionProfile, right: ConnectionProfile) -> Bool { left === right }

    func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}

/// A host of a pool. Loop thread only.
final class PooledHost {
    let key: PoolKey
    let index: HostIndex
    let name: String
    let port: Int
    let isSecure: Bool
    /// Sessions that have a record of it.
    var references = 0
    /// Connections that are being opened and whose request has gone or was served otherwise.
    var orphans: Set<ConnectionID> = []
    var counters = PoolCounters()

    init(key: PoolKey, index: HostIndex) {
        self.key = key
        self.index = index
        name = key.origin.host
        port = key.origin.port
        isSecure = key.origin.scheme == "https" || key.origin.scheme == "wss"
    }
}
