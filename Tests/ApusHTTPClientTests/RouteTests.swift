import ApusHTTPServer
import ApusNet
import ApusRuntime
import ApusTesting
import ApusWire
import Foundation
import HTTPTypes
import Testing

@testable import ApusHTTPClient

/// C29, C65, C66: which way a request takes: the environment's proxies, Unix sockets, addresses of this side.
@Suite struct RouteTests {
    private func table(
        _ variables: [String: String],
        _ configure: (inout ClientSession.Configuration) throws -> Void = { _ in }
    )
        throws -> RouteTable
    {
        var configuration = ClientSession.Configuration()
        configuration.trustEnvironment = true
        try configure(&configuration)
        return RouteTable(configuration, environment: { variables[$0] })
    }

    private func route(_ table: RouteTable, _ url: String, _ requested: Proxy? = nil) throws -> String {
        switch try table.route(for: try URI(url), requested) {
        case .direct: "direct"
        case .unix(let path): path
        case .proxy(let proxy): "\(proxy)"
        }
    }

    @Test func `C29: the environment counts only where it is trusted, and behind what was said`() throws {
        let variables = [
            "http_proxy": "http://u:p@env.test:1", "https_proxy": "socks5h://env.test",
            "no_proxy": ".local,10.0.0.0/8:x,127.0.0.1",
        ]
        let trusting = try table(variables)
        #expect(try route(trusting, "http://a.test/") == "http://env.test:1")
        #expect(try route(trusting, "https://a.test/") == "socks5h://env.test:1080")
        #expect(try route(trusting, "http://x.local/") == "direct")
        #expect(try route(trusting, "http://127.0.0.1:99/") == "direct")
        #expect(try route(trusting, "http://a.test/", .direct) == "direct")
        #expect(try route(trusting, "http://a.test/", try Proxy("http://own.test")) == "http://own.test:80")
        #expect(try route(try table(variables) { $0.trustEnvironment = false }, "http://a.test/") == "direct")
        #expect(try route(try table(variables) { $0.proxy = .direct }, "http://a.test/") == "direct")
        #expect(
            try route(try table(variables) { $0.proxy = try Proxy("own.test") }, "http://x.local/")
                == "http://own.test:80"
        )
        #expect(try route(try table(variables) { $0.unixSocketPath = "/s" }, "https://a.test/") == "/s")
    }

    @Test func `C29: a variable that names no proxy is an error, not a way around it`() async throws {
        let broken = try table(["http_proxy": "ftp://u:canary@p"])
        let error = #expect(throws: ProxyFailure.self) { try self.route(broken, "http://a.test/") }
        #expect(error?.code == .invalidURL)
        #expect(error?.message.contains("`http_proxy`") == true && error?.message.contains("canary") == false)
        #expect(try route(broken, "https://a.test/") == "direct")
    }

    @Test func `the process's variables are read`() {
        #expect(ProcessEnvironment.value(of: "PATH")?.isEmpty == false)
        #expect(ProcessEnvironment.value(of: "APUS_NO_SUCH_VARIABLE") == nil)
    }

    // MARK: What the filter is asked

    @Test func `C29: the address filter is asked about proxies too, and about servers in figures behind them`()
        async throws
    {
        try await withTestLoop {
            try await TestProxy.with { proxy in
                var configuration = ClientSession.Configuration()
                configuration.proxy = try Proxy("http://127.0.0.1:\(proxy.port)")
                configuration.addressFilter = .publicOnly
                try await ClientSession.with(configuration) { session in
                    for scheme in ["http", "https"] {
                        let error = await clientError { try await session.get("\(scheme)://example.com/") }
                        #expect(error?.code == .addressRefused)
                    }
                }
                configuration.addressFilter = AddressFilter { host, address in
                    if host != "127.0.0.1" { try AddressFilter.publicOnly.check(host: host, address) }
                }
                try await ClientSession.with(configuration) { session in
                    let text = try await session.get("http://example.com/").text()
                    #expect(text == "GET http://example.com/ HTTP/1.1")
                    for url in ["http://169.254.169.254/latest", "https://10.0.0.1/", "http://[::ffff:10.0.0.1]/"] {
                        let error = await clientError { try await session.get(url) }
                        #expect(error?.code == .addressRefused, "\(url)")
                    }
                }
                #expect(proxy.heads.count == 1)
            }
        }
    }

    // MARK: Unix sockets

    /// Answers every request with its first line and Host, and `/moved` with a redirect.
    private func withUnixServer(_ body: @escaping @Sendable (String) async throws -> Void) async throws {
        try await withTestLoop {
            // Their paths are short: not below the project's folder.
            let folder = FileManager.default.temporaryDirectory.path + "/apus-\(UInt32.random(in: 0...UInt32.max))"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(atPath: folder) }
            let path = folder + "/My Socket"
            let listener = try await UnixListener.bind(path: path)
            let task = EventLoop.spawn {
                try await listener.serve { stream in
                    let reader = BufferedReader(stream)
                    while let line = try await reader.readLine() {
                        var host = ""
                        while let field = try await reader.readLine(), !field.isEmpty {
                            if field.hasPrefix("Host: ") { host = String(field.dropFirst(6)) }
                        }
                        let text = "\(line.split(separator: " ")[1]) \(host)"
                        let location = line.contains("/moved") ? "Location: /there\r\n" : ""
                        try await stream.write(
                            "HTTP/1.1 \(location.isEmpty ? 200 : 302) X\r\n\(location)Content-Length: \(text.utf8.count)\r\n\r\n\(text)"
                        )
                    }
                }
            }
            let result: Result<Void, any Error>
            do {
                result = .success(try await body(path))
            } catch {
                result = .failure(error)
            }
            task.cancel()
            await listener.close()
            _ = await task.result
            try result.get()
        }
    }

    @Test func `C66: a session to a Unix socket sends every host there`() async throws {
        try await withUnixServer { path in
            var configuration = ClientSession.Configuration()
            configuration.unixSocketPath = path
            try await ClientSession.with(configuration) { session in
                let response = try await session.get("http://docker/v1")
                let text = try await response.text()
                #expect(text == "/v1 docker")
                #expect(response.remoteAddress?.host == path)
                let moved = try await session.get("http://docker/moved").text()
                #expect(moved == "/there docker")
                let other = try await session.get("http://other.test:8080/").text()
                #expect(other == "/ other.test:8080")
                let statistics = await session.statistics
                #expect(statistics.connectionsOpened == 2 && statistics.reuses == 2)
            }
        }
    }

    @Test func `C66: a URL may name the socket; redirects never lead there`() async throws {
        try await withUnixServer { path in
            let host = path.split(separator: "/").map { "%2F" + $0.replacing(" ", with: "%20") }.joined()
            let base = "http+unix://\(host)"
            try await ClientSession.with { session in
                for number in 0..<2 {
                    let text = try await session.get("\(base)/v1/\(number)", params: ["a": "b"]).text()
                    #expect(text == "/v1/\(number)?a=b localhost")
                }
                let opened = await session.statistics.connectionsOpened
                #expect(opened == 1)
                let error = await clientError { try await session.get("\(base)/moved") }
                #expect(error?.code == .invalidRedirect)
            }
            try await TestServer.with({ _ in .status(.found, headers: [.location: "\(base)/v1"]) }) { server in
                try await ClientSession.with { session in
                    let error = await clientError { try await session.get(server.url()) }
                    #expect(error?.code == .invalidRedirect)
                }
            }
            var configuration = ClientSession.Configuration()
            configuration.baseURL = try URI("\(base)/v2/")
            configuration.headers = [.authorization: "Bearer mine"]
            try await ClientSession.with(configuration) { session in
                let text = try await session.get("x").text()
                #expect(text == "/v2/x localhost")
            }
            configuration = ClientSession.Configuration()
            configuration.addressFilter = .publicOnly
            try await ClientSession.with(configuration) { session in
                let error = await clientError { try await session.get("\(base)/") }
                #expect(error?.code == .addressRefused)
            }
        }
    }

    @Test func `C66: a socket that is not there is named`() async throws {
        try await withTestLoop {
            try await ClientSession.with { session in
                let error = await clientError { try await session.get("http+unix://%2Fno%2Fsuch%2Fsocket/") }
                #expect(error?.code == .connectionFailed && "\(error!)".contains("/no/such/socket"))
                for url in ["http+unix://%2Frun%2Fx:80/", "http+unix:///x", "https+unix://%2Frun%2Fx/"] {
                    let error = await clientError { try await session.get(url) }
                    #expect(error?.code == .invalidURL || error?.code == .unsupportedScheme, "\(url)")
                }
            }
        }
    }

    // MARK: This side

    @Test func `C65: connections come from the local address, and from no other`() async throws {
        try await withTestLoop {
            try await TestServer.with({ .text($0.remoteAddress?.host ?? "-") }) { server in
                var configuration = ClientSession.Configuration()
                configuration.localAddress = try SocketAddress("127.0.0.2", port: 0)
                configuration.resolver = StaticResolver([
                    "127.0.0.1": ["127.0.0.1"], "both.test": ["::1", "127.0.0.1"], "six.test": ["::1"],
                ])
                let port = server.server.address.port ?? 0
                try await ClientSession.with(configuration) { session in
                    let response = try await session.get(server.url())
                    let seen = try await response.text()
                    #expect(seen == "127.0.0.2" && response.localAddress?.host == "127.0.0.2")
                    let both = try await session.get("http://both.test:\(port)/").text()
                    #expect(both == "127.0.0.2")
                    let error = await clientError { try await session.get("http://six.test:\(port)/") }
                    #expect(error?.code == .connectionFailed)
                    #expect((error?.cause as? NetError)?.code == .addressNotAvailable)
                }
                configuration.localAddress = try SocketAddress("192.0.2.77", port: 0)
                try await ClientSession.with(configuration) { session in
                    let error = await clientError { try await session.get(server.url()) }
                    #expect((error?.cause as? NetError)?.code == .addressNotAvailable)
                }
            }
        }
    }

    @Test func `C65: a family may be chosen, and an interface`() async throws {
        try await withTestLoop {
            try await TestServer.with({ _ in .text("ok") }) { server in
                var configuration = ClientSession.Configuration()
                configuration.addressFamily = .ipv6
                try await ClientSession.with(configuration) { session in
                    let error = await clientError { try await session.get(server.url()) }
                    #expect((error?.cause as? NetError)?.code == .addressNotAvailable)
                }
                configuration.addressFamily = .ipv4
                configuration.interface = "lo"
                try await ClientSession.with(configuration) { session in
                    let text = try await session.get(server.url()).text()
                    #expect(text == "ok")
                }
                configuration.interface = "nosuch0"
                try await ClientSession.with(configuration) { session in
                    let error = await clientError { try await session.get(server.url()) }
                    #expect(error?.code == .connectionFailed && "\(error!)".contains("nosuch0"))
                }
            }
        }
    }

    @Test func `C65: sessions from different addresses do not share connections`() async throws {
        try await withTestLoop {
            try await TestServer.with({ .text($0.remoteAddress?.host ?? "-") }) { server in
                let pool = ConnectionPool()
                for address in ["127.0.0.2", "127.0.0.3", "127.0.0.2"] {
                    var configuration = ClientSession.Configuration()
                    configuration.sharedPool = pool
                    configuration.localAddress = try SocketAddress(address, port: 0)
                    let text = try await ClientSession.with(configuration) { try await $0.get(server.url()).text() }
                    #expect(text == address)
                }
                let opened = await pool.statistics.connectionsOpened
                #expect(opened == 2)
                await pool.close()
            }
        }
    }

    @Test func `what does not go together is an error that says so`() async throws {
        try await withTestLoop {
            let connector = StreamConnector { _ in throw CancellationError() }
            let mistakes: [@Sendable (inout ClientSession.Configuration) throws -> Void] = [
                {
                    $0.connector = connector
                    $0.addressFilter = .publicOnly
                },
                {
                    $0.connector = connector
                    $0.localAddress = try SocketAddress("127.0.0.1", port: 0)
                },
                {
                    $0.connector = connector
                    $0.unixSocketPath = "/s"
                },
                {
                    $0.proxy = try Proxy("p.test")
                    $0.unixSocketPath = "/s"
                },
                { $0.localAddress = try SocketAddress(unixPath: "/s") },
            ]
            for mistake in mistakes {
                var configuration = ClientSession.Configuration()
                try mistake(&configuration)
                try await ClientSession.with(configuration) { session in
                    let error = await clientError { try await session.get(someURL) }
                    #expect(error?.code == .invalidRequest)
                }
            }
        }
    }
}
