/// What may stand as a host (RFC 3986 §3.2.2).
enum URIHost {
    /// Checks a host name or IPv4 address without brackets.
    ///
    /// - Parameter isPath: whether it is a percent-encoded path, which has no labels.
    /// - Returns: whether it has upper-case letters.
    static func checkName(
        _ base: UnsafeRawPointer,
        _ start: Int,
        _ end: Int,
        isWeb: Bool,
        isPath: Bool = false
    ) throws(URIError) -> Bool {
        var hasUpper = false
        var labelStart = start
        var index = start
        while index < end {
            let byte = base[index]
            if plain.contains(byte) {
                index &+= 1
                continue
            }
            switch byte {
            case 0x41...0x5A: hasUpper = true
            case 0x2E:
                // RFC 1035 §2.3.4: labels have 1 to 63 octets.
                guard index > labelStart && index &- labelStart <= 63 || isPath else { throw badLabel }
                labelStart = index &+ 1
            case 0x80...:
                throw URIError(
                    isWeb ? .needsASCIIHost : .invalidInternationalHost,
                    "the host has characters outside of ASCII; give its IDNA form, which begins with \"xn--\""
                )
            // RFC 3986 §3.2.2: reg-name may also have these; no DNS name does, so the web schemes refuse them.
            case 0x25, 0x21, 0x24, 0x26...0x2C, 0x3B, 0x3D, 0x7E:
                guard !isWeb else { throw badCharacter(byte) }
            default: throw badCharacter(byte)
            }
            index &+= 1
        }
        // A dot at the very end marks the DNS root: the last label is then empty.
        let isRooted = end > start && base[end &- 1] == 0x2E
        guard !isWeb || (end &- labelStart <= 63 && end &- start <= (isRooted ? 254 : 253)) else { throw badLabel }
        if isWeb, endsInNumber(base, start, end) { try checkIPv4(base, start, end) }
        return hasUpper
    }

    // Lower-case letters, digits, "-" and "_".
    private static var plain: PercentEncoding.Allowed {
        @inline(__always) get { PercentEncoding.Allowed(low: 0x03FF_2000_0000_0000, high: 0x07FF_FFFE_8000_0000) }
    }

    private static var badLabel: URIError {
        URIError(.invalidHost, "a part of the host is empty or longer than 63 characters, or the host longer than 253")
    }

    private static func badCharacter(_ byte: UInt8) -> URIError {
        URIError(.invalidHost, "the host contains the character 0x\(String(byte, radix: 16)), which no host has")
    }

    /// Whether the last label is a number in some notation: then `inet_aton` and its like read the host as an address.
    @inline(__always)
    private static func endsInNumber(_ base: UnsafeRawPointer, _ start: Int, _ end: Int) -> Bool {
        var stop = end
        if stop > start, base[stop &- 1] == 0x2E { stop &-= 1 }
        guard stop > start else { return false }
        // Only a digit or a hexadecimal letter can end one: most names are done here.
        guard HTTP1Grammar.hexDigit(base[stop &- 1]) != 0xFF || base[stop &- 1] | 0x20 == 0x78 else { return false }
        var from = stop
        while from > start, base[from &- 1] != 0x2E { from &-= 1 }
        if base[from] == 0x30, stop &- from >= 2, base[from &+ 1] | 0x20 == 0x78 {
            for index in (from &+ 2)..<max(stop, from &+ 2) where HTTP1Grammar.hexDigit(base[index]) == 0xFF {
                return false
            }
            return true
        }
        for index in from..<stop where base[index] &- 0x30 >= 10 { return false }
        return true
    }

    // RFC 3986 §3.2.2: IPv4address = dec-octet "." dec-octet "." dec-octet "." dec-octet, without leading zeros. The
    // short, octal and hexadecimal forms of inet_aton are refused: they hide addresses from filters.
    private static func checkIPv4(_ base: UnsafeRawPointer, _ start: Int, _ end: Int) throws(URIError) {
        guard isIPv4(base, start, end) else {
            throw URIError(
                .invalidIPv4,
                "the host ends in a number but is not an IPv4 address; write four decimal numbers such as 192.0.2.1"
            )
        }
    }

    static func isIPv4(_ base: UnsafeRawPointer, _ start: Int, _ end: Int) -> Bool {
        var parts = 0
        var index = start
        while index < end {
            let from = index
            while index < end, base[index] &- 0x30 < 10 { index &+= 1 }
            let value = HTTP1Grammar.decimal(base, from, index)
            guard index > from, index &- from <= 3, value <= 255, base[from] != 0x30 || index &- from == 1 else {
                return false
            }
            parts &+= 1
            if index == end { break }
            guard base[index] == 0x2E, index &+ 1 < end else { return false }
            index &+= 1
        }
        return parts == 4
    }
}
