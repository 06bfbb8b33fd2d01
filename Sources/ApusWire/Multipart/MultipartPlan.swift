package import HTTPTypes

/// A multipart body as it will be sent: pieces that are there, and the places of those that the caller has.
///
/// Nothing is buffered: a part that is a file or a stream is a `source` with the caller's number, and its bytes are sent
/// when the body gets there. The plan is a value and can be gone through as often as the request is sent.
///
/// ```
/// var plan = MultipartPlan(boundary: MultipartBoundary(random: a, b))
/// try plan.append(fields, source: 0, length: 1_000)
/// for segment in plan.segments() { … }
/// ```
package struct MultipartPlan: Sendable {
    /// A piece of the body.
    package enum Segment: Sendable, Hashable {
        /// These bytes.
        case bytes([UInt8])
        /// All bytes of the caller's source with this number.
        case source(Int)
    }

    /// Content up to this size is copied to its neighbours, so that small fields do not become a write each.
    static let joinedSize = 4_096

    /// What separates the parts.
    package let boundary: MultipartBoundary
    /// The number of parts.
    package private(set) var partCount = 0
    private var pieces: [Segment] = []
    /// Small pieces that are not among `pieces` yet.
    private var joined: [UInt8] = []
    private var size: Int? = 0
    /// Those of nested multiparts, however deep.
    private var innerBoundaries: [MultipartBoundary] = []

    /// A plan without parts.
    package init(boundary: MultipartBoundary) { self.boundary = boundary }

    /// The length of the whole body in bytes: nil if that of a source is unknown, or the sum is no `Int`.
    package var length: Int? {
        guard let size else { return nil }
        let (sum, overflow) = size.addingReportingOverflow(closing.count)
        return overflow ? nil : sum
    }

    // RFC 2046 §5.1.1: close-delimiter := delimiter "--". Without parts it is the first line (browsers do so too).
    private var closing: [UInt8] {
        (partCount == 0 ? [] : [0x0D, 0x0A]) + [0x2D, 0x2D] + boundary.bytes + [0x2D, 0x2D, 0x0D, 0x0A]
    }

    /// The pieces in their order, the final boundary included. Small neighbours are joined.
    package func segments() -> [Segment] {
        var result = self
        result.appendPiece(closing)
        result.flush()
        return result.pieces
    }

    /// The value of Content-Type for this body: `multipart/form-data; boundary=…`.
    package func contentType(subtype: String) -> String {
        MediaType(type: "multipart", subtype: subtype, parameters: [("boundary", boundary.description)]).description
    }

    // MARK: - Parts

    /// Adds a part whose bytes the caller supplies when their turn comes.
    ///
    /// - Parameters:
    ///   - source: the caller's number for it, which appears in `Segment.source`.
    ///   - length: how many bytes it will have, nil if unknown.
    /// - Throws: `invalidField`.
    package mutating func append(_ fields: HTTPFields, source: Int, length: Int?) throws(MultipartError) {
        try appendHead(fields)
        appendSource(source)
        grow(length)
    }

    /// Adds a part with these bytes.
    ///
    /// - Throws: `invalidField`; `boundaryInContent` if the boundary is the caller's own and occurs in them.
    package mutating func append(_ fields: HTTPFields, bytes: [UInt8]) throws(MultipartError) {
        if !boundary.isRandom, boundary.occurs(in: bytes) {
            throw MultipartError(
                .boundaryInContent,
                "the boundary occurs in the content of part \(partCount + 1); choose another, or none to get a random one"
            )
        }
        try appendHead(fields)
        appendPiece(bytes)
    }

    /// Adds a multipart as a part (RFC 2046 §5.1: multiparts nest). Its numbers of sources are as its maker gave them.
    ///
    /// - Parameters:
    ///   - fields: without Content-Type, which is added.
    ///   - subtype: such as `mixed`.
    /// - Throws: `invalidField`; `invalidBoundary` if the inner boundary begins with this one, so that its lines would be
    ///   taken for this multipart's (RFC 2046 §5.1.2).
    package mutating func append(
        _ fields: HTTPFields,
        nested: MultipartPlan,
        subtype: String = "mixed"
    ) throws(MultipartError) {
        for inner in CollectionOfOne(nested.boundary) + nested.innerBoundaries
        where inner.bytes.starts(with: boundary.bytes) {
            throw MultipartError(
                .invalidBoundary,
                "the boundary of a nested multipart begins with that of the outer one; choose different ones"
            )
        }
        var fields = fields
        fields[.contentType] = nested.contentType(subtype: subtype)
        try appendHead(fields)
        let before = size
        for piece in nested.segments() {
            switch piece {
            case .bytes(let bytes): appendPiece(bytes)
            case .source(let number): appendSource(number)
            }
        }
        // The nested length has both its bytes and its sources.
        size = before
        grow(nested.length)
        innerBoundaries.append(nested.boundary)
        innerBoundaries += nested.innerBoundaries
    }

    // MARK: - Pieces

    // RFC 2046 §5.1.1: delimiter := CRLF "--" boundary, where the CRLF belongs to the boundary; then the fields and an
    // empty line.
    private mutating func appendHead(_ fields: HTTPFields) throws(MultipartError) {
        var head: [UInt8] = partCount == 0 ? [] : [0x0D, 0x0A]
        head += [0x2D, 0x2D]
        head += boundary.bytes
        head += [0x0D, 0x0A]
        for field in fields {
            head += field.name.rawName.utf8
            head += [0x3A, 0x20]
            let start = head.count
            field.withUnsafeBytesOfValue { head += $0 }
            // The type has checked it; a line end here would be an injection, so it is not trusted.
            guard !head[start...].contains(where: { $0 < 0x20 && $0 != 0x09 || $0 == 0x7F }) else {
                throw MultipartError(
                    .invalidField,
                    "the value of \(field.name.rawName) of part \(partCount + 1) has a control character"
                )
            }
            head += [0x0D, 0x0A]
        }
        head += [0x0D, 0x0A]
        partCount += 1
        appendPiece(head)
    }

    private mutating func appendPiece(_ bytes: [UInt8]) {
        grow(bytes.count)
        if bytes.count > Self.joinedSize {
            flush()
            pieces.append(.bytes(bytes))
            return
        }
        joined += bytes
        if joined.count >= Self.joinedSize { flush() }
    }

    private mutating func appendSource(_ number: Int) {
        flush()
        pieces.append(.source(number))
    }

    private mutating func flush() {
        guard !joined.isEmpty else { return }
        pieces.append(.bytes(joined))
        joined = []
    }

    private mutating func grow(_ count: Int?) {
        guard let size, let count, count >= 0 else {
            self.size = nil
            return
        }
        let (sum, overflow) = size.addingReportingOverflow(count)
        self.size = overflow ? nil : sum
    }
}
