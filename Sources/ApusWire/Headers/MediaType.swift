/// The value of Content-Type: `text/html; charset=utf-8` (RFC 9110 §8.3.1).
///
/// Parsing follows WHATWG MIME Sniffing §4.4 where servers err: a parameter that is malformed is left out, the first of two
/// with one name counts, and only what has no `type/subtype` is no media type.
public struct MediaType: Sendable, Hashable, CustomStringConvertible {
    /// A name with its value.
    public struct Parameter: Sendable, Hashable {
        /// In lower case.
        public let name: String
        /// As given, without quotes.
        public let value: String
    }

    /// Such as `text`, in lower case.
    public let type: String
    /// Such as `html`, in lower case.
    public let subtype: String
    /// In the order of their appearance; each name once.
    public let parameters: [Parameter]

    /// A media type from its parts.
    ///
    /// - Parameters:
    ///   - type: a token, such as `text`.
    ///   - subtype: a token, such as `html`.
    ///   - parameters: names, which are tokens, and values.
    public init(type: String, subtype: String, parameters: [(String, String)] = []) {
        self.type = HeaderScanner.lowercased(type)
        self.subtype = HeaderScanner.lowercased(subtype)
        self.parameters = Self.unique(parameters.map { (HeaderScanner.lowercased($0.0), $0.1) })
    }

    /// Parses the value of a Content-Type field; nil if it has no `type/subtype`.
    public init?(_ text: String) {
        var scanner = HeaderScanner(text)
        scanner.skipSpace()
        guard let type = scanner.takeToken(), scanner.take(0x2F), let subtype = scanner.takeToken() else { return nil }
        scanner.skipSpace()
        guard scanner.isAtEnd || scanner.current == 0x3B else { return nil }
        self.type = HeaderScanner.lowercased(type)
        self.subtype = HeaderScanner.lowercased(subtype)
        parameters = Self.unique(scanner.takeParameters(endsAtComma: false))
    }

    private static func unique(_ parameters: [(String, String)]) -> [Parameter] {
        var seen: Set<String> = []
        return parameters.compactMap { seen.insert($0.0).inserted ? Parameter(name: $0.0, value: $0.1) : nil }
    }

    /// The value of a parameter, whose name is compared regardless of case.
    public subscript(name: String) -> String? {
        let name = HeaderScanner.lowercased(name)
        return parameters.first { $0.name == name }?.value
    }

    /// `type/subtype`, without parameters.
    public var essence: String { "\(type)/\(subtype)" }

    /// The parameter `charset` as written; nil if there is none.
    public var charset: String? { self["charset"] }

    // RFC 6839 §3.1: the suffix +json. WHATWG MIME Sniffing §4.6: a JSON MIME type.
    /// Whether it is JSON: `application/json`, `text/json`, or a subtype that ends in `+json`.
    public var isJSON: Bool {
        subtype.hasSuffix("+json") || subtype == "json" && (type == "application" || type == "text")
    }

    /// As in a Content-Type field.
    public var description: String {
        parameters.reduce(essence) { "\($0); \($1.name)=\(HeaderScanner.quotedIfNeeded($1.value))" }
    }
}
