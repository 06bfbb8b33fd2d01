/// What a request carries.
///
/// ```swift
/// try await session.put(url, body: .file("backup.tar", contentType: "application/x-tar"))
/// try await session.post(url, body: .written { writer in
///     for row in rows { try await writer.write(row + "\n") }
/// })
/// ```
///
/// Bytes, texts and files can be sent again, so redirects and retries work with them. A stream can be only if it says so.
public struct RequestBody: Sendable {
    /// Where the bytes come from.
    enum Content: Sendable {
        case bytes([UInt8])
        case file(path: String, range: Range<Int64>?)
        case written(WrittenBody)
        case multipart(Multipart)
    }

    /// A body that is made while it is sent.
    struct WrittenBody: Sendable {
        /// In bytes; nil to send it in chunks.
        var length: Int?
        /// Whether `write` may run more than once.
        var isRestartable: Bool
        var write: @Sendable (RequestBodyWriter) async throws -> Void
    }

    var content: Content
    /// The Content-Type, unless the request's own fields state one.
    var contentType: String

    /// Bytes as they are.
    ///
    /// - Parameter contentType: sent unless the request's fields state another.
    public static func bytes(_ bytes: [UInt8], contentType: String = "application/octet-stream") -> RequestBody {
        RequestBody(content: .bytes(bytes), contentType: contentType)
    }

    /// A text in UTF-8.
    ///
    /// - Parameter contentType: sent unless the request's fields state another.
    public static func text(_ text: String, contentType: String = "text/plain; charset=utf-8") -> RequestBody {
        RequestBody(content: .bytes(Array(text.utf8)), contentType: contentType)
    }

    /// A file, or a part of it, which is never in memory as a whole: the system sends it by itself where it can (sendfile(2)).
    ///
    /// The file is opened when the request begins; it must not become shorter until it is sent.
    ///
    /// - Parameters:
    ///   - path: a regular file.
    ///   - range: offsets in bytes; nil for all of it.
    ///   - contentType: sent unless the request's fields state another.
    public static func file(
        _ path: String,
        range: Range<Int64>? = nil,
        contentType: String = "application/octet-stream"
    ) -> RequestBody {
        RequestBody(content: .file(path: path, range: range), contentType: contentType)
    }

    /// A body that `write` writes while it is sent, as fast as the server takes it.
    ///
    /// `write` runs in a task of its own on the session's loop, so it can go on while the response comes already. The task is
    /// cancelled if the request fails, is cancelled, or is refused with a status of 400 or more before all is sent.
    ///
    /// - Parameters:
    ///   - length: the body's bytes, if known; else it is sent in chunks. It is an error to write more or fewer.
    ///   - contentType: sent unless the request's fields state another.
    ///   - isRestartable: whether `write` may be called again, to send the same once more after a redirect or on another connection.
    ///   - write: writes the body. What it throws becomes the cause of a ``ClientError`` `.bodyFailed`.
    public static func written(
        length: Int? = nil,
        contentType: String = "application/octet-stream",
        isRestartable: Bool = true,
        _ write: @escaping @Sendable (RequestBodyWriter) async throws -> Void
    ) -> RequestBody {
        RequestBody(
            content: .written(WrittenBody(length: length, isRestartable: isRestartable, write: write)),
            contentType: contentType
        )
    }

    /// The pieces of a sequence, such as another response's body, as fast as the server takes them.
    ///
    /// ```swift
    /// try await session.get(source) { response in
    ///     try await session.put(target, body: .stream(response.body, length: response.contentLength))
    /// }
    /// ```
    ///
    /// - Parameters:
    ///   - pieces: byte arrays.
    ///   - length: the body's bytes, if known; else it is sent in chunks. It is an error to have more or fewer.
    ///   - contentType: sent unless the request's fields state another.
    ///   - isRestartable: whether the sequence can be iterated again, to send the same once more after a redirect or on another
    ///     connection.
    public static func stream<Pieces: AsyncSequence & Sendable>(
        _ pieces: Pieces,
        length: Int? = nil,
        contentType: String = "application/octet-stream",
        isRestartable: Bool = false
    ) -> RequestBody where Pieces.Element == [UInt8] {
        .written(length: length, contentType: contentType, isRestartable: isRestartable) { writer in
            for try await piece in pieces { try await writer.write(piece) }
        }
    }
}
