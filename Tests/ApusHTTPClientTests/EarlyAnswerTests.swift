import ApusHTTPClient
import ApusNet
import ApusRuntime
import ApusTesting
import HTTPTypes
import Testing

/// A server that answers before it has taken the request.
@Suite(.serialized)
struct EarlyAnswerTests {
    @Test func `a refusal that comes while the body is being sent is the answer, though the server reads no further`()
        async throws
    {
        try await withTestLoop {
            let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
            let server = EventLoop.spawn {
                let stream = try await listener.accept(timeout: .seconds(60))
                _ = try await stream.read(upTo: 100)
                try await stream.write("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nno!")
                // Kept open, and never read again, until the client goes.
                return stream
            }
            try await ClientSession.with { session in
                let response = try await session.post(
                    "http://\(listener.address)/",
                    body: .bytes([UInt8](repeating: 7, count: 32 * 1024 * 1024))
                )
                #expect(response.status.code == 413)
                let text = try await response.text()
                #expect(text == "no!")
                let statistics = await session.statistics
                #expect(statistics.open == 0)
            }
            await (try await server.value).close()
            await listener.close()
        }
    }

    @Test func `waiting for a connection ends with its time`() async throws {
        try await withTestLoop {
            let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
            do {
                _ = try await listener.accept(timeout: .milliseconds(1))
                Issue.record("nobody connects")
            } catch let error as NetError {
                #expect(error.code == .timedOut)
            }
            await listener.close()
        }
    }
}
