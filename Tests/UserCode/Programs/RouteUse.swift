// Proxies, Unix sockets, and streams of one's own.

import Apus

enum RouteUse {
    static func run(_ base: String) async throws {
        try await throughStream(base)
        try await throughProxy(base)
        try await fails()
    }

    private static func throughStream(_ base: String) async throws {
        let uri = try URI(base)
        let address = try SocketAddress(uri.host, port: uri.port ?? 80)
        var configuration = ClientSession.Configuration()
        configuration.connector = StreamConnector { target in
            try expect(target.host == "anywhere.test" && target.port == 80, "the target")
            return try await TCPStream.connect(to: address)
        }
        let text = try await ClientSession.with(configuration) { session in
            try await session.get("http://anywhere.test/hello").text()
        }
        try expect(text == "hello ", "a stream of one's own")
    }

    private static func throughProxy(_ base: String) async throws {
        // Our own server takes a whole URL for its path, as a proxy would.
        var proxy = try Proxy(base)
        proxy.username = "me"
        proxy.password = "secret"
        proxy.headers = [.init("X-Test")!: "proxied"]
        proxy.tls = TLSConfiguration()
        try expect("\(proxy)" == base && proxy.host == "127.0.0.1" && proxy.port > 0, "no secret in a description")
        var configuration = ClientSession.Configuration()
        configuration.proxy = proxy
        configuration.trustEnvironment = true
        configuration.localAddress = try SocketAddress("127.0.0.1", port: 0)
        configuration.addressFamily = .ipv4
        try await ClientSession.with(configuration) { session in
            let proxied = try await session.get("http://anywhere.test/headers").text()
            try expect(proxied == "proxied", "through a proxy")
            let direct = try await session.get("\(base)/headers", options: RequestOptions(proxy: .direct)).text()
            try expect(direct == "", "and directly")
        }
    }

    private static func fails() async throws {
        var configuration = ClientSession.Configuration()
        configuration.unixSocketPath = "/no/such/socket"
        try await ClientSession.with(configuration) { session in
            do {
                _ = try await session.get("http://docker/info")
                throw Unexpected(description: "no socket is there")
            } catch let error as ClientError {
                try expect(error.code == .connectionFailed, "a Unix socket")
            }
        }
        do {
            _ = try await ClientSession.with { session in
                try await session.get(
                    "http://a.test/",
                    options: RequestOptions(proxy: try Proxy("socks5h://me:pw@127.0.0.1:1"))
                )
            }
            throw Unexpected(description: "no proxy is there")
        } catch let error as ClientError {
            let codes: [ClientError.Code] = [
                .proxyFailed, .proxyRefused, .proxyAuthenticationRequired, .proxyMalformed,
            ]
            try expect(codes.contains(error.code), "a proxy's own error")
            if let cause = error.cause as? SOCKS5Error { print(cause.code, cause.reply ?? 0) }
        }
    }
}
