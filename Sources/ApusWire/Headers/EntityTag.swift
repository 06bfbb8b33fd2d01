/// An entity tag (RFC 9110 §8.8.3): a name for one version of a representation.
public struct EntityTag: Sendable, Hashable, CustomStringConvertible {
    /// The text between the quotes.
    public let tag: String
    /// Whether equal tags only mean that the representations are as good as equal.
    public let isWeak: Bool

    // RFC 9110 §8.8.3: etagc = %x21 / %x23-7E / obs-text.
    private static func isAllowed(_ byte: UInt8) -> Bool { byte == 0x21 || byte >= 0x23 && byte != 0x7F }

    /// A tag with this text; nil if it has a quotation mark, a space or a control character.
    public init?(tag: String, isWeak: Bool = false) {
        guard tag.utf8.allSatisfy(Self.isAllowed) else { return nil }
        self.tag = tag
        self.isWeak = isWeak
    }

    // §8.8.3: entity-tag = [ weak ] opaque-tag; weak = %s"W/"; opaque-tag = DQUOTE *etagc DQUOTE.
    /// Parses the value of an ETag field: `"abc"` or `W/"abc"`. Nil for anything else, tags without quotes included.
    public init?(_ text: String) {
        var scanner = HeaderScanner(text)
        scanner.skipSpace()
        guard let found = EntityTag(&scanner) else { return nil }
        scanner.skipSpace()
        guard scanner.isAtEnd else { return nil }
        self = found
    }

    private init?(_ scanner: inout HeaderScanner) {
        isWeak = scanner.take(0x57)
        if isWeak, !scanner.take(0x2F) { return nil }
        guard scanner.take(0x22) else { return nil }
        tag = String(decoding: scanner.takeUntil { !Self.isAllowed($0) }, as: UTF8.self)
        guard scanner.take(0x22) else { return nil }
    }

    // §8.8.3.2.
    /// Whether both are strong and equal: the representations are the same byte for byte.
    public func matchesStrongly(_ other: EntityTag) -> Bool { !isWeak && !other.isWeak && tag == other.tag }

    /// Whether the tags are equal, weak or not: either representation can stand for the other.
    public func matchesWeakly(_ other: EntityTag) -> Bool { tag == other.tag }

    /// As in an ETag field.
    public var description: String { "\(isWeak ? "W/" : "")\"\(tag)\"" }

    /// The value of If-Match or If-None-Match (RFC 9110 §13.1.1, §13.1.2).
    public enum Condition: Sendable, Hashable {
        /// `*`: whether there is any representation.
        case any
        /// Whether one of these is the representation's.
        case tags([EntityTag])

        // If-Match = "*" / #entity-tag.
        /// Parses the values of all fields with the name; nil if one is malformed.
        public init?(_ values: [String]) {
            var tags: [EntityTag] = []
            for value in values {
                var scanner = HeaderScanner(value)
                scanner.skipSpace()
                if values.count == 1, scanner.take(0x2A) {
                    scanner.skipSpace()
                    guard scanner.isAtEnd else { return nil }
                    self = .any
                    return
                }
                while true {
                    scanner.skipSpace()
                    if scanner.take(0x2C) { continue }
                    if scanner.isAtEnd { break }
                    guard let tag = EntityTag(&scanner) else { return nil }
                    tags.append(tag)
                    scanner.skipSpace()
                    guard scanner.isAtEnd || scanner.current == 0x2C else { return nil }
                }
            }
            guard !tags.isEmpty else { return nil }
            self = .tags(tags)
        }
    }
}
