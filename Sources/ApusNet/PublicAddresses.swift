/// Which addresses are of the public internet (RFC 6890, and the registries of special-purpose addresses that it began).
enum PublicAddresses {
    private struct Range4 {
        var first: UInt32
        var length: UInt32
        var reason: String

        init(_ a: UInt32, _ b: UInt32, _ c: UInt32, _ d: UInt32, _ length: UInt32, _ reason: String) {
            first = a << 24 | b << 16 | c << 8 | d
            self.length = length
            self.reason = reason
        }

        func contains(_ bits: UInt32) -> Bool { (bits ^ first) >> (32 - length) == 0 }
    }

    private static let ranges4 = [
        Range4(0, 0, 0, 0, 8, "this network, or unspecified (RFC 791)"),
        Range4(10, 0, 0, 0, 8, "private (RFC 1918)"),
        Range4(100, 64, 0, 0, 10, "shared by a provider's customers (RFC 6598)"),
        Range4(127, 0, 0, 0, 8, "loopback (RFC 1122)"),
        Range4(169, 254, 0, 0, 16, "link-local (RFC 3927)"),
        Range4(172, 16, 0, 0, 12, "private (RFC 1918)"),
        Range4(192, 0, 0, 0, 24, "protocol assignments (RFC 6890)"),
        Range4(192, 0, 2, 0, 24, "documentation (RFC 5737)"),
        Range4(192, 88, 99, 0, 24, "6to4 relays (RFC 7526)"),
        Range4(192, 168, 0, 0, 16, "private (RFC 1918)"),
        Range4(198, 18, 0, 0, 15, "benchmarking (RFC 2544)"),
        Range4(198, 51, 100, 0, 24, "documentation (RFC 5737)"),
        Range4(203, 0, 113, 0, 24, "documentation (RFC 5737)"),
        Range4(224, 0, 0, 0, 4, "multicast (RFC 1112)"),
        Range4(255, 255, 255, 255, 32, "broadcast (RFC 919)"),
        Range4(240, 0, 0, 0, 4, "reserved (RFC 1112)"),
    ]

    private struct Range6 {
        /// The first 64 bits: no range below has a longer prefix.
        var first: UInt64
        var length: UInt64
        var reason: String

        init(_ first: UInt64, _ length: UInt64, _ reason: String) {
            self.first = first
            self.length = length
            self.reason = reason
        }

        func contains(_ high: UInt64) -> Bool { (high ^ first) >> (64 - length) == 0 }
    }

    private static let ranges6 = [
        Range6(0xFE80_0000_0000_0000, 10, "link-local (RFC 4291)"),
        Range6(0xFEC0_0000_0000_0000, 10, "site-local (RFC 3879)"),
        Range6(0xFC00_0000_0000_0000, 7, "unique local (RFC 4193)"),
        Range6(0xFF00_0000_0000_0000, 8, "multicast (RFC 4291)"),
        Range6(0x2001_0000_0000_0000, 32, "Teredo (RFC 4380)"),
        Range6(0x2001_0002_0000_0000, 48, "benchmarking (RFC 5180)"),
        Range6(0x2001_0000_0000_0000, 23, "protocol assignments (RFC 2928)"),
        Range6(0x2001_0DB8_0000_0000, 32, "documentation (RFC 3849)"),
        Range6(0x2002_0000_0000_0000, 16, "6to4 (RFC 3056)"),
        Range6(0x3FFF_0000_0000_0000, 20, "documentation (RFC 9637)"),
        Range6(0x0064_FF9B_0001_0000, 48, "NAT64 of a local network (RFC 8215)"),
    ]

    /// Why an address is not public; nil if it is.
    static func refusal(of address: SocketAddress) -> String? {
        if let bits = address.ipv4Bits { return refusal(of: bits) }
        guard let (high, low) = address.ipv6Bits else { return "a Unix socket" }
        return refusal(high, low)
    }

    private static func refusal(of bits: UInt32) -> String? {
        ranges4.first { $0.contains(bits) }?.reason
    }

    private static func refusal(_ high: UInt64, _ low: UInt64) -> String? {
        if high == 0 {
            switch low {
            case 0: return "unspecified (RFC 4291)"
            case 1: return "loopback (RFC 4291)"
            case 0xFFFF_0000_0000...0xFFFF_FFFF_FFFF: return "an IPv4 address, mapped (RFC 4291)"
            case ...0xFFFF_FFFF: return "an IPv4 address, compatible (RFC 4291)"
            default: return "not global unicast (RFC 4291)"
            }
        }
        if high == 0x0064_FF9B_0000_0000, low >> 32 == 0 {
            // RFC 6052 §3.1: what a translator would connect to.
            return refusal(of: UInt32(truncatingIfNeeded: low)).map { "NAT64 (RFC 6052) of an IPv4 address: \($0)" }
        }
        if let range = ranges6.first(where: { $0.contains(high) }) { return range.reason }
        // RFC 4291 §2.4, and IANA's registry: nothing else has been given out.
        return high >> 61 == 1 ? nil : "not global unicast (RFC 4291)"
    }
}
