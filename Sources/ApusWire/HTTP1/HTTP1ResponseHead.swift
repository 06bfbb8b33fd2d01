public import HTTPTypes

/// A received response head. Strings are made when asked for; the facts were gathered while parsing.
public struct HTTP1ResponseHead: Sendable {
    /// The fields as received.
    public let block: HTTP1FieldBlock
    let facts: HTTP1HeadFacts
    /// The status code, 100 to 999 (RFC 9110 §15).
    public let statusCode: Int
    let reasonStart: Int
    let reasonCount: Int

    /// The reason phrase, often empty; it carries no meaning (RFC 9112 §4).
    public var reason: String { block.text(reasonStart, reasonCount) }

    /// Status code and reason as the currency type.
    public var status: HTTPResponse.Status { HTTPResponse.Status(code: statusCode, reasonPhrase: reason) }

    /// The minor version: 0 for HTTP/1.0, 1 for HTTP/1.1.
    public var versionMinor: Int { Int(facts.versionMinor) }

    /// The fields as the currency type, made at each call.
    public var fields: HTTPFields { block.fields }

    /// The value of Content-Length, whether or not this response has a body (one to HEAD has none).
    public var contentLength: Int? { facts.contentLength < 0 ? nil : facts.contentLength }
    /// Whether Transfer-Encoding is chunked.
    public var isChunked: Bool { facts.flags.contains(.chunked) }
    /// Whether there is a Content-Encoding (RFC 9110 §8.4).
    public var hasContentEncoding: Bool { facts.flags.contains(.contentEncoding) }
    /// Whether there is a Set-Cookie (RFC 6265 §4.1).
    public var hasSetCookie: Bool { facts.flags.contains(.setCookie) }
    /// Whether there is a Keep-Alive field (RFC 2068 §19.7.1.1).
    public var hasKeepAliveField: Bool { facts.flags.contains(.keepAliveField) }
    /// Whether the server is willing to keep the connection after this exchange (RFC 9112 §9.3).
    public var keepAlive: Bool { facts.keepAlive }
    /// Whether the server names other protocols it would speak (RFC 9110 §7.8).
    public var hasUpgrade: Bool { facts.flags.contains(.upgrade) }
}
