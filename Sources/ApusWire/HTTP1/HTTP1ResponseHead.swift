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
    public var status: HTTPResponse.Status {
        // Nearly all have the phrase that goes with the code, and need no text of their own, nor a look at each of its bytes.
        if let (status, phrase) = Self.usual(statusCode), hasReason(phrase) { return status }
        return HTTPResponse.Status(code: statusCode, reasonPhrase: reason)
    }

    // RFC 9110 §15.3 to §15.6: the phrases that the specification lists.
    private static func usual(_ code: Int) -> (status: HTTPResponse.Status, phrase: StaticString)? {
        switch code {
        case 200: (.ok, "OK")
        case 201: (.created, "Created")
        case 204: (.noContent, "No Content")
        case 206: (.partialContent, "Partial Content")
        case 301: (.movedPermanently, "Moved Permanently")
        case 302: (.found, "Found")
        case 304: (.notModified, "Not Modified")
        case 400: (.badRequest, "Bad Request")
        case 401: (.unauthorized, "Unauthorized")
        case 403: (.forbidden, "Forbidden")
        case 404: (.notFound, "Not Found")
        case 500: (.internalServerError, "Internal Server Error")
        case 502: (.badGateway, "Bad Gateway")
        case 503: (.serviceUnavailable, "Service Unavailable")
        default: nil
        }
    }

    private func hasReason(_ phrase: StaticString) -> Bool {
        guard reasonCount == phrase.utf8CodeUnitCount else { return false }
        return block.withPart(reasonStart, reasonCount) { bytes in
            bytes.elementsEqual(UnsafeRawBufferPointer(start: phrase.utf8Start, count: phrase.utf8CodeUnitCount))
        }
    }

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
