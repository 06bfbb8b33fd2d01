#if TLS
import ApusHTTPClient
import ApusHTTPServer
import ApusNet
import ApusRuntime
import ApusTesting
import HTTPTypes
import Logging
import Testing

@Suite("Uploads over TLS, under fault")
struct SecureUploadTests {
    /// Large enough that no buffer on the way takes all of it.
    private static let size = 24 * 1024 * 1024

    private func withServer(
        _ handler: @escaping HTTPServer.Handler,
        _ body: @escaping @Sendable (ClientSession, String) async throws -> Void
    ) async throws {
        let authority = try TestCertificateAuthority()
        let identity = try authority.issue(names: ["localhost"])
        try await withTestLoop {
            var configuration = HTTPServer.Configuration()
            configuration.logger.logLevel = .critical
            configuration.tls = TLSServerConfiguration(identity: identity)
            // A handler that waits for a client that has gone is ended with the server.
            configuration.shutdownTimeout = .milliseconds(1)
            let served = configuration
            var client = ClientSession.Configuration()
            client.tls.trust = .roots([authority.certificate])
            let settings = client
            let left = try await leaks {
                let server = try await HTTPServer.start(configuration: served, handler: handler)
                try await ClientSession.with(settings) { session in
                    try await body(session, "https://localhost:\(server.address.port ?? 0)/")
                    await until {
                        let statistics = await session.statistics
                        return statistics.open == statistics.idle
                    }
                }
                await server.shutdown()
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test(
        "a refusal that comes while the body is being sent is the answer, and ends the body",
        arguments: UploadKind.allCases
    )
    func refused(_ kind: UploadKind) async throws {
        try await withScratchFolder { (folder: String) async throws in
            let body = try kind.body(Self.size, file: "\(folder)/body")
            try await withServer { _ in
                ServerResponse(status: .contentTooLarge, bytes: Array("no!".utf8))
            } _: { session, url in
                let response = try await session.post(url, body: body)
                #expect(response.status == .contentTooLarge)
                let text = try await response.text()
                #expect(text == "no!")
                let open = await session.statistics.open
                #expect(open == 0)
            }
        }
    }

    @Test("what is echoed while it is sent arrives", arguments: UploadKind.allCases)
    func echoed(_ kind: UploadKind) async throws {
        try await withScratchFolder { (folder: String) async throws in
            let body = try kind.body(Self.size, file: "\(folder)/body")
            try await withServer { request in
                .stream { writer in for try await piece in request.body { try await writer.write(piece) } }
            } _: { session, url in
                let response = try await session.post(url, body: body)
                var count = 0
                for try await piece in response.body { count += piece.count }
                #expect(count == Self.size)
            }
        }
    }

    @Test(
        "a server that goes while the body is being sent is said to have done that",
        arguments: UploadKind.allCases,
        [false, true]
    )
    func cut(_ kind: UploadKind, byReset: Bool) async throws {
        let authority = try TestCertificateAuthority()
        let tls = TLSServerConfiguration(identity: try authority.issue(names: ["localhost"]))
        try await withScratchFolder { (folder: String) async throws in
            let body = try kind.body(Self.size, file: "\(folder)/body")
            try await withTestLoop {
                var configuration = ClientSession.Configuration()
                configuration.tls.trust = .roots([authority.certificate])
                let settings = configuration
                let left = try await leaks {
                    let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
                    let server = EventLoop.spawn {
                        try await listener.serve(tls: tls) { stream in
                            var count = 0
                            while count < 1_000_000 { count += try await stream.read().count }
                            if byReset { await stream.abort() } else { await stream.close() }
                        }
                    }
                    let url = "https://localhost:\(listener.address.port ?? 0)/"
                    try await ClientSession.with(settings) { session in
                        let error = await clientError { try await session.put(url, body: body) }
                        #expect(error?.code == .connectionClosed, "\(String(describing: error))")
                        let open = await session.statistics.open
                        #expect(open == 0)
                    }
                    server.cancel()
                    _ = await server.result
                    await listener.close()
                }
                #expect(left.isEmpty, "\(left)")
            }
        }
    }

    @Test("a cancelled upload ends at once", arguments: UploadKind.allCases)
    func broken(_ kind: UploadKind) async throws {
        try await withScratchFolder { (folder: String) async throws in
            let body = try kind.body(Self.size, file: "\(folder)/body")
            let seen = Counter()
            try await withServer { request in
                // One piece, and then no more, until the client goes.
                var pieces = request.body.makeAsyncIterator()
                _ = try await pieces.next()
                seen.add()
                try await sleep(for: .seconds(3600))
                return .status(.ok)
            } _: { session, url in
                let task = EventLoop.spawn { try await session.post(url, body: body) }
                await until { seen.value == 1 }
                task.cancel()
                await #expect(throws: CancellationError.self) { _ = try await task.value }
                let open = await session.statistics.open
                #expect(open == 0)
            }
        }
    }
}
#endif
