import ApusNet
import ApusWire

/// Where a connection leads first.
enum Route: Sendable, Hashable {
    /// To the server.
    case direct
    /// To a Unix socket with this path.
    case unix(String)
    case proxy(Proxy)
}

/// Which way a session's requests take: one look per host, and none per request.
struct RouteTable: Sendable {
    private let proxy: Proxy?
    private let unixSocketPath: String?
    private let environment: ProxyEnvironment?

    /// - Parameter environment: a variable's value. Read now, and only where it is trusted.
    init(
        _ configuration: ClientSession.Configuration,
        environment value: (String) -> String? = ProcessEnvironment.value(of:)
    ) {
        proxy = configuration.proxy
        unixSocketPath = configuration.unixSocketPath
        environment = configuration.trustEnvironment ? ProxyEnvironment(value) : nil
    }

    /// - Parameter requested: the request's own proxy, if it states one.
    /// - Throws: ``ProxyFailure``.
    func route(for uri: URI, _ requested: Proxy?) throws -> Route {
        if uri.scheme == URI.unixScheme {
            guard let path = uri.unixSocketPath else {
                throw ProxyFailure(
                    .invalidURL,
                    "The host of an http+unix URL is the socket's path, percent-encoded and without a port: http+unix://%2Frun%2Fserver.sock/."
                )
            }
            return .unix(path)
        }
        if let requested, requested.kind != .direct { return .proxy(requested) }
        if let unixSocketPath { return .unix(unixSocketPath) }
        if requested != nil { return .direct }
        if let proxy { return proxy.kind == .direct ? .direct : .proxy(proxy) }
        guard let environment else { return .direct }
        let origin = uri.origin
        guard let setting = environment.setting(scheme: origin.scheme, host: origin.host, port: origin.port) else {
            return .direct
        }
        do {
            return .proxy(try Proxy(setting.text))
        } catch {
            // Not past a proxy that somebody wanted.
            throw ProxyFailure(
                .invalidURL,
                "The environment variable `\(setting.variable)` does not name a proxy: \(error)",
                cause: error
            )
        }
    }
}

extension ClientSession.Configuration {
    /// What of the ways to servers does not go together, as a message.
    var routeMistake: String? {
        if connector != nil, addressFilter != nil {
            return
                "The address filter cannot be asked about connections that `configuration.connector` makes: look at addresses there."
        }
        if connector != nil, unixSocketPath != nil || localAddress != nil || interface != nil || addressFamily != nil {
            return
                "`configuration.connector` makes the connections: `unixSocketPath`, `localAddress`, `interface` and `addressFamily` "
                + "would say nothing to it."
        }
        if let proxy, proxy.kind != .direct, unixSocketPath != nil {
            return
                "The session has a proxy and a Unix socket (`unixSocketPath`) to send everything to: it can have one of them."
        }
        if let localAddress, localAddress.port == nil {
            return
                "`configuration.localAddress` is a Unix socket's address: it has to be an IP address of this machine."
        }
        return nil
    }
}
