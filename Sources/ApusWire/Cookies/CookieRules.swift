/// The rules that compare hosts, paths and names.
enum CookieRules {
    /// RFC 6265bis §5.1.3: whether a cookie for `domain` may go to `host`, both in lower case.
    static func domain(_ domain: String, matches host: String) -> Bool {
        if domain == host { return true }
        return isBelow(host, domain) && !isAddress(host)
    }

    /// Whether `host` ends in a dot and `domain`.
    static func isBelow(_ host: String, _ domain: String) -> Bool {
        let host = host.utf8
        let domain = domain.utf8
        guard host.count > domain.count, !domain.isEmpty, host.suffix(domain.count).elementsEqual(domain) else {
            return false
        }
        return host.dropLast(domain.count).last == 0x2E
    }

    /// RFC 6265bis §5.1.4: whether a cookie for `path` goes with a request for `requested`.
    static func path(_ path: String, matches requested: String) -> Bool {
        let path = path.utf8
        let requested = requested.utf8
        guard requested.starts(with: path) else { return false }
        return requested.count == path.count || path.last == 0x2F || requested.dropFirst(path.count).first == 0x2F
    }

    /// RFC 6265bis §5.1.4: the folder of a request's path; of one that is longer than a Path attribute may be, a folder above it.
    static func defaultPath(_ path: String) -> String {
        let start = path.utf8.prefix(SetCookie.maximumAttribute + 1)
        guard start.first == 0x2F, let slash = start.lastIndex(of: 0x2F), slash > start.startIndex else { return "/" }
        return String(path[..<slash])
    }

    static func isAddress(_ host: String) -> Bool {
        if host.utf8.firstIndex(of: 0x3A) != nil { return true }
        guard let last = host.utf8.last, last &- 0x30 < 10 else { return false }
        var host = host
        return host.withUTF8 { bytes in
            guard let base = bytes.baseAddress else { return false }
            return URIHost.isIPv4(UnsafeRawPointer(base), 0, bytes.count)
        }
    }

    /// Whether this is a host as URIs have them here: for what does not come from one.
    static func isHost(_ text: String) -> Bool {
        let literal = text.utf8.contains(0x3A) ? "[\(text)]" : text
        guard let uri = try? URI("http://\(literal)/") else { return false }
        return uri.host == text && uri.path == "/" && uri.port == nil && !uri.hasUserinfo
    }

    /// RFC 6265bis §5.7 steps 19 to 21: what a name promises by `__Secure-` and `__Host-`, in any case of letters, has to be so.
    ///
    /// - Parameter path: the path attribute as stated; nil without.
    static func keepsPromises(
        name: String,
        value: some Collection<UInt8>,
        isSecure: Bool,
        isHostOnly: Bool,
        path: String?
    ) -> Bool {
        // Without a name, what is sent is the value: it must not pass for such a name.
        if name.isEmpty { return !has(value, "__secure-") && !has(value, "__host-") }
        if has(name.utf8, "__secure-"), !isSecure { return false }
        if has(name.utf8, "__host-"), !isSecure || !isHostOnly || path != "/" { return false }
        return true
    }

    private static func has(_ text: some Collection<UInt8>, _ prefix: String) -> Bool {
        let start = text.prefix(prefix.utf8.count)
        return start.count == prefix.utf8.count
            && zip(start, prefix.utf8).allSatisfy { (0x41...0x5A).contains($0) ? $0 | 0x20 == $1 : $0 == $1 }
    }
}
