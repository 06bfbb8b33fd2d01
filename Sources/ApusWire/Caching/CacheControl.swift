/// The directives of Cache-Control (RFC 9111 §5.2, RFC 5861, RFC 8246), of a request or of a response.
///
/// What a server meant is read so that a mistake makes a response older and never younger: a number that is none is 0, and of several
/// the smallest counts (§4.2.1).
package struct CacheControl: Sendable, Hashable {
    package var noStore = false
    /// With or without field names behind it: a cache that does not tell them apart validates, which is always allowed (§5.2.2.4).
    package var noCache = false
    package var mustRevalidate = false
    package var isPublic = false
    package var isPrivate = false
    package var mustUnderstand = false
    package var onlyIfCached = false
    /// In seconds, like all that follow.
    package var maxAge: Int?
    /// `.max` without a number: whatever the age (§5.2.1.2).
    package var maxStale: Int?
    package var minFresh: Int?
    package var staleIfError: Int?
    package var staleWhileRevalidate: Int?

    package init() {}

    // §5.2: Cache-Control = #cache-directive, cache-directive = token [ "=" ( token / quoted-string ) ].
    /// Reads the values of all fields with the name. What is no directive is passed over.
    package init(_ values: [String]) {
        for value in values {
            var scanner = HeaderScanner(value)
            while !scanner.isAtEnd {
                scanner.skipSpace()
                if let name = scanner.takeToken() {
                    scanner.skipSpace()
                    var argument: String?
                    if scanner.take(0x3D) {
                        scanner.skipSpace()
                        argument = scanner.current == 0x22 ? scanner.takeQuoted().text : scanner.takeToken() ?? ""
                    }
                    note(HeaderScanner.lowercased(name), argument)
                }
                scanner.skipTo { $0 == 0x2C }
                _ = scanner.take(0x2C)
            }
        }
    }

    private mutating func note(_ name: String, _ argument: String?) {
        switch name {
        case "no-store": noStore = true
        case "no-cache": noCache = true
        case "must-revalidate": mustRevalidate = true
        case "public": isPublic = true
        case "private": isPrivate = true
        case "must-understand": mustUnderstand = true
        case "only-if-cached": onlyIfCached = true
        case "max-age": maxAge = Self.smaller(maxAge, Self.seconds(argument))
        case "max-stale": maxStale = Self.smaller(maxStale, argument == nil ? .max : Self.seconds(argument))
        case "min-fresh": minFresh = max(minFresh ?? 0, Self.seconds(argument))
        case "stale-if-error": staleIfError = Self.smaller(staleIfError, Self.seconds(argument))
        case "stale-while-revalidate":
            staleWhileRevalidate = Self.smaller(staleWhileRevalidate, Self.seconds(argument))
        default: break
        }
    }

    private static func smaller(_ known: Int?, _ new: Int) -> Int { min(known ?? new, new) }

    /// §1.2.2: what is too large for the cache is 2,147,483,648.
    package static let longest = 1 << 31

    /// delta-seconds; 0 for what is none.
    package static func seconds(_ text: String?) -> Int {
        guard let text, !text.isEmpty else { return 0 }
        var value = 0
        for byte in text.utf8 {
            guard byte &- 0x30 < 10 else { return 0 }
            value = min(value * 10 + Int(byte - 0x30), longest)
        }
        return value
    }
}
