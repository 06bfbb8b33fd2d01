/// Percent-encoding (RFC 3986 §2.1) and the sets of characters that need none.
public enum PercentEncoding {
    /// A set of ASCII characters, one bit each.
    struct Allowed {
        let low: UInt64
        let high: UInt64

        @inline(__always)
        func contains(_ byte: UInt8) -> Bool {
            let word = byte < 64 ? low : high
            return byte < 128 && (word &>> UInt64(byte & 63)) & 1 != 0
        }
    }

    // RFC 3986 §2.3: unreserved = ALPHA / DIGIT / "-" / "." / "_" / "~"
    static var unreserved: Allowed {
        @inline(__always) get { Allowed(low: 0x03FF_6000_0000_0000, high: 0x47FF_FFFE_87FF_FFFE) }
    }
    // RFC 3986 §3.3: pchar = unreserved / pct-encoded / sub-delims / ":" / "@"; and "/" between segments.
    // sub-delims (§2.2) = "!" / "$" / "&" / "'" / "(" / ")" / "*" / "+" / "," / ";" / "="
    static var path: Allowed {
        @inline(__always) get { Allowed(low: 0x2FFF_FFD2_0000_0000, high: 0x47FF_FFFE_87FF_FFFF) }
    }
    // RFC 3986 §3.4, §3.5: query = fragment = *( pchar / "/" / "?" )
    static var query: Allowed {
        @inline(__always) get { Allowed(low: 0xAFFF_FFD2_0000_0000, high: 0x47FF_FFFE_87FF_FFFF) }
    }
    // RFC 3986 §3.2.1: userinfo = *( unreserved / pct-encoded / sub-delims / ":" )
    static var userinfo: Allowed {
        @inline(__always) get { Allowed(low: 0x2FFF_7FD2_0000_0000, high: 0x47FF_FFFE_87FF_FFFE) }
    }

    /// Encodes everything but letters, digits and `-._~`: safe for a name or value anywhere in a URI.
    public static func encode(_ text: String) -> String {
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            if unreserved.contains(byte) { bytes.append(byte) } else { append(encoded: byte, to: &bytes) }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Decodes each `%XX`; one that is incomplete stays as it is. Bytes that are not UTF-8 become U+FFFD.
    public static func decode(_ text: String) -> String {
        let input = Array(text.utf8)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(input.count)
        var index = 0
        while index < input.count {
            if input[index] == 0x25, index + 2 < input.count {
                let high = HTTP1Grammar.hexDigit(input[index + 1])
                let low = HTTP1Grammar.hexDigit(input[index + 2])
                if high != 0xFF, low != 0xFF {
                    bytes.append(high << 4 | low)
                    index += 3
                    continue
                }
            }
            bytes.append(input[index])
            index += 1
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The first byte that may not stand as it is: all but allowed characters and `%XX` in upper case (RFC 3986
    /// §6.2.2.1).
    @inline(__always)
    static func firstUnclean(_ base: UnsafeRawPointer, _ start: Int, _ end: Int, _ allowed: Allowed) -> Int {
        var index = start
        while index < end {
            let byte = base[index]
            if !allowed.contains(byte) {
                guard byte == 0x25, index &+ 2 < end, isUpperHex(base[index &+ 1]), isUpperHex(base[index &+ 2]) else {
                    return index
                }
                index &+= 2
            }
            index &+= 1
        }
        return end
    }

    /// Appends the bytes so that they are clean: `%XX` is kept (in upper case), everything not allowed is encoded.
    static func appendRequoted(
        _ base: UnsafeRawPointer,
        _ start: Int,
        _ end: Int,
        _ allowed: Allowed,
        to output: inout [UInt8]
    ) {
        var index = start
        while index < end {
            let byte = base[index]
            if allowed.contains(byte) {
                output.append(byte)
            } else if byte == 0x25, index &+ 2 < end,
                HTTP1Grammar.hexDigit(base[index &+ 1]) != 0xFF, HTTP1Grammar.hexDigit(base[index &+ 2]) != 0xFF
            {
                output.append(byte)
                output.append(upper(base[index &+ 1]))
                output.append(upper(base[index &+ 2]))
                index &+= 2
            } else {
                append(encoded: byte, to: &output)
            }
            index &+= 1
        }
    }

    static func append(encoded byte: UInt8, to output: inout [UInt8]) {
        output.append(0x25)
        output.append(digit(byte &>> 4))
        output.append(digit(byte & 0xF))
    }

    private static func digit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 &+ value : 0x37 &+ value }

    private static func upper(_ byte: UInt8) -> UInt8 { byte >= 0x61 ? byte & 0xDF : byte }

    @inline(__always)
    private static func isUpperHex(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 || byte &- 0x41 < 6 }
}
