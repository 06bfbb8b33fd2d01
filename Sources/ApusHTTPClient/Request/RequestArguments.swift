public import ApusWire
public import HTTPTypes

/// What names a resource: a `String` or a ``URI``.
public protocol RequestURL: Sendable {
    /// - Throws: ``URIError`` if it cannot be understood.
    func uri() throws -> URI

    /// The same, relative to a session's ``ClientSession/Configuration/baseURL`` if it has one. What is always absolute ignores it.
    ///
    /// - Throws: ``URIError`` if it cannot be understood.
    func uri(relativeTo base: URI?) throws -> URI
}

extension RequestURL {
    public func uri(relativeTo base: URI?) throws -> URI { try uri() }
}

extension String: RequestURL {
    public func uri() throws -> URI { try URI(self) }

    public func uri(relativeTo base: URI?) throws -> URI {
        if let base { return try base.resolve(self) }
        return try URI(self)
    }
}

extension URI: RequestURL {
    public func uri() -> URI { self }
}

/// A request's own header fields: `HTTPFields`, a dictionary or a list of pairs.
public protocol RequestFields: Sendable {
    /// - Throws: ``ClientError`` `.invalidRequest` for a name or value that HTTP does not allow.
    func httpFields() throws -> HTTPFields
}

extension HTTPFields: RequestFields {
    public func httpFields() -> HTTPFields { self }
}

extension Dictionary: RequestFields where Key == String, Value == String {
    public func httpFields() throws -> HTTPFields {
        // Sorted, so that the same request is the same bytes each time.
        try HTTPFields(pairs: sorted { $0.key < $1.key }.map { ($0.key, $0.value) })
    }
}

extension KeyValuePairs: RequestFields where Key == String, Value == String {
    public func httpFields() throws -> HTTPFields { try HTTPFields(pairs: map { ($0.key, $0.value) }) }
}

extension HTTPFields {
    fileprivate init(pairs: [(String, String)]) throws {
        self.init()
        for (name, value) in pairs {
            guard let fieldName = HTTPField.Name(name) else {
                throw ClientError(
                    .invalidRequest,
                    "“\(name)” is not a header name: letters, digits and !#$%&'*+-.^_`|~ only."
                )
            }
            // HTTPField would replace what it does not like; a value with a line break is an attack or a mistake.
            guard HTTPField.isValidValue(value) else {
                throw ClientError(
                    .invalidRequest,
                    "The value of header “\(name)” has a line break or another control character."
                )
            }
            append(HTTPField(name: fieldName, value: value))
        }
    }
}

/// No fields: what requests have by default.
public struct NoFields: RequestFields {
    public init() {}
    public func httpFields() -> HTTPFields { HTTPFields() }
}
