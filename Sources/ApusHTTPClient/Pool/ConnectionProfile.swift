import ApusNet
import ApusRuntime
import ApusWire

/// How connections are made, besides where to: compared by identity, because a pool gives out one profile for all that are alike.
///
/// The filter is part of it, or a session that may reach public addresses only would get another session's connection to this machine.
final class ConnectionProfile: Sendable, Hashable {
    /// Makes connections in place of all this: in tests.
    typealias Connect =
        @Sendable (_ host: String, _ port: Int, _ isSecure: Bool, _ loop: EventLoop) async throws -> any Transport

    let tls: TLSConfiguration
    let resolver: any Resolver
    let filter: AddressFilter?
    let limits: HTTP1Limits
    /// Where connections come from, besides the server's side.
    let source: ConnectionSource
    let replacement: Connect?

    init(_ configuration: ClientSession.Configuration, replacement: Connect? = nil) {
        var tls = configuration.tls
        if tls.applicationProtocols.isEmpty { tls.applicationProtocols = ["http/1.1"] }
        self.tls = tls
        resolver = configuration.resolver
        filter = configuration.addressFilter
        limits = configuration.limits
        source = ConnectionSource(configuration)
        self.replacement = replacement
    }

    /// Whether connections of one may stand in for those of the other.
    func isLike(_ other: ConnectionProfile) -> Bool {
        replacement == nil && other.replacement == nil && tls == other.tls && filter == other.filter
            && limits == other.limits && source == other.source
            && Self.areSame(resolver, other.resolver)
    }

    /// The same object, or equal values; resolvers that are neither objects nor Hashable are all different.
    private static func areSame(_ one: any Resolver, _ other: any Resolver) -> Bool {
        if type(of: one) is AnyClass { return (one as AnyObject) === (other as AnyObject) }
        guard let one = one as? any Hashable, let other = other as? any Hashable else { return false }
        return AnyHashable(one) == AnyHashable(other)
    }

    /// What an https proxy is spoken to with, unless it says otherwise: nothing that was meant for the servers, such as a client
    /// certificate, pins or the decision to check nothing.
    var proxyTLS: TLSConfiguration {
        var own = TLSConfiguration()
        own.trust = tls.trust
        own.minimumVersion = tls.minimumVersion
        own.keyLogFile = tls.keyLogFile
        return own
    }

    static func == (left: ConnectionProfile, right: ConnectionProfile) -> Bool { left === right }

    func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}

/// What this side of a connection is to be.
struct ConnectionSource: Sendable, Hashable {
    var localAddress: SocketAddress?
    var interface: String?
    var family: AddressFamily?
    var connector: StreamConnector?

    init(_ configuration: ClientSession.Configuration) {
        localAddress = configuration.localAddress
        interface = configuration.interface
        family = configuration.addressFamily
        connector = configuration.connector
    }

    /// Those of `addresses` that can be connected to from here.
    ///
    /// - Throws: ``NetError`` `.addressNotAvailable` if there are none: nobody is to be reached from an address that was not asked for.
    func usable(_ addresses: [SocketAddress], host: String) throws -> [SocketAddress] {
        guard let wanted = localAddress?.addressFamily ?? family else { return addresses }
        let usable = addresses.filter {
            $0.addressFamily == wanted && (family == nil || $0.addressFamily == family)
        }
        guard usable.isEmpty, !addresses.isEmpty else { return usable }
        throw NetError(
            .addressNotAvailable,
            "“\(host)” has no address that can be connected to from \(localAddress.map { "\($0.host)" } ?? "here"), only of the other "
                + "family than the session's `localAddress` or `addressFamily` asks for."
        )
    }

    var socketOptions: SocketOptions {
        var options = SocketOptions()
        options.localAddress = localAddress
        options.interface = interface
        return options
    }
}
