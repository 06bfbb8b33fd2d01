public import HTTPTypes

/// Takes a multipart body apart as it arrives (RFC 2046 §5.1).
///
/// `receive(_:)` stores bytes; `next()` gives one event at a time, `.needData` when it cannot go on. Call it until then
/// before more is received: that is what bounds the memory. What comes before the first boundary and after the last is
/// ignored. A part that is a multipart itself is data here; a second parser takes it apart.
///
/// ```
/// var parser = MultipartParser(boundary: boundary)
/// parser.receive(bytes)
/// while true {
///     switch try parser.next() { … }
/// }
/// ```
///
/// It is strict where leniency would let two programs see different parts: lines end in CRLF (a bare LF is an error, and
/// no boundary begins after one), nothing but spaces may follow a boundary, and a body without its final boundary is
/// `closedInPart`. It is lenient in two things: a header field may be continued on a line that begins with a space, as in
/// mail, and a body may consist of the final boundary only.
public struct MultipartParser: Sendable {
    /// What the body says next.
    public enum Event: Sendable, Hashable {
        /// A part begins, with these header fields.
        case part(HTTPFields)
        /// Bytes of the part; where they are cut means nothing.
        case data([UInt8])
        /// The part is complete.
        case endOfPart
        /// The body is complete.
        case end
        /// Nothing more can be said before more is received.
        case needData
    }

    enum State: Sendable {
        case preamble, boundaryTail, headers, data, finished
    }

    /// The bounds of what is taken.
    public let limits: MultipartLimits

    // CRLF "--" boundary.
    let delimiter: [UInt8]
    var state = State.preamble
    /// What was received and not yet told, from `start` on.
    var buffer: [UInt8] = [0x0D, 0x0A]  // The first boundary needs no line end before it.
    var start = 0
    /// How far behind `start` the end of the header fields has been looked for.
    var scanned = 0
    var partCount = 0
    private var hasEOF = false
    private var failure: MultipartError?

    /// A parser for a body with this boundary, which the Content-Type names.
    public init(boundary: MultipartBoundary, limits: MultipartLimits = MultipartLimits()) {
        self.limits = limits
        delimiter = [0x0D, 0x0A, 0x2D, 0x2D] + boundary.bytes
    }

    /// A parser for a body of this type.
    ///
    /// - Throws: `MultipartError.invalidBoundary` if the type is not `multipart/…` or has no proper boundary.
    public init(contentType: MediaType, limits: MultipartLimits = MultipartLimits()) throws {
        guard contentType.type == "multipart", let boundary = contentType["boundary"] else {
            throw MultipartError(.invalidBoundary, "the content type is not multipart, or has no boundary")
        }
        try self.init(boundary: MultipartBoundary(boundary), limits: limits)
    }

    /// Stores bytes of the body.
    public mutating func receive(_ bytes: [UInt8]) { bytes.withUnsafeBytes { receive($0) } }

    /// Stores bytes of the body.
    public mutating func receive(_ bytes: ArraySlice<UInt8>) { bytes.withUnsafeBytes { receive($0) } }

    /// Stores bytes of the body.
    package mutating func receive(_ bytes: UnsafeRawBufferPointer) {
        // Behind the final boundary comes the epilogue, which nobody needs.
        guard state != .finished, failure == nil, !hasEOF else { return }
        if start > 0 {
            // Moving what is left costs at most as much as what has been taken since.
            if start == buffer.count {
                buffer.removeAll(keepingCapacity: true)
                start = 0
            } else if start >= buffer.count - start {
                buffer.removeFirst(start)
                start = 0
            }
        }
        buffer.append(contentsOf: bytes)
    }

    /// Says that the body has ended.
    public mutating func receiveEOF() { hasEOF = true }

    /// The next event.
    ///
    /// - Throws: `MultipartError`; the same one at every call after the first.
    public mutating func next() throws -> Event {
        if let failure { throw failure }
        do throws(MultipartError) {
            let event = try step()
            guard event == .needData, hasEOF else { return event }
            throw endOfInput
        } catch {
            failure = error
            buffer = []
            start = 0
            throw error
        }
    }

    private mutating func step() throws(MultipartError) -> Event {
        while true {
            switch state {
            case .preamble:
                let (end, isComplete) = findDelimiter()
                start = end
                guard isComplete else { return .needData }
                start += delimiter.count
                state = .boundaryTail
            case .boundaryTail:
                guard try takeBoundaryTail() else { return .needData }
                if state == .finished {
                    buffer = []
                    start = 0
                    return .end
                }
                partCount += 1
                guard partCount <= limits.partCount else {
                    throw MultipartError(
                        .tooManyParts,
                        "more than \(limits.partCount) parts (MultipartLimits.partCount)"
                    )
                }
            case .headers:
                guard let fields = try takeHeaders() else { return .needData }
                state = .data
                // So that a boundary may follow the empty line at once: the part is empty then.
                start -= 2
                isAtContentStart = true
                return .part(fields)
            case .data:
                return takeData()
            case .finished:
                return .end
            }
        }
    }

    /// Whether the two bytes at `start` are the end of the header fields and not content.
    var isAtContentStart = false

    private mutating func takeData() -> Event {
        let (end, isComplete) = findDelimiter()
        let from = start + (isAtContentStart ? 2 : 0)
        if end > from {
            isAtContentStart = false
            let data = Array(buffer[from..<end])
            start = end
            return .data(data)
        }
        guard isComplete else { return .needData }
        isAtContentStart = false
        start = end + delimiter.count
        state = .boundaryTail
        return .endOfPart
    }

    /// Where the next delimiter begins, or may begin, and whether all of it is there.
    ///
    /// What lies before is content for certain, so that it is told and never looked at again.
    private func findDelimiter() -> (Int, Bool) {
        buffer.withUnsafeBytes { bytes in
            var index = start
            let end = bytes.count
            while index < end {
                guard bytes[index] == 0x0D else {
                    index += 1
                    continue
                }
                var matched = 1
                while matched < delimiter.count, index + matched < end, bytes[index + matched] == delimiter[matched] {
                    matched += 1
                }
                if matched == delimiter.count { return (index, true) }
                if index + matched == end { return (index, false) }
                // CR stands nowhere else in a delimiter.
                index += matched
            }
            return (end, false)
        }
    }

    private var endOfInput: MultipartError {
        switch state {
        case .preamble:
            MultipartError(.noBoundary, "the body ended without a line that begins with the boundary")
        case .boundaryTail, .headers:
            MultipartError(.closedInHeaders, "the body ended before the header fields of part \(max(partCount, 1)) did")
        case .data, .finished:
            MultipartError(.closedInPart, "the body ended in part \(partCount), without its final boundary")
        }
    }
}
