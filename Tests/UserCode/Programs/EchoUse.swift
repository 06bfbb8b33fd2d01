// asyncio's echo server and client.

import Apus

enum EchoUse {
    static func run(_ base: String) async throws {
        let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
        let server = EventLoop.spawn(name: "echo server") {
            let stream = try await listener.accept()
            while true {
                let bytes = try await stream.read(upTo: 1024)
                if bytes.isEmpty { break }
                try await stream.write(bytes, timeout: .seconds(10))
            }
            await stream.close()
        }
        let stream = try await TCPStream.connect(
            host: "127.0.0.1",
            port: listener.address.port ?? 0,
            timeout: .seconds(10)
        )
        try expect(stream.remoteAddress == listener.address && stream.localAddress != nil, "addresses")
        try await stream.write("hello, ")
        try await stream.write(Array("world".utf8))
        await stream.finishWriting()
        var text: [UInt8] = []
        while true {
            let bytes = try await stream.read(timeout: .seconds(10))
            if bytes.isEmpty { break }
            text += bytes
        }
        try expect(String(decoding: text, as: UTF8.self) == "hello, world", "what came back")
        await stream.close()
        try await server.value
        await listener.close()

        let address = try SocketAddress("127.0.0.1", port: 80)
        try expect(address.port == 80 && address.host == "127.0.0.1" && "\(address)" == "127.0.0.1:80", "an address")
        let local = try SocketAddress.loopback(port: 81)
        try expect(local != address, "another")
    }
}
