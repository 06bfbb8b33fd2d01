// asyncio's streams: lines, exact lengths, servers over TCP and Unix sockets, and code that does not care which.

import Apus

enum StreamUse {
    /// Works over any stream.
    static func ask(_ question: String, over stream: any ByteStream) async throws -> String? {
        try await stream.write(question + "\n", timeout: .seconds(10))
        return try await BufferedReader(stream).readLine(timeout: .seconds(10))
    }

    static func run(_ base: String) async throws {
        let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0, options: ListenerOptions(backlog: 16))
        let server = EventLoop.spawn(name: "line server") {
            try await listener.serve(connectionLimit: 10) { stream in
                for try await line in BufferedReader(stream).lines {
                    try await stream.write(vector: [Array(line.utf8.reversed()), [10]])
                }
            }
        }
        var options = SocketOptions()
        options.keepAlive = .init(idle: .seconds(30))
        let stream = try await TCPStream.connect(to: listener.address, options: options)
        let answer = try await ask("abc", over: stream)
        try expect(answer == "cba", "a line came back")
        var buffer = [UInt8](repeating: 0, count: 16)
        try await stream.write("xy\n")
        let count = try await stream.read(into: &buffer)
        try expect(Array(buffer[..<count]) == Array("yx\n".utf8), "a read into an array")
        // A machine may have no name for its own address.
        let name = try? await SystemResolver.shared.hostName(of: listener.address)
        try expect(name?.isEmpty != true, "the name of an address")
        await stream.close()
        await listener.shutdown(grace: .seconds(10))
        try await server.value

        let (near, far) = try await UnixStream.pair()
        try await near.write("key=value; rest")
        let reader = BufferedReader(far, limit: 1_000)
        let key = try await reader.readUntil("=")
        let value = try await reader.readUntil(separators: [Array(";".utf8), Array("\n".utf8)])
        let peeked = try await reader.peek(2)
        let rest = try await reader.readExactly(5)
        try expect(key + value == Array("key=value;".utf8), "separators")
        try expect(peeked == Array(" r".utf8) && rest == Array(" rest".utf8), "exact lengths")
        let peer = try await far.peerCredentials()
        try expect(peer.processID > 0, "who is there")
        let info = await far.tlsInfo
        try expect(info == nil, "plain text")
        await near.finishWriting()
        do {
            _ = try await reader.readExactly(1)
            throw Unexpected(description: "nothing was left")
        } catch let error as ReadError {
            try expect(error.code == .incomplete && error.partial.isEmpty && !error.isTimeout, "an early end")
        }
        await near.abort()
        await far.close()
    }
}
