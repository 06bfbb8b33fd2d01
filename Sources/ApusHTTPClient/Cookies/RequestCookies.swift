import ApusWire

/// Cookies that a request states itself, by name: a literal such as `["theme": "dark"]`, or what a dictionary has.
///
/// They go beside the jar's, in the place of those with the same name, are not stored, and do not follow a redirect to another origin.
public struct RequestCookies: Sendable, ExpressibleByDictionaryLiteral {
    private let pairs: [(name: String, value: String)]

    public init(dictionaryLiteral elements: (String, String)...) { pairs = elements.map { ($0.0, $0.1) } }

    /// Sorted by name, so that the same request is the same bytes each time.
    public init(_ cookies: [String: String]) { pairs = cookies.sorted { $0.key < $1.key }.map { ($0.key, $0.value) } }

    var isEmpty: Bool { pairs.isEmpty }

    /// - Throws: ``ClientError`` `.invalidRequest` for what no Cookie field can carry.
    func checked() throws -> [RequestCookie] {
        try pairs.map { name, value in
            guard let cookie = RequestCookie(name, value) else {
                throw ClientError(
                    .invalidRequest,
                    "A cookie cannot be sent as it is: its name or value has a control character, a “;”, space at an end, or "
                        + "the name has a “=”. Encode it, as the server expects it."
                )
            }
            return cookie
        }
    }
}

extension RequestCookies: CustomStringConvertible, CustomReflectable {
    /// The names; never the values.
    public var description: String { "RequestCookies(\(pairs.map(\.name).joined(separator: ", ")))" }

    public var customMirror: Mirror { Mirror(self, children: ["names": pairs.map(\.name)]) }
}
