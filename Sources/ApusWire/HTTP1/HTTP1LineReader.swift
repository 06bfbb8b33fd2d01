/// Finds complete lines in a growing block of bytes, and remembers how far it has looked.
///
/// Offsets count from the first byte of the head or trailer section, so they survive moves of the buffer. Feeding a
/// line byte by byte costs the same as feeding it whole.
struct HTTP1LineReader {
    /// The first byte of the line that is being looked for.
    var lineStart = 0
    /// All bytes before this one are known to hold no line end.
    private var scanned = 0

    /// The kind of line, for limits and messages.
    enum Kind {
        case request, status, field, responseField, chunkSize, trailer
    }

    /// The end of the line (the offset of its CR), or -1 if it is not complete.
    ///
    /// - Parameter allowance: the largest line that may follow, without its CRLF; negative if not even an empty one.
    @inline(__always)
    mutating func nextLine(
        _ base: UnsafeRawPointer,
        _ available: Int,
        allowance: Int,
        _ kind: Kind
    ) throws(HTTP1Error) -> Int {
        var found = HTTP1Grammar.firstControl(base, scanned, available)
        while kind == .responseField, Self.isWithinCookie(base, lineStart, found, available) {
            found = HTTP1Grammar.firstControl(base, found &+ 1, available)
        }
        // The limit comes first, so that the error does not depend on how much has arrived.
        if found &- lineStart > allowance { return -2 }
        guard found < available else {
            scanned = found
            return -1
        }
        // RFC 9112 §2.2: a line ends with CRLF. A recipient may take a single LF for one, and must not take a bare CR
        // for one: both are refused here, since parties that disagree about them can be played against each other.
        if base[found] == HTTP1Grammar.cr {
            guard found &+ 1 < available else {
                scanned = found
                return -1
            }
            if base[found &+ 1] == HTTP1Grammar.lf { return found }
        }
        throw Self.badControl(base, lineStart, found, kind)
    }

    // RFC 6265bis §5.6 step 1: a control character makes the one cookie void, and every browser gives the rest of the response to its
    // page. RFC 9110 §5.5 allows a recipient to keep such characters, but for CR, LF and NUL, which are dangerous in any field.
    /// Whether a control character lies within the value of a Set-Cookie, whose reader then drops the cookie.
    private static func isWithinCookie(_ base: UnsafeRawPointer, _ start: Int, _ found: Int, _ available: Int) -> Bool {
        guard found < available, found &- start > 10, base[start &+ 10] == HTTP1Grammar.colon,
            HTTP1Grammar.matches(base, start, 10, "set-cookie")
        else { return false }
        let byte = base[found]
        return byte != HTTP1Grammar.cr && byte != HTTP1Grammar.lf && byte != 0
    }

    /// Whether the current line has not been looked at.
    var isFresh: Bool { scanned == lineStart }

    /// Goes on at a place that is known to begin a line.
    @inline(__always)
    mutating func advance(to start: Int) {
        lineStart = start
        scanned = start
    }

    /// Goes on behind the line that ended at `end`.
    @inline(__always)
    mutating func advance(past end: Int) {
        lineStart = end &+ 2
        scanned = end &+ 2
    }

    @inline(never)
    private static func badControl(
        _ base: UnsafeRawPointer,
        _ start: Int,
        _ found: Int,
        _ kind: Kind
    ) -> HTTP1Error {
        let byte = base[found]
        let place =
            switch kind {
            case .request: "the request line"
            case .status: "the status line"
            case .field, .responseField: "a field line"
            case .chunkSize: "a chunk-size line"
            case .trailer: "a trailer line"
            }
        let isStartLine = kind == .request || kind == .status
        // RFC 8446 §5.1: a record begins with its type, 21 (alert) or 22 (handshake), and version 3.x.
        if isStartLine, found == 0, byte == 0x16 || byte == 0x15 {
            return HTTP1Error(
                .tlsOnPlainPort,
                kind == .request
                    ? "the client speaks TLS on a port that serves plain HTTP; use http:// or serve TLS here"
                    : "the server speaks TLS on a port that was asked for plain HTTP; use https://"
            )
        }
        if byte == HTTP1Grammar.cr {
            return HTTP1Error(
                .malformedLineEnding,
                "\(place) contains a CR that no LF follows; lines end with CRLF (RFC 9112 §2.2)"
            )
        }
        if byte == HTTP1Grammar.lf {
            return HTTP1Error(
                .malformedLineEnding,
                "\(place) ends with a bare LF; lines end with CRLF, and Apus accepts nothing else (RFC 9112 §2.2)"
            )
        }
        let code: HTTP1Error.Code =
            isStartLine ? .notHTTP : kind == .chunkSize ? .malformedChunk : .malformedField
        return HTTP1Error(
            code,
            "\(place) contains the control character 0x\(String(byte, radix: 16)) at offset \(found - start)"
        )
    }
}
