import ApusHTTPClient
public import HTTPTypes

/// A request as a ``MockTransport`` has received it.
public struct MockRequest: Sendable, Hashable, CustomStringConvertible {
    /// The method.
    public var method: HTTPRequest.Method
    /// What was asked for: scheme, host, port unless it is the scheme's, path and query.
    public var url: String
    /// The path, percent-encoded.
    public var path: String
    /// The query, percent-encoded; nil if there is none.
    public var query: String?
    /// The fields that were sent, those that frame the body among them.
    public var headers: HTTPFields
    /// The body.
    public var body: [UInt8]

    /// The body as UTF-8.
    public var text: String { String(decoding: body, as: UTF8.self) }

    /// The body, decoded as JSON.
    ///
    /// - Throws: the decoder's error.
    public func json<Value: Decodable>(_ type: Value.Type = Value.self) throws -> Value {
        try JSONCoding.decode(type, from: body)
    }

    public var description: String { "\(method.rawValue) \(url)" }
}
