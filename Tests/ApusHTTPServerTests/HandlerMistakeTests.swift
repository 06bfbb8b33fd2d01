import ApusHTTPClient
import ApusNet
import ApusRuntime
import ApusTesting
import HTTPTypes
import Logging
import Testing

@testable import ApusHTTPServer

/// What the client gets when the handler answers what HTTP does not allow, and what the handler is told of odd requests.
@Suite(.serialized)
struct HandlerMistakeTests {
    /// What one handler's server answers to raw bytes, up to the end of the connection.
    private func answer(
        to request: String,
        _ handler: @escaping HTTPServer.Handler
    ) async throws -> String {
        try await withTestLoop {
            var configuration = HTTPServer.Configuration()
            configuration.logger.logLevel = .critical
            let server = try await HTTPServer.start(configuration: configuration, handler: handler)
            let stream = try await TCPStream.connect(to: server.address)
            try await stream.write(request)
            let text = try await stream.readAll()
            await stream.close()
            await server.shutdown()
            return text
        }
    }

    private let get = "GET /x HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"

    @Test func `a Content-Length that is not the body's becomes status 500`() async throws {
        let text = try await answer(to: get) { _ in
            ServerResponse(headers: [.contentLength: "5"], bytes: [65, 66, 67])
        }
        #expect(text.hasPrefix("HTTP/1.1 500 "))
    }

    @Test(arguments: [100, 101])
    func `a status that ends nothing becomes status 500`(code: Int) async throws {
        let text = try await answer(to: get) { _ in .status(.init(code: code)) }
        #expect(text.hasPrefix("HTTP/1.1 500 "))
    }

    @Test func `a body with status 204 becomes status 500`() async throws {
        let text = try await answer(to: get) { _ in
            .stream(status: .noContent) { try await $0.write("a body") }
        }
        #expect(text.hasPrefix("HTTP/1.1 500 "))
    }

    @Test func `a streamed body that is shorter than it says is broken off`() async throws {
        await #expect(throws: (any Error).self) {
            let text = try await answer(to: get) { _ in .stream(length: 10) { try await $0.write("abc") } }
            // Whoever reads up to the end without an error sees that ten bytes were promised.
            if text.contains("Content-Length: 10"), !text.hasSuffix("abc") { throw NetError(.unexpectedEnd, "short") }
        }
    }

    @Test func `a whole URI as the target has the path that it names`() async throws {
        let text = try await answer(
            to: "GET http://test/secret/page?q=1 HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
        ) { request in .text("path \(request.path) query \(request.query ?? "-")") }
        #expect(text.hasSuffix("path /secret/page query q=1"))
    }

    @Test func `CONNECT is refused without asking the handler`() async throws {
        let text = try await answer(to: "CONNECT other:443 HTTP/1.1\r\nHost: other:443\r\n\r\n") { _ in .text("tunnel")
        }
        #expect(text.hasPrefix("HTTP/1.1 501 "))
    }

    @Test func `a response that never ends does not keep the loop from a timeout`() async throws {
        try await withTestLoop {
            let server = try await HTTPServer.start { _ in
                .stream { writer in while true { try await writer.write("x") } }
            }
            await #expect(throws: TimeoutError.self) {
                try await ClientSession.with { session in
                    try await withTimeout(.milliseconds(50)) {
                        try await session.get("http://\(server.address)/") { response in
                            for try await _ in response.body {}
                        }
                    }
                }
            }
            await server.shutdown()
        }
    }

    @Test func `a body of single-byte chunks arrives in a few pieces`() async throws {
        try await withTestLoop {
            let server = try await HTTPServer.start { request in
                var pieces = 0
                var bytes = 0
                for try await piece in request.body {
                    pieces += 1
                    bytes += piece.count
                }
                return .text("\(bytes) \(pieces < 500)")
            }
            let stream = try await TCPStream.connect(to: server.address)
            let chunks = String(repeating: "1\r\na\r\n", count: 1_000)
            try await stream.write(
                "POST / HTTP/1.1\r\nHost: test\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n\(chunks)0\r\n\r\n"
            )
            let text = try await stream.readAll()
            #expect(text.hasSuffix("1000 true"))
            await stream.close()
            await server.shutdown()
        }
    }
}
