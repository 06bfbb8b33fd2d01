/// The grammar of HTTP/1: which bytes may stand where. Every rule names its section.
///
/// All functions read raw memory between offsets that the caller has checked; none allocates.
enum HTTP1Grammar {
    static let cr: UInt8 = 0x0D
    static let lf: UInt8 = 0x0A
    static let space: UInt8 = 0x20
    static let tab: UInt8 = 0x09
    static let colon: UInt8 = 0x3A

    // RFC 9110 §5.6.2: token = 1*tchar;
    // tchar = "!" / "#" / "$" / "%" / "&" / "'" / "*" / "+" / "-" / "." / "^" / "_" / "`" / "|" / "~" / DIGIT / ALPHA
    // One bit per ASCII character: two constants cost less than a table, which would be initialised lazily.
    @inline(__always)
    static func isToken(_ byte: UInt8) -> Bool {
        let low: UInt64 = 0x03FF_6CFA_0000_0000
        let high: UInt64 = 0x57FF_FFFF_C7FF_FFFE
        let word = byte < 64 ? low : high
        return byte < 128 && (word &>> UInt64(byte & 63)) & 1 != 0
    }

    /// The end of the token that begins at `start`.
    @inline(__always)
    static func endOfToken(_ base: UnsafeRawPointer, _ start: Int, _ end: Int) -> Int {
        var index = start
        // Eight bytes at a time while they are letters and "-", which is what names are made of.
        while index &+ 8 <= end {
            let word = UInt64(littleEndian: base.loadUnaligned(fromByteOffset: index, as: UInt64.self))
            let ascii = word & 0x7F7F_7F7F_7F7F_7F7F
            let lowered = ascii | 0x2020_2020_2020_2020
            // A sum sets a byte's top bit if the byte is at least "a", and past "z"; neither carries into the next.
            let letter = (lowered &+ 0x1F1F_1F1F_1F1F_1F1F) & ~(lowered &+ 0x0505_0505_0505_0505)
            let dash = ~((ascii ^ 0x2D2D_2D2D_2D2D_2D2D) &+ 0x7F7F_7F7F_7F7F_7F7F)
            let other = (~(letter | dash) | word) & 0x8080_8080_8080_8080
            if other == 0 {
                index &+= 8
                continue
            }
            index &+= other.trailingZeroBitCount &>> 3
            if !isToken(base[index]) { return index }
            index &+= 1
        }
        while index < end, isToken(base[index]) { index &+= 1 }
        return index
    }

    // RFC 9110 §5.5: field-value = *( VCHAR / obs-text / SP / HTAB ): CR, LF, NUL and the other controls end or break
    // a line. RFC 9112 §4 gives the same set for the reason phrase.
    /// The first control character other than TAB, or `end`.
    @inline(__always)
    static func firstControl(_ base: UnsafeRawPointer, _ start: Int, _ end: Int) -> Int {
        var index = start
        // Eight bytes at a time: a byte below 0x20, or equal to 0x7F, sets its top bit in `hit`; the lowest one is exact.
        // (The standard library's SIMD types come out byte by byte here on 6.3.)
        while index &+ 8 <= end {
            let word = UInt64(littleEndian: base.loadUnaligned(fromByteOffset: index, as: UInt64.self))
            let low = word &- 0x2020_2020_2020_2020
            let delete = (word ^ 0x7F7F_7F7F_7F7F_7F7F) &- 0x0101_0101_0101_0101
            let hit = (low | delete) & ~word & 0x8080_8080_8080_8080
            index &+= 8
            if hit == 0 { continue }
            let found = index &- 8 &+ hit.trailingZeroBitCount &>> 3
            if base[found] != tab { return found }
            index = found &+ 1
        }
        while index < end {
            let byte = base[index]
            if byte < 0x20 ? byte != tab : byte == 0x7F { return index }
            index &+= 1
        }
        return end
    }

