/// Takes a URI apart (RFC 3986 §3) and checks the parts, in one pass over its bytes.
struct URIParser {
    /// Where the parts lie in the text that was parsed.
    var parts = URIParts()
    /// Whether the text can be stored as it is.
    var isClean = true
    /// Whether the scheme is http, https, ws or wss, whose rules about hosts are strict.
    var isWeb = false
    var hasAuthority = false
    /// Whether the host is a path, whose letters mean what they are: `http+unix`.
    private var keepsHostCase = false

    /// - Parameter bytes: the whole text.
    @inline(__always)
    init(_ bytes: UnsafeRawBufferPointer) throws(URIError) {
        guard let base = bytes.baseAddress, bytes.count > 0 else {
            throw URIError(.empty, "the text is empty; an absolute URI such as https://example.com/ is needed")
        }
        let end = bytes.count
        guard end <= URI.maximumLength else {
            throw URIError(.tooLong, "the text has \(end) bytes; \(URI.maximumLength) is the limit")
        }
        do throws(URIError) {
            try parse(base, end)
        } catch {
            try Self.checkControls(base, end)
            throw error
        }
        // A control character makes every part unclean.
        if !isClean { try Self.checkControls(base, end) }
    }

    @inline(__always)
    private mutating func parse(_ base: UnsafeRawPointer, _ end: Int) throws(URIError) {
        var index = try parseScheme(base, end)
        if index &+ 1 < end, base[index] == 0x2F, base[index &+ 1] == 0x2F {
            hasAuthority = true
            let usual = isWeb ? parseUsualAuthority(base, index &+ 2, end) : -1
            index = usual >= 0 ? usual : try parseAuthority(base, index &+ 2, end)
        } else if isWeb {
            throw URIError(.emptyHost, "\"//\" and a host are missing behind the scheme")
        } else {
            parts.hostStart = UInt32(truncatingIfNeeded: index)
            parts.hostEnd = parts.hostStart
        }
        parseRest(base, index, end)
    }

    // RFC 3986 §2: no part of a URI has control characters. Encoding one would hide an attempt at injection.
    private static func checkControls(_ base: UnsafeRawPointer, _ end: Int) throws(URIError) {
        for index in 0..<end where base[index] < 0x20 || base[index] == 0x7F { throw control(index) }
    }

    private static func control(_ offset: Int) -> URIError {
        URIError(.controlCharacter, "a control character at offset \(offset); remove it or percent-encode it")
    }

    // RFC 3986 §3.1: scheme = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." ), case-insensitive, lower case is canonical.
    @inline(__always)
    private mutating func parseScheme(_ base: UnsafeRawPointer, _ end: Int) throws(URIError) -> Int {
        // "http" and "https" in lower case, nearly always.
        if end > 8 {
            let word = UInt64(littleEndian: base.loadUnaligned(as: UInt64.self))
            let length = word == 0x2F2F_3A73_7074_7468 ? 5 : word & 0xFF_FFFF_FFFF == 0x3A_7074_7468 ? 4 : 0
            if length > 0 {
                parts.schemeEnd = UInt32(truncatingIfNeeded: length)
                isWeb = true
                return length &+ 1
            }
        }
        return try parseOtherScheme(base, end)
    }

    @inline(never)
    private mutating func parseOtherScheme(_ base: UnsafeRawPointer, _ end: Int) throws(URIError) -> Int {
        var index = 0
        while index < end {
            let byte = base[index]
            if byte &- 0x61 < 26 {
            } else if byte &- 0x41 < 26 {
                isClean = false
            } else if index == 0 || !(byte &- 0x30 < 10 || byte == 0x2B || byte == 0x2D || byte == 0x2E) {
                break
            }
            index &+= 1
        }
        guard index > 0, index < end, base[index] == 0x3A else {
            throw URIError(
                .invalidScheme,
                "the text does not begin with a scheme and \":\"; an absolute URI such as https://example.com/ is needed"
            )
        }
        // "localhost:8080" and "user:pass@host" begin like a scheme too.
        parts.schemeEnd = UInt32(truncatingIfNeeded: index)
        isWeb =
            HTTP1Grammar.matches(base, 0, index, "http") || HTTP1Grammar.matches(base, 0, index, "https")
            || HTTP1Grammar.matches(base, 0, index, "ws") || HTTP1Grammar.matches(base, 0, index, "wss")
        keepsHostCase = !isWeb && HTTP1Grammar.matches(base, 0, index, "http+unix")
        return index &+ 1
    }

