/// Parses a head (or a trailer section) line by line, each line once, as soon as it is complete.
///
/// Nothing is copied or allocated here but the table of field positions, which is kept from head to head.
struct HTTP1HeadParser: ~Copyable {
    var lines = HTTP1LineReader()
    var facts = HTTP1HeadFacts()
    var fieldCount = 0
    /// Client: the status code.
    private(set) var status = 0
    /// Request: where the target lies; response: where the reason lies.
    private(set) var partStart = 0
    private(set) var partCount = 0
    /// Request: where the method lies.
    private(set) var methodStart = 0
    private(set) var methodCount = 0

    private var hasStartLine = false
    private var skippedEmptyLine = false
    private(set) var slices: UnsafeMutablePointer<HTTP1FieldSlice>?
    private(set) var sliceCapacity = 0

    init() {}

    deinit {
        slices?.deallocate()
    }

    /// Forgets the head, keeps the table's memory.
    @inline(__always)
    mutating func reset() {
        lines = HTTP1LineReader()
        facts = HTTP1HeadFacts()
        fieldCount = 0
        hasStartLine = false
        skippedEmptyLine = false
    }

    mutating func release() {
        slices?.deallocate()
        slices = nil
        sliceCapacity = 0
        fieldCount = 0
    }

    /// The size of the head, once it is complete.
    var headCount: Int { lines.lineStart }

    /// Whether any byte of a head has been seen, apart from the empty line that may precede a request.
    var hasBegun: Bool { hasStartLine }

