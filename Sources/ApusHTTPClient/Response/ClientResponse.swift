import ApusRuntime
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

    let storage: ResponseStorage

    init(_ storage: ResponseStorage) { self.storage = storage }

    var head: HTTP1ResponseHead { storage.head }

    /// The status, such as 200 OK.
    public var status: HTTPResponse.Status { head.status }

    /// The header fields, made from the received bytes at each call.
    public var headers: HTTPFields { head.fields }

    /// The length that the head states, if it does.
    public var contentLength: Int? { head.contentLength }

    /// What was asked for in the end, after redirects.
    public var uri: URI { storage.exchange.uri }

    /// The method of the last request.
    public var method: HTTPRequest.Method { storage.exchange.method }

    /// The redirects that led here, oldest first.
    public var history: [Hop] { storage.history }

    /// The body, piece by piece.
    public var body: ResponseBody { ResponseBody(storage: storage) }

    /// Collects the body.
    ///
    /// - Parameter limit: the most bytes to collect; nil for the session's ``ClientSession/Configuration/bodyLimit``.
    /// - Throws: ``ClientError`` `.bodyTooLarge` past the limit, `.bodyConsumed` if it was read as a stream before, `.closedInBody`,
    ///   `.idleTimeout`…; `CancellationError`.
    ///
    /// Cancel safety: closes the connection; the body is lost.
    public func bytes(limit: Int? = nil) async throws -> [UInt8] {
        if let whole = try storage.whole(limit: limit) { return whole }
        return try await storage.collect(limit: limit)
    }

    /// The fields behind a chunked body: nil until the body has been read, and if there were none.
    public func trailers() async -> HTTPFields? {
        guard let stream = storage.stream else { return storage.completeTrailers }
        if stream.loop.isCurrent { return stream.value.trailers }
        return try? await stream.loop.hop { stream.value.trailers }
    }

    /// Throws if the status is 400 or more, and gives the connection up then: nobody will read the body.
    ///
    /// - Throws: ``ClientError`` `.statusNotSuccess`, with the ``ClientError/status`` and, where it came with the head, the beginning of
    ///   the body.
    public func raiseForStatus() throws {
        guard head.statusCode >= 400 else { return }
        release()
        throw storage.statusError(
            .statusNotSuccess,
            "The server answered \(status.code)\(status.reasonPhrase.isEmpty ? "" : " ")\(status.reasonPhrase)."
        )
    }

    /// Gives the connection up if the body is not at its end: for a response that nobody will read. Dropping the response does the same,
    /// a little later. Safe twice; what has come of the body already can still be read.
    public func release() { storage.release() }
}
