/// A list of public suffixes (publicsuffix.org): under which names strangers can have theirs.
package struct PublicSuffixRules: Sendable {
    private enum Kind {
        case suffix
        /// `*.ck`: whatever is directly below is one, and so is `ck`, as libpsl has it: else its cookies would be for all of them.
        case wildcard
        /// `!www.ck`: but this is none.
        case exception
    }

    private var rules: [String: Kind] = [:]

    package var isEmpty: Bool { rules.isEmpty }

    /// Reads the list's text form: a rule per line, up to the first space; `//` begins a comment.
    package init(_ text: [UInt8]) {
        rules.reserveCapacity(text.count / 24)
        for line in text.split(whereSeparator: { $0 == 0x0A || $0 == 0x0D }) {
            guard let first = line.first, first > 0x20, !line.starts(with: "//".utf8) else { continue }
            let rule = line.prefix { $0 > 0x20 }
            let kind: Kind = first == 0x21 ? .exception : rule.starts(with: "*.".utf8) ? .wildcard : .suffix
            let name = rule.dropFirst(kind == .exception ? 1 : kind == .wildcard ? 2 : 0)
            guard let host = Self.ascii(name) else { continue }
            // `ck` beside `*.ck` says nothing new.
            if rules[host] == nil || kind == .wildcard { rules[host] = kind }
        }
    }

    private static func ascii(_ name: ArraySlice<UInt8>) -> String? {
        let text = String(decoding: name, as: UTF8.self)
        if name.allSatisfy({ $0 < 0x80 }) { return text.lowercased() }
        return (try? InternationalHost.ascii(text)).map { String(decoding: $0, as: UTF8.self) }
    }

    /// The public suffix of a host in ASCII and lower case; the last label where no rule is (the list's rule `*`).
    private func suffix(of host: String) -> Substring {
        var rest = host[...]
        var child: Substring?
        while true {
            switch rules[String(rest)] {
            case .exception:
                // The rule without its first label.
                return rest.firstIndex(of: ".").map { rest[rest.index(after: $0)...] } ?? rest
            case .suffix: return rest
            case .wildcard:
                // The longest rule counts, and an exception has been looked for one label further down.
                return child ?? rest
            case nil: break
            }
            guard let dot = rest.firstIndex(of: ".") else { return rest }
            child = rest
            rest = rest[rest.index(after: dot)...]
        }
    }

    package func isSuffix(_ host: String) -> Bool { suffix(of: host) == host }

    /// The suffix and one label more; nil for a suffix itself.
    package func registrableDomain(of host: String) -> String? {
        let suffix = suffix(of: host)
        guard suffix != host else { return nil }
        let labels = host.dropLast(suffix.utf8.count + 1)
        let start = labels.lastIndex(of: ".").map { host.index(after: $0) } ?? host.startIndex
        return String(host[start...])
    }
}
