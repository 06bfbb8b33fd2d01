import ApusRuntime
public import HTTPTypes

/// What a handler answers.
public struct ServerResponse: Sendable {
    enum Body: Sendable {
        case bytes([UInt8])
        case stream(length: Int?, @Sendable (ResponseWriter) async throws -> Void)
    }

    /// The status.
    public var status: HTTPResponse.Status
    /// The fields. Content-Length, Transfer-Encoding, Connection and Date are the server's.
    public var headers: HTTPFields
    var body: Body

    /// A response with a body of bytes.
    public init(status: HTTPResponse.Status = .ok, headers: HTTPFields = [:], bytes: [UInt8] = []) {
        self.status = status
        self.headers = headers
        body = .bytes(bytes)
    }

    /// A text in UTF-8.
    public static func text(
        _ text: String,
        status: HTTPResponse.Status = .ok,
        headers: HTTPFields = [:]
    ) -> ServerResponse {
        var response = ServerResponse(status: status, headers: headers, bytes: Array(text.utf8))
        if response.headers[.contentType] == nil { response.headers[.contentType] = "text/plain; charset=utf-8" }
        return response
    }

    /// A status without a body.
    public static func status(_ status: HTTPResponse.Status, headers: HTTPFields = [:]) -> ServerResponse {
        ServerResponse(status: status, headers: headers)
    }

    /// A body that is written piece by piece, as fast as the client takes it.
    ///
    /// - Parameters:
    ///   - length: the body's bytes, if known; else it is sent in chunks.
    ///   - write: writes the body; an error breaks the connection off, since the head has gone out.
    public static func stream(
        status: HTTPResponse.Status = .ok,
        headers: HTTPFields = [:],
        length: Int? = nil,
        _ write: @escaping @Sendable (ResponseWriter) async throws -> Void
    ) -> ServerResponse {
        var response = ServerResponse(status: status, headers: headers)
        response.body = .stream(length: length, write)
        return response
    }
}

/// Writes a streamed response's body.
public struct ResponseWriter: Sendable {
    let connection: LoopBound<ServerConnection>
    let cycle: Int

    /// Writes a piece, waiting until the client (or the network's buffers) has taken it.
    ///
    /// - Throws: ``ServerError`` (`.disconnected`, `.timedOut`, `.invalidResponse` past the stated length), `CancellationError`.
    ///
    /// Cancel safety: a part may have been written; the connection closes.
    public func write(_ bytes: [UInt8]) async throws {
        let (connection, cycle) = (connection, cycle)
        if connection.loop.runsCurrentTask { return try await connection.value.writePiece(bytes, cycle) }
        try await connection.loop.hop { try await connection.value.writePiece(bytes, cycle) }
    }

    /// Writes a text in UTF-8: see ``write(_:)-([UInt8])``.
    public func write(_ text: String) async throws { try await write(Array(text.utf8)) }
}
