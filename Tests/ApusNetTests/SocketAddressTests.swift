import ApusNet
import Testing

@Suite("Socket addresses")
struct SocketAddressTests {
    struct Good: Sendable, CustomTestStringConvertible {
        var text: String
        var port: Int
        var description: String
        var testDescription: String { text }
    }

    @Test(
        "figures are understood and written in their usual form",
        arguments: [
            Good(text: "127.0.0.1", port: 80, description: "127.0.0.1:80"),
            Good(text: "0.0.0.0", port: 0, description: "0.0.0.0:0"),
            Good(text: "255.255.255.255", port: 65_535, description: "255.255.255.255:65535"),
            Good(text: "::1", port: 443, description: "[::1]:443"),
            Good(text: "::", port: 1, description: "[::]:1"),
            Good(text: "2001:DB8:0:0:0:0:0:1", port: 1, description: "[2001:db8::1]:1"),
            Good(text: "::ffff:10.0.0.1", port: 1, description: "[::ffff:10.0.0.1]:1"),
            Good(text: "fe80::1%7", port: 1, description: "[fe80::1%7]:1"),
        ]
    )
    func good(_ address: Good) throws {
        let parsed = try SocketAddress(address.text, port: address.port)
        #expect(parsed.description == address.description)
        #expect(parsed.port == address.port)
        #expect(try SocketAddress(parsed.host, port: address.port) == parsed)
    }

    @Test(
        "what is no address in figures is refused",
        arguments: [
            "", " ", "localhost", "127.0.0", "127.0.0.256", "127.0.0.1.", "127.0.0.1 ", "0x7f.1", "1.2.3.4.5", "[::1]",
            "::g",
            "1::2::3", "12345::", "%eth0", "127.0.0.1:80", "::1%", "fe80::1%no-such-interface",
        ]
    )
    func bad(_ text: String) {
        let error = #expect(throws: NetError.self) { try SocketAddress(text, port: 1) }
        #expect(error?.code == .invalidAddress)
    }

    @Test("what C would cut off at a NUL is no address")
    func nul() {
        bad("127.0.0.1\0")
        bad("127.0.0.1\0.evil.test")
        bad("::1\0")
    }

    @Test("ports outside 0...65535 are refused", arguments: [-1, 65_536, .max, .min])
    func ports(_ port: Int) {
        let error = #expect(throws: NetError.self) { try SocketAddress("127.0.0.1", port: port) }
        #expect(error?.code == .invalidAddress)
    }

    @Test("a Unix path has 1 to 107 bytes and no NUL")
    func unix() throws {
        let longest = "/" + String(repeating: "x", count: 106)
        let address = try SocketAddress(unixPath: longest)
        #expect(address.host == longest)
        #expect(address.port == nil)
        #expect(address.description == "unix:\(longest)")
        for path in ["", longest + "x", "/a\0b"] {
            let error = #expect(throws: NetError.self) { try SocketAddress(unixPath: path) }
            #expect(error?.code == .invalidAddress)
        }
    }

    @Test("addresses that differ in anything are different")
    func equality() throws {
        let addresses = [
            try SocketAddress("127.0.0.1", port: 1), try SocketAddress("127.0.0.1", port: 2),
            try SocketAddress("::1", port: 1), try SocketAddress("fe80::1%1", port: 1),
            try SocketAddress("fe80::1%2", port: 1), try SocketAddress(unixPath: "/x"),
        ]
        #expect(Set(addresses).count == addresses.count)
    }
}