    /// Whether no byte is above 0x7F.
    @inline(__always)
    static func isASCII(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let base = bytes.baseAddress else { return true }
        var index = 0
        var seen: UInt64 = 0
        while index &+ 8 <= bytes.count {
            seen |= base.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            index &+= 8
        }
        while index < bytes.count {
            seen |= UInt64(base[index])
            index &+= 1
        }
        return seen & 0x8080_8080_8080_8080 == 0
    }

    // RFC 3986 §2: a URI is visible ASCII. RFC 9112 §3.2: no whitespace is allowed in the request-target.
    /// Whether all bytes are visible ASCII other than `#` (a request target has no fragment).
    @inline(__always)
    static func isTarget(_ base: UnsafeRawPointer, _ start: Int, _ end: Int) -> Bool {
        var index = start
        while index &+ 8 <= end {
            let word = UInt64(littleEndian: base.loadUnaligned(fromByteOffset: index, as: UInt64.self))
            let hash = word ^ 0x2323_2323_2323_2323
            let delete = word ^ 0x7F7F_7F7F_7F7F_7F7F
            // Adding or subtracting may mark a byte above a marked one too; only whether there is any matters here.
            let hit =
                ((word &- 0x2121_2121_2121_2121) | word | (hash &- 0x0101_0101_0101_0101)
                    | (delete &- 0x0101_0101_0101_0101)) & 0x8080_8080_8080_8080
            // `hash` and `delete` keep the top bit of `word`, which is an error by itself.
            if hit != 0 { return false }
            index &+= 8
        }
        while index < end {
            let byte = base[index]
            if byte <= 0x20 || byte >= 0x7F || byte == 0x23 { return false }
            index &+= 1
        }
        return true
    }

    // RFC 9110 §5.6.3: OWS = *( SP / HTAB ).
    @inline(__always)
    static func skipSpace(_ base: UnsafeRawPointer, _ start: Int, _ end: Int) -> Int {
        var index = start
        while index < end, base[index] == space || base[index] == tab { index &+= 1 }
        return index
    }

    @inline(__always)
    static func trimSpace(_ base: UnsafeRawPointer, _ start: Int, _ end: Int) -> Int {
        var index = end
        while index > start, base[index &- 1] == space || base[index &- 1] == tab { index &-= 1 }
        return index
    }

