#if TLS
import ApusHTTPClient
import ApusHTTPServer
import ApusNet
import ApusRuntime
import ApusTesting
import Foundation
import HTTPTypes
import Logging
import Testing

/// C29: https through proxies of each kind, with certificates, on 127.0.0.1.
@Suite struct TunnelTests {
    /// A server for `server.test` that says what it was sent, and the settings of a client that trusts its root.
    private func withServer<Success: Sendable>(
        _ body: @escaping @Sendable (Int, ClientSession.Configuration, TestCertificateAuthority) async throws -> Success
    ) async throws -> Success {
        let authority = try TestCertificateAuthority()
        let identity = try authority.issue(names: ["server.test"])
        return try await EventLoop.with {
            var serving = HTTPServer.Configuration()
            serving.logger.logLevel = .critical
            serving.tls = TLSServerConfiguration(identity: identity)
            let server = try await HTTPServer.start(configuration: serving) { request in
                let body = try await request.body.bytes()
                let names = request.headers.map { "\($0.name.rawName)=\($0.value)" }.joined(separator: " ")
                return .text("\(request.target) \(body.count) \(names)")
            }
            var configuration = ClientSession.Configuration()
            configuration.tls.trust = .roots([authority.certificate])
            // The proxies connect every name to this machine; the client must not have to know any.
            configuration.resolver = StaticResolver(["localhost": ["127.0.0.1"], "127.0.0.1": ["127.0.0.1"]])
            let result: Result<Success, any Error>
            do {
                result = .success(try await body(server.address.port ?? 0, configuration, authority))
            } catch {
                result = .failure(error)
            }
            await server.shutdown()
            return try result.get()
        }
    }

    @Test func `C29: https goes through CONNECT; credentials are the proxy's, everything else the server's`()
        async throws
    {
        try await withServer { port, configuration, _ in
            try await TestProxy.with { proxy in
                var configuration = configuration
                configuration.proxy = try Proxy("http://user:canary@127.0.0.1:\(proxy.port)")
                try await ClientSession.with(configuration) { session in
                    let url = "https://server.test:\(port)"
                    let headers = ["Authorization": "Bearer mine", "Proxy-Authorization": "Basic canary"]
                    let first = try await session.get("\(url)/a?b", headers: headers)
                    let text = try await first.text()
                    #expect(text.hasPrefix("/a?b 0 ") && text.contains("Authorization=Bearer mine"))
                    #expect(!text.contains("canary") && !text.contains("Proxy-"))
                    #expect(first.tls?.version == "TLSv1.3")
                    #expect(first.remoteAddress?.port == proxy.port)
                    let second = try await session.post(
                        "\(url)/up",
                        body: .bytes([UInt8](repeating: 1, count: 3_000_000))
                    )
                    let up = try await second.text()
                    #expect(up.hasPrefix("/up 3000000 "))
                    let statistics = await session.statistics
                    #expect(statistics.connectionsOpened == 1 && statistics.reuses == 1)
                }
                let heads = proxy.heads
                #expect(heads.count == 1)
                #expect(heads.first?.first == "CONNECT server.test:\(port) HTTP/1.1")
                #expect(heads.first?.contains("Host: server.test:\(port)") == true)
                #expect(heads.first?.contains { $0.hasPrefix("Proxy-Authorization: Basic ") } == true)
                #expect(heads.first?.contains { $0.hasPrefix("Authorization") } == false)
            }
        }
    }

    @Test func `C29: an https proxy: TLS inside TLS for https, one layer for http`() async throws {
        try await withServer { port, configuration, authority in
            let identity = try authority.issue(names: ["localhost"])
            try await TestProxy.with(tls: TLSServerConfiguration(identity: identity)) { proxy in
                var configuration = configuration
                configuration.proxy = try Proxy("https://user:pw@localhost:\(proxy.port)")
                // Meant for the servers: the proxy has another key, and gets no certificate.
                try await ClientSession.with(configuration) { session in
                    let body = [UInt8](repeating: 7, count: 2_000_000)
                    let inside = try await session.post("https://server.test:\(port)/in", body: .bytes(body))
                    let text = try await inside.text()
                    #expect(text.hasPrefix("/in 2000000 ") && !text.contains("Proxy-"))
                    #expect(inside.tls != nil)
                    let passed = try await session.get("http://plain.test/x")
                    let line = try await passed.text()
                    #expect(line == "GET http://plain.test/x HTTP/1.1")
                    #expect(passed.tls == nil, "the proxy's TLS is not the server's")
                }
                #expect(proxy.heads.count == 2 && proxy.targets == ["server.test:\(port)"])
            }
        }
    }

