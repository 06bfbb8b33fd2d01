public import HTTPTypes

extension HTTP1ResponseHead {
    /// A head that nobody sent, such as a cached one.
    ///
    /// It goes through the parser, so what it says about itself is what it would have said on a connection.
    ///
    /// - Parameters:
    ///   - status: 200 to 999.
    ///   - fields: none of them may frame a body (`Transfer-Encoding`); a `Content-Length` is kept as a fact.
    ///   - limits: what a peer would have been allowed.
    /// - Throws: ``HTTP1Error`` for a head that could not have come from a peer.
    public init(status: HTTPResponse.Status, fields: HTTPFields, limits: HTTP1Limits = HTTP1Limits()) throws(HTTP1Error)
    {
        guard (200...999).contains(status.code) else {
            throw HTTP1Error(.malformedStartLine, "the status is \(status.code), and 200 to 999 are final ones")
        }
        var bytes = Array("HTTP/1.1 \(status.code) \(status.reasonPhrase)\r\n".utf8)
        for field in fields {
            bytes.append(contentsOf: "\(field.name.rawName): ".utf8)
            // Byte for byte: a value need not be UTF-8.
            field.withUnsafeBytesOfValue { bytes.append(contentsOf: $0) }
            bytes.append(contentsOf: [0x0D, 0x0A])
        }
        bytes.append(contentsOf: [0x0D, 0x0A])
        var parser = HTTP1HeadParser()
        var result: Result<HTTP1ResponseHead, HTTP1Error>?
        bytes.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            do throws(HTTP1Error) {
                guard try parser.parse(base, bytes.count, .status, limits), parser.headCount == bytes.count else {
                    return
                }
                let head = UnsafeRawBufferPointer(start: base, count: parser.headCount)
                let block = HTTP1FieldBlock(head: head, slices: parser.table, count: parser.fieldCount)
                result = .success(
                    HTTP1ResponseHead(
                        block: block,
                        facts: parser.facts,
                        statusCode: parser.status,
                        reasonStart: parser.partStart,
                        reasonCount: parser.partCount
                    )
                )
            } catch {
                result = .failure(error)
            }
        }
        guard let result else {
            throw HTTP1Error(.invalidField, "the head ends too early, or goes on behind its end")
        }
        self = try result.get()
        guard !isChunked else {
            throw HTTP1Error(
                .conflictingFraming,
                "a head that nobody sends has no body to frame: leave Transfer-Encoding out"
            )
        }
    }
}
