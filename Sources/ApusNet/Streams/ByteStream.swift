/// Bytes in both directions: what TCP connections, Unix sockets, pipes, terminals and the in-memory streams of tests have in common.
///
/// Protocols are written against it, and so run over each of them:
///
/// ```swift
/// func greet(_ stream: some ByteStream) async throws -> [UInt8] {
///     try await stream.write("hello\n")
///     return try await stream.read()
/// }
/// ```
///
/// One task may read while another writes. Two that read (or write) at once are an error, ``NetError`` `.busy`. What conforms is held to
/// `checkByteStream` of ApusTesting, as ours are.
public protocol ByteStream: AnyObject, Sendable {
    /// Reads what has come, at least one byte, into a part of `buffer` that exists already: nothing is allocated or copied.
    ///
    /// ```swift
    /// var buffer = [UInt8](repeating: 0, count: 65_536)
    /// while case let count = try await stream.read(into: &buffer), count > 0 {
    ///     try await stream.write(buffer[..<count])
    /// }
    /// ```
    ///
    /// - Parameters:
    ///   - buffer: its bytes from `offset` to its end are overwritten as far as something came; its length stays.
    ///   - offset: in bytes; less than `buffer.count`.
    ///   - timeout: how long to wait for the first byte; nil for ever.
    /// - Returns: how many bytes came; 0 at the end of the stream.
    /// - Throws: ``NetError`` (`.timedOut`, `.connectionReset`, `.closed`, `.busy` when another task reads, `.invalidArgument` if `offset`
    ///   leaves no room), `CancellationError`.
    ///
    /// Cancel safety: no bytes are lost; the next read gets them.
    func read(into buffer: inout [UInt8], startingAt offset: Int, timeout: Duration?) async throws -> Int

    /// Reads what has come, at least one byte.
    ///
    /// - Parameters:
    ///   - count: the most to return, in bytes; at least 1.
    ///   - timeout: how long to wait for the first byte; nil for ever.
    /// - Returns: 1...`count` bytes; none at the end of the stream.
    /// - Throws: ``NetError`` (`.timedOut`, `.connectionReset`, `.closed`, `.busy` when another task reads), `CancellationError`.
    ///
    /// Cancel safety: no bytes are lost; the next read gets them.
    func read(upTo count: Int, timeout: Duration?) async throws -> [UInt8]

    /// Writes all of `bytes`, waiting whenever there is no room: a peer that does not read slows its writer down.
    ///
    /// - Parameter timeout: bounds each wait for room, not the whole; nil for ever.
    /// - Throws: ``NetError`` (`.brokenPipe`, `.connectionReset`, `.timedOut`, `.closed`, `.busy`), `CancellationError`.
    ///
    /// Cancel safety: a part may have been written; how much is not known, so close the stream.
    func write(_ bytes: ArraySlice<UInt8>, timeout: Duration?) async throws

    /// Writes all pieces, one after the other, with as few system calls as their number allows (sendmsg(2), writev(2)).
    ///
    /// - Parameter timeout: bounds each wait for room, not the whole; nil for ever.
    /// - Throws: as ``write(_:timeout:)``.
    ///
    /// Cancel safety: a part may have been written; how much is not known, so close the stream.
    func write(vector pieces: [[UInt8]], timeout: Duration?) async throws

    /// Writes a file, or a part of it, without bringing it into this process where the system can do that (sendfile(2)).
    ///
    /// Opening and reading the file never blocks the loop.
    ///
    /// - Parameters:
    ///   - path: of a regular file.
    ///   - range: offsets in bytes, within the file; nil for the whole of it.
    ///   - timeout: bounds each wait for room, not the whole; nil for ever.
    /// - Returns: how many bytes were sent: all of the range.
    /// - Throws: ``NetError``: `.file` if the file cannot be opened or read, or becomes shorter meanwhile; `.invalidArgument` for a range
    ///   beyond its end; else as ``write(_:timeout:)``.
    ///
    /// Cancel safety: a part may have been written; how much is not known, so close the stream.
    func sendFile(_ path: String, range: Range<Int64>?, timeout: Duration?) async throws -> Int64