    // "/", "?", "#", ":", "@" and the backslash.
    private static var delimiters: PercentEncoding.Allowed {
        @inline(__always) get { PercentEncoding.Allowed(low: 0x8400_8008_0000_0000, high: 0x0000_0000_1000_0001) }
    }

    // RFC 3986 §3.2: authority = [ userinfo "@" ] host [ ":" port ], up to the next "/", "?" or "#".
    private mutating func parseAuthority(
        _ base: UnsafeRawPointer,
        _ start: Int,
        _ end: Int
    ) throws(URIError) -> Int {
        var stop = start
        var at = -1
        var colon = -1
        while stop < end {
            let byte = base[stop]
            if !Self.delimiters.contains(byte) {
                stop &+= 1
                continue
            }
            if byte == 0x2F || byte == 0x3F || byte == 0x23 { break }
            if byte == 0x3A {
                colon = stop
            } else if byte == 0x40 {
                guard at < 0 else {
                    throw URIError(
                        .ambiguousUserinfo,
                        "more than one \"@\" before the path; percent-encode those of the user name or password as %40"
                    )
                }
                at = stop
            } else if byte == 0x5C {
                throw URIError(
                    .backslashInAuthority,
                    "a backslash before the path, which some programs read as \"/\"; use \"/\" or %5C"
                )
            }
            stop &+= 1
        }
        var hostStart = start
        if at >= 0 {
            parts.userinfoStart = UInt32(truncatingIfNeeded: start)
            parts.userinfoEnd = UInt32(truncatingIfNeeded: at)
            hostStart = at &+ 1
            if PercentEncoding.firstUnclean(base, start, at, PercentEncoding.userinfo) < at { isClean = false }
        }
        var hostEnd = stop
        if hostStart < stop, base[hostStart] == 0x5B {
            hostEnd = try parseIPv6(base, hostStart, stop)
            if hostEnd &+ 1 < stop { try parsePort(base, hostEnd &+ 1, stop) }
        } else {
            if colon >= hostStart { hostEnd = colon }
            let hasUpper = try URIHost.checkName(base, hostStart, hostEnd, isWeb: isWeb, isPath: keepsHostCase)
            if hasUpper, !keepsHostCase { isClean = false }
            if colon >= hostStart { try parsePort(base, colon, stop) }
            parts.hostStart = UInt32(truncatingIfNeeded: hostStart)
            parts.hostEnd = UInt32(truncatingIfNeeded: hostEnd)
        }
        guard !isWeb || hostEnd > hostStart else {
            throw URIError(.emptyHost, "the host is empty")
        }
        return stop
    }

    // RFC 3986 §3.2.2: IP-literal = "[" IPv6address "]". Returns the place of the closing bracket.
    private mutating func parseIPv6(_ base: UnsafeRawPointer, _ start: Int, _ stop: Int) throws(URIError) -> Int {
        var index = start &+ 1
        var hasZone = false
        while index < stop, base[index] != 0x5D {
            if base[index] == 0x25 { hasZone = true }
            index &+= 1
        }
        // RFC 9844: zone identifiers are no part of URIs any more; they mean something on one machine only.
        if index < stop, hasZone {
            throw URIError(
                .invalidIPv6,
                "the IPv6 address has a zone (\"%\"), which URIs do not have (RFC 9844); leave it out"
            )
        }
        guard index < stop, let address = IPv6Literal(base, start &+ 1, index) else {
            throw URIError(.invalidIPv6, "the text in brackets is not an IPv6 address")
        }
        if !address.isCanonical(base, start &+ 1, index) { isClean = false }
        guard index &+ 1 == stop || base[index &+ 1] == 0x3A else {
            throw URIError(.invalidHost, "something other than \":\" and a port follows the IPv6 address")
        }
        parts.isIPv6 = true
        parts.hostStart = UInt32(truncatingIfNeeded: start &+ 1)
        parts.hostEnd = UInt32(truncatingIfNeeded: index)
        return index
    }

