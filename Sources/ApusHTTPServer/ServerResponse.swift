import ApusRuntime
public import HTTPTypes

/// What a handler answers.
public struct ServerResponse: Sendable {
    enum Body: Sendable {
        case bytes([UInt8])
        /// As it was given: to make an array of a short text is to take and give back memory.
        case text(String)
        case stream(length: Int?, @Sendable (ResponseWriter) async throws -> Void)
    }

    /// The status.
    public var status: HTTPResponse.Status
    /// The fields. Content-Length, Transfer-Encoding, Connection and Date are the server's.
    public var headers: HTTPFields {
        get { isPlainText ? Self.plainText : fields }
        _modify {
            if isPlainText {
                isPlainText = false
                fields = Self.plainText
            }
            yield &fields
        }
    }
    /// The fields, but for those that `isPlainText` stands for.
    private(set) var fields: HTTPFields
    /// Whether the only field is the Content-Type of a text. The server has its line ready: a field of the currency type costs some 1,500
    /// instructions to make, to check and to write.
    private(set) var isPlainText: Bool
    var body: Body

    /// A response with a body of bytes.
    public init(status: HTTPResponse.Status = .ok, headers: HTTPFields = HTTPFields(), bytes: [UInt8] = []) {
        self.init(status, headers, isPlainText: false, .bytes(bytes))
    }

    private init(_ status: HTTPResponse.Status, _ fields: HTTPFields, isPlainText: Bool, _ body: Body) {
        self.status = status
        self.fields = fields
        self.isPlainText = isPlainText
        self.body = body
    }

    static let plainTextType = "text/plain; charset=utf-8"
    private static let plainText: HTTPFields = [.contentType: plainTextType]

    /// A text in UTF-8.
    public static func text(
        _ text: String,
        status: HTTPResponse.Status = .ok,
        headers: HTTPFields = HTTPFields()
    ) -> ServerResponse {
        if headers.isEmpty { return ServerResponse(status, headers, isPlainText: true, .text(text)) }
        var fields = headers
        if fields[.contentType] == nil { fields[.contentType] = plainTextType }
        return ServerResponse(status, fields, isPlainText: false, .text(text))
    }

    /// A status without a body.
    public static func status(_ status: HTTPResponse.Status, headers: HTTPFields = HTTPFields()) -> ServerResponse {
        ServerResponse(status: status, headers: headers)
    }

    /// A body that is written piece by piece, as fast as the client takes it.
    ///
    /// - Parameters:
    ///   - length: the body's bytes, if known; else it is sent in chunks.
    ///   - write: writes the body; an error breaks the connection off, since the head has gone out.
    public static func stream(
        status: HTTPResponse.Status = .ok,
        headers: HTTPFields = HTTPFields(),
        length: Int? = nil,
        _ write: @escaping @Sendable (ResponseWriter) async throws -> Void
    ) -> ServerResponse {
        ServerResponse(status, headers, isPlainText: false, .stream(length: length, write))
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
