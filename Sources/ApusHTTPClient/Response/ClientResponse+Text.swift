import ApusWire

extension ClientResponse {
    /// Collects the body as text.
    ///
    /// The encoding is that of a byte order mark, or else `encoding`, or else the `charset` of the Content-Type by the labels of WHATWG
    /// Encoding (so `gb2312` and `gbk` are read as GB18030, and `latin1` as windows-1252), or else UTF-8. A label in a head that names no
    /// encoding (`none`, `utf8mb4`) counts as none.
    ///
    /// - Parameters:
    ///   - encoding: a label such as `"gb18030"`, instead of the head's.
    ///   - strict: whether bytes that are not of the encoding are an error. They become U+FFFD otherwise.
    ///   - limit: the most bytes to collect; nil for the session's ``ClientSession/Configuration/bodyLimit``.
    /// - Throws: as ``bytes(limit:)``; ``ClientError`` `.decodingFailed` for an `encoding` that is not known, for one of the head's
    ///   whose table this system lacks, and if `strict` for what is malformed.
    ///
    /// Cancel safety: as ``bytes(limit:)``.
    ///
    /// Source: C41 (aiohttp's `text`).
    // Inlined, since a small body has come with its head: an asynchronous call, and the way back from it, cost as much as to make its text.
    @inlinable
    @inline(__always)
    public func text(encoding: String? = nil, strict: Bool = false, limit: Int? = nil) async throws -> String {
        if encoding == nil, !strict, let text = try completeText(limit: limit) { return text }
        return try await collectText(encoding, strict, limit)
    }

    /// The text, if all of it is there, and is UTF-8.
    @usableFromInline
    func completeText(limit: Int?) throws -> String? {
        guard let bytes = try storage.whole(limit: limit) else { return nil }
        return plainText(bytes)
    }

    /// The text, if it is UTF-8 by the head and has no byte order mark: none begins with another byte.
    @inline(__always)
    private func plainText(_ bytes: [UInt8]) -> String? {
        guard bytes.first.map({ $0 != 0xEF && $0 < 0xFE }) ?? true, hasPlainUTF8 else { return nil }
        return bytes.withUnsafeBytes { String(utf8: $0) }
    }

    @usableFromInline
    func collectText(_ encoding: String?, _ strict: Bool, _ limit: Int?) async throws -> String {
        let bytes = try await storage.collect(limit: limit)
        if encoding == nil, !strict, let text = plainText(bytes) { return text }
        return try storage.exchange.text(
            of: bytes,
            try storage.exchange.converter(encoding ?? charset, isAsked: encoding != nil),
            strict
        )
    }

    /// The `charset` of the Content-Type.
    var charset: String? { contentType?.charset }

    /// Whether the text is UTF-8 by the head, and nothing has to be parsed to know it.
    var hasPlainUTF8: Bool { head.block.hasPlainCharset }
}

extension Exchange {
    /// The converter for a label, or for UTF-8.
    ///
    /// - Parameter isAsked: whether the caller named it: a head's that is not known counts as none.
    func converter(_ label: String?, isAsked: Bool) throws -> TextConverter {
        guard let label else { return TextConverter(.utf8) }
        do throws(UnknownEncoding) {
            return try TextConverter(label: label)
        } catch {
            // A label of an encoding that is missing here must not be read as something else in silence.
            if !isAsked, !error.isLabel { return TextConverter(.utf8) }
            throw self.error(.decodingFailed, error.message)
        }
    }

    func text(of bytes: [UInt8], _ converter: TextConverter, _ strict: Bool) throws -> String {
        var converter = converter
        // A mark says more than any label; the built-in decoders drop it.
        if let mark = TextEncoding.byteOrderMark(bytes.prefix(3)) { converter = TextConverter(mark.encoding) }
        let (text, malformed) = converter.convert(bytes)
        guard strict, let malformed else { return text }
        throw error(
            .decodingFailed,
            "The body is not text in \(converter.label): byte \(malformed) of \(bytes.count) is malformed. "
                + "Name another `encoding:`, or leave `strict` out to have such bytes replaced."
        )
    }
}
