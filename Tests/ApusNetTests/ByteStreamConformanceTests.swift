import ApusNet
import ApusRuntime
import ApusTesting
import Testing

/// Every kind of stream is held to the same promises.
@Suite("What ByteStream promises")
struct ByteStreamConformanceTests {
    /// Checks a kind of stream, and that nothing is left of it.
    private func conforms(
        _ pair: @escaping @Sendable () async throws -> (any ByteStream, any ByteStream)
    ) async throws {
        try await withTestLoop {
            let left = try await leaks { try await checkByteStream(pair) }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test("TCP keeps them")
    func tcp() async throws {
        try await conforms { try await TCPStream.testPair() }
    }

    @Test("TCP over IPv6 keeps them")
    func tcpOverIPv6() async throws {
        try await conforms { try await TCPStream.testPair(host: "::1") }
    }

    @Test("a pair of Unix sockets keeps them")
    func unixPair() async throws {
        try await conforms { try await UnixStream.pair() }
    }

    @Test("in-memory streams keep them, on virtual time too")
    func memory() async throws {
        try await conforms { try memoryStreams() }
        try await withVirtualTime { try await checkByteStream { try memoryStreams() } }
    }

    @Test("in-memory streams with little room keep them")
    func narrowMemory() async throws {
        try await conforms { try memoryStreams(capacity: 97) }
    }

    @Test("a stream that breaks a promise is named with it")
    func broken() async throws {
        try await withTestLoop {
            do {
                try await checkByteStream {
                    let (near, far) = try memoryStreams()
                    return (Altering(near), far)
                }
                Issue.record("a stream that alters bytes passed")
            } catch let failure as ByteStreamFailure {
                #expect(failure.promises.contains { $0.hasPrefix("bytes arrive whole and in order") })
                #expect(failure.description.contains("breaks"))
            }
        }
    }
}

/// A stream with a mistake: the conformance checks must find it.
private final class Altering: ByteStream {
    private let stream: TCPStream

    init(_ stream: TCPStream) { self.stream = stream }

    func read(upTo count: Int, timeout: Duration?) async throws -> [UInt8] {
        let bytes = try await stream.read(upTo: count, timeout: timeout)
        return bytes.enumerated().map { $0.offset % 7 == 6 ? ~$0.element : $0.element }
    }

    func write(_ bytes: ArraySlice<UInt8>, timeout: Duration?) async throws {
        try await stream.write(bytes, timeout: timeout)
    }

    func finishWriting() async { await stream.finishWriting() }

    func close() async { await stream.close() }
}
