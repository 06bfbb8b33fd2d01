#if TLS
import ApusHTTPClient
import ApusHTTPServer
import ApusNet
import ApusRuntime
import ApusTesting
import HTTPTypes
import Logging
import Testing

/// https against our own server, with certificates made for the occasion: what is accepted, and what is refused in which words.
@Suite
struct HTTPSTests {
    /// Serves one identity, runs `body` with its port, and shuts down.
    private func withServer<Success: Sendable>(
        _ identity: TLSConfiguration.Identity,
        clientRoots: [String] = [],
        _ body: @escaping @Sendable (Int) async throws -> Success
    ) async throws -> Success {
        try await EventLoop.with {
            var configuration = HTTPServer.Configuration()
            configuration.logger.logLevel = .critical
            var tls = TLSServerConfiguration(identity: identity)
            if !clientRoots.isEmpty { tls.clientCertificates = .required(roots: clientRoots) }
            configuration.tls = tls
            let server = try await HTTPServer.start(configuration: configuration) { request in
                .text("\(request.method) \(request.path) \(try await request.body.bytes().count)")
            }
            let result: Result<Success, any Error>
            do {
                result = .success(try await body(server.address.port ?? 0))
            } catch {
                result = .failure(error)
            }
            await server.shutdown()
            return try result.get()
        }
    }

    private func get(_ url: String, _ tls: TLSConfiguration) async throws -> String {
        var configuration = ClientSession.Configuration()
        configuration.tls = tls
        return try await ClientSession.with(configuration) { try await $0.get(url).text() }
    }

    private func trusting(_ authority: TestCertificateAuthority) -> TLSConfiguration {
        var configuration = TLSConfiguration()
        configuration.trust = .roots([authority.certificate])
        return configuration
    }

    /// The TLS error that a request ends with.
    private func refusal(
        _ identity: TLSConfiguration.Identity,
        _ tls: TLSConfiguration,
        host: String = "localhost"
    ) async throws -> TLSError {
        try await withServer(identity) { port in
            do {
                _ = try await self.get("https://\(host):\(port)/", tls)
            } catch let error as ClientError {
                #expect(error.code == .tlsFailed)
                return try #require(error.cause as? TLSError)
            }
            throw TestCertificateError(description: "the request should have been refused")
        }
    }

    @Test func `a certificate from a trusted root for this host is accepted by name and by address`() async throws {
        let authority = try TestCertificateAuthority()
        let identity = try authority.issue(names: ["localhost"], addresses: ["127.0.0.1"])
        let tls = trusting(authority)
        let texts = try await withServer(identity) { port in
            [
                try await self.get("https://localhost:\(port)/a", tls),
                try await self.get("https://127.0.0.1:\(port)/b", tls),
            ]
        }
        #expect(texts == ["GET /a 0", "GET /b 0"])
    }

    @Test func `an RSA certificate through an intermediate is accepted when the server sends the chain`() async throws {
        let authority = try TestCertificateAuthority()
        let identity = try authority.intermediate().issue(names: ["localhost"], key: .rsa(bits: 2048))
        let tls = trusting(authority)
        #expect(try await withServer(identity) { try await self.get("https://localhost:\($0)/", tls) } == "GET / 0")
    }

    @Test func `a missing intermediate is refused`() async throws {
        let authority = try TestCertificateAuthority()
        let identity = try authority.intermediate().issue(names: ["localhost"], includesChain: false)
        let error = try await refusal(identity, trusting(authority))
        #expect(error.code == .untrustedCertificate)
        #expect(error.description.contains("in between"))
    }

    @Test func `an expired certificate is refused with its date`() async throws {
        let authority = try TestCertificateAuthority()
        let error = try await refusal(try authority.issue(names: ["localhost"], days: -9...(-2)), trusting(authority))
        #expect(error.code == .certificateExpired)
        #expect(error.description.contains("The certificate for localhost expired on 20"))
    }

