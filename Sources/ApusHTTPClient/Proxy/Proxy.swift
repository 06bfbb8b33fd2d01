public import ApusNet
import ApusWire
public import HTTPTypes

/// A server that requests go through: aiohttp's `proxy`, `proxy_auth` and `proxy_headers`.
///
/// ```swift
/// var configuration = ClientSession.Configuration()
/// configuration.proxy = try Proxy("http://user:password@proxy.example:3128")
/// …
/// try await session.get(url, options: RequestOptions(proxy: .direct))  // this one without
/// ```
///
/// To a proxy that speaks HTTP, requests for http are sent whole, with their full URL (RFC 9112 §3.2.2): it can read and change them. For
/// https it is asked for a tunnel (CONNECT, RFC 9110 §9.3.6), and sees the host's name and port. A SOCKS 5 proxy (RFC 1928) makes tunnels for both.
///
/// The credentials go to the proxy and to nobody else, and requests with other credentials use other connections.
public struct Proxy: Sendable, Hashable {
    /// What is spoken with a proxy.
    enum Kind: String, Sendable {
        case direct, http, https, socks5, socks5h
    }

    let kind: Kind
    /// The proxy's name or address in figures, without brackets.
    public let host: String
    /// The proxy's port.
    public let port: Int
    /// Who to say that one is, by Basic (RFC 7617) or SOCKS's password method (RFC 1929); nil for nobody.
    public var username: String?
    /// The password of ``username``.
    public var password: String?
    /// Sent to an HTTP proxy: with CONNECT, or with each request for http. A `Proxy-Authorization` here replaces ``username`` and ``password``.
    public var headers = HTTPFields()
    /// How an `https` proxy is checked; nil trusts whom the session trusts, but shows no client certificate, and neither pins nor name of the
    /// session's settings count.
    public var tls: TLSConfiguration?

    /// No proxy: for requests that are not to use the session's, and for sessions that are not to use the environment's.
    ///
    /// Not called `none`: where an optional proxy is expected, `.none` would mean "nothing said".
    public static let direct = Proxy(kind: .direct)

    private init(kind: Kind) {
        self.kind = kind
        host = ""
        port = 0
    }

    /// A proxy by its URL.
    ///
    /// | scheme | |
    /// |---|---|
    /// | `http`, or none | HTTP in plain text; port 80 if none is given |
    /// | `https` | HTTP over TLS; port 443. Tunnels to https servers are TLS inside TLS |
    /// | `socks5h` | SOCKS 5, port 1080; the proxy looks names up |
    /// | `socks5` | SOCKS 5, port 1080; names are looked up here, by the session's resolver |
    ///
    /// - Parameter url: such as `http://user:password@proxy.example:3128`; characters that may not stand there are percent-encoded, such
    ///   as `%40` for an `@` in the password.
    /// - Throws: ``ClientError`` `.invalidURL`.
    public init(_ url: String) throws {
        let parts = Self.parts(url)
        guard let kind = Kind(rawValue: parts.scheme), kind != .direct else {
            throw ClientError(
                .invalidURL,
                "“\(parts.scheme.prefix(32))” is not a kind of proxy: write http://, https://, socks5h:// or socks5:// before its host."
            )
        }
        let uri: URI
        do throws(URIError) {
            // The rules of http for hosts and ports hold for all of them.
            uri = try URI("http://\(parts.rest)")
        } catch {
            throw ClientError(.invalidURL, "The proxy's URL cannot be used: \(error)", cause: error)
        }
        guard uri.path == "/", uri.query == nil, uri.fragment == nil else {
            throw ClientError(
                .invalidURL,
                "The proxy's URL is \(kind)://\(uri.host) with a path, a query or a fragment, which a proxy has not."
            )
        }
        self.kind = kind
        host = uri.host
        port = uri.port ?? Self.defaultPort(kind)
        guard uri.hasUserinfo else { return }
        try authenticate(uri.user ?? "", uri.password)
    }

    private static func parts(_ url: String) -> (scheme: String, rest: Substring) {
        guard let colon = url.firstIndex(of: ":"), url[colon...].hasPrefix("://") else { return ("http", url[...]) }
        return (url[..<colon].lowercased(), url[colon...].dropFirst(3))
    }

    private static func defaultPort(_ kind: Kind) -> Int {
        switch kind {
        case .direct: 0
        case .http: 80
        case .https: 443
        case .socks5, .socks5h: 1080
        }
    }

    private mutating func authenticate(_ user: String, _ secret: String?) throws {
        // RFC 7617 §2: the colon ends the user name, and neither has control characters.
        guard !user.isEmpty, !user.contains(":"),
            !(user + (secret ?? "")).utf8.contains(where: { $0 < 0x20 || $0 == 0x7F })
        else {
            throw ClientError(
                .invalidURL,
                "The user name in the proxy's URL is empty or has a colon, or it or the password has control characters."
            )
        }
        username = user
        password = secret
    }

    // MARK: What follows from it

    var isHTTP: Bool { kind == .http || kind == .https }

    /// What a proxy that speaks HTTP gets besides the request.
    var fields: HTTPFields {
        var fields = headers
        if fields[.proxyAuthorization] == nil, let username {
            var field = HTTPField(
                name: .proxyAuthorization,
                value: "Basic \(Base64.encode("\(username):\(password ?? "")".utf8))"
            )
            field.indexingStrategy = .disallow
            fields.append(field)
        }
        return fields
    }
}

// Without the credentials.
extension Proxy: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// `scheme://host:port`, without the credentials.
    public var description: String {
        if kind == .direct { return "direct" }
        return "\(kind.rawValue)://\(host.utf8.contains(0x3A) ? "[\(host)]" : host):\(port)"
    }

    public var debugDescription: String { description }

    public var customMirror: Mirror {
        Mirror(self, children: ["url": description, "headers": headers.map(\.name.rawName)], displayStyle: .struct)
    }
}
