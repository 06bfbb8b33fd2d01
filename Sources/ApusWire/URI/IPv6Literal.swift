/// An IPv6 address as it stands in brackets in a URI (RFC 3986 §3.2.2), and its one canonical form (RFC 5952).
struct IPv6Literal {
    private var groups: [UInt16] = []

    // RFC 3986 §3.2.2: IPv6address, with at most one "::" and perhaps an IPv4 address at the end.
    /// Nil if the text between the brackets is no IPv6 address.
    init?(_ base: UnsafeRawPointer, _ start: Int, _ end: Int) {
        var gap: Int?
        var index = start
        if index &+ 1 < end, base[index] == 0x3A, base[index &+ 1] == 0x3A {
            gap = 0
            index &+= 2
        }
        while index < end {
            guard groups.count < 8 else { return nil }
            let from = index
            var value: UInt32 = 0
            while index < end, HTTP1Grammar.hexDigit(base[index]) != 0xFF {
                value = (value & 0xFFF) &<< 4 | UInt32(HTTP1Grammar.hexDigit(base[index]))
                index &+= 1
            }
            if index < end, base[index] == 0x2E {
                guard URIHost.isIPv4(base, from, end) else { return nil }
                appendIPv4(base, from, end)
                break
            }
            guard index > from, index &- from <= 4 else { return nil }
            groups.append(UInt16(truncatingIfNeeded: value))
            if index == end { break }
            guard base[index] == 0x3A, index &+ 1 < end else { return nil }
            index &+= 1
            if base[index] == 0x3A {
                guard gap == nil else { return nil }
                gap = groups.count
                index &+= 1
            }
        }
        guard let gap else {
            if groups.count == 8 { return }
            return nil
        }
        guard groups.count <= 7 else { return nil }
        groups.insert(contentsOf: [UInt16](repeating: 0, count: 8 - groups.count), at: gap)
    }

    private mutating func appendIPv4(_ base: UnsafeRawPointer, _ start: Int, _ end: Int) {
        var value: UInt32 = 0
        var part: UInt32 = 0
        for index in start...end {
            if index == end || base[index] == 0x2E {
                value = value &<< 8 | part
                part = 0
            } else {
                part = part &* 10 &+ UInt32(base[index] &- 0x30)
            }
        }
        groups.append(UInt16(truncatingIfNeeded: value &>> 16))
        groups.append(UInt16(truncatingIfNeeded: value))
    }

    // RFC 5952 §4: lower case, no leading zeros, "::" for the first of the longest runs of two or more zeros; §5: an
    // address that carries an IPv4 address by a well-known prefix (here ::ffff:0:0/96) ends in dotted notation.
    /// The canonical text, without brackets.
    var canonical: [UInt8] {
        var output: [UInt8] = []
        let isMapped = groups.prefix(5).allSatisfy { $0 == 0 } && groups[5] == 0xFFFF
        let count = isMapped ? 6 : 8
        let (runStart, runEnd) = longestRun(count)
        var index = 0
        while index < count {
            if index == runStart, runEnd > runStart {
                output += [0x3A, 0x3A]
                index = runEnd
                continue
            }
            if index > 0, index != runEnd { output.append(0x3A) }
            output += String(groups[index], radix: 16).utf8
            index += 1
        }
        if isMapped {
            let bytes = [groups[6] >> 8, groups[6] & 0xFF, groups[7] >> 8, groups[7] & 0xFF]
            output += ":\(bytes[0]).\(bytes[1]).\(bytes[2]).\(bytes[3])".utf8
        }
        return output
    }

    /// The address in network order.
    var bytes: [UInt8] { groups.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] } }

    private func longestRun(_ count: Int) -> (Int, Int) {
        var best = (0, 0)
        var index = 0
        while index < count {
            let start = index
            while index < count, groups[index] == 0 { index += 1 }
            if index - start >= 2, index - start > best.1 - best.0 { best = (start, index) }
            index += 1
        }
        return best
    }

    func isCanonical(_ base: UnsafeRawPointer, _ start: Int, _ end: Int) -> Bool {
        UnsafeRawBufferPointer(start: base + start, count: end - start).elementsEqual(canonical)
    }
}