    @Test func `C29: whose certificate was refused is told: the proxy's or the server's`() async throws {
        try await withServer { port, configuration, authority in
            let strange = try TestCertificateAuthority()
            let identity = try strange.issue(names: ["localhost"])
            try await TestProxy.with(tls: TLSServerConfiguration(identity: identity)) { proxy in
                var configuration = configuration
                configuration.proxy = try Proxy("https://localhost:\(proxy.port)")
                try await ClientSession.with(configuration) { session in
                    let error = await clientError { try await session.get("https://server.test:\(port)/") }
                    #expect(error?.code == .proxyFailed)
                    #expect((error?.cause as? TLSError)?.code == .untrustedCertificate)
                }
                // Turning checks off for servers does not turn them off for the proxy, which gets the password.
                configuration.tls = .insecureWithoutVerification()
                try await ClientSession.with(configuration) { session in
                    let error = await clientError { try await session.get("https://server.test:\(port)/") }
                    #expect(error?.code == .proxyFailed)
                }
                // With settings of its own it is accepted; the server is checked by the session's.
                configuration.tls = TLSConfiguration()
                configuration.tls.trust = .roots([strange.certificate])
                configuration.proxy?.tls = configuration.tls
                try await ClientSession.with(configuration) { session in
                    let error = await clientError { try await session.get("https://server.test:\(port)/") }
                    #expect(error?.code == .tlsFailed)
                    #expect((error?.cause as? TLSError)?.code == .untrustedCertificate)
                }
            }
        }
    }

    @Test func `C29: one tunnel per origin and credentials`() async throws {
        try await withServer { port, configuration, _ in
            try await TestProxy.with { proxy in
                var configuration = configuration
                configuration.proxy = try Proxy("http://a:1@127.0.0.1:\(proxy.port)")
                try await ClientSession.with(configuration) { session in
                    let url = "https://server.test:\(port)/"
                    let other = RequestOptions(proxy: try Proxy("http://b:1@127.0.0.1:\(proxy.port)"))
                    for _ in 0..<3 {
                        _ = try await session.get(url).text()
                        _ = try await session.get(url, options: other).text()
                    }
                }
                #expect(proxy.heads.count == 2)
            }
        }
    }

    @Test func `C29: SOCKS with a password, names looked up by the proxy or here`() async throws {
        try await withServer { port, configuration, _ in
            try await TestProxy.with(.socks5(user: "user", password: "pw")) { proxy in
                var configuration = configuration
                configuration.resolver = StaticResolver(["server.test": ["127.0.0.1"], "127.0.0.1": ["127.0.0.1"]])
                configuration.proxy = try Proxy("socks5h://user:pw@127.0.0.1:\(proxy.port)")
                try await ClientSession.with(configuration) { session in
                    let url = "https://server.test:\(port)/"
                    let remote = try await session.get(url).text()
                    #expect(remote.hasPrefix("/ 0 "))
                    let here = RequestOptions(proxy: try Proxy("socks5://user:pw@127.0.0.1:\(proxy.port)"))
                    let local = try await session.get(url, options: here)
                    let text = try await local.text()
                    #expect(text.hasPrefix("/ 0 ") && local.tls != nil)
                    let wrong = RequestOptions(proxy: try Proxy("socks5h://user:canary@127.0.0.1:\(proxy.port)"))
                    let error = await clientError { try await session.get(url, options: wrong) }
                    #expect(error?.code == .proxyAuthenticationRequired && !"\(error!)".contains("canary"))
                    let nobody = RequestOptions(proxy: try Proxy("socks5h://127.0.0.1:\(proxy.port)"))
                    let missing = await clientError { try await session.get(url, options: nobody) }
                    #expect(missing?.code == .proxyAuthenticationRequired)
                }
                #expect(proxy.targets == ["server.test:\(port)", "127.0.0.1:\(port)"])
            }
        }
    }

    @Test func `an upload of a file and a body in pieces go through TLS inside TLS`() async throws {
        try await withServer { port, configuration, authority in
            let identity = try authority.issue(names: ["localhost"])
            try await TestProxy.with(tls: TLSServerConfiguration(identity: identity)) { proxy in
                var configuration = configuration
                configuration.proxy = try Proxy("https://localhost:\(proxy.port)")
                try await withScratchFolder { folder in
                    let path = "\(folder)/file"
                    try String(repeating: "x", count: 500_000).write(toFile: path, atomically: true, encoding: .utf8)
                    try await ClientSession.with(configuration) { session in
                        let text = try await session.put("https://server.test:\(port)/f", body: .file(path)).text()
                        #expect(text.hasPrefix("/f 500000 "))
                    }
                }
            }
        }
    }
}
#endif