    // RFC 3986 §3.2.3: port = *DIGIT. §6.2.3: an empty one is left out with its colon.
    private mutating func parsePort(_ base: UnsafeRawPointer, _ colon: Int, _ stop: Int) throws(URIError) {
        if colon &+ 1 == stop {
            isClean = false
            return
        }
        var port = stop &- colon <= 6 ? 0 : -1
        var index = colon &+ 1
        while port >= 0, index < stop {
            let digit = base[index] &- 0x30
            port = digit < 10 ? port &* 10 &+ Int(digit) : -1
            index &+= 1
        }
        guard port >= 1, port <= 65535 else {
            throw URIError(.invalidPort, "the port is not a number of 1 to 65535")
        }
        if base[colon &+ 1] == 0x30 { isClean = false }
        parts.port = UInt16(truncatingIfNeeded: port)
    }

    // RFC 3986 §3.3 to §3.5: path, [ "?" query ], [ "#" fragment ].
    private mutating func parseRest(_ base: UnsafeRawPointer, _ start: Int, _ end: Int) {
        // Neither "?" nor "#" may stand in a path, nor "#" in a query: the first unclean byte is usually the end.
        var index = PercentEncoding.firstUnclean(base, start, end, PercentEncoding.path)
        if index < end, base[index] != 0x3F, base[index] != 0x23 {
            isClean = false
            while index < end, base[index] != 0x3F, base[index] != 0x23 { index &+= 1 }
        }
        parts.pathStart = UInt32(truncatingIfNeeded: start)
        parts.pathEnd = UInt32(truncatingIfNeeded: index)
        // RFC 3986 §6.2.3: an empty path behind an authority is "/".
        if index == start, hasAuthority { isClean = false }
        parts.queryEnd = parts.pathEnd
        if index < end, base[index] == 0x3F {
            index = PercentEncoding.firstUnclean(base, index &+ 1, end, PercentEncoding.query)
            if index < end, base[index] != 0x23 {
                isClean = false
                while index < end, base[index] != 0x23 { index &+= 1 }
            }
            parts.hasQuery = true
            parts.queryEnd = UInt32(truncatingIfNeeded: index)
        }
        if index < end {
            parts.hasFragment = true
            if PercentEncoding.firstUnclean(base, index &+ 1, end, PercentEncoding.query) < end { isClean = false }
        }
    }

    /// The normalised text, whose parts are then all clean (RFC 3986 §6.2.2).
    func normalised(_ bytes: UnsafeRawBufferPointer) -> String {
        guard let base = bytes.baseAddress else { return "" }
        var output: [UInt8] = []
        output.reserveCapacity(bytes.count &+ 16)
        Self.appendLowercased(base, 0, Int(parts.schemeEnd), to: &output)
        output.append(0x3A)
        if hasAuthority {
            output.append(0x2F)
            output.append(0x2F)
            if parts.hasUserinfo {
                let start = Int(parts.userinfoStart)
                let end = Int(parts.userinfoEnd)
                PercentEncoding.appendRequoted(base, start, end, PercentEncoding.userinfo, to: &output)
                output.append(0x40)
            }
            let hostStart = Int(parts.hostStart)
            let hostEnd = Int(parts.hostEnd)
            if parts.isIPv6, let address = IPv6Literal(base, hostStart, hostEnd) {
                output.append(0x5B)
                output += address.canonical
                output.append(0x5D)
            } else if keepsHostCase {
                output.append(contentsOf: bytes[hostStart..<hostEnd])
            } else {
                Self.appendLowercased(base, hostStart, hostEnd, to: &output)
            }
            if parts.port != 0 {
                output.append(0x3A)
                output.append(contentsOf: String(parts.port).utf8)
            }
            if parts.pathStart == parts.pathEnd { output.append(0x2F) }
        }
        let pathEnd = Int(parts.pathEnd)
        PercentEncoding.appendRequoted(base, Int(parts.pathStart), pathEnd, PercentEncoding.path, to: &output)
        let queryEnd = Int(parts.queryEnd)
        if parts.hasQuery {
            output.append(0x3F)
            PercentEncoding.appendRequoted(base, pathEnd &+ 1, queryEnd, PercentEncoding.query, to: &output)
        }
        if parts.hasFragment {
            output.append(0x23)
            PercentEncoding.appendRequoted(base, queryEnd &+ 1, bytes.count, PercentEncoding.query, to: &output)
        }
        return String(decoding: output, as: UTF8.self)
    }

    private static func appendLowercased(
        _ base: UnsafeRawPointer,
        _ start: Int,
        _ end: Int,
        to output: inout [UInt8]
    ) {
        for index in start..<end {
            let byte = base[index]
            output.append(byte &- 0x41 < 26 ? byte | 0x20 : byte)
        }
    }
}
