import ApusNet
import ApusRuntime
import ApusTesting
import Testing

/// A transport over somebody's stream, held to what streams promise.
@Suite struct StreamTransportTests {
    private final class Wrapped: ByteStream {
        let inner: any ByteStream

        init(_ inner: any ByteStream) { self.inner = inner }

        func read(upTo count: Int, timeout: Duration?) async throws -> [UInt8] {
            try await inner.read(upTo: count, timeout: timeout)
        }
        func write(_ bytes: ArraySlice<UInt8>, timeout: Duration?) async throws {
            try await inner.write(bytes, timeout: timeout)
        }
        func finishWriting() async { await inner.finishWriting() }
        func close() async { await inner.close() }
        func abort() async { await inner.abort() }
    }

    private static func pair(capacity: Int, isWrapped: Bool) throws -> (any ByteStream, any ByteStream) {
        let loop = try #require(EventLoop.current)
        let (left, right) = try memoryStreams(capacity: capacity)
        let stream: any ByteStream = isWrapped ? Wrapped(left) : left
        return (TCPStream(try StreamTransport.over(stream, on: loop), on: loop), right)
    }

    @Test(arguments: [1000, 65_536])
    func `over a stream of an unknown kind it keeps the promises, however little fits`(capacity: Int) async throws {
        try await withTestLoop {
            let left = try await leaks {
                try await checkByteStream { try Self.pair(capacity: capacity, isWrapped: true) }
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test func `over a stream with a transport it is that transport`() async throws {
        try await withTestLoop {
            let left = try await leaks {
                try await checkByteStream { try Self.pair(capacity: 1000, isWrapped: false) }
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    /// The promises take a million bytes, which are a million turns of both sides where one fits: this is the same with fewer.
    @Test func `where one byte fits at a time, all of it comes, in both directions at once, and its end`() async throws
    {
        try await withVirtualTime {
            let left = try await leaks {
                let (near, far) = try Self.pair(capacity: 1, isWrapped: true)
                let bytes = (0..<3_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
                // Whoever waits in vain on virtual time is there at once.
                let back = try await withTimeout(.seconds(60)) {
                    async let written: Void = Self.write(bytes, to: near)
                    async let echoed: Void = Self.echo(far)
                    var back: [UInt8] = []
                    while case let piece = try await near.read(upTo: 512), !piece.isEmpty { back += piece }
                    try await written
                    try await echoed
                    return back
                }
                #expect(back == bytes)
                await near.close()
                await far.close()
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    private static func write(_ bytes: [UInt8], to stream: any ByteStream) async throws {
        try await stream.write(bytes[...])
        await stream.finishWriting()
    }

    private static func echo(_ stream: any ByteStream) async throws {
        while case let piece = try await stream.read(upTo: 512), !piece.isEmpty { try await stream.write(piece[...]) }
        await stream.finishWriting()
    }
}
