/// A cookie in a jar: a name and a value, and which requests they go with (RFC 6265bis §5.7).
///
/// Its descriptions do not show the value, which is a secret as often as not.
public struct Cookie: Sendable, Hashable {
    /// Which sites' pages a cookie goes with (RFC 6265bis §5.6.7).
    public enum SameSite: String, Sendable, Hashable {
        /// Requests of the cookie's own site.
        case strict
        /// Those, and links that lead there.
        case lax
        /// All requests: `SameSite=None`. Not called `none`, which would mean "not stated" where this is optional.
        case noRestriction = "none"
    }

    /// The name; some servers set cookies without one.
    public let name: String
    /// The value as it came: quotes belong to it, and nothing is decoded.
    public var value: String { CookieText.string(valueBytes) }
    /// The bytes of the value, which is what goes back.
    package let valueBytes: [UInt8]
    /// The host that it goes to, in lower case, an IPv6 address without brackets.
    public let domain: String
    /// Whether it goes to this host only, and not to those below it.
    public let isHostOnly: Bool
    /// It goes with this path and those below it.
    public let path: String
    /// When it ends; nil for one that lasts as long as the jar.
    public internal(set) var expires: HTTPTimestamp?
    /// Whether it goes over secure connections only.
    public let isSecure: Bool
    /// Whether scripts of a page shall not see it.
    public let isHTTPOnly: Bool
    /// The SameSite attribute; nil if there was none, which is enforced as ``SameSite/lax``.
    public let sameSite: SameSite?
    /// Whether it is meant for one embedding site at a time. It is kept and not enforced: there are no embedding pages here.
    public let isPartitioned: Bool

    package init(
        name: String,
        valueBytes: [UInt8],
        domain: String,
        isHostOnly: Bool,
        path: String,
        expires: HTTPTimestamp?,
        isSecure: Bool,
        isHTTPOnly: Bool,
        sameSite: SameSite?,
        isPartitioned: Bool
    ) {
        self.name = name
        self.valueBytes = valueBytes
        self.domain = domain
        self.isHostOnly = isHostOnly
        self.path = path
        self.expires = expires
        self.isSecure = isSecure
        self.isHTTPOnly = isHTTPOnly
        self.sameSite = sameSite
        self.isPartitioned = isPartitioned
    }

    /// Whether this one takes the other's place (RFC 6265bis §5.7 step 22).
    func replaces(_ other: Cookie) -> Bool {
        name == other.name && path == other.path && isHostOnly == other.isHostOnly && domain == other.domain
    }

    /// Whether it could have come from a server: what a file holds has to.
    package var isAcceptable: Bool {
        guard CookieText.canStandAlone(name: name, value: valueBytes),
            // As text, a name may have twice the bytes that it came in.
            name.utf8.count / 2 + valueBytes.count <= SetCookie.maximumSize,
            CookieRules.isHost(domain), path.utf8.first == 0x2F, !path.utf8.contains(where: CookieText.isControl),
            path.utf8.count <= SetCookie.maximumAttribute, !CookieRules.isAddress(domain) || isHostOnly
        else { return false }
        return CookieRules.keepsPromises(
            name: name,
            value: valueBytes,
            isSecure: isSecure,
            isHostOnly: isHostOnly,
            path: path
        )
    }
}

extension Cookie: CustomStringConvertible, CustomReflectable {
    /// The name and where it goes; never the value.
    public var description: String {
        "Cookie(\(shown.map { "\($0.label ?? "-"): \($0.value)" }.joined(separator: ", ")))"
    }

    public var customMirror: Mirror { Mirror(self, children: shown, displayStyle: .struct) }

    private var shown: [Mirror.Child] {
        [
            ("name", name), ("domain", domain), ("isHostOnly", isHostOnly), ("path", path),
            ("expires", expires?.description ?? "-"), ("isSecure", isSecure), ("isHTTPOnly", isHTTPOnly),
            ("sameSite", sameSite?.rawValue ?? "-"),
        ]
    }
}
