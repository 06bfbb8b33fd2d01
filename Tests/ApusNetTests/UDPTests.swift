import ApusNet
import ApusRuntime
import ApusTesting
import Glibc
import Testing

@Suite("UDP sockets", .serialized)
struct UDPTests {
    // MARK: Sending and receiving

    @Test("a datagram comes whole, with its sender, and goes back to it", arguments: ["127.0.0.1", "::1"])
    func echo(host: String) async throws {
        try await withLoopAndNoLeaks {
            let server = try await UDPSocket.bind(host: host, port: 0)
            let client = try await UDPSocket.connect(to: server.localAddress)
            #expect(client.remoteAddress == server.localAddress)
            #expect(server.remoteAddress == nil)
            for text in ["hello", "", "again"] {
                try await client.send(text)
                let question = try await server.receive()
                #expect(String(decoding: question.bytes, as: UTF8.self) == text)
                #expect(question.peer == client.localAddress)
                #expect(!question.isTruncated)
                try await server.send(question.bytes, to: question.peer)
                let answer = try await client.receive()
                #expect(answer.bytes == question.bytes)
                #expect(answer.peer == server.localAddress)
            }
            await server.close()
            await client.close()
        }
    }

    @Test("one socket for every address takes both families, and shows IPv4 addresses as such")
    func bothFamilies() async throws {
        try await withLoopAndNoLeaks {
            let server = try await UDPSocket.bind(host: nil, port: 0)
            let port = try #require(server.localAddress.port)
            for host in ["127.0.0.1", "::1"] {
                let client = try await UDPSocket.connect(host: host, port: port)
                try await client.send("from \(host)")
                let question = try await server.receive()
                #expect(question.peer == client.localAddress)
                try await server.send("to \(host)", to: question.peer)
                let answer = try await client.receive()
                #expect(String(decoding: answer.bytes, as: UTF8.self) == "to \(host)")
                await client.close()
            }
            await server.close()
        }
    }

    @Test("an IPv6 socket leaves IPv4 alone, and says so when it is to send there")
    func ipv6Only() async throws {
        try await withLoopAndNoLeaks {
            let six = try await UDPSocket.bind(host: "::", port: 0)
            let port = try #require(six.localAddress.port)
            let four = try await UDPSocket.bind(host: "0.0.0.0", port: port)
            for (socket, host) in [(six, "127.0.0.1"), (four, "::1")] {
                let error = await netError { try await socket.send("x", to: SocketAddress(host, port: 9)) }
                #expect(error?.code == .invalidAddress)
            }
            await six.close()
            await four.close()
        }
    }

    @Test("a thousand datagrams in batches arrive intact, in order, each from its sender")
    func batches() async throws {
        try await withLoopAndNoLeaks {
            var options = UDPOptions()
            options.receiveBufferSize = 1 << 20
            let server = try await UDPSocket.bind(host: "127.0.0.1", port: 0, options: options)
            var clients: [UDPSocket] = []
            for _ in 0..<4 { clients.append(try await UDPSocket.bind(host: "127.0.0.1", port: 0)) }
            // As many at once as a receive buffer surely holds.
            for round in 0..<10 {
                for (number, client) in clients.enumerated() {
                    let batch = (0..<25).map { index in
                        Datagram(pattern(round, number, index), to: server.localAddress)
                    }
                    try await client.send(batch: batch)
                }
                var next = [SocketAddress: Int]()
                var left = 100
                while left > 0 {
                    let datagrams = try await server.receive(upTo: left)
                    #expect((1...left).contains(datagrams.count))
                    left -= datagrams.count
                    for datagram in datagrams {
                        let number = try #require(clients.firstIndex { $0.localAddress == datagram.peer })
                        let index = next[datagram.peer, default: 0]
                        next[datagram.peer] = index + 1
                        #expect(datagram.bytes == pattern(round, number, index))
                        #expect(!datagram.isTruncated)
                    }
                }
            }
            for client in clients { await client.close() }
            await server.close()
        }
    }

    @Test("a batch of large datagrams needs several calls, and a connected socket sends batches to its peer")
    func largeBatch() async throws {
        try await withLoopAndNoLeaks {
            let server = try await UDPSocket.bind(host: "127.0.0.1", port: 0)
            let client = try await UDPSocket.connect(to: server.localAddress)
            let sizes = [65_507, 0, 40_000, 30_000, 1]
            let sent = sizes.map { Datagram([UInt8](repeating: UInt8($0 % 251), count: $0), to: server.localAddress) }
            try await client.send(batch: sent)
            var got: [[UInt8]] = []
            while got.count < sizes.count { got += try await server.receive(upTo: 10).map(\.bytes) }
            #expect(got == sent.map(\.bytes))
            let stranger = Datagram([1], to: try SocketAddress("127.0.0.1", port: 9))
            let error = await netError { try await client.send(batch: [stranger]) }
            #expect(error?.code == .invalidArgument)
            await server.close()
            await client.close()
        }
    }

