/// Says to which addresses may be connected: asked after the lookup, so that a name cannot smuggle an address past it.
///
/// ```swift
/// configuration.addressFilter = .publicOnly
/// configuration.addressFilter = AddressFilter { host, address in
///     if address.port != 443 { throw Refused() }
/// }
/// ```
///
/// An address that the filter throws for is not connected to; if none is left, the connection fails with ``NetError`` `.addressRefused` and
/// the filter's first error as its cause. What is connected to is what was asked about: nothing is looked up a second time.
public struct AddressFilter: Sendable, Hashable {
    private final class Rule: Sendable {
        let check: @Sendable (_ host: String, _ address: SocketAddress) throws -> Void

        init(_ check: @escaping @Sendable (_ host: String, _ address: SocketAddress) throws -> Void) {
            self.check = check
        }
    }

    private let rule: Rule

    /// A filter of one's own. Two made by two calls are different, even of the same closure.
    ///
    /// - Parameter check: throws for an address that must not be connected to. It runs on the loop's thread, and must not block.
    public init(_ check: @escaping @Sendable (_ host: String, _ address: SocketAddress) throws -> Void) {
        rule = Rule(check)
    }

    /// Allows addresses of the public internet only: for URLs that strangers choose.
    ///
    /// Refused are loopback, private (RFC 1918, RFC 4193), shared (RFC 6598), link-local, multicast, unspecified, reserved, benchmarking
    /// and documentation addresses, everything that is no global unicast address of IPv6, IPv4 addresses in an IPv6 disguise (mapped,
    /// compatible, 6to4, Teredo; NAT64 with such an address inside), and Unix sockets.
    ///
    /// It does not know of machines of yours with public addresses, nor of proxies between.
    public static let publicOnly = AddressFilter { host, address in
        guard let reason = PublicAddresses.refusal(of: address) else { return }
        throw NetError(.addressRefused, "“\(host)” is at \(address.host), which is not public: \(reason).")
    }

    /// - Throws: what the filter throws for `address`.
    public func check(host: String, _ address: SocketAddress) throws { try rule.check(host, address) }

    /// Those of `addresses` that may be connected to; at least one.
    ///
    /// - Throws: ``NetError`` `.addressRefused`.
    package func allowed(_ addresses: [SocketAddress], of host: String) throws -> [SocketAddress] {
        var refusal: (address: SocketAddress, error: any Error)?
        let allowed = addresses.filter { address in
            do {
                try rule.check(host, address)
                return true
            } catch {
                if refusal == nil { refusal = (address, error) }
                return false
            }
        }
        guard allowed.isEmpty, let refusal else { return allowed }
        let others = addresses.count > 1 ? " So are its \(addresses.count - 1) other addresses." : ""
        throw NetError(
            .addressRefused,
            "The address filter refuses to connect to “\(host)” at \(refusal.address.host): \(refusal.error)\(others)",
            cause: refusal.error
        )
    }

    public static func == (left: AddressFilter, right: AddressFilter) -> Bool { left.rule === right.rule }

    public func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(rule)) }
}
