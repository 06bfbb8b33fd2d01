// asyncio's datagram endpoint.

import Apus

enum DatagramUse {
    static func run(_ base: String) async throws {
        var options = UDPOptions()
        options.broadcast = true
        options.maximumSize = 1_500
        let server = try await UDPSocket.bind(host: "127.0.0.1", port: 0, options: options)
        let responder = EventLoop.spawn(name: "responder") {
            for try await datagram in server.datagrams {
                try expect(!datagram.isTruncated, "a whole datagram")
                try await server.send(datagram.bytes, to: datagram.peer, timeout: .seconds(10))
            }
        }
        let client = try await UDPSocket.connect(host: "127.0.0.1", port: server.localAddress.port ?? 0)
        try expect(client.remoteAddress == server.localAddress, "addresses")
        try await client.send("hello")
        let answer = try await client.receive(timeout: .seconds(10))
        try expect(answer.bytes == Array("hello".utf8) && answer.peer == server.localAddress, "what came back")

        try await client.send(batch: [Datagram([1], to: server.localAddress), Datagram([], to: server.localAddress)])
        var count = 0
        while count < 2 { count += try await client.receive(upTo: 8, timeout: .seconds(10)).count }

        await server.close()
        try await responder.value
        do {
            try await client.send("gone?")
            _ = try await client.receive(timeout: .seconds(10))
            try expect(false, "an answer from nobody")
        } catch let error as NetError {
            try expect(error.code == .connectionRefused, "\(error)")
        }

        let asker = try await UDPSocket.bind(to: try SocketAddress("127.0.0.1", port: 0))
        try await asker.send("gone?", to: server.localAddress)
        for try await error in asker.errors {
            try expect(error.destination == server.localAddress && error.cause.code == .connectionRefused, "\(error)")
            break
        }
        await asker.close()
        await client.close()
    }
}