    @Test("what is longer than the socket's bound is cut off, and says so, alone and in batches")
    func truncation() async throws {
        try await withLoopAndNoLeaks {
            var options = UDPOptions()
            options.maximumSize = 4
            let server = try await UDPSocket.bind(host: "127.0.0.1", port: 0, options: options)
            let client = try await UDPSocket.connect(to: server.localAddress)
            let texts = ["1234", "12345", "1"]
            for text in texts { try await client.send(text) }
            for text in texts {
                let datagram = try await server.receive()
                #expect(datagram.bytes == Array(text.utf8.prefix(4)))
                #expect(datagram.isTruncated == (text.utf8.count > 4))
            }
            for text in texts { try await client.send(text) }
            let batch = try await server.receive(upTo: 3)
            #expect(batch.map(\.bytes) == texts.map { Array($0.utf8.prefix(4)) })
            #expect(batch.map(\.isTruncated) == [false, true, false])
            await server.close()
            await client.close()
        }
    }

    @Test(
        "a datagram that UDP cannot carry is an error that says so, and the socket goes on",
        arguments: [true, false]
    )
    func tooLarge(isConnected: Bool) async throws {
        try await withLoopAndNoLeaks {
            let server = try await UDPSocket.bind(host: "127.0.0.1", port: 0)
            let client =
                isConnected
                ? try await UDPSocket.connect(to: server.localAddress)
                : try await UDPSocket.bind(host: "127.0.0.1", port: 0)
            let target = isConnected ? nil : server.localAddress
            for size in [65_508, 65_536, 200_000] {
                let bytes = [UInt8](repeating: 0, count: size)
                let error = await netError { try await client.send(bytes, to: target) }
                #expect(error?.code == .messageTooLarge)
                #expect(error?.errno == EMSGSIZE)
                let inBatch = await netError {
                    try await client.send(batch: [Datagram(bytes, to: server.localAddress)])
                }
                #expect(inBatch?.code == .messageTooLarge)
            }
            try await client.send([UInt8](repeating: 7, count: 65_507), to: target)
            let datagram = try await server.receive()
            #expect(datagram.bytes.count == 65_507)
            let late = await netError { try await client.receive(timeout: .milliseconds(1)) }
            #expect(late?.code == .timedOut)
            await server.close()
            await client.close()
        }
    }