    @Test func `a certificate that is not valid yet is refused with its date`() async throws {
        let authority = try TestCertificateAuthority()
        let error = try await refusal(try authority.issue(names: ["localhost"], days: 2...9), trusting(authority))
        #expect(error.code == .certificateNotYetValid)
        #expect(error.description.contains("not valid before 20"))
    }

    @Test(arguments: [["other.example"], ["*.localhost"], ["local*"], ["localhost.example"], []])
    func `a certificate for other names is refused, and they are named`(names: [String]) async throws {
        let authority = try TestCertificateAuthority()
        let error = try await refusal(try authority.issue(names: names), trusting(authority))
        #expect(error.code == .hostMismatch)
        if let name = names.first { #expect(error.description.contains(name)) }
    }

    @Test func `an address is not matched by a name`() async throws {
        let authority = try TestCertificateAuthority()
        let identity = try authority.issue(names: ["127.0.0.1", "localhost"])
        #expect(try await refusal(identity, trusting(authority), host: "127.0.0.1").code == .hostMismatch)
    }

    @Test func `a self-signed certificate is refused, unless it is named as a root`() async throws {
        let identity = try TestCertificateAuthority.selfSigned(names: ["localhost"])
        let authority = try TestCertificateAuthority()
        let error = try await refusal(identity, trusting(authority))
        #expect(error.code == .untrustedCertificate)
        #expect(error.description.contains("signed by itself"))
        var tls = TLSConfiguration()
        tls.trust = .roots([identity.certificateChain])
        let named = tls
        #expect(try await withServer(identity) { try await self.get("https://localhost:\($0)/", named) } == "GET / 0")
    }

    @Test func `a certificate of an unknown authority is refused`() async throws {
        let identity = try TestCertificateAuthority().issue(names: ["localhost"])
        #expect(try await refusal(identity, trusting(try TestCertificateAuthority())).code == .untrustedCertificate)
    }

    @Test func `a client's certificate does not serve a server`() async throws {
        let authority = try TestCertificateAuthority()
        let error = try await refusal(try authority.issue(names: ["localhost"], purpose: .client), trusting(authority))
        #expect(error.code == .wrongPurpose)
    }

    @Test func `verification can be turned off, by name`() async throws {
        let identity = try TestCertificateAuthority.selfSigned(names: ["other.example"])
        let text = try await withServer(identity) { port in
            try await self.get("https://localhost:\(port)/", .insecureWithoutVerification())
        }
        #expect(text == "GET / 0")
    }

    @Test func `a pinned key is required besides everything else`() async throws {
        let authority = try TestCertificateAuthority()
        var tls = trusting(authority)
        tls.pins = [[UInt8](repeating: 7, count: 32)]
        #expect(try await refusal(try authority.issue(names: ["localhost"]), tls).code == .pinMismatch)
    }

    @Test func `a server that asks for a client certificate gets it, and refuses who has none`() async throws {
        let authority = try TestCertificateAuthority()
        let identity = try authority.issue(names: ["localhost"])
        var tls = trusting(authority)
        tls.identity = try authority.issue(names: ["a client"], purpose: .client)
        let (with, without) = (tls, trusting(authority))
        try await withServer(identity, clientRoots: [authority.certificate]) { port in
            let text = try await self.get("https://localhost:\(port)/", with)
            #expect(text == "GET / 0")
            let error = await #expect(throws: ClientError.self) {
                try await self.get("https://localhost:\(port)/", without)
            }
            #expect(error?.code == .tlsFailed)
            #expect(error.map { "\($0)" }?.contains("certificate required") == true)
        }
    }

