import ApusNet
import ApusRuntime
import ApusTesting
import Testing

/// The error that `body` throws, which has to be a ``NetError``.
func netError<Success>(
    sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () async throws -> Success
) async -> NetError? {
    do {
        _ = try await body()
        Issue.record("no error", sourceLocation: sourceLocation)
    } catch let error as NetError {
        return error
    } catch {
        Issue.record("not a NetError: \(error)", sourceLocation: sourceLocation)
    }
    return nil
}

/// Runs `body` on a loop of its own with two connected TCP streams, and checks that no descriptor, timer or task is left.
func withStreams(
    sourceLocation: SourceLocation = #_sourceLocation,
    _ body: @escaping @Sendable (_ client: TCPStream, _ server: TCPStream) async throws -> Void
) async throws {
    try await withTestLoop {
        let left = try await leaks {
            let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
            async let accepting = listener.accept()
            let client = try await TCPStream.connect(to: listener.address)
            let server = try await accepting
            await listener.close()
            try await body(client, server)
            await client.close()
            await server.close()
        }
        #expect(left.isEmpty, "\(left)", sourceLocation: sourceLocation)
    }
}

extension TCPStream {
    /// Reads exactly `count` bytes.
    func read(exactly count: Int) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let piece = try await read(upTo: count - bytes.count)
            guard !piece.isEmpty else { throw NetError(.unexpectedEnd, "\(bytes.count) of \(count) bytes") }
            bytes += piece
        }
        return bytes
    }
}