    @Test("a connected socket sends to nobody else, and another one needs to know to whom")
    func destinations() async throws {
        try await withLoopAndNoLeaks {
            let server = try await UDPSocket.bind(host: "127.0.0.1", port: 0)
            let client = try await UDPSocket.connect(to: server.localAddress)
            let other = try SocketAddress("127.0.0.1", port: 9)
            let wrong = await netError { try await client.send("x", to: other) }
            #expect(wrong?.code == .invalidArgument)
            #expect(wrong?.description.contains("\(server.localAddress)") == true)
            try await client.send("x", to: server.localAddress)
            _ = try await server.receive()
            let missing = await netError { try await server.send("x") }
            #expect(missing?.code == .invalidArgument)
            let unix = try SocketAddress(unixPath: "/x")
            for code in [
                await netError { try await server.send("x", to: unix) }?.code,
                await netError { try await UDPSocket.bind(to: unix) }?.code,
                await netError { try await UDPSocket.connect(to: unix) }?.code,
            ] { #expect(code == .invalidAddress) }
            let none = await netError { try await server.receive(upTo: 0) }
            #expect(none?.code == .invalidArgument)
            await server.close()
            await client.close()
        }
    }

    // MARK: Options

    @Test("a broadcast without the option is refused with a message that names it, and allowed with it")
    func broadcast() async throws {
        try await withLoopAndNoLeaks {
            // The loopback network's broadcast address: nothing leaves the machine.
            let address = try SocketAddress("127.255.255.255", port: 9)
            let strict = try await UDPSocket.bind(host: "127.0.0.1", port: 0)
            let errors = [
                await netError { try await strict.send("x", to: address) },
                await netError { try await strict.send(batch: [Datagram([1], to: address)]) },
                await netError { try await UDPSocket.connect(to: address) },
            ]
            for error in errors {
                #expect(error?.code == .permissionDenied)
                #expect(error?.errno == EACCES)
                #expect(error?.description.contains("`broadcast`") == true)
            }
            var options = UDPOptions()
            options.broadcast = true
            let open = try await UDPSocket.bind(host: "127.0.0.1", port: 0, options: options)
            try await open.send("x", to: address)
            await strict.close()
            await open.close()
        }
    }

    @Test("members of a group get what is sent to it until they leave")
    func multicast() async throws {
        try await withLoopAndNoLeaks {
            let group = "239.255.7.7"
            var options = UDPOptions()
            options.multicastInterface = "lo"
            options.multicastTimeToLive = 0
            options.reuseAddress = true
            let first = try await UDPSocket.bind(host: "0.0.0.0", port: 0, options: options)
            let port = try #require(first.localAddress.port)
            let second = try await UDPSocket.bind(host: "0.0.0.0", port: port, options: options)
            let sender = try await UDPSocket.bind(host: "127.0.0.1", port: 0, options: options)
            let target = try SocketAddress(group, port: port)
            for member in [first, second] { try await member.join(group: group, interface: "lo") }
            let twice = await netError { try await first.join(group: group, interface: "lo") }
            #expect(twice?.code == .invalidArgument)
            try await sender.send("to all", to: target)
            for member in [first, second] {
                let datagram = try await member.receive()
                #expect(String(decoding: datagram.bytes, as: UTF8.self) == "to all")
                #expect(datagram.peer.port == sender.localAddress.port)
            }
            try await second.leave(group: group, interface: "lo")
            let again = await netError { try await second.leave(group: group, interface: "lo") }
            #expect(again?.code == .invalidArgument)
            try await sender.send("to members", to: target)
            _ = try await first.receive()
            for socket in [first, second, sender] { await socket.close() }
        }
    }

    @Test("an IPv6 group is joined once and left once")
    func membershipIPv6() async throws {
        try await withLoopAndNoLeaks {
            // The loopback interface has no route to IPv6 groups on most machines: what is sent there is not tested.
            let socket = try await UDPSocket.bind(host: "::", port: 0)
            try await socket.join(group: "ff01::7:7", interface: "lo")
            let twice = await netError { try await socket.join(group: "ff01::7:7", interface: "lo") }
            #expect(twice?.code == .invalidArgument)
            try await socket.leave(group: "ff01::7:7", interface: "lo")
            let again = await netError { try await socket.leave(group: "ff01::7:7", interface: "lo") }
            #expect(again?.code == .invalidArgument)
            await socket.close()
        }
    }

    @Test("options that make no sense are refused in words, and leave no socket")
    func badOptions() async throws {
        try await withLoopAndNoLeaks {
            var hops = UDPOptions()
            hops.timeToLive = 300
            var interface = UDPOptions()
            interface.multicastInterface = "no-such-interface"
            for options in [hops, interface] {
                let error = await netError { try await UDPSocket.bind(host: "127.0.0.1", port: 0, options: options) }
                #expect(error?.code == .invalidArgument)
            }
            let socket = try await UDPSocket.bind(host: "127.0.0.1", port: 0)
            for group in ["10.0.0.1", "::1"] {
                let error = await netError { try await socket.join(group: group) }
                #expect(error?.code == .invalidArgument)
            }
            let family = await netError { try await socket.join(group: "ff01::1", interface: "lo") }
            #expect(family?.code == .invalidAddress)
            let none = await netError { try await socket.join(group: "239.255.7.7", interface: "no-such-interface") }
            #expect(none?.code == .invalidArgument)
            let taken = await netError { try await UDPSocket.bind(to: socket.localAddress) }
            #expect(taken?.code == .addressInUse)
            await socket.close()
        }
    }

    @Test("sockets that ask for it share a port, and one may choose where it sends from")
    func sharing() async throws {
        try await withLoopAndNoLeaks {
            var options = UDPOptions()
            options.reusePort = true
            let first = try await UDPSocket.bind(host: "127.0.0.1", port: 0, options: options)
            let second = try await UDPSocket.bind(to: first.localAddress, options: options)
            var from = UDPOptions()
            from.localAddress = try SocketAddress("127.0.0.2", port: 0)
            from.timeToLive = 3
            let client = try await UDPSocket.connect(to: first.localAddress, options: from)
            #expect(client.localAddress.host == "127.0.0.2")
            for socket in [first, second, client] { await socket.close() }
        }
    }
}

/// Bytes that no other datagram of a test has.
private func pattern(_ round: Int, _ client: Int, _ index: Int) -> [UInt8] {
    [UInt8(round), UInt8(client), UInt8(index)] + [UInt8](repeating: UInt8(index), count: index * 40)
}

/// Runs `body` on a loop of its own, and checks that no descriptor, timer or task is left.
func withLoopAndNoLeaks(
    sourceLocation: SourceLocation = #_sourceLocation,
    _ body: @escaping @Sendable () async throws -> Void
) async throws {
    try await withTestLoop {
        let left = try await leaks { try await body() }
        #expect(left.isEmpty, "\(left)", sourceLocation: sourceLocation)
    }
}
