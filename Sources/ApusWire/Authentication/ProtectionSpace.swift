/// Where the credentials of a challenge are good without another one (RFC 7616 §3.3, `domain`), within one origin.
package struct ProtectionSpace: Sendable, Hashable {
    /// Paths of the origin; nil for all of it.
    private let paths: [String]?

    /// - Parameters:
    ///   - domain: the challenge's list of URIs. Those of other origins are left out: a server cannot send our credentials elsewhere.
    ///   - uri: of the request that was challenged.
    package init(domain: [String], of uri: URI) {
        guard !domain.isEmpty else {
            paths = nil
            return
        }
        let origin = uri.origin
        paths = domain.compactMap { reference in
            guard let resolved = try? uri.resolve(reference), resolved.origin == origin else { return nil }
            return resolved.path
        }
    }

    /// How specific the space is for a URI of its origin: the length of the path that covers it; nil if none does.
    package func match(_ uri: URI) -> Int? {
        guard let paths else { return 0 }
        let path = uri.path
        return paths.filter { Self.covers($0, path) }.map(\.utf8.count).max()
    }

    // `/a` covers `/a` and `/a/b`, and not `/ab`.
    private static func covers(_ prefix: String, _ path: String) -> Bool {
        guard path.utf8.starts(with: prefix.utf8) else { return false }
        if prefix.utf8.last == 0x2F || prefix.utf8.count == path.utf8.count { return true }
        return path.utf8.dropFirst(prefix.utf8.count).first == 0x2F
    }
}
