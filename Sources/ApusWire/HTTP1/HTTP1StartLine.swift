/// The rare paths of start lines: unusual request targets, and saying what is wrong with what is no start line.
enum HTTP1StartLine {
    // RFC 9110 §9.1: the method is case-sensitive.
    static func isMethod(_ base: UnsafeRawPointer, _ start: Int, _ end: Int, _ lowercase: StaticString) -> Bool {
        guard HTTP1Grammar.matches(base, start, end &- start, lowercase) else { return false }
        var index = start
        while index < end {
            if base[index] & 0x20 != 0 { return false }
            index &+= 1
        }
        return true
    }

    // RFC 9112 §3.2: the form of the target depends on the method.
    static func checkTargetForm(
        _ base: UnsafeRawPointer,
        _ methodStart: Int,
        _ methodEnd: Int,
        _ start: Int,
        _ end: Int
    ) throws(HTTP1Error) {
        if isMethod(base, methodStart, methodEnd, "connect") {
            // §3.2.3: authority-form, which has a port.
            var portStart = end
            while portStart > start, base[portStart &- 1] &- 0x30 < 10 { portStart &-= 1 }
            let isAuthority =
                portStart < end && portStart > start &+ 1 && base[portStart &- 1] == HTTP1Grammar.colon
                && HTTP1Grammar.isHost(base, start, end)
            if isAuthority { return }
            throw HTTP1Error(
                .malformedStartLine,
                "the target of CONNECT is not of the form host:port (RFC 9112 §3.2.3)"
            )
        }
        // §3.2.4: asterisk-form, only for OPTIONS.
        if end &- start == 1, base[start] == 0x2A, isMethod(base, methodStart, methodEnd, "options") { return }
        // §3.2.2: absolute-form.
        if absoluteAuthority(base, start, end) != nil { return }
        throw HTTP1Error(
            .malformedStartLine,
            "the request target is neither a path that begins with \"/\" nor an absolute URI (RFC 9112 §3.2)"
        )
    }

    /// Where the authority of an absolute-form target lies, without userinfo.
    static func absoluteAuthority(_ base: UnsafeRawPointer, _ start: Int, _ end: Int) -> Range<Int>? {
        // RFC 3986 §3.1: scheme = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )
        guard start < end, (base[start] | 0x20) &- 0x61 < 26 else { return nil }
        var index = start
        while index < end, HTTP1Grammar.isToken(base[index]) { index &+= 1 }
        guard index &+ 3 <= end, base[index] == 0x3A, base[index &+ 1] == 0x2F, base[index &+ 2] == 0x2F else {
            return nil
        }
        var from = index &+ 3
        index = from
        while index < end, base[index] != 0x2F, base[index] != 0x3F {
            if base[index] == 0x40 { from = index &+ 1 }
            index &+= 1
        }
        guard from < index, HTTP1Grammar.isHost(base, from, index) else { return nil }
        return from..<index
    }

    /// What is wrong with a request line.
    static func request(_ base: UnsafeRawPointer, _ start: Int, _ end: Int) -> HTTP1Error {
        let count = end &- start
        if count >= 14, equals(base, start, "PRI * HTTP/2.0") {
            return HTTP1Error(
                .http2OnHTTP1Port,
                "the client opens with HTTP/2, which is not spoken here; it should use HTTP/1.1"
            )
        }
        if count == 0 {
            return HTTP1Error(
                .malformedStartLine,
                "more than one empty line before the request line (RFC 9112 §2.2)"
            )
        }
        let methodEnd = HTTP1Grammar.endOfToken(base, start, end)
        let looksLikeRequest =
            methodEnd > start && methodEnd &+ 1 < end && base[methodEnd] == HTTP1Grammar.space
            && (base[methodEnd &+ 1] == 0x2F || contains(base, start, end, "HTTP/"))
        if looksLikeRequest {
            if count > 9, base[end &- 9] == HTTP1Grammar.space {
                switch HTTP1Grammar.version(base, end &- 8) {
                case -2: return version(base, end &- 8)
                case -1: break
                default:
                    return HTTP1Error(
                        .malformedStartLine,
                        "the request target is empty or contains a character that must be percent-encoded"
                            + " (RFC 9112 §3.2)"
                    )
                }
            }
            return HTTP1Error(
                .malformedStartLine,
                "the request line is not of the form \"method target HTTP/1.1\" with single spaces (RFC 9112 §3)"
            )
        }
        if contains(base, start, end, "HTTP/") {
            return HTTP1Error(.malformedStartLine, "the request line does not begin with a method (RFC 9112 §3)")
        }
        return HTTP1Error(.notHTTP, "this is not an HTTP request; it begins with \(excerpt(base, start, end))")
    }

    /// What is wrong with a status line.
    static func status(_ base: UnsafeRawPointer, _ start: Int, _ end: Int) -> HTTP1Error {
        let count = end &- start
        guard count >= 5, equals(base, start, "HTTP/") else {
            return HTTP1Error(
                .notHTTP,
                count == 0
                    ? "an empty line came instead of a status line (RFC 9112 §4)"
                    : "this is not an HTTP response; it begins with \(excerpt(base, start, end))"
            )
        }
        if count >= 8, HTTP1Grammar.version(base, start) == -2 { return version(base, start) }
        return HTTP1Error(
            .malformedStartLine,
            "the status line is not of the form \"HTTP/1.1 200 reason\" with a status of 100 to 999 (RFC 9112 §4)"
        )
    }

    private static func version(_ base: UnsafeRawPointer, _ start: Int) -> HTTP1Error {
        let major = base[start &+ 5] &- 0x30
        let minor = base[start &+ 7] &- 0x30
        return HTTP1Error(
            .unsupportedVersion,
            "version HTTP/\(major).\(minor) is not spoken here; use HTTP/1.1 or HTTP/1.0 (RFC 9112 §2.3)"
        )
    }

    private static func equals(_ base: UnsafeRawPointer, _ start: Int, _ text: StaticString) -> Bool {
        for index in 0..<text.utf8CodeUnitCount where base[start &+ index] != text.utf8Start[index] { return false }
        return true
    }

    private static func contains(_ base: UnsafeRawPointer, _ start: Int, _ end: Int, _ text: StaticString) -> Bool {
        var index = start
        while index &+ text.utf8CodeUnitCount <= end {
            if equals(base, index, text) { return true }
            index &+= 1
        }
        return false
    }

    // At most 32 bytes, printable ones only, so that a log can hold it.
    private static func excerpt(_ base: UnsafeRawPointer, _ start: Int, _ end: Int) -> String {
        var text = "\""
        for index in start..<min(end, start &+ 32) {
            let byte = base[index]
            text.unicodeScalars.append(byte >= 0x20 && byte < 0x7F ? Unicode.Scalar(byte) : ".")
        }
        return text + (end &- start > 32 ? "…\"" : "\"")
    }
}
