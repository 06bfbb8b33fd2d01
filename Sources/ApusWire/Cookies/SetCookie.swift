/// What one Set-Cookie field says (RFC 6265bis §5.6), read as browsers read it: whatever cannot be understood is left out.
///
/// Whether a cookie comes of it is the jar's matter. Its descriptions do not show the value.
public struct SetCookie: Sendable, Hashable {
    /// The name; empty for a field without `=`.
    public let name: String
    /// The value as it came: quotes belong to it, and nothing is decoded.
    public var value: String { CookieText.string(valueBytes) }
    /// The bytes of the value, which is what goes back.
    package let valueBytes: [UInt8]
    /// The Domain attribute in lower case, without a leading dot; nil if there is none, or an empty one.
    public var domain: String?
    /// The Path attribute; nil if there is none, or one that does not begin with `/`.
    public var path: String?
    /// The Max-Age attribute, in seconds; zero and less ask for removal. It counts more than ``expires``.
    public var maxAge: Int?
    /// The Expires attribute.
    public var expires: HTTPTimestamp?
    /// Whether the cookie may go over secure connections only.
    public var isSecure = false
    /// Whether scripts of a page shall not see it.
    public var isHTTPOnly = false
    /// The SameSite attribute; nil if there is none, or an unknown one.
    public var sameSite: Cookie.SameSite?
    /// Whether it is meant for one embedding site at a time (Partitioned).
    public var isPartitioned = false

    /// The most bytes of name and value together (RFC 6265bis §5.6 step 5).
    package static let maximumSize = 4096
    /// Longer attributes are not looked at (RFC 6265bis §5.6).
    static let maximumAttribute = 1024

    /// Reads the value of a Set-Cookie field.
    ///
    /// - Returns: nil for what is no cookie: with a control character other than a tab, with neither name nor value, or with more than
    ///   4 KiB of them.
    public init?(_ field: String) {
        self.init(bytes: Array(field.utf8))
    }

    package init?(bytes: [UInt8]) {
        guard !bytes.contains(where: CookieText.isControl) else { return nil }
        var pieces = bytes.split(separator: 0x3B, omittingEmptySubsequences: false)[...]
        guard let pair = pieces.popFirst() else { return nil }
        let (name, value) = CookieText.pair(pair)
        guard let value else {
            // A field without "=" is a cookie without a name.
            guard !name.isEmpty, name.count <= Self.maximumSize else { return nil }
            self.name = ""
            valueBytes = Array(name)
            pieces.forEach { take($0) }
            return
        }
        guard name.count + value.count <= Self.maximumSize, !name.isEmpty || !value.isEmpty else { return nil }
        self.name = CookieText.string(name)
        valueBytes = Array(value)
        pieces.forEach { take($0) }
    }

    /// The last attribute of a name counts.
    private mutating func take(_ attribute: ArraySlice<UInt8>) {
        let (name, stated) = CookieText.pair(attribute)
        let value = stated ?? []
        guard value.count <= Self.maximumAttribute, name.count <= 16 else { return }
        switch CookieText.string(name).lowercased() {
        case "expires": if let date = HTTPTimestamp(cookieDate: value) { expires = date }
        case "max-age": if let seconds = Self.seconds(value) { maxAge = seconds }
        case "domain":
            let host = CookieText.string(value.first == 0x2E ? value.dropFirst() : value).lowercased()
            domain = host.isEmpty ? nil : host
        case "path": path = value.first == 0x2F ? CookieText.string(value) : nil
        case "secure": isSecure = true
        case "httponly": isHTTPOnly = true
        case "samesite": sameSite = Cookie.SameSite(rawValue: CookieText.string(value).lowercased())
        case "partitioned": isPartitioned = true
        default: break
        }
    }

    /// RFC 6265bis §5.6.2: digits, behind a minus perhaps. What does not fit is as large as what does.
    private static func seconds(_ value: ArraySlice<UInt8>) -> Int? {
        let isNegative = value.first == 0x2D
        let digits = isNegative ? value.dropFirst() : value
        guard !digits.isEmpty, digits.allSatisfy({ $0 &- 0x30 < 10 }) else { return nil }
        if isNegative { return -1 }
        return Int(CookieText.string(digits)) ?? .max
    }
}

extension SetCookie: CustomStringConvertible, CustomReflectable {
    /// The name and the attributes; never the value.
    public var description: String {
        var text = "SetCookie(\(name.isEmpty ? "without a name" : name)"
        if let domain { text += ", domain \(domain)" }
        if let path { text += ", path \(path)" }
        return text + ")"
    }

    public var customMirror: Mirror {
        Mirror(self, children: ["name": name, "domain": domain ?? "-", "path": path ?? "-"])
    }
}