    /// Tells the peer that nothing more comes. Reading goes on. Safe twice; on a stream that is broken or closed it does nothing.
    ///
    /// Cancel safety: takes effect in any case.
    func finishWriting() async

    /// Closes both directions, and ends every wait on the stream with ``NetError`` `.closed`. Safe twice.
    ///
    /// Cancel safety: takes effect in any case.
    func close() async

    /// Closes both directions and, where the stream can, tells the peer that its data is not wanted (RST, on TCP): it may lose what was
    /// written to it before. Ends every wait on the stream with ``NetError`` `.closed`. Safe twice.
    ///
    /// Cancel safety: takes effect in any case.
    func abort() async
}

extension ByteStream {
    /// ``read(into:startingAt:timeout:)`` by way of ``read(upTo:timeout:)``, for streams that have nothing better.
    public func read(into buffer: inout [UInt8], startingAt offset: Int, timeout: Duration?) async throws -> Int {
        try NetError.checkRoom(in: buffer, from: offset)
        let bytes = try await read(upTo: buffer.count - offset, timeout: timeout)
        buffer.replaceSubrange(offset..<offset + bytes.count, with: bytes)
        return bytes.count
    }

    /// ``write(vector:timeout:)`` piece by piece, for streams that have nothing better.
    public func write(vector pieces: [[UInt8]], timeout: Duration?) async throws {
        for piece in pieces where !piece.isEmpty { try await write(piece[...], timeout: timeout) }
    }

    /// ``sendFile(_:range:timeout:)`` by reading and writing, for streams that have nothing better.
    public func sendFile(_ path: String, range: Range<Int64>?, timeout: Duration?) async throws -> Int64 {
        let file = try await SourceFile(path: path, range: range)
        var position = file.range.lowerBound
        while position < file.range.upperBound {
            let bytes = try await file.read(at: position, count: 256 * 1024)
            try await write(bytes[...], timeout: timeout)
            position += Int64(bytes.count)
        }
        return Int64(file.range.count)
    }

    /// ``close()``, for streams that cannot refuse.
    public func abort() async { await close() }

    // MARK: With the usual arguments

    /// Reads what has come into `buffer` from its beginning: see ``read(into:startingAt:timeout:)``.
    public func read(into buffer: inout [UInt8]) async throws -> Int {
        try await read(into: &buffer, startingAt: 0, timeout: nil)
    }

    /// Reads what has come, up to 64 KiB: see ``read(upTo:timeout:)``.
    public func read(upTo count: Int = 65_536) async throws -> [UInt8] { try await read(upTo: count, timeout: nil) }

    /// Reads what has come, up to 64 KiB: see ``read(upTo:timeout:)``.
    public func read(timeout: Duration?) async throws -> [UInt8] { try await read(upTo: 65_536, timeout: timeout) }

    /// Writes all of `bytes`: see ``write(_:timeout:)``.
    public func write(_ bytes: ArraySlice<UInt8>) async throws { try await write(bytes, timeout: nil) }

    /// Writes all of `bytes`: see ``write(_:timeout:)``.
    public func write(_ bytes: [UInt8], timeout: Duration? = nil) async throws {
        try await write(bytes[...], timeout: timeout)
    }

    /// Writes all of `text` as UTF-8: see ``write(_:timeout:)``.
    public func write(_ text: String, timeout: Duration? = nil) async throws {
        try await write(Array(text.utf8)[...], timeout: timeout)
    }

    /// Writes a file: see ``sendFile(_:range:timeout:)``.
    @discardableResult
    public func sendFile(_ path: String, range: Range<Int64>? = nil) async throws -> Int64 {
        try await sendFile(path, range: range, timeout: nil)
    }

    /// Writes all pieces, one after the other: see ``write(vector:timeout:)``.
    public func write(vector pieces: [[UInt8]]) async throws { try await write(vector: pieces, timeout: nil) }
}

extension NetError {
    static func checkRoom(in buffer: [UInt8], from offset: Int) throws(NetError) {
        guard offset >= 0, offset < buffer.count else {
            throw NetError(
                .invalidArgument,
                "There is no room to read into: the buffer has \(buffer.count) bytes, and reading was to begin at \(offset)."
            )
        }
    }
}
