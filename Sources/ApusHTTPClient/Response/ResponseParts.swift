public import ApusWire
public import HTTPTypes

extension ClientResponse {
    /// The parts of a multipart body, read as they come: aiohttp's `MultipartReader`.
    ///
    /// ```swift
    /// for try await part in response.parts {
    ///     print(part.name ?? "-", try await part.bytes(limit: 1 << 20).count)
    /// }
    /// ```
    ///
    /// A body of another type is ``ClientError`` `.unexpectedContentType`, thrown by the first `next()`.
    ///
    /// Source: C112; RFC 2046 §5.1, RFC 7578.
    public var parts: ResponseParts {
        ResponseParts(
            PieceOrigin(contentType: contentType, exchange: storage.exchange) { BodyPieces(body.makeAsyncIterator()) }
        )
    }
}

/// What parts are made of.
struct PieceOrigin: Sendable {
    let contentType: MediaType?
    let exchange: Exchange
    let makeSource: @Sendable () -> any PieceSource

    init(contentType: MediaType?, exchange: Exchange, _ makeSource: @escaping @Sendable () -> any PieceSource) {
        self.contentType = contentType
        self.exchange = exchange
        self.makeSource = makeSource
    }
}

/// A response's body, as the source of parts.
// @unchecked: the reader that owns it lets one task at a time at it.
struct BodyPieces: PieceSource, @unchecked Sendable {
    private var iterator: ResponseBody.Iterator

    init(_ iterator: ResponseBody.Iterator) { self.iterator = iterator }

    mutating func nextPiece() async throws -> [UInt8]? { try await iterator.next() }
}

/// The parts of a multipart body, in their order. Of ``ClientResponse/parts``.
///
/// What is not read of a part is skipped when the next one is asked for.
public struct ResponseParts: AsyncSequence, Sendable {
    public typealias Element = ResponsePart

    let origin: PieceOrigin

    init(_ origin: PieceOrigin) { self.origin = origin }

    /// Reads part by part.
    public struct Iterator: AsyncIteratorProtocol {
        private let origin: PieceOrigin
        private var reader: PartReader?

        init(_ origin: PieceOrigin) { self.origin = origin }

        /// The next part, or nil at the end.
        ///
        /// - Throws: ``ClientError`` `.unexpectedContentType`, `.malformedResponse` with a ``MultipartError`` as its cause, and as the
        ///   body's iterator.
        ///
        /// Cancel safety: closes the connection; the rest of the body is lost.
        public mutating func next() async throws -> ResponsePart? {
            try await next(isolation: #isolation)
        }

        public mutating func next(isolation actor: isolated (any Actor)?) async throws -> ResponsePart? {
            let reader = try self.reader ?? makeReader()
            self.reader = reader
            guard let (number, fields) = try await reader.nextPart() else { return nil }
            return ResponsePart(headers: fields, reader: reader, number: number, exchange: origin.exchange)
        }

        private func makeReader() throws -> PartReader {
            let exchange = origin.exchange
            let type = origin.contentType
            do {
                guard let type else { throw MultipartError.noType }
                return PartReader(origin.makeSource(), try MultipartParser(contentType: type), exchange)
            } catch {
                throw exchange.error(
                    .unexpectedContentType,
                    "The body is \(type?.essence ?? "of no stated type"), not a multipart with a boundary.",
                    cause: error
                )
            }
        }
    }

    public func makeAsyncIterator() -> Iterator { Iterator(origin) }
}

extension MultipartError {
    fileprivate struct NoType: Error {}
    fileprivate static var noType: NoType { NoType() }
}

/// A part of a multipart body: its fields are there, its content is read as it comes, and only until the next part is asked for.
public struct ResponsePart: Sendable {
    /// The part's header fields. A `Content-Transfer-Encoding`, which mail has and HTTP has not (RFC 7578 §4.7), is not undone.
    public let headers: HTTPFields
    let reader: PartReader
    let number: Int
    let exchange: Exchange

    /// The name of the form's field that it is.
    public var name: String? { contentDisposition?.name }
    /// The name of the file that it is, as the server gave it: it may be any text. For a file take ``ContentDisposition/safeFilename``.
    public var filename: String? { contentDisposition?.filename }
    /// What it is for, and called.
    public var contentDisposition: ContentDisposition? {
        headers[.contentDisposition].flatMap { ContentDisposition($0) }
    }
    /// What it is.
    public var contentType: MediaType? { headers[.contentType].flatMap { MediaType($0) } }

    /// The content, piece by piece.
    public var body: Body { Body(part: self) }

    /// The parts of a part that is a multipart itself.
    public var parts: ResponseParts {
        ResponseParts(PieceOrigin(contentType: contentType, exchange: exchange) { Body.Iterator(part: self) })
    }

    /// Collects the content, or what is left of it.
    ///
    /// - Parameter limit: the most bytes to collect; nil for the session's ``ClientSession/Configuration/bodyLimit``.
    /// - Throws: ``ClientError`` `.bodyTooLarge`, `.bodyConsumed` if the next part was asked for, and as ``ResponseParts/Iterator/next()``.
    ///
    /// Cancel safety: closes the connection; the rest of the body is lost.
    public func bytes(limit: Int? = nil) async throws -> [UInt8] {
        let limit = limit ?? exchange.core.configuration.bodyLimit
        var bytes: [UInt8] = []
        while let piece = try await reader.nextData(of: number) {
            guard bytes.count + piece.count <= limit else {
                throw exchange.error(
                    .bodyTooLarge,
                    "The part is larger than \(limit) bytes. Pass a higher `limit:`, or read its `body`."
                )
            }
            if bytes.isEmpty { bytes = piece } else { bytes.append(contentsOf: piece) }
        }
        return bytes
    }

    /// Collects the content as text: see ``ClientResponse/text(encoding:strict:limit:)``.
    public func text(encoding: String? = nil, strict: Bool = false, limit: Int? = nil) async throws -> String {
        let bytes = try await bytes(limit: limit)
        let converter = try exchange.converter(encoding ?? contentType?.charset, isAsked: encoding != nil)
        return try exchange.text(of: bytes, converter, strict)
    }

    /// The content of a part, piece by piece.
    public struct Body: AsyncSequence, Sendable {
        public typealias Element = [UInt8]

        let part: ResponsePart

        /// Reads a part piece by piece.
        public struct Iterator: AsyncIteratorProtocol, PieceSource {
            let part: ResponsePart

            /// The next piece: at least one byte, or nil at the end.
            ///
            /// - Throws: as ``ResponsePart/bytes(limit:)``.
            ///
            /// Cancel safety: closes the connection; the rest of the body is lost.
            public mutating func next() async throws -> [UInt8]? { try await part.reader.nextData(of: part.number) }

            mutating func nextPiece() async throws -> [UInt8]? { try await next() }
        }

        public func makeAsyncIterator() -> Iterator { Iterator(part: part) }
    }
}
