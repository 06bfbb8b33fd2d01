#if TLS
import ApusNet
import ApusRuntime
import ApusTesting
import Logging
import Synchronization
import Testing

@Suite("TLS on listeners", .serialized)
struct TLSListenerTests {
    /// Serves an echo with TLS while `body` runs, and checks that nothing is left.
    private func withEcho(
        _ tls: TLSServerContext,
        handshakeTimeout: Duration = .seconds(15),
        _ options: EventLoop.Options = EventLoop.Options(),
        _ body: @escaping @Sendable (TCPListener) async throws -> Void
    ) async throws {
        try await withTestLoop(options) {
            let left = try await leaks {
                let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
                async let serving: Void = listener.serve(tls: tls, handshakeTimeout: handshakeTimeout) { stream in
                    while case let bytes = try await stream.read(), !bytes.isEmpty { try await stream.write(bytes) }
                }
                try await body(listener)
                await listener.shutdown(grace: .zero)
                try await serving
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    private func echo(_ text: String, _ listener: TCPListener, _ tls: TLSConfiguration) async throws {
        let client = try await TCPStream.connect(to: listener.address, tls: tls)
        try await echo(text, client)
        await client.close()
    }

    private func echo(_ text: String, _ client: TCPStream) async throws {
        try await client.write(Array(text.utf8))
        let answer = try await client.read(exactly: text.utf8.count)
        #expect(String(decoding: answer, as: UTF8.self) == text)
    }

    @Test("connections are served with TLS, and a client that says nothing delays nobody")
    func serve() async throws {
        let fixture = try TLSFixture()
        try await withEcho(try TLSServerContext(fixture.server)) { listener in
            let silent = try await TCPStream.connect(to: listener.address)
            for number in 0..<3 { try await echo("hello \(number)", listener, fixture.client) }
            let count = await listener.connectionCount
            #expect(count >= 1)
            await silent.close()
        }
    }

    @Test("a client that does not come to an end with its handshake is closed after its time")
    func handshakeTimeout() async throws {
        let fixture = try TLSFixture()
        try await withEcho(try TLSServerContext(fixture.server), handshakeTimeout: .milliseconds(5)) { listener in
            let silent = try await TCPStream.connect(to: listener.address)
            let end = try await silent.read()
            #expect(end.isEmpty)
            await silent.close()
        }
    }

    @Test("a handshake that fails ends its connection only, and is logged for those who look for it")
    func failedHandshake() async throws {
        let fixture = try TLSFixture()
        let log = LogLines()
        var options = EventLoop.Options()
        options.logger = Logger(label: "test") { _ in LogLinesHandler(log) }
        options.logger.logLevel = .debug
        try await withEcho(try TLSServerContext(fixture.server), options) { listener in
            let plain = try await TCPStream.connect(to: listener.address)
            try await plain.write("GET / HTTP/1.1\r\n\r\n")
            _ = await error { while try await !plain.read().isEmpty {} }
            let stranger = TLSConfiguration.trusting(try TestCertificateAuthority())
            let refused = await tlsError { try await echo("x", listener, stranger) }
            #expect(refused?.code == .untrustedCertificate)
            try await echo("hello", listener, fixture.client)
            await plain.close()
            await until { log.lines.count >= 2 }
            #expect(log.lines.allSatisfy { $0.level == .debug })
            #expect(log.lines.contains { $0.text.contains("not TLS") && $0.text.contains("127.0.0.1") })
            #expect(log.lines.contains { $0.text.contains("alert") })
        }
    }

    @Test("a listener that shuts down does not wait for handshakes beyond its grace")
    func shutdown() async throws {
        let fixture = try TLSFixture()
        try await withEcho(try TLSServerContext(fixture.server), handshakeTimeout: .seconds(3_600)) { listener in
            let silent = try await TCPStream.connect(to: listener.address)
            await until { await listener.connectionCount == 1 }
            await listener.shutdown(grace: .milliseconds(1))
            _ = await error { while try await !silent.read().isEmpty {} }
            await silent.close()
        }
    }

    @Test("a configuration that cannot be used is an error before anybody connects")
    func badConfiguration() async throws {
        var tls = try TLSFixture().server
        tls.identity.privateKey = "nothing"
        let bad = tls
        try await withTestLoop {
            let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
            let refusal = await tlsError { try await listener.serve(tls: bad) { _ in } }
            #expect(refusal?.code == .badKeyFile)
            await listener.close()
        }
    }

    // MARK: Replacing the certificate

    @Test(
        "a new certificate is shown from the next handshake on, and open connections go on",
        arguments: [TLSVersion.tls12, .tls13]
    )
    func update(version: TLSVersion) async throws {
        let fixture = try TLSFixture(version: version)
        let context = try TLSServerContext(fixture.server)
        try await withEcho(context) { listener in
            let first = try await TCPStream.connect(to: listener.address, tls: fixture.client)
            try await echo("before", first)
            let shown = await first.tlsInfo?.peerCertificate
            #expect(shown == fixture.server.identity.certificateChain)

            var renewed = fixture.server
            renewed.identity = try fixture.authority.issue(addresses: ["127.0.0.1"])
            try context.update(renewed)
            #expect(context.configuration == renewed)

            let second = try await TCPStream.connect(to: listener.address, tls: fixture.client)
            try await echo("after", second)
            let info = await second.tlsInfo
            #expect(info?.peerCertificate == renewed.identity.certificateChain)
            #expect(info?.isResumed == false)
            try await echo("still there", first)
            await first.close()
            await second.close()
        }
    }

    @Test("a bad new certificate is refused, and the old one stays in force")
    func badUpdate() async throws {
        let fixture = try TLSFixture()
        let context = try TLSServerContext(fixture.server)
        try await withEcho(context) { listener in
            let other = try fixture.authority.issue(addresses: ["127.0.0.1"])
            var bad = [TLSServerConfiguration](repeating: fixture.server, count: 4)
            bad[0].identity.certificateChain = "nothing"
            bad[1].identity.privateKey = other.privateKey
            bad[2].clientCertificates = .required(roots: [])
            bad[3].identity = try fixture.authority.issue(addresses: ["127.0.0.1"], key: .rsa(bits: 1024))
            for configuration in bad {
                #expect(throws: TLSError.self) { try context.update(configuration) }
                #expect(context.configuration == fixture.server)
                try await echo("hello", listener, fixture.client)
            }
        }
    }

    @Test("startTLS takes what is in force, and the update counts for the next one")
    func startTLS() async throws {
        let fixture = try TLSFixture()
        let context = try TLSServerContext(fixture.server)
        var renewed = fixture.server
        renewed.identity = try fixture.authority.issue(names: ["localhost"])
        let next = renewed
        try await withTestLoop {
            for configuration in [fixture.server, next] {
                try context.update(configuration)
                let (near, far) = try memoryStreams()
                async let accepting: Void = far.startTLS(server: context)
                try await near.startTLS(host: "localhost", configuration: fixture.client)
                try await accepting
                let shown = await near.tlsInfo?.peerCertificate
                #expect(shown == configuration.identity.certificateChain)
                await near.close()
                await far.close()
            }
        }
    }

    // MARK: Client certificates

    private struct ClientCase: Sendable {
        var identity: TLSConfiguration.Identity?
        /// What the server says; nil: it lets the client in.
        var code: TLSError.Code?
        var word = ""
    }

    @Test("client certificates: none asked, wanted, required", arguments: [TLSVersion.tls12, .tls13])
    func clientCertificates(version: TLSVersion) async throws {
        let fixture = try TLSFixture(version: version)
        let root = fixture.authority.certificate
        let good = try fixture.authority.issue(names: ["a client"], purpose: .client)
        let bad: [ClientCase] = [
            ClientCase(
                identity: try TestCertificateAuthority(name: "another").issue(purpose: .client),
                code: .untrustedCertificate,
                word: "cannot be traced"
            ),
            ClientCase(
                identity: try fixture.authority.issue(days: -9...(-2), purpose: .client),
                code: .certificateExpired,
                word: "expired on 20"
            ),
            ClientCase(
                identity: try fixture.authority.issue(purpose: .server),
                code: .wrongPurpose,
                word: "TLS clients"
            ),
        ]
        let wanted = [ClientCase(), ClientCase(identity: good)] + bad
        let required =
            [
                ClientCase(code: .certificateRequired, word: "shows no certificate"), ClientCase(identity: good),
            ] + bad
        try await withTestLoop {
            for (rule, cases) in [
                (TLSServerConfiguration.ClientCertificates.none, [ClientCase(), ClientCase(identity: good)]),
                (.requested(roots: [root]), wanted), (.required(roots: [root]), required),
            ] {
                for client in cases {
                    var (ours, theirs) = (fixture.client, fixture.server)
                    ours.identity = client.identity
                    theirs.clientCertificates = rule
                    let result = try await handshake(ours, theirs)
                    #expect((result.server as? TLSError)?.code == client.code, "\(String(describing: result))")
                    let text = (result.server as? TLSError)?.description ?? ""
                    #expect(client.word.isEmpty || text.contains(client.word) && text.contains("client"), "\(text)")
                    if client.code == nil {
                        #expect(result.client == nil)
                    } else {
                        let below = (result.client as? NetError)?.cause ?? result.client
                        #expect((below as? TLSError)?.code == .alert, "\(String(describing: result.client))")
                    }
                }
            }
        }
    }

    @Test(
        "a session with a client certificate is resumed, and the server still knows whose it is",
        arguments: [TLSVersion.tls12, .tls13]
    )
    func resumedClientCertificate(version: TLSVersion) async throws {
        var fixture = try TLSFixture(version: version)
        let identity = try fixture.authority.issue(names: ["a client"], purpose: .client)
        fixture.client.identity = identity
        fixture.server.clientCertificates = .required(roots: [fixture.authority.certificate])
        let ready = fixture
        try await withTestLoop {
            for round in 0..<3 {
                let (near, far) = try await ready.streams()
                // TLS 1.3's tickets come with the first data.
                try await far.write("x")
                _ = try await near.read(exactly: 1)
                let (client, server) = (await near.tlsInfo, await far.tlsInfo)
                #expect(client?.isResumed == (round > 0))
                #expect(server?.isResumed == (round > 0))
                #expect(server?.peerCertificate == identity.certificateChain)
                await near.close()
                await far.close()
            }
        }
    }

    // MARK: STARTTLS

    @Test("what a client sends together with its STARTTLS is the handshake's beginning")
    func pipelined() async throws {
        let fixture = try TLSFixture()
        try await withTestLoop {
            let (near, far) = try memoryStreams()
            async let accepting: Void = {
                let reader = BufferedReader(far)
                // Both are there before anything is read.
                _ = try await reader.peek(100)
                let line = try await reader.readLine()
                #expect(line == "STARTTLS")
                #expect(reader.bufferedCount > 0)
                try await far.startTLS(server: fixture.server, readAhead: reader.takeBuffered())
                try await far.write("welcome")
            }()
            try await near.write("STARTTLS\r\n")
            try await near.startTLS(host: "localhost", configuration: fixture.client)
            let text = try await near.read(exactly: 7)
            try await accepting
            #expect(text == Array("welcome".utf8))
            await near.close()
            await far.close()
        }
    }

    @Test("what somebody slips in behind the plain answer breaks the handshake, and is never taken for an answer")
    func injected() async throws {
        let fixture = try TLSFixture()
        try await withVirtualTime {
            for extra in ["250 you are the administrator\r\n", "\u{16}\u{3}\u{3}", "x"] {
                let (near, far) = try memoryStreams()
                async let serving = error {
                    let reader = BufferedReader(far)
                    _ = try await reader.readLine()
                    try await far.write(Array("220 go ahead\r\n\(extra)".utf8))
                    try await far.startTLS(server: fixture.server, readAhead: reader.takeBuffered())
                }
                try await near.write("STARTTLS\r\n")
                let reader = BufferedReader(near)
                let line = try await reader.readLine()
                #expect(line == "220 go ahead")
                let ahead = reader.takeBuffered()
                #expect(ahead == Array(extra.utf8))
                let refusal = await tlsError {
                    try await near.startTLS(host: "localhost", configuration: fixture.client, readAhead: ahead)
                }
                // The beginning of a record makes the client wait for the rest of it.
                #expect([.notTLS, .protocolError, .timedOut].contains(refusal?.code))
                // The connection is closed: nothing can be read from it any more.
                let code = await netError { try await near.read() }?.code
                #expect(code == .closed)
                _ = await serving
                await far.close()
            }
        }
    }
}

private final class LogLines: Sendable {
    private let store = Mutex<[(level: Logger.Level, text: String)]>([])
    var lines: [(level: Logger.Level, text: String)] { store.withLock { $0 } }
    func add(_ level: Logger.Level, _ text: String) { store.withLock { $0.append((level, text)) } }
}

private struct LogLinesHandler: LogHandler {
    let log: LogLines
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.debug

    init(_ log: LogLines) { self.log = log }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) { log.add(event.level, "\(event.message)") }
}
#endif
