/// An IP address in figures, or a range of them such as `10.0.0.0/8` (RFC 4632 §3.1): what exceptions from a proxy are written with.
struct NetworkPrefix: Sendable, Hashable {
    /// Sixteen bytes; IPv4 as `::ffff:a.b.c.d` (RFC 4291 §2.5.5.2), so that both spellings of an address are the same.
    private let bytes: [UInt8]
    /// Leading bits that count, of 128.
    private let length: Int

    private static let mappedBits = 96

    /// The range of one address.
    init?(address text: Substring) {
        guard let bytes = Self.address(text) else { return nil }
        self.bytes = bytes
        length = 128
    }

    /// `ADDRESS/LENGTH`; nil for anything else.
    init?(range text: Substring) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let bytes = Self.address(parts[0]), parts[1].utf8.count <= 3,
            parts[1].utf8.allSatisfy({ $0 &- 0x30 < 10 }), let bits = Int(parts[1])
        else { return nil }
        let isIPv4 = !parts[0].contains(":")
        guard bits <= (isIPv4 ? 32 : 128) else { return nil }
        self.bytes = bytes
        length = isIPv4 ? Self.mappedBits + bits : bits
    }

    func contains(_ address: NetworkPrefix) -> Bool {
        guard address.length >= length else { return false }
        let whole = length / 8
        guard bytes[..<whole] == address.bytes[..<whole] else { return false }
        let rest = length % 8
        return rest == 0 || (bytes[whole] ^ address.bytes[whole]) >> UInt8(8 - rest) == 0
    }

    private static func address(_ text: Substring) -> [UInt8]? {
        var figures = text
        if figures.first == "[", figures.last == "]" { figures = figures.dropFirst().dropLast() }
        return figures.contains(":") ? IPAddressBytes.ipv6(figures) : IPAddressBytes.ipv4(figures).map { mapped($0) }
    }

    private static func mapped(_ address: [UInt8]) -> [UInt8] {
        [UInt8](repeating: 0, count: 10) + [0xFF, 0xFF] + address
    }
}

/// An address in figures as bytes in network order.
package enum IPAddressBytes {
    /// Four bytes of `192.0.2.1`; nil for what is no IPv4 address.
    package static func ipv4(_ text: some StringProtocol) -> [UInt8]? {
        let bytes = Array(text.utf8)
        let isAddress = bytes.withUnsafeBytes { buffer -> Bool in
            guard let base = buffer.baseAddress, buffer.count > 0 else { return false }
            return URIHost.isIPv4(base, 0, buffer.count)
        }
        guard isAddress else { return nil }
        return bytes.split(separator: 0x2E).map { $0.reduce(0) { $0 &* 10 &+ ($1 &- 0x30) } }
    }

    /// Sixteen bytes of `2001:db8::1`, without brackets; nil for what is no IPv6 address.
    package static func ipv6(_ text: some StringProtocol) -> [UInt8]? {
        let bytes = Array(text.utf8)
        return bytes.withUnsafeBytes { buffer -> [UInt8]? in
            guard let base = buffer.baseAddress, buffer.count > 0 else { return nil }
            return IPv6Literal(base, 0, buffer.count)?.bytes
        }
    }
}
