/// Resolving references (RFC 3986 §5).
enum URIReference {
    private struct Split {
        var scheme: ArraySlice<UInt8>?
        var authority: ArraySlice<UInt8>?
        var path: ArraySlice<UInt8> = []
        var query: ArraySlice<UInt8>?
        var fragment: ArraySlice<UInt8>?
    }

    /// The text of the target URI, not normalised.
    static func resolve(_ reference: String, against baseText: String, _ baseParts: URIParts) -> String {
        let base = split(ArraySlice(baseText.utf8))
        let given = split(ArraySlice(reference.utf8))
        // §5.2.2, in the strict form: a reference with a scheme is absolute, even if the scheme is the base's.
        var target = Split()
        if given.scheme != nil {
            target = given
            target.path = removeDotSegments(given.path)
        } else {
            target.scheme = base.scheme
            target.fragment = given.fragment
            if given.authority != nil {
                target.authority = given.authority
                target.path = removeDotSegments(given.path)
                target.query = given.query
            } else {
                target.authority = base.authority
                if given.path.isEmpty {
                    target.path = base.path
                    target.query = given.query ?? base.query
                } else {
                    let merged = given.path.first == 0x2F ? given.path : merge(base, given.path)
                    target.path = removeDotSegments(merged)
                    target.query = given.query
                }
            }
        }
        return compose(target)
    }

    // §5.2.3: the reference replaces what follows the last "/" of the base's path.
    private static func merge(_ base: Split, _ path: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        if base.authority != nil, base.path.isEmpty { return [0x2F] + path }
        guard let slash = base.path.lastIndex(of: 0x2F) else { return path }
        return base.path[...slash] + path
    }

    // §5.2.4. The path is looked at as segments between slashes: "." is dropped, ".." drops the one before it, and
    // either at the end leaves its slash.
    static func removeDotSegments(_ path: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        guard path.contains(where: { $0 == 0x2E || $0 == 0x25 }) else { return path }
        let isAbsolute = path.first == 0x2F
        let body = isAbsolute ? path.dropFirst() : path
        var kept: [ArraySlice<UInt8>] = []
        let segments = body.split(separator: 0x2F, omittingEmptySubsequences: false)
        for (index, segment) in segments.enumerated() {
            let isLast = index == segments.count - 1
            switch dots(segment) {
            case 0: kept.append(segment)
            case 1: if isLast { kept.append([]) }
            default:
                if !kept.isEmpty { kept.removeLast() }
                if isLast { kept.append([]) }
            }
        }
        let joined = ArraySlice(kept.joined(separator: [0x2F]))
        return isAbsolute ? [0x2F] + joined : joined
    }

    // RFC 3986 §6.2.2.2: "%2E" is the same character as "."; servers decode it, so it must not get past here.
    /// 1 for ".", 2 for "..", 0 for any other segment.
    static func dots(_ segment: ArraySlice<UInt8>) -> Int {
        var count = 0
        var rest = segment
        while let first = rest.first {
            if first == 0x2E {
                rest = rest.dropFirst()
            } else if rest.count >= 3, first == 0x25, rest[rest.startIndex + 1] == 0x32,
                rest[rest.startIndex + 2] | 0x20 == 0x65
            {
                rest = rest.dropFirst(3)
            } else {
                return 0
            }
            count += 1
        }
        return count <= 2 ? count : 0
    }

    // §5.3.
    private static func compose(_ target: Split) -> String {
        var bytes: [UInt8] = []
        if let scheme = target.scheme {
            bytes += scheme
            bytes.append(0x3A)
        }
        if let authority = target.authority {
            bytes += [0x2F, 0x2F]
            bytes += authority
        } else if target.path.starts(with: [0x2F, 0x2F]) {
            // RFC 3986 §3.3: without an authority a path cannot begin with "//"; it would be read as one.
            bytes += [0x2F, 0x2E]
        }
        bytes += target.path
        if let query = target.query {
            bytes.append(0x3F)
            bytes += query
        }
        if let fragment = target.fragment {
            bytes.append(0x23)
            bytes += fragment
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    // Appendix B, without its regular expression.
    private static func split(_ text: ArraySlice<UInt8>) -> Split {
        var result = Split()
        var rest = text
        if let hash = rest.firstIndex(of: 0x23) {
            result.fragment = rest[(hash + 1)...]
            rest = rest[..<hash]
        }
        if let mark = rest.firstIndex(of: 0x3F) {
            result.query = rest[(mark + 1)...]
            rest = rest[..<mark]
        }
        if let colon = rest.firstIndex(where: { $0 == 0x3A || $0 == 0x2F }), rest[colon] == 0x3A,
            isScheme(rest[..<colon])
        {
            result.scheme = rest[..<colon]
            rest = rest[(colon + 1)...]
        }
        if rest.starts(with: [0x2F, 0x2F]) {
            rest = rest.dropFirst(2)
            let end = rest.firstIndex(of: 0x2F) ?? rest.endIndex
            result.authority = rest[..<end]
            rest = rest[end...]
        }
        result.path = rest
        return result
    }

    private static func isScheme(_ text: ArraySlice<UInt8>) -> Bool {
        guard let first = text.first, (first | 0x20) &- 0x61 < 26 else { return false }
        return text.allSatisfy {
            ($0 | 0x20) &- 0x61 < 26 || $0 &- 0x30 < 10 || $0 == 0x2B || $0 == 0x2D || $0 == 0x2E
        }
    }
}