    // RFC 9110 §5.1: field names are case-insensitive; RFC 9110 §7.6.1: so are connection options.
    /// Whether the bytes equal `lowercase` regardless of case.
    ///
    /// `lowercase` consists of ASCII letters, digits and "-", which all have the bit 0x20 set; the bytes hold no control
    /// characters. So setting that bit maps only letters onto letters.
    @inline(__always)
    static func matches(_ base: UnsafeRawPointer, _ start: Int, _ count: Int, _ lowercase: StaticString) -> Bool {
        guard count == lowercase.utf8CodeUnitCount else { return false }
        let wanted = UnsafeRawPointer(lowercase.utf8Start)
        let bytes = base + start
        if count >= 8 {
            // Words, the last one overlapping.
            var index = 0
            while true {
                let word = bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self) | 0x2020_2020_2020_2020
                if word != wanted.loadUnaligned(fromByteOffset: index, as: UInt64.self) { return false }
                if index == count &- 8 { return true }
                index = min(index &+ 8, count &- 8)
            }
        }
        if count >= 4 {
            let first = bytes.loadUnaligned(as: UInt32.self) | 0x2020_2020
            let last = bytes.loadUnaligned(fromByteOffset: count &- 4, as: UInt32.self) | 0x2020_2020
            return first == wanted.loadUnaligned(as: UInt32.self)
                && last == wanted.loadUnaligned(fromByteOffset: count &- 4, as: UInt32.self)
        }
        var index = 0
        while index < count {
            if bytes[index] | 0x20 != wanted[index] { return false }
            index &+= 1
        }
        return true
    }

    // RFC 9110 §8.6: Content-Length = 1*DIGIT.
    /// The number, or -1 if it is anything else than digits or does not fit.
    @inline(__always)
    static func decimal(_ base: UnsafeRawPointer, _ start: Int, _ end: Int) -> Int {
        guard start < end else { return -1 }
        var value = 0
        for index in start..<end {
            let digit = base[index] &- 0x30
            guard digit < 10 else { return -1 }
            let (scaled, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = scaled.addingReportingOverflow(Int(digit))
            guard !overflow, !carry else { return -1 }
            value = sum
        }
        return value
    }

    // RFC 5234 appendix B.1: HEXDIG; lower case is accepted by RFC 9112 §7.1.
    /// The digit's value, or 0xFF.
    @inline(__always)
    static func hexDigit(_ byte: UInt8) -> UInt8 {
        let digit = byte &- 0x30
        if digit < 10 { return digit }
        let letter = (byte | 0x20) &- 0x61
        return letter < 6 ? letter &+ 10 : 0xFF
    }

    // RFC 9112 §2.3: HTTP-version = "HTTP/" DIGIT "." DIGIT, case-sensitive.
    /// The minor version of HTTP/1.0 and HTTP/1.1; -2 for another version, -1 for what is no version.
    @inline(__always)
    static func version(_ base: UnsafeRawPointer, _ start: Int) -> Int {
        let word = UInt64(littleEndian: base.loadUnaligned(fromByteOffset: start, as: UInt64.self))
        if word == 0x312E_312F_5054_5448 { return 1 }  // "HTTP/1.1" read as a little-endian number
        if word == 0x302E_312F_5054_5448 { return 0 }  // "HTTP/1.0"
        let isVersion =
            word & 0x00FF_00FF_FFFF_FFFF == 0x002E_002F_5054_5448
            && base[start &+ 5] &- 0x30 < 10 && base[start &+ 7] &- 0x30 < 10
        return isVersion ? -2 : -1
    }

    // RFC 9110 §7.2: Host = uri-host [ ":" port ]; RFC 3986 §3.2.2 for uri-host. Empty is allowed: a target without an
    // authority has none to name.
    static func isHost(_ base: UnsafeRawPointer, _ start: Int, _ end: Int) -> Bool {
        var index = start
        if index < end, base[index] == 0x5B {  // "[": an IP literal
            index &+= 1
            let from = index
            while index < end, hexDigit(base[index]) != 0xFF || base[index] == colon || base[index] == 0x2E {
                index &+= 1
            }
            guard index > from, index < end, base[index] == 0x5D else { return false }
            index &+= 1
        } else {
            while index < end, isRegisteredName(base[index]) { index &+= 1 }
        }
        guard index < end else { return true }
        guard base[index] == colon else { return false }
        index &+= 1
        guard end &- index <= 5 else { return false }
        while index < end {
            if base[index] &- 0x30 >= 10 { return false }
            index &+= 1
        }
        return true
    }

    // RFC 3986 §3.2.2: reg-name = *( unreserved / pct-encoded / sub-delims ), without the comma and the quotes that
    // would let one Host be read as two.
    // unreserved = ALPHA / DIGIT / "-" / "." / "_" / "~"; of the others "%" / "!" / "$" / "&" / "(" / ")" / "*" / "+" / ";" / "=".
    @inline(__always)
    private static func isRegisteredName(_ byte: UInt8) -> Bool {
        let low: UInt64 = 0x2BFF_6F72_0000_0000
        let high: UInt64 = 0x47FF_FFFE_87FF_FFFE
        let word = byte < 64 ? low : high
        return byte < 128 && (word &>> UInt64(byte & 63)) & 1 != 0
    }
}

extension UnsafeRawPointer {
    /// The byte at an offset that the caller has checked.
    @inline(__always)
    subscript(offset: Int) -> UInt8 {
        load(fromByteOffset: offset, as: UInt8.self)
    }
}
