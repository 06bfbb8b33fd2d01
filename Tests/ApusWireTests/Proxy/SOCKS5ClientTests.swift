import ApusWire
import Testing

/// C29: the SOCKS 5 conversation, whole and byte by byte.
@Suite struct SOCKS5ClientTests {
    private static func client(
        _ destination: SOCKS5Client.Destination = .name("example.test"),
        credentials: Bool = false
    ) throws -> SOCKS5Client {
        try SOCKS5Client(
            to: destination,
            port: 443,
            username: credentials ? "user" : nil,
            password: credentials ? "secret" : nil
        )
    }

    /// What a proxy's bytes lead to, given in pieces of one size: all that was sent, what is left over, or the error.
    private static func outcome(
        _ client: SOCKS5Client,
        _ bytes: [UInt8],
        pieces: Int
    ) -> Result<(sent: [UInt8], rest: [UInt8], isConnected: Bool), SOCKS5Error> {
        var client = client
        var sent: [UInt8] = []
        do throws(SOCKS5Error) {
            for start in stride(from: 0, to: bytes.count, by: pieces) {
                sent += client.output
                client.output = []
                try client.receive(bytes[start..<min(start + pieces, bytes.count)])
            }
            sent += client.output
            return .success((sent, client.remainder, client.isConnected))
        } catch {
            return .failure(error)
        }
    }

    private static let request: [UInt8] = [5, 1, 0, 3, 12] + Array("example.test".utf8) + [1, 0xBB]
    private static let bound: [UInt8] = [5, 0, 0, 1, 0, 0, 0, 0, 0, 0]

    @Test(arguments: [1, 2, 3, 5, 1000])
    func `C29: without credentials: greeting, request, connection, however the bytes are cut`(pieces: Int) throws {
        let result = try Self.outcome(try Self.client(), [5, 0] + Self.bound, pieces: pieces).get()
        #expect(result.sent == [5, 1, 0] + Self.request)
        #expect(result.isConnected && result.rest == [])
    }

    @Test(arguments: [1, 2, 3, 5, 1000])
    func `C29: with credentials the proxy chooses whether it is told them`(pieces: Int) throws {
        let client = try Self.client(credentials: true)
        let told = try Self.outcome(client, [5, 2, 1, 0] + Self.bound, pieces: pieces).get()
        let password: [UInt8] = [1, 4] + Array("user".utf8) + [6] + Array("secret".utf8)
        #expect(told.sent == [5, 2, 0, 2] + password + Self.request)
        let untold = try Self.outcome(client, [5, 0] + Self.bound, pieces: pieces).get()
        #expect(untold.sent == [5, 2, 0, 2] + Self.request)
    }

    @Test func `addresses in figures are asked for as such`() throws {
        let v4 = try Self.outcome(try Self.client(.ipv4([192, 0, 2, 1])), [5, 0], pieces: 2).get()
        #expect(v4.sent == [5, 1, 0] + [5, 1, 0, 1, 192, 0, 2, 1, 1, 0xBB])
        let address = [UInt8](1...16)
        let v6 = try Self.outcome(try Self.client(.ipv6(address)), [5, 0], pieces: 2).get()
        #expect(v6.sent == [5, 1, 0] + [5, 1, 0, 4] + address + [1, 0xBB])
    }

    @Test(arguments: [1, 4, 1000])
    func `the proxy's own address may be of any type, and what is behind it is the connection's`(pieces: Int) throws {
        let name: [UInt8] = [5, 0, 0, 3, 3, 0x61, 0x62, 0x63, 0, 80]
        let v6: [UInt8] = [5, 0, 0, 4] + [UInt8](repeating: 0, count: 18)
        for reply in [name, v6, Self.bound] {
            let result = try Self.outcome(try Self.client(), [5, 0] + reply + [7, 8, 9], pieces: pieces).get()
            #expect(result.isConnected && result.rest == [7, 8, 9])
        }
    }

