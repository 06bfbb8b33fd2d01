#if TLS
import ApusNet
import ApusRuntime
import ApusTesting
import Testing

@Suite("TLS: closing with bytes on the way", .serialized)
struct TLSCloseTests {
    private static let size = 3_000_000

    /// Reads to the end, and returns how much there was.
    private static func count(_ stream: TCPStream) async throws -> Int {
        var count = 0
        while case let piece = try await stream.read(), !piece.isEmpty { count += piece.count }
        return count
    }

    @Test(
        "all that was written before a close arrives, and a clean end, at a peer that reads late",
        arguments: [TLSVersion.tls12, .tls13],
        [true, false]
    )
    func lateReader(version: TLSVersion, clientWrites: Bool) async throws {
        let fixture = try TLSFixture(version: version)
        try await withStreams { client, server in
            try await fixture.shakeHands(client, server)
            let (writer, reader) = clientWrites ? (client, server) : (server, client)
            // What the writer never reads: a close over a socket with this unread breaks off.
            try await reader.write("a greeting")
            let writing = EventLoop.spawn {
                try await writer.write([UInt8](repeating: 7, count: Self.size))
                await writer.close()
            }
            for _ in 0..<200 { await turn() }
            let got = try await Self.count(reader)
            #expect(got == Self.size)
            try await writing.value
            let closed = [
                await netError { try await writer.read() }?.code, await netError { try await writer.write("x") }?.code,
            ]
            #expect(closed == [.closed, .closed])
        }
    }

    @Test("what a handler wrote last arrives, although the client's bytes were not read", arguments: [false, true])
    func handler(readsLate: Bool) async throws {
        let fixture = try TLSFixture()
        try await withTestLoop {
            let left = try await leaks {
                let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
                let serving = EventLoop.spawn {
                    try await listener.serve(tls: fixture.server) { stream in
                        try await stream.write([UInt8](repeating: 9, count: Self.size))
                    }
                }
                let client = try await TCPStream.connect(to: listener.address, tls: fixture.client)
                try await client.write([UInt8](repeating: 1, count: 100_000))
                if readsLate { for _ in 0..<200 { await turn() } }
                let got = try await Self.count(client)
                #expect(got == Self.size)
                await client.close()
                await listener.shutdown()
                try await serving.value
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test("a loop's end does not wait for a peer that never ends, and takes nothing away from it")
    func loopEnd() async throws {
        let fixture = try TLSFixture()
        try await withTestLoop {
            let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
            let address = listener.address
            async let accepted = listener.accept()
            async let client: Void = EventLoop.with {
                let stream = try await TCPStream.connect(to: address, tls: fixture.client)
                try await stream.write([UInt8](repeating: 7, count: 50_000))
                await stream.close()
            }
            let server = try await accepted
            try await server.startTLS(server: fixture.server)
            try await client
            let got = try await Self.count(server)
            #expect(got == 50_000)
            await server.close()
            await listener.close()
        }
    }

    @Test("a peer that never ends keeps a closed connection's descriptor up to a limit")
    func limit() async throws {
        let fixture = try TLSFixture()
        try await withVirtualTime {
            let loop = try #require(EventLoop.current)
            let left = try await leaks {
                let (near, far) = try MemoryTransport.pair(capacity: 65_536, on: loop)
                let (client, server) = (TCPStream(SocketLike(near), on: loop), TCPStream(far, on: loop))
                try await fixture.shakeHands(client, server)
                let begun = (loop.statistics()?.descriptors)
                await client.close()
                #expect((loop.statistics()?.descriptors) == begun)
                let end = try await server.read()
                #expect(end == [])
                // It goes on sending, and that is dropped.
                for second in 0..<12 {
                    if second < 10 { #expect((loop.statistics()?.descriptors) == begun) }
                    _ = try? await server.write([UInt8](repeating: 1, count: 50_000))
                    try await sleep(for: .seconds(1))
                }
                #expect((loop.statistics()?.descriptors) == begun.map { $0 - 1 })
                await server.close()
            }
            #expect(left.isEmpty, "\(left)")
        }
    }
}

/// A connection in memory that says of itself what sockets do.
private final class SocketLike: Transport {
    private let memory: MemoryTransport

    init(_ memory: MemoryTransport) { self.memory = memory }

    var descriptor: Descriptor { memory.descriptor }
    var mayResetOnClose: Bool { true }
    func receive(into buffer: UnsafeMutableRawBufferPointer) throws(NetError) -> Int? {
        try memory.receive(into: buffer)
    }
    func send(_ bytes: UnsafeRawBufferPointer) throws(NetError) -> Int? { try memory.send(bytes) }
    func finishSending() { memory.finishSending() }
    func close() { memory.close() }
    func abort() { memory.abort() }
    var remoteAddress: SocketAddress? { nil }
    var localAddress: SocketAddress? { nil }
}
#endif
