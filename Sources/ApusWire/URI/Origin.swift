/// Scheme, host and port: the boundary within which a secret may be used again (RFC 6454 §4).
public struct Origin: Sendable, Hashable, CustomStringConvertible {
    /// In lower case.
    public let scheme: String
    /// In lower case, an IPv6 address without its brackets.
    public let host: String
    /// The effective port; 0 if the scheme has no default and none is given.
    public let port: Int

    /// The origin of these three, which are compared as they are given: scheme and host in lower case.
    public init(scheme: String, host: String, port: Int) {
        self.scheme = scheme
        self.host = host
        self.port = port
    }

    /// The port that a scheme stands for; nil for schemes other than http, https, ws and wss.
    public static func defaultPort(of scheme: String) -> Int? {
        switch scheme {
        case "http", "ws": 80
        case "https", "wss": 443
        default: nil
        }
    }

    /// As in an Origin field (RFC 6454 §6.2): the default port is left out.
    public var description: String {
        let literal = host.utf8.contains(0x3A) ? "[\(host)]" : host
        if port == 0 || Origin.defaultPort(of: scheme) == port { return "\(scheme)://\(literal)" }
        return "\(scheme)://\(literal):\(port)"
    }
}
