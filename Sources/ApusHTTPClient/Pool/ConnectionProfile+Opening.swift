import ApusNet
import ApusRuntime
import ApusWire

/// What a connection is opened to.
struct ConnectionTarget: Sendable {
    var host: String
    var port: Int
    var isSecure: Bool
    var route: Route

    /// `host:port`, an IPv6 address in brackets (RFC 9112 §3.2.3).
    var authority: String { "\(host.utf8.contains(0x3A) ? "[\(host)]" : host):\(port)" }
}

// The ways to a server.
extension ConnectionProfile {
    /// Looks the name up, asks the filter, connects, passes the proxy, and shakes hands.
    ///
    /// - Parameter phases: told when each is done.
    func connect(
        to target: ConnectionTarget,
        on loop: EventLoop,
        _ phases: ConnectPhases
    ) async throws -> LoopBound<any Transport> {
        do {
            return try await open(target, loop, phases)
        } catch is CancellationError where !Task.isCancelled {
            throw NetError(
                .system,
                "Connecting to “\(target.host)” was given up by its own resolver or connector, although nobody had cancelled it."
            )
        }
    }

    private func open(
        _ target: ConnectionTarget,
        _ loop: EventLoop,
        _ phases: ConnectPhases
    ) async throws -> LoopBound<any Transport> {
        if let replacement {
            return LoopBound(try await replacement(target.host, target.port, target.isSecure, loop), on: loop)
        }
        let plain: any Transport
        var scope: String?
        switch target.route {
        case .direct: plain = try await dial(target.host, target.port, loop, phases).value
        case .unix(let path):
            plain = try await dialUnix(path, loop).value
            scope = "unix:\(path)"
        case .proxy(let proxy):
            plain = try await open(target, through: proxy, loop, phases).value
            scope = "\(target.port) \(proxy)"
        }
        phases.connected()
        guard target.isSecure else { return LoopBound(plain, on: loop) }
        let secure = try await TLSTransport.connect(
            over: plain,
            host: target.host,
            configuration: tls,
            scope: scope,
            deadline: .max
        )
        phases.secured(secure.info)
        return LoopBound(secure, on: loop)
    }

    // MARK: The first stretch

    private func dial(
        _ host: String,
        _ port: Int,
        _ loop: EventLoop,
        _ phases: ConnectPhases
    ) async throws -> LoopBound<any Transport> {
        if let connector = source.connector {
            let stream = try await connector.connect(host, port)
            return LoopBound(try StreamTransport.over(stream, on: loop), on: loop)
        }
        phases.resolving(host, by: resolver)
        let addresses = try await addresses(of: host, port)
        phases.resolved()
        let transport = try await Connector.connect(
            toAny: try source.usable(addresses, host: host),
            host: host,
            on: loop,
            deadline: .max,
            options: source.socketOptions
        )
        return LoopBound(transport, on: loop)
    }

    /// What the filter allows of a host's addresses.
    private func addresses(of host: String, _ port: Int) async throws -> [SocketAddress] {
        let addresses = try await resolver.addresses(of: host, port: port)
        guard let filter else { return addresses }
        return try filter.allowed(addresses, of: host)
    }

    private func dialUnix(_ path: String, _ loop: EventLoop) async throws -> LoopBound<any Transport> {
        let address = try SocketAddress(unixPath: path)
        if let filter { _ = try filter.allowed([address], of: path) }
        return LoopBound(try await Connector.connect(to: address, on: loop, deadline: .max), on: loop)
    }

    // MARK: Proxies

    private func open(
        _ target: ConnectionTarget,
        through proxy: Proxy,
        _ loop: EventLoop,
        _ phases: ConnectPhases
    ) async throws -> LoopBound<any Transport> {
        // What is known of the server's address is asked about too; a name that the proxy looks up says nothing.
        let figures = try? SocketAddress(target.host, port: target.port)
        if let figures, let filter { _ = try filter.allowed([figures], of: target.host) }
        switch proxy.kind {
        case .direct: return try await dial(target.host, target.port, loop, phases)
        case .http, .https:
            let transport = try await reach(proxy, loop, phases)
            guard target.isSecure else { return transport }
            try await Tunnel.connect(
                to: target.authority,
                through: proxy,
                over: transport.value,
                limits: limits
            )
            return transport
        case .socks5h:
            let destination = Self.destination(target.host) ?? .name(target.host)
            return try await socks(proxy, destination, target.port, loop, phases)
        case .socks5:
            if let destination = Self.destination(target.host) {
                return try await socks(proxy, destination, target.port, loop, phases)
            }
            phases.resolving(target.host, by: resolver)
            let addresses = try await addresses(of: target.host, target.port)
            phases.resolved()
            return try await socks(proxy, Connector.interleaved(addresses), target, loop, phases)
        }
    }

    /// A connection to the proxy itself.
    private func reach(
        _ proxy: Proxy,
        _ loop: EventLoop,
        _ phases: ConnectPhases
    ) async throws -> LoopBound<any Transport> {
        do {
            let plain = try await dial(proxy.host, proxy.port, loop, phases)
            guard proxy.kind == .https else { return plain }
            var tls = proxy.tls ?? proxyTLS
            tls.applicationProtocols = ["http/1.1"]
            let secure = try await TLSTransport.connect(
                over: plain.value,
                host: proxy.host,
                configuration: tls,
                deadline: .max
            )
            return LoopBound(secure, on: loop)
        } catch let error as NetError where error.code == .addressRefused || error.isTimeout {
            throw error
        } catch let error as CancellationError {
            throw error
        } catch {
            throw ProxyFailure(reaching: proxy, error)
        }
    }

    private static func destination(_ host: String) -> SOCKS5Client.Destination? {
        if let bytes = IPAddressBytes.ipv4(host) { return .ipv4(bytes) }
        return IPAddressBytes.ipv6(host).map { .ipv6($0) }
    }

    private func socks(
        _ proxy: Proxy,
        _ destination: SOCKS5Client.Destination,
        _ port: Int,
        _ loop: EventLoop,
        _ phases: ConnectPhases
    ) async throws -> LoopBound<any Transport> {
        let transport = try await reach(proxy, loop, phases)
        try await Tunnel.connect(to: destination, port: port, through: proxy, over: transport.value)
        return transport
    }

    /// Addresses of a host that are tried through a SOCKS proxy: one connection to it each.
    private static let attemptLimit = 4

    /// One address after the other, as long as it is the address that the proxy has a trouble with.
    private func socks(
        _ proxy: Proxy,
        _ addresses: [SocketAddress],
        _ target: ConnectionTarget,
        _ loop: EventLoop,
        _ phases: ConnectPhases
    ) async throws -> LoopBound<any Transport> {
        var failure: any Error = NetError(.unknownHost, "“\(target.host)” has no addresses.")
        for address in addresses.prefix(Self.attemptLimit) {
            guard let destination = Self.destination(address.host) else { continue }
            do {
                return try await socks(proxy, destination, target.port, loop, phases)
            } catch let error as ProxyFailure {
                failure = error
                guard (error.cause as? SOCKS5Error)?.concernsAddress == true else { throw error }
            }
        }
        throw failure
    }
}
