// Listens here, and carries every connection to another server: bytes both ways, ends and back-pressure included. Without
// arguments it forwards to the examples' own server, and fetches a page through itself.
//
//     swift run PortForwarder                              its own server
//     swift run PortForwarder 7007 example.com 80          curl -H 'Host: example.com' localhost:7007
import Apus
import ExampleServer

/// Carries bytes one way until their end. Whoever reads slowly slows down who writes: nothing piles up here.
@Sendable
nonisolated func carry(from source: TCPStream, to sink: TCPStream) async throws {
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while case let count = try await source.read(into: &buffer), count > 0 {
        try await sink.write(buffer[..<count])
    }
    await sink.finishWriting()
}

@Sendable
nonisolated func forward(_ listener: TCPListener, toHost host: String, port: Int) async throws {
    try await listener.serve { near in
        let far = try await TCPStream.connect(host: host, port: port)
        do {
            // Together: if one direction breaks, the other is cancelled.
            _ = try await gather({ try await carry(from: near, to: far) }, { try await carry(from: far, to: near) })
        } catch {
            await far.abort()
            throw error
        }
        await far.close()
    }
}

try EventLoop.run {
    let arguments = CommandLine.arguments
    let listener = try await TCPListener.bind(host: "127.0.0.1", port: argumentPort ?? 0)
    print("listening on", listener.address)
    if arguments.count == 4, let port = Int(arguments[3]) {
        try? await forward(listener, toHost: arguments[2], port: port)
        return
    }
    try await withExampleServer { base in
        let target = try URI(base)
        let (host, port) = (target.host, target.effectivePort ?? 80)
        let forwarder = EventLoop.spawn(name: "forwarder") {
            try await forward(listener, toHost: host, port: port)
        }
        let pages = try await ClientSession.with { session in
            try await gather(1...20) { number in
                try await session.get("http://\(listener.address)/page/\(number)").text()
            }
        }
        print("pages through the forwarder:", pages.count)
        await listener.shutdown(grace: .seconds(1))
        try await forwarder.value
    }
}
