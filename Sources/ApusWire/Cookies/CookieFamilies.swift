/// The domains of a jar by their last two labels: whose cookies may concern each other is looked up, not searched among thousands.
struct CookieFamilies: Sendable {
    private var members: [String: Set<String>] = [:]

    mutating func insert(_ domain: String) { members[Self.family(of: domain), default: []].insert(domain) }

    mutating func remove(_ domain: String) {
        let family = Self.family(of: domain)
        members[family]?.remove(domain)
        if members[family]?.isEmpty == true { members[family] = nil }
    }

    /// All domains that may be `domain`, above it or below it, and others beside them. Nil if that may be any: `domain` is one label.
    func related(to domain: String) -> [String]? {
        guard let dot = domain.utf8.lastIndex(of: 0x2E) else { return nil }
        // A single label is above it and in no family with it.
        return Array(members[Self.family(of: domain), default: []]) + [String(domain[domain.utf8.index(after: dot)...])]
    }

    private static func family(of domain: String) -> String {
        guard let last = domain.utf8.lastIndex(of: 0x2E), let dot = domain.utf8[..<last].lastIndex(of: 0x2E) else {
            return domain
        }
        return String(domain[domain.utf8.index(after: dot)...])
    }
}