    /// The table of fields, valid until the next head.
    var table: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: slices, count: fieldCount &* MemoryLayout<HTTP1FieldSlice>.stride)
    }

    /// Goes through the complete lines; true once the empty line was found.
    ///
    /// - Parameter base: the first byte of the head; must be the same bytes at each call.
    mutating func parse(
        _ base: UnsafeRawPointer,
        _ available: Int,
        _ kind: HTTP1LineReader.Kind,
        _ limits: HTTP1Limits
    ) throws(HTTP1Error) -> Bool {
        let total = kind == .trailer ? limits.trailers : limits.effectiveHead
        while !hasStartLine, kind != .trailer {
            let start = lines.lineStart
            let allowance = min(limits.startLine, total &- start &- 2)
            let end = try lines.nextLine(base, available, allowance: allowance, kind)
            if end < 0 {
                if end == -1 { return false }
                throw Self.tooLong(kind, allowance == limits.startLine, limits)
            }
            lines.advance(past: end)
            // RFC 9112 §2.2: a server should ignore at least one empty line before a request; more than one is refused.
            if end == start, kind == .request, !skippedEmptyLine {
                skippedEmptyLine = true
                continue
            }
            if kind == .request {
                try parseRequestLine(base, start, end)
            } else {
                try parseStatusLine(base, start, end)
            }
            hasStartLine = true
        }
        if kind != .trailer { try parseUsualFields(base, available, total: total, limits) }
        let fieldKind: HTTP1LineReader.Kind =
            switch kind {
            case .trailer: .trailer
            case .status: .responseField
            default: .field
            }
        while true {
            let start = lines.lineStart
            let allowance = min(limits.fieldLine, total &- start &- 2)
            let end = try lines.nextLine(base, available, allowance: allowance, fieldKind)
            if end < 0 {
                if end == -1 { return false }
                throw Self.tooLong(fieldKind, allowance == limits.fieldLine, limits)
            }
            lines.advance(past: end)
            if end == start { break }
            if fieldCount >= limits.effectiveFieldCount {
                throw HTTP1Error(
                    .tooManyFields,
                    "more than \(limits.effectiveFieldCount) fields (HTTP1Limits.fieldCount)"
                )
            }
            try parseFieldLine(base, start, end, isTrailer: kind == .trailer)
        }
        try facts.checkFraming()
        // RFC 9112 §3.2: a server must answer 400 to an HTTP/1.1 request that lacks Host.
        if kind == .request, facts.versionMinor == 1, !facts.flags.contains(.host) {
            throw HTTP1Error(.invalidHost, "Host is missing, which HTTP/1.1 requires (RFC 9112 §3.2)")
        }
        return true
    }

    // RFC 9112 §5: field-line = field-name ":" OWS field-value OWS.
    private mutating func parseFieldLine(
        _ base: UnsafeRawPointer,
        _ start: Int,
        _ end: Int,
        isTrailer: Bool
    ) throws(HTTP1Error) {
        let nameEnd = HTTP1Grammar.endOfToken(base, start, end)
        guard nameEnd > start, nameEnd < end, base[nameEnd] == HTTP1Grammar.colon else {
            throw badFieldLine(base, start, nameEnd, end)
        }
        let valueStart = HTTP1Grammar.skipSpace(base, nameEnd &+ 1, end)
        let valueEnd = HTTP1Grammar.trimSpace(base, valueStart, end)
        let slice = HTTP1FieldSlice(
            nameStart: UInt32(truncatingIfNeeded: start),
            nameCount: UInt32(truncatingIfNeeded: nameEnd &- start),
            valueStart: UInt32(truncatingIfNeeded: valueStart),
            valueCount: UInt32(truncatingIfNeeded: valueEnd &- valueStart)
        )
        if isTrailer {
            try Self.checkTrailer(base, slice)
        } else {
            try facts.note(base, slice)
        }
        if fieldCount == sliceCapacity { growTable() }
        (slices.unsafelyUnwrapped + fieldCount).initialize(to: slice)  // growTable has set it
        fieldCount &+= 1
    }

    @inline(never)
    mutating func growTable() {
        let capacity = max(16, sliceCapacity * 2)
        let grown = UnsafeMutablePointer<HTTP1FieldSlice>.allocate(capacity: capacity)
        if let slices {
            grown.initialize(from: slices, count: fieldCount)
            slices.deallocate()
        }
        slices = grown
        sliceCapacity = capacity
    }

    // RFC 9110 §6.5.1: a sender must not put fields for framing, routing or connection control into trailers.
    private static func checkTrailer(_ base: UnsafeRawPointer, _ slice: HTTP1FieldSlice) throws(HTTP1Error) {
        let start = Int(slice.nameStart)
        let count = Int(slice.nameCount)
        for name: StaticString in ["content-length", "transfer-encoding", "host", "connection", "trailer"]
        where HTTP1Grammar.matches(base, start, count, name) {
            throw HTTP1Error(.malformedField, "\(name) is not allowed in trailers (RFC 9110 §6.5.1)")
        }
    }

    @inline(never)
    private func badFieldLine(_ base: UnsafeRawPointer, _ start: Int, _ nameEnd: Int, _ end: Int) -> HTTP1Error {
        let byte = nameEnd < end ? base[nameEnd] : 0
        let isSpace = byte == HTTP1Grammar.space || byte == HTTP1Grammar.tab
        if isSpace, nameEnd == start {
            // RFC 9112 §2.2: whitespace between the start line and the first field must be refused or dropped;
            // §5.2: a server must refuse obs-fold; a client may unfold it, which two parties may do differently.
            return HTTP1Error(
                .malformedField,
                fieldCount == 0
                    ? "whitespace between the start line and the first field (RFC 9112 §2.2)"
                    : "a field is continued on a second line; folding is obsolete, use one line (RFC 9112 §5.2)"
            )
        }
        if isSpace, HTTP1Grammar.skipSpace(base, nameEnd, end) < end,
            base[HTTP1Grammar.skipSpace(base, nameEnd, end)] == HTTP1Grammar.colon
        {
            return HTTP1Error(.malformedField, "whitespace between a field name and its colon (RFC 9112 §5.1)")
        }
        if nameEnd == end {
            return HTTP1Error(.malformedField, "a field line has no colon (RFC 9112 §5)")
        }
        if nameEnd == start, byte == HTTP1Grammar.colon {
            return HTTP1Error(.malformedField, "a field line has no name (RFC 9112 §5)")
        }
        return HTTP1Error(
            .malformedField,
            "a field name contains the character 0x\(String(byte, radix: 16)), which is not allowed in one (RFC 9110 §5.1)"
        )
    }

    // RFC 9112 §4: status-line = HTTP-version SP status-code SP [ reason-phrase ]. The second SP may be missing with
    // the reason, as some servers have it: nothing can be read into that in two ways.
    @inline(__always)
    private mutating func parseStatusLine(_ base: UnsafeRawPointer, _ start: Int, _ end: Int) throws(HTTP1Error) {
        guard end &- start >= 12 else { throw HTTP1StartLine.status(base, start, end) }
        let version = HTTP1Grammar.version(base, start)
        let hundreds = base[start &+ 9] &- 0x30
        let tens = base[start &+ 10] &- 0x30
        let ones = base[start &+ 11] &- 0x30
        guard version >= 0, base[start &+ 8] == HTTP1Grammar.space,
            hundreds < 10, hundreds > 0, tens < 10, ones < 10,
            end &- start == 12 || base[start &+ 12] == HTTP1Grammar.space
        else { throw HTTP1StartLine.status(base, start, end) }
        facts.versionMinor = UInt8(truncatingIfNeeded: version)
        status = Int(hundreds) &* 100 &+ Int(tens) &* 10 &+ Int(ones)
        partStart = min(start &+ 13, end)
        partCount = end &- partStart
    }

    // RFC 9112 §3: request-line = method SP request-target SP HTTP-version.
    @inline(__always)
    private mutating func parseRequestLine(_ base: UnsafeRawPointer, _ start: Int, _ end: Int) throws(HTTP1Error) {
        let methodEnd = HTTP1Grammar.endOfToken(base, start, end)
        let targetStart = methodEnd &+ 1
        let targetEnd = end &- 9
        guard methodEnd > start, targetStart < targetEnd,
            base[methodEnd] == HTTP1Grammar.space, base[targetEnd] == HTTP1Grammar.space
        else { throw HTTP1StartLine.request(base, start, end) }
        let version = HTTP1Grammar.version(base, end &- 8)
        guard version >= 0, HTTP1Grammar.isTarget(base, targetStart, targetEnd) else {
            throw HTTP1StartLine.request(base, start, end)
        }
        // RFC 9112 §3.2.1: origin-form, by far the most frequent; the others are rarer and looked at elsewhere.
        if base[targetStart] != 0x2F || HTTP1StartLine.isMethod(base, start, methodEnd, "connect") {
            try HTTP1StartLine.checkTargetForm(base, start, methodEnd, targetStart, targetEnd)
        }
        facts.versionMinor = UInt8(truncatingIfNeeded: version)
        methodStart = start
        methodCount = methodEnd &- start
        partStart = targetStart
        partCount = targetEnd &- targetStart
    }

    private static func tooLong(
        _ kind: HTTP1LineReader.Kind,
        _ isLineLimit: Bool,
        _ limits: HTTP1Limits
    ) -> HTTP1Error {
        switch kind {
        case .request, .status:
            if isLineLimit {
                return HTTP1Error(
                    .startLineTooLong,
                    "the start line is longer than \(limits.startLine) bytes (HTTP1Limits.startLine)"
                )
            }
        case .field, .responseField, .trailer, .chunkSize:
            if isLineLimit {
                return HTTP1Error(
                    .fieldLineTooLong,
                    "a field line is longer than \(limits.fieldLine) bytes (HTTP1Limits.fieldLine)"
                )
            }
            if kind == .trailer {
                return HTTP1Error(
                    .trailersTooLarge,
                    "the trailers are larger than \(limits.trailers) bytes (HTTP1Limits.trailers)"
                )
            }
        }
        return HTTP1Error(.headTooLarge, "the head is larger than \(limits.effectiveHead) bytes (HTTP1Limits.head)")
    }
}