    static let refusals: [([UInt8], SOCKS5Error.Code, String)] = [
        ([5, 0xFF], .authenticationRequired, "wants a user name"),
        ([5, 2], .authenticationRequired, "wants a user name"),
        ([5, 1], .malformed, "method 1"),
        ([4], .malformed, "SOCKS 4"),
        ([0, 0x5A], .malformed, "SOCKS 4"),
        (Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8), .malformed, "HTTP proxy"),
        ([0x15, 3, 3], .malformed, "TLS"),
        ([0x3C], .malformed, "no SOCKS 5 proxy"),
        ([5, 0, 4], .malformed, "SOCKS 4"),
        ([5, 0, 5, 0, 0, 9], .malformed, "type 9"),
    ]

    @Test(arguments: refusals)
    func `what is no answer is refused at the byte that says so`(
        bytes: [UInt8],
        code: SOCKS5Error.Code,
        words: String
    ) throws {
        for pieces in [1, 2, 1000] {
            guard case .failure(let error) = Self.outcome(try Self.client(), bytes, pieces: pieces) else {
                Issue.record("\(bytes) in pieces of \(pieces) was accepted")
                continue
            }
            #expect(error.code == code)
            #expect("\(error)".contains(words), "\(error)")
        }
        // Not before: what is left of it when its last byte is missing is only incomplete.
        if bytes.first == 5 {
            #expect(throws: Never.self) { try Self.outcome(try Self.client(), bytes.dropLast(), pieces: 1000).get() }
        }
    }

    @Test func `a refused password is told, in either version of the answer`() throws {
        let client = try Self.client(credentials: true)
        for answer: [UInt8] in [[5, 2, 1, 1], [5, 2, 5, 0xFF]] {
            let error = #expect(throws: SOCKS5Error.self) { try Self.outcome(client, answer, pieces: 1).get() }
            #expect(error?.code == .authenticationRequired)
            #expect("\(error!)".contains("refused"))
            #expect(!"\(error!)".contains("secret"))
        }
        let error = #expect(throws: SOCKS5Error.self) { try Self.outcome(client, [5, 2, 7, 0], pieces: 1).get() }
        #expect(error?.code == .malformed)
    }

    @Test(arguments: [UInt8](1...9))
    func `each reply has its words, and is told although its address is missing`(reply: UInt8) throws {
        let error = #expect(throws: SOCKS5Error.self) {
            try Self.outcome(try Self.client(), [5, 0, 5, reply], pieces: 1).get()
        }
        #expect(error?.code == .refused && error?.reply == reply)
        #expect("\(error!)".contains("(reply \(reply))"))
        #expect(error?.concernsAddress == [1, 3, 4, 5, 6, 8].contains(reply))
    }

    @Test func `what SOCKS cannot carry is refused before it is sent`() throws {
        for destination: SOCKS5Client.Destination in [
            .name(""), .name(String(repeating: "a", count: 256)), .name("a\0b"), .ipv4([1]), .ipv6([1]),
        ] {
            let error = #expect(throws: SOCKS5Error.self) { try SOCKS5Client(to: destination, port: 80) }
            #expect(error?.code == .badDestination)
        }
        for port in [0, -1, 65_536] {
            let error = #expect(throws: SOCKS5Error.self) { try SOCKS5Client(to: .name("a"), port: port) }
            #expect(error?.code == .badDestination)
        }
        for (user, password) in [
            ("", "x"), (String(repeating: "u", count: 256), "x"), ("u", String(repeating: "p", count: 256)),
        ] {
            let error = #expect(throws: SOCKS5Error.self) {
                try SOCKS5Client(to: .name("a"), port: 80, username: user, password: password)
            }
            #expect(error?.code == .badCredentials)
        }
        _ = try SOCKS5Client(to: .name(String(repeating: "a", count: 255)), port: 65_535)
    }

    @Test func `where the proxy closed is told`() throws {
        var client = try Self.client(credentials: true)
        #expect("\(client.closed)".contains("at the beginning"))
        try client.receive([5, 2])
        #expect("\(client.closed)".contains("password"))
        try client.receive([1, 0])
        #expect("\(client.closed)".contains("before it said"))
        #expect(client.closed.code == .closed)
    }
}
