import ApusHTTPClient
import ApusHTTPServer
import ApusNet
import ApusRuntime
import ApusTesting
import HTTPTypes
import Logging
import Synchronization
import Testing

/// C65: streams of the user's in place of sockets.
@Suite struct StreamConnectorTests {
    /// A stream of a user's own kind, which the library knows nothing of.
    final class Wrapped: ByteStream {
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

    @Test(arguments: [true, false])
    func `C65: whatever is a ByteStream carries requests, large bodies and kept connections`(isWrapped: Bool)
        async throws
    {
        try await withTestLoop {
            let left = try await leaks {
                try await TestServer.with({ .text("\($0.path) \(try await $0.body.bytes().count)") }) { server in
                    let count = Mutex(0)
                    var configuration = ClientSession.Configuration()
                    configuration.connector = StreamConnector { target in
                        #expect(target.host == "nowhere.test" && target.port == 80)
                        count.withLock { $0 += 1 }
                        let stream = try await TCPStream.connect(to: server.server.address)
                        return isWrapped ? Wrapped(stream) : stream
                    }
                    try await ClientSession.with(configuration) { session in
                        for size in [0, 1, 3_000_000] {
                            let body = [UInt8](repeating: 1, count: size)
                            let text = try await session.post("http://nowhere.test/p", body: .bytes(body)).text()
                            #expect(text == "/p \(size)")
                        }
                    }
                    #expect(count.withLock { $0 } == 1)
                }
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test func `C65: a stream in which one byte fits at a time carries requests too`() async throws {
        try await withVirtualTime {
            let body = (0..<2_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            let left = try await leaks {
                var configuration = ClientSession.Configuration()
                configuration.connector = StreamConnector { _ in
                    let (near, far) = try memoryStreams(capacity: 1)
                    EventLoop.spawn {
                        let reader = BufferedReader(far)
                        for _ in 0..<2 {
                            while let line = try await reader.readLine(), !line.isEmpty {}
                            let body = try await reader.readExactly(2_000)
                            try await far.write("HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n")
                            try await far.write(body[...])
                        }
                        _ = try await far.read(upTo: 1)
                        await far.close()
                    }
                    return Wrapped(near)
                }
                let given = configuration
                try await ClientSession.with(given) { session in
                    for _ in 0..<2 {
                        let response = try await session.post("http://nowhere.test/", body: .bytes(body))
                        let back = try await response.bytes()
                        #expect(back == body)
                    }
                    let opened = await session.statistics.connectionsOpened
                    #expect(opened == 1)
                }
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    #if TLS
    @Test func `C65: https over a stream of the user's is checked as always`() async throws {
        let authority = try TestCertificateAuthority()
        var serving = HTTPServer.Configuration()
        serving.tls = TLSServerConfiguration(identity: try authority.issue(names: ["server.test"]))
        serving.logger.logLevel = .critical
        let given = serving
        try await withTestLoop {
            try await TestServer.with(configuration: given, { _ in .text("ok") }) { server in
                var configuration = ClientSession.Configuration()
                configuration.tls.trust = .roots([authority.certificate])
                configuration.connector = StreamConnector { _ in
                    Wrapped(try await TCPStream.connect(to: server.server.address))
                }
                try await ClientSession.with(configuration) { session in
                    let response = try await session.get("https://server.test/")
                    let text = try await response.text()
                    #expect(text == "ok" && response.tls != nil)
                    let error = await clientError { try await session.get("https://other.test/") }
                    #expect((error?.cause as? TLSError)?.code == .hostMismatch)
                }
            }
        }
    }
    #endif

    @Test func `C65: what a connector throws is the request's error, and a timeout cancels it`() async throws {
        struct Refused: Error {}
        try await withVirtualTime {
            var configuration = ClientSession.Configuration()
            configuration.connector = StreamConnector { target in
                if target.host == "slow.test" { try await sleep(for: .seconds(3600)) }
                if target.host == "gone.test" { throw CancellationError() }
                throw Refused()
            }
            try await ClientSession.with(configuration) { session in
                let refused = await clientError { try await session.get("http://a.test/") }
                #expect(refused?.code == .connectionFailed && refused?.cause is Refused)
                let slow = await clientError { try await session.get("http://slow.test/") }
                #expect(slow?.code == .connectTimeout)
                let gone = await clientError { try await session.get("http://gone.test/") }
                #expect(gone?.code == .connectionFailed)
            }
        }
    }

    @Test func `a server that closes or breaks an idle stream of the user's is noticed`() async throws {
        try await withVirtualTime {
            let peer = ScriptedPeer(
                [.expectRequest, .send(okResponse), .wait(.seconds(5)), .finish],
                [.expectRequest, .send(okResponse), .reset]
            )
            var configuration = ClientSession.Configuration()
            configuration.connector = StreamConnector { _ in
                let loop = try #require(EventLoop.current)
                return Wrapped(TCPStream(try await peer.connect(on: loop), on: loop))
            }
            let given = configuration
            let left = try await leaks {
                try await ClientSession.with(given) { session in
                    try await expectOK(session)
                    try await sleep(for: .seconds(10))
                    let idle = await session.statistics.open
                    #expect(idle == 0)
                    try await expectOK(session)
                    try await sleep(for: .seconds(1))
                    let broken = await session.statistics.open
                    #expect(broken == 0)
                }
            }
            #expect(left.isEmpty, "\(left)")
            #expect(peer.open == 0)
        }
    }

    @Test func `sessions with the same connector share a pool's connections, those with another do not`() async throws {
        try await withVirtualTime {
            let peer = ScriptedPeer { _ in (0..<3).flatMap { _ in [ScriptStep.expectRequest, .send(okResponse)] } }
            @Sendable func connector() -> StreamConnector {
                StreamConnector { _ in
                    let loop = try #require(EventLoop.current)
                    return TCPStream(try await peer.connect(on: loop), on: loop)
                }
            }
            let (one, two) = (connector(), connector())
            #expect(one == one && one != two)
            let pool = ConnectionPool()
            for connector in [one, two, one] {
                var configuration = ClientSession.Configuration()
                configuration.sharedPool = pool
                configuration.connector = connector
                try await ClientSession.with(configuration) { try await expectOK($0) }
            }
            #expect(peer.opened == 2)
            await pool.close()
        }
    }
}
