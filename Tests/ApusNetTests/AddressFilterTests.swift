import Testing

@testable import ApusNet

@Suite("Address filter")
struct AddressFilterTests {
    /// The first and the last address of each range that is not public, and their neighbours outside, if those are.
    static let edges4: [(first: String, last: String, before: String?, after: String?)] = [
        ("0.0.0.0", "0.255.255.255", nil, "1.0.0.0"),
        ("10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0"),
        ("100.64.0.0", "100.127.255.255", "100.63.255.255", "100.128.0.0"),
        ("127.0.0.0", "127.255.255.255", "126.255.255.255", "128.0.0.0"),
        ("169.254.0.0", "169.254.255.255", "169.253.255.255", "169.255.0.0"),
        ("172.16.0.0", "172.31.255.255", "172.15.255.255", "172.32.0.0"),
        ("192.0.0.0", "192.0.0.255", "191.255.255.255", "192.0.1.0"),
        ("192.0.2.0", "192.0.2.255", "192.0.1.255", "192.0.3.0"),
        ("192.88.99.0", "192.88.99.255", "192.88.98.255", "192.88.100.0"),
        ("192.168.0.0", "192.168.255.255", "192.167.255.255", "192.169.0.0"),
        ("198.18.0.0", "198.19.255.255", "198.17.255.255", "198.20.0.0"),
        ("198.51.100.0", "198.51.100.255", "198.51.99.255", "198.51.101.0"),
        ("203.0.113.0", "203.0.113.255", "203.0.112.255", "203.0.114.0"),
        ("224.0.0.0", "239.255.255.255", "223.255.255.255", nil),
        ("240.0.0.0", "255.255.255.254", nil, nil),
        ("255.255.255.255", "255.255.255.255", nil, nil),
    ]

    static let edges6: [(first: String, last: String, before: String?, after: String?)] = [
        ("::", "::", nil, nil),
        ("::1", "::1", nil, nil),
        ("::2", "::ffff:ffff", nil, nil),
        ("::ffff:0:0", "::ffff:255.255.255.255", nil, nil),
        ("::ffff:8.8.8.8", "::ffff:127.0.0.1", nil, nil),
        ("::1:0:0:0", "0:0:0:1::", nil, nil),
        ("64:ff9b::127.0.0.1", "64:ff9b::10.1.2.3", nil, nil),
        ("64:ff9b::169.254.169.254", "64:ff9b::192.168.255.255", "64:ff9b::192.167.255.255", "64:ff9b::192.169.0.0"),
        ("64:ff9b::1:0:0", "64:ff9b:0:0:1::", "64:ff9b::8.8.8.8", nil),
        ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", nil, nil),
        ("100::", "100::ffff:ffff:ffff:ffff", nil, nil),
        ("1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "1fff::", nil, "2000::"),
        ("2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff", "2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", nil),
        ("2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff", nil, nil),
        ("2001:10::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", nil, "2001:200::"),
        (
            "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff",
            "2001:db9::"
        ),
        ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2003::"),
        ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff:1000::"),
        ("4000::", "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", nil),
        ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", nil, nil),
        ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", nil, nil),
        ("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", nil, nil),
        ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", nil, nil),
    ]

    @Test(
        "every range that is not public is refused from its first to its last address, and its neighbours are not",
        arguments: edges4 + edges6
    )
    func edges(first: String, last: String, before: String?, after: String?) throws {
        for figures in [first, last] {
            let address = try SocketAddress(figures, port: 80)
            let error = #expect(throws: NetError.self) {
                try AddressFilter.publicOnly.check(host: "name.test", address)
            }
            #expect(error?.code == .addressRefused)
            let text = "\(error.map { "\($0)" } ?? "")"
            #expect(text.contains("name.test") && text.contains(address.host) && text.contains("(RFC "), "\(text)")
        }
        for figures in [before, after].compactMap({ $0 }) {
            try AddressFilter.publicOnly.check(host: "name.test", SocketAddress(figures, port: 80))
        }
    }

    @Test(
        "addresses of well-known public servers are allowed",
        arguments: ["8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700::1111", "2a00:1450::1"]
    )
    func isPublic(figures: String) throws {
        try AddressFilter.publicOnly.check(host: "name.test", SocketAddress(figures, port: 443))
    }

    @Test("a Unix socket is not public")
    func unix() throws {
        let address = try SocketAddress(unixPath: "/run/x.sock")
        #expect(throws: NetError.self) { try AddressFilter.publicOnly.check(host: "h", address) }
    }

    @Test("of several addresses those that are allowed remain; if none does, the error names host, address and rule")
    func several() throws {
        let addresses = try ["10.0.0.1", "8.8.8.8", "::1"].map { try SocketAddress($0, port: 80) }
        let allowed = try AddressFilter.publicOnly.allowed(addresses, of: "mixed.test")
        #expect(allowed.map(\.host) == ["8.8.8.8"])
        let error = #expect(throws: NetError.self) {
            try AddressFilter.publicOnly.allowed([addresses[0], addresses[2]], of: "inside.test")
        }
        let text = "\(error.map { "\($0)" } ?? "")"
        #expect(text.contains("inside.test") && text.contains("10.0.0.1") && text.contains("RFC 1918"), "\(text)")
        #expect(error?.cause is NetError)
    }

    @Test(
        "a filter is equal to itself only, which is what keeps sessions with different filters from sharing connections"
    )
    func identity() {
        let (one, other) = (AddressFilter { _, _ in }, AddressFilter { _, _ in })
        let copy = one
        #expect(one == copy && one != other && AddressFilter.publicOnly == .publicOnly)
    }
}
