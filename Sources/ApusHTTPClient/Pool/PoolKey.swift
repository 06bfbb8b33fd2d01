import ApusWire

/// What connections have in common that may stand in for each other.
///
/// Sessions look a key up once per host, and requests not at all.
struct PoolKey: Hashable {
    var origin: Origin
    var profile: ConnectionProfile
    /// With a proxy's credentials: a connection that one user's password has opened is not another's.
    var route: Route
}

/// A host of a pool. Loop thread only.
final class PooledHost {
    let key: PoolKey
    let index: HostIndex
    let target: ConnectionTarget
    /// Whether requests name their whole URL, for a proxy that passes them on (RFC 9112 §3.2.2).
    let usesAbsoluteForm: Bool
    /// Sessions that have a record of it.
    var references = 0
    /// Connections that are being opened and whose request has gone or was served otherwise.
    var orphans: Set<ConnectionID> = []
    var counters = PoolCounters()

    init(key: PoolKey, index: HostIndex) {
        self.key = key
        self.index = index
        let isSecure = key.origin.scheme == "https" || key.origin.scheme == "wss"
        target = ConnectionTarget(
            host: key.origin.host,
            port: key.origin.port,
            isSecure: isSecure,
            route: key.route
        )
        if case .proxy(let proxy) = key.route {
            usesAbsoluteForm = proxy.isHTTP && !isSecure
        } else {
            usesAbsoluteForm = false
        }
    }

    /// The proxy, if requests go through it one by one.
    var forwardingProxy: Proxy? {
        if usesAbsoluteForm, case .proxy(let proxy) = key.route { proxy } else { nil }
    }

    /// In the words of an error.
    var described: String {
        switch key.route {
        case .direct: "“\(target.host)”"
        case .unix(let path): "the Unix socket \(path)"
        case .proxy(let proxy): "“\(target.host)” through the proxy \(proxy)"
        }
    }
}
