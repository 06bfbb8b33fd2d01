import ApusRuntime
public import HTTPTypes

/// Writes a request's body: see ``RequestBody/written(length:contentType:isRestartable:_:)``. One task writes at a time.
public struct RequestBodyWriter: Sendable {
    let upload: LoopBound<Upload>

    /// Writes a piece, waiting until the server (or the network's buffers) has taken it.
    ///
    /// - Throws: ``ClientError`` `.invalidRequest` past the stated length, for a second task that writes, or after the body's end;
    ///   what broke the connection; `CancellationError`.
    ///
    /// Cancel safety: a part may have been written, and the request fails.
    public func write(_ bytes: [UInt8]) async throws {
        try await write(bytes[...])
    }

    /// Writes a piece: see ``write(_:)-([UInt8])``.
    public func write(_ bytes: ArraySlice<UInt8>) async throws {
        let upload = upload
        if upload.loop.runsCurrentTask { return try await upload.value.writePiece(bytes) }
        try await upload.loop.hop { try await upload.value.writePiece(bytes) }
    }

    /// Writes a text in UTF-8: see ``write(_:)-([UInt8])``.
    public func write(_ text: String) async throws { try await write(Array(text.utf8)[...]) }

    /// Fields to be sent behind the body, which must have no stated length (RFC 9110 §6.5).
    public func setTrailers(_ trailers: HTTPFields) async throws {
        let upload = upload
        if upload.loop.runsCurrentTask { return upload.value.trailers = trailers }
        try await upload.loop.hop { upload.value.trailers = trailers }
    }
}
