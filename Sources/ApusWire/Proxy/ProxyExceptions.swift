/// The hosts that are reached without a proxy, as the environment variable `NO_PROXY` lists them.
///
/// There is no standard; these rules are what curl, Go and Python have in common. Entries are separated by commas or white space:
///
/// - `*` stands for every host;
/// - `example.com`, `.example.com` and `*.example.com`: the domain and all below it, whatever the case;
/// - `192.0.2.1`, `[2001:db8::1]`: this address, if the URL has it in figures. Names are not looked up for it;
/// - `10.0.0.0/8`, `fd00::/8`: addresses in figures of this range;
/// - each but `*` and a range with a port behind it, such as `example.com:8080`: this port only.
///
/// What is none of these (a name with other characters, a range that is too long) matches nothing.
package struct ProxyExceptions: Sendable, Hashable {
    private struct Entry: Sendable, Hashable {
        enum Pattern: Sendable, Hashable {
            /// Without dots around.
            case domain(String)
            case network(NetworkPrefix)
        }

        var pattern: Pattern
        var port: Int?
    }

    private var entries: [Entry] = []
    private var isEverything = false

    package init(_ text: String) {
        for word in text.split(whereSeparator: { $0 == "," || $0.isWhitespace }) {
            if word == "*" {
                isEverything = true
            } else if let entry = Self.entry(word) {
                entries.append(entry)
            }
        }
    }

    private static func entry(_ word: Substring) -> Entry? {
        if let range = NetworkPrefix(range: word) { return Entry(pattern: .network(range)) }
        if let address = NetworkPrefix(address: word) { return Entry(pattern: .network(address)) }
        var host = word
        var port: Int?
        if let colon = word.lastIndex(of: ":") {
            let digits = word[word.index(after: colon)...]
            guard let number = Int(digits), digits.utf8.allSatisfy({ $0 &- 0x30 < 10 }) else { return nil }
            host = word[..<colon]
            port = number
            if let address = NetworkPrefix(address: host) { return Entry(pattern: .network(address), port: port) }
        }
        if host.hasPrefix("*.") { host = host.dropFirst() }
        let name = Self.withoutDots(host.lowercased())
        guard !name.isEmpty, !name.contains("*"), !name.contains("/") else { return nil }
        return Entry(pattern: .domain(name), port: port)
    }

    private static func withoutDots(_ name: String) -> String {
        var name = name[...]
        if name.first == "." { name = name.dropFirst() }
        // The root's dot: the same name.
        if name.last == "." { name = name.dropLast() }
        return String(name)
    }

    /// - Parameter host: as in a URI: in lower case, an IPv6 address without brackets.
    package func contains(host: String, port: Int) -> Bool {
        if isEverything { return true }
        if entries.isEmpty { return false }
        let address = NetworkPrefix(address: host[...])
        let name = address == nil ? Self.withoutDots(host.lowercased()) : ""
        return entries.contains { entry in
            if let wanted = entry.port, wanted != port { return false }
            switch entry.pattern {
            case .network(let range): return address.map { range.contains($0) } ?? false
            case .domain(let domain): return address == nil && (name == domain || name.hasSuffix("." + domain))
            }
        }
    }
}
