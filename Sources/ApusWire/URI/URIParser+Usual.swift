// The fast path: authorities as nearly everybody writes them.
extension URIParser {
    /// Takes the authority of a web scheme if it is of the usual kind: a name of lower-case letters, digits, "-" and "_" whose last
    /// label is no number, or an IPv4 address, and perhaps a port without leading zeros.
    ///
    /// One pass over it, at a third of what the general path's three cost. It judges nothing: what is not of that kind, well-formed
    /// or not, is left to the general path, from its first byte on.
    ///
    /// - Returns: where the authority ends; -1 if it is of another kind.
    mutating func parseUsualAuthority(_ base: UnsafeRawPointer, _ start: Int, _ end: Int) -> Int {
        var index = start
        var labelStart = start
        var labels = 0
        // How many of the labels are numbers as an IPv4 address has them.
        var octets = 0
        // The label so far, read as a number, and whether it has anything else.
        var number = 0
        var isWord = false
        while true {
            let byte = index < end ? base[index] : Self.slash
            let digit = byte &- 0x30
            if digit < 10 {
                number = number &* 10 &+ Int(digit)
                index &+= 1
                continue
            }
            if byte &- 0x61 < 26 || byte == 0x2D || byte == 0x5F {
                isWord = true
                index &+= 1
                continue
            }
            // RFC 1035 §2.3.4: labels have 1 to 63 octets. (An empty last one is the root's, and not usual.)
            let length = index &- labelStart
            guard length >= 1, length <= 63 else { return -1 }
            labels &+= 1
            if !isWord, length <= 3, number <= 255, length == 1 || base[labelStart] != 0x30 { octets &+= 1 }
            guard byte == 0x2E else {
                // A host that ends in a number is an address or an error, and "0x…" is a number too.
                guard isWord ? base[labelStart] != 0x30 : labels == 4 && octets == 4 else { return -1 }
                guard index &- start <= 253 else { return -1 }
                return finishUsualAuthority(base, start, index, end)
            }
            index &+= 1
            labelStart = index
            number = 0
            isWord = false
        }
    }

    /// The port, if there is one, and the end of the authority.
    @inline(__always)
    private mutating func finishUsualAuthority(
        _ base: UnsafeRawPointer,
        _ start: Int,
        _ hostEnd: Int,
        _ end: Int
    ) -> Int {
        var index = hostEnd
        var port = 0
        if index < end, base[index] == 0x3A {
            index &+= 1
            while index < end, base[index] &- 0x30 < 10, index &- hostEnd <= 5 {
                port = port &* 10 &+ Int(base[index] &- 0x30)
                index &+= 1
            }
            guard port >= 1, port <= 65535, base[hostEnd &+ 1] != 0x30 else { return -1 }
        }
        guard index == end || base[index] == Self.slash || base[index] == 0x3F || base[index] == 0x23 else { return -1 }
        parts.hostStart = UInt32(truncatingIfNeeded: start)
        parts.hostEnd = UInt32(truncatingIfNeeded: hostEnd)
        parts.port = UInt16(truncatingIfNeeded: port)
        return index
    }

    private static var slash: UInt8 { 0x2F }
}
