import ApusWire

extension ClientResponse {
    /// The body as lines of text, read as they come.
    ///
    /// ```swift
    /// for try await line in response.lines { print(line) }
    /// ```
    public var lines: ResponseLines { ResponseLines(response: self, limit: 1024 * 1024) }

    /// The body as lines of text, read as they come.
    ///
    /// - Parameter limit: the most bytes of a line, at least 1; a longer one is ``ClientError`` `.lineTooLong`.
    public func lines(limit: Int) -> ResponseLines { ResponseLines(response: self, limit: max(1, limit)) }
}

/// The lines of a body, without their ends: LF, CR or CRLF. The last line needs none. Of ``ClientResponse/lines``.
///
/// The text is decoded as by ``ClientResponse/text(encoding:strict:limit:)``, line by line; UTF-16, whose line ends are two bytes, is
/// refused with ``ClientError`` `.decodingFailed`.
public struct ResponseLines: AsyncSequence, Sendable {
    public typealias Element = String

    let response: ClientResponse
    let limit: Int

    /// Reads a body line by line.
    public struct Iterator: AsyncIteratorProtocol {
        private let response: ClientResponse
        private var body: ResponseBody.Iterator
        private var splitter: LineSplitter
        private var converter: TextConverter?
        private var isAtStart = true
        private var isAtEnd = false

        init(_ lines: ResponseLines) {
            response = lines.response
            body = lines.response.body.makeAsyncIterator()
            splitter = LineSplitter(limit: lines.limit)
        }

        /// The next line, or nil at the end.
        ///
        /// - Throws: ``ClientError`` `.lineTooLong`, and as the body's iterator.
        ///
        /// Cancel safety: closes the connection; the rest of the body is lost.
        public mutating func next() async throws -> String? {
            try await next(isolation: #isolation)
        }

        public mutating func next(isolation actor: isolated (any Actor)?) async throws -> String? {
            while !isAtEnd {
                let line: [UInt8]?
                do throws(LineSplitter.TooLong) {
                    line = try splitter.next()
                } catch {
                    isAtEnd = true
                    response.release()
                    throw response.storage.exchange.error(
                        .lineTooLong,
                        "A line of the body has more than \(splitter.limit) bytes. Pass a higher `limit:` to `lines`."
                    )
                }
                if let line { return try text(line) }
                if let piece = try await body.next(isolation: actor) {
                    splitter.feed(piece)
                } else {
                    isAtEnd = true
                    return try splitter.finish().map { try text($0) }
                }
            }
            return nil
        }

        private mutating func text(_ line: [UInt8]) throws -> String {
            var line = line
            if isAtStart {
                isAtStart = false
                if line.starts(with: [0xEF, 0xBB, 0xBF]) { line.removeFirst(3) }
                if !response.hasPlainUTF8 {
                    let made = try response.storage.exchange.converter(response.charset, isAsked: false)
                    guard made.hasPlainLineEnds else {
                        throw response.storage.exchange.error(
                            .decodingFailed,
                            "Lines are cut at single bytes, which does not do for \(made.label): use `text()`."
                        )
                    }
                    converter = made
                }
            }
            return converter?.convert(line).text ?? String(decoding: line, as: UTF8.self)
        }
    }

    public func makeAsyncIterator() -> Iterator { Iterator(self) }
}