    @Test func `a server shows a new certificate without a restart, and keeps its connections`() async throws {
        let authority = try TestCertificateAuthority()
        let identity = try authority.issue(names: ["localhost"])
        let context = try TLSServerContext(TLSServerConfiguration(identity: identity))
        let tls = trusting(authority)
        try await EventLoop.with {
            var configuration = HTTPServer.Configuration()
            configuration.tlsContext = context
            let server = try await HTTPServer.start(configuration: configuration) { _ in .text("hello") }
            let url = "https://localhost:\(server.address.port ?? 0)/"
            var client = ClientSession.Configuration()
            client.tls = tls
            try await ClientSession.with(client) { session in
                let before = try await session.get(url).text()
                let renewed = try authority.issue(names: ["elsewhere.example"])
                try context.update(TLSServerConfiguration(identity: renewed))
                // On the connection that is there; a new one would be refused.
                let after = try await session.get(url).text()
                #expect([before, after] == ["hello", "hello"])
            }
            let error = await #expect(throws: ClientError.self) { try await self.get(url, tls) }
            #expect((error?.cause as? TLSError)?.code == .hostMismatch)
            await server.shutdown()
        }
    }

    @Test func `a server whose certificate cannot be used does not start`() async throws {
        let authority = try TestCertificateAuthority()
        var configuration = HTTPServer.Configuration()
        configuration.tls = TLSServerConfiguration(
            identity: try authority.issue(names: ["localhost"], key: .rsa(bits: 1024))
        )
        let bad = configuration
        try await EventLoop.with {
            let error = await #expect(throws: TLSError.self) {
                try await HTTPServer.start(configuration: bad) { _ in .text("never") }
            }
            #expect(error?.code == .badCertificateFile)
        }
    }

    @Test func `plain http on the other side is said to be that`() async throws {
        let code: TLSError.Code? = try await EventLoop.with {
            let server = try await HTTPServer.start { _ in .text("plain") }
            defer { EventLoop.spawn { await server.shutdown() } }
            do {
                _ = try await self.get("https://localhost:\(server.address.port ?? 0)/", TLSConfiguration())
                return nil
            } catch let error as ClientError {
                return (error.cause as? TLSError)?.code
            }
        }
        #expect(code == .notTLS)
    }

    @Test func `roots that are no certificates are an error of their own`() async throws {
        var tls = TLSConfiguration()
        tls.trust = .roots(["this is not PEM"])
        let identity = try TestCertificateAuthority().issue(names: ["localhost"])
        #expect(try await refusal(identity, tls).code == .badCertificateFile)
    }

    @Test func `a second connection resumes the first one's session`() async throws {
        let authority = try TestCertificateAuthority()
        let tls = trusting(authority)
        let resumed = try await withServer(try authority.issue(names: ["localhost"])) { port in
            var answers: [Bool] = []
            for _ in 0..<2 {
                let loop = try #require(EventLoop.current)
                let address = try SocketAddress("127.0.0.1", port: port)
                let lower = try await Connector.connect(to: address, on: loop, deadline: .max)
                let transport = try await TLSTransport.connect(
                    over: lower,
                    host: "localhost",
                    configuration: tls,
                    deadline: .max
                )
                answers.append(transport.info.isResumed)
                // TLS 1.3's tickets come with the first data: ask for something, and read it.
                let request = Array("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".utf8)
                _ = try request.withUnsafeBytes { try transport.send($0) }
                while true {
                    let count = try transport.receive(into: loop.scratch)
                    if count == 0 { break }
                    if count == nil { _ = await transport.descriptor.waitReadable() }
                }
                transport.close()
            }
            return answers
        }
        #expect(resumed == [false, true])
    }

    @Test func `bodies of 8 MB go both ways, and the connection is reused`() async throws {
        let authority = try TestCertificateAuthority()
        let tls = trusting(authority)
        try await withServer(try authority.issue(names: ["localhost"])) { port in
            var configuration = ClientSession.Configuration()
            configuration.tls = tls
            try await ClientSession.with(configuration) { session in
                let url = "https://localhost:\(port)/up"
                let body = [UInt8](repeating: 65, count: 8 * 1024 * 1024)
                let up = try await session.post(url, body: .bytes(body)).text()
                #expect(up == "POST /up \(body.count)")
                let again = try await session.get(url).text()
                #expect(again == "GET /up 0")
                let statistics = await session.statistics
                #expect(statistics.connectionsOpened == 1)
            }
        }
    }
}
#endif
