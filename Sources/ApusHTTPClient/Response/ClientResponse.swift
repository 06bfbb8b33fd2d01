public import ApusWire
public import HTTPTypes

/// A server's answer: the head has arrived, the body can be read.
///
/// ```swift
/// let response = try await session.get("http://localhost:8080/")
/// print(response.status, response.headers[.contentType] ?? "-")
/// print(try await response.text())
/// ```
public struct ClientResponse: Sendable {
    /// A redirect that led here.
    public struct Hop: Sendable {
        /// What was asked for.
        public var uri: URI
        /// What was answered.
        public var status: HTTPResponse.Status
    }

    let head: HTTP1ResponseHead
    /// What was asked for in the end, after redirects.
    public let uri: URI
    /// The method of the last request.
    public let method: HTTPRequest.Method
    /// The body, piece by piece.
    public let body: ResponseBody
    /// The redirects that led here, oldest first.
    public internal(set) var history: [Hop] = []

    init(head: HTTP1ResponseHead, uri: URI, method: HTTPRequest.Method, body: ResponseBody) {
        self.head = head
        self.uri = uri
        self.method = method
        self.body = body
    }

    /// The status, such as 200 OK.
    public var status: HTTPResponse.Status { head.status }

    /// The header fields, made from the received bytes at each call.
    public var headers: HTTPFields { head.fields }

    /// The length that the head states, if it does.
    public var contentLength: Int? { head.contentLength }

    /// Collects the body.
    ///
    /// - Parameter limit: the most bytes to collect; nil for the session's ``ClientSession/Configuration/bodyLimit``.
    /// - Throws: ``ClientError`` `.bodyTooLarge` past the limit, `.bodyConsumed` if it was read as a stream before, `.closedInBody`,
    ///   `.idleTimeout`…; `CancellationError`.
    ///
    /// Cancel safety: closes the connection; the body is lost.
    public func bytes(limit: Int? = nil) async throws -> [UInt8] {
        try await body.collect(limit: limit) { [uri, method] limit in
            ClientError(
                .bodyTooLarge,
                "The body is larger than \(limit) bytes. Pass a higher `limit:`, or read it piece by piece: "
                    + "`try await session.get(url) { r in for try await chunk in r.body { … } }`.",
                method: method,
                uri: uri
            )
        }
    }

    /// Collects the body as text in UTF-8; bytes that are not UTF-8 become U+FFFD.
    ///
    /// - Parameter limit: the most bytes to collect; nil for the session's ``ClientSession/Configuration/bodyLimit``.
    /// - Throws: as ``bytes(limit:)``.
    ///
    /// Cancel safety: as ``bytes(limit:)``.
    public func text(limit: Int? = nil) async throws -> String {
        String(decoding: try await bytes(limit: limit), as: UTF8.self)
    }

    /// The fields behind a chunked body: nil until the body has been read, and if there were none.
    public func trailers() async -> HTTPFields? { await body.trailers() }

    /// Throws ``ClientError`` `.statusNotSuccess` if the status is 400 or more.
    public func raiseForStatus() throws {
        guard head.statusCode >= 400 else { return }
        throw ClientError(
            .statusNotSuccess,
            "The server answered \(status.code) \(status.reasonPhrase).",
            method: method,
            uri: uri
        )
    }

    /// Gives the connection up if the body is not at its end.
    func discard() async { await body.release() }
}
