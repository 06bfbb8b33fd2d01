/// The place within a chunked body (RFC 9112 §7.1).
struct HTTP1ChunkReader {
    enum Phase: UInt8 {
        case size, data, dataEnd, trailers
    }

    var phase = Phase.size
    /// The bytes of the current chunk still to come.
    var remaining = 0
    var lines = HTTP1LineReader()
    /// The bytes of all extensions so far.
    private var extensions = 0

    init() {}

    /// Reads a chunk-size line; returns its size with the line end, or 0 if it is not complete.
    mutating func readSize(
        _ base: UnsafeRawPointer,
        _ available: Int,
        _ limits: HTTP1Limits
    ) throws(HTTP1Error) -> Int {
        let end = try lines.nextLine(base, available, allowance: limits.chunkSizeLine, .chunkSize)
        if end == -1 { return 0 }
        if end < 0 {
            throw HTTP1Error(
                .chunkLineTooLong,
                "a chunk-size line is longer than \(limits.chunkSizeLine) bytes (HTTP1Limits.chunkSizeLine)"
            )
        }
        // §7.1: chunk = chunk-size [ chunk-ext ] CRLF chunk-data CRLF; chunk-size = 1*HEXDIG.
        var index = 0
        var size: UInt64 = 0
        while index < end {
            let digit = HTTP1Grammar.hexDigit(base[index])
            guard digit != 0xFF else { break }
            // 16 digits fill 64 bits: more are too large a number or a flood of zeros.
            guard index < 16 else {
                throw HTTP1Error(.malformedChunk, "a chunk size has more than 16 digits (RFC 9112 §7.1)")
            }
            size = size &<< 4 | UInt64(digit)
            index &+= 1
        }
        guard index > 0 else {
            throw HTTP1Error(.malformedChunk, "a chunk size does not begin with a hexadecimal digit (RFC 9112 §7.1)")
        }
        guard size <= UInt64(Int.max) else {
            throw HTTP1Error(.malformedChunk, "a chunk size is larger than 2^63 - 1 (RFC 9112 §7.1)")
        }
        // §7.1.1: chunk-ext = *( BWS ";" … ). A recipient must ignore extensions it does not know; whitespace before
        // the semicolon ("bad" whitespace) is refused, since readers differ about it.
        guard index == end || base[index] == 0x3B else {
            throw HTTP1Error(
                .malformedChunk,
                "a chunk size is followed by 0x\(String(base[index], radix: 16)) instead of CRLF or \";\" (RFC 9112 §7.1)"
            )
        }
        extensions &+= end &- index
        guard extensions <= limits.chunkExtensions else {
            throw HTTP1Error(
                .chunkLineTooLong,
                "chunk extensions of one body exceed \(limits.chunkExtensions) bytes (HTTP1Limits.chunkExtensions)"
            )
        }
        lines = HTTP1LineReader()
        remaining = Int(size)
        phase = size == 0 ? .trailers : .data
        return end &+ 2
    }

    /// Reads the CRLF behind a chunk's data; false if it is not complete.
    mutating func readDataEnd(_ base: UnsafeRawPointer, _ available: Int) throws(HTTP1Error) -> Bool {
        if available > 0, base[0] != HTTP1Grammar.cr { throw Self.badDataEnd }
        guard available > 1 else { return false }
        guard base[1] == HTTP1Grammar.lf else { throw Self.badDataEnd }
        phase = .size
        return true
    }

    private static var badDataEnd: HTTP1Error {
        HTTP1Error(.malformedChunk, "a chunk's data is not followed by CRLF: it has another size than announced")
    }
}
