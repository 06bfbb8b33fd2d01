import ApusHTTPClient
import ApusNet
import ApusRuntime
import ApusTesting
import Testing

/// Bytes that answer nothing: whoever can put them on a connection would choose the answer to the request that follows.
@Suite("A server that speaks out of turn")
struct UnsolicitedTests {
    private static let evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"

    @Test("on a fresh connection: nothing is sent, and nothing believed", arguments: [evil, "SSH-2.0-x\r\n", "\0"])
    func fresh(_ greeting: String) async throws {
        try await withScripts([.send(greeting), .stall], [.expectRequest, .send(okResponse)]) { session, peer in
            let error = await clientError { try await session.post(someURL, body: .text("secret")) }
            #expect(error?.code == .malformedResponse)
            #expect(error?.message.contains("before it was asked") == true)
            #expect(error?.url == someURL)
            #expect(peer.written() == "")
            #expect(peer.end() == .closed)
            try await expectOK(session)
            #expect(peer.opened == 2)
        }
    }

    @Test("on a fresh connection that was ended or broken off at once, nothing is sent", arguments: [false, true])
    func endedAtOnce(byReset: Bool) async throws {
        try await withScripts([byReset ? .reset : .finish]) { session, peer in
            let error = await clientError { try await session.post(someURL, body: .text("order")) }
            #expect(error?.code == .connectionClosed)
            #expect(peer.written() == "")
        }
    }

    @Test("on the connection that replaces a dead one")
    func replacement() async throws {
        try await withScripts(
            [.expectRequest, .send(okResponse), .expectHead, .finish],
            [.send(Self.evil)],
            [.expectRequest, .send(okResponse)]
        ) { session, peer in
            try await expectOK(session)
            let error = await clientError { try await session.get(someURL) }
            #expect(error?.code == .malformedResponse)
            #expect(peer.written(1) == "")
            try await expectOK(session)
        }
    }

    @Test("on a connection that is idle, warm or used: it is closed, and the next request has another")
    func idle() async throws {
        try await withScripts(
            [.wait(.seconds(1)), .perform {}, .wait(.seconds(1)), .send(Self.evil)],
            [.expectRequest, .send(okResponse), .wait(.seconds(1)), .send(Self.evil)],
            [.expectRequest, .send(okResponse + Self.evil)],
            [.expectRequest, .send(okResponse), .send(Self.evil, pieces: 1)],
            [.expectRequest, .send(okResponse)]
        ) { session, peer in
            try await session.warm(someURL)
            try await sleep(for: .seconds(5))
            #expect(peer.end(0) == .closed)
            for number in 1...4 {
                try await expectOK(session)
                try await sleep(for: .seconds(5))
                #expect(peer.opened == number + 1)
                #expect(peer.end(number) == (number < 4 ? .closed : nil))
            }
        }
    }

    @Test(
        "right behind a body that is received into its array: it is no part of that, and the connection is closed",
        arguments: [1, 2]
    )
    func behindLargeBody(extra: Int) async throws {
        let body = String(repeating: "b", count: 100_000)
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
        let evil = String(Self.evil.prefix(extra == 1 ? 1 : Self.evil.count))
        try await withScripts(
            [.expectRequest, .send(head), .wait(.seconds(1)), .send(body + evil), .stall],
            [.expectRequest, .send(head), .wait(.seconds(1)), .send(body)]
        ) { session, peer in
            for number in 0...1 {
                let text = try await session.get(someURL).text()
                #expect(text == body)
                try await sleep(for: .seconds(1))
                #expect(peer.opened == number + 1)
                #expect(peer.end(number) == (number == 0 ? .closed : nil))
            }
        }
    }

    #if TLS
    /// Runs `body` with a TLS server that does to each connection what `handler` says.
    private func withServer(
        _ handler: @escaping @Sendable (TCPStream) async throws -> Void,
        _ body: @escaping @Sendable (ClientSession, String) async throws -> Void
    ) async throws {
        let authority = try TestCertificateAuthority()
        let tls = TLSServerConfiguration(identity: try authority.issue(names: ["localhost"]))
        try await withTestLoop {
            var configuration = ClientSession.Configuration()
            configuration.tls.trust = .roots([authority.certificate])
            let settings = configuration
            let left = try await leaks {
                let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
                let server = EventLoop.spawn {
                    try await listener.serve(tls: tls) { stream in try? await handler(stream) }
                }
                try await ClientSession.with(settings) { session in
                    try await body(session, "https://localhost:\(listener.address.port ?? 0)/")
                }
                server.cancel()
                _ = await server.result
                await listener.close()
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    private static func answer(_ stream: TCPStream) async throws {
        // A request without a body: one record, one read.
        _ = try await stream.read()
        try await stream.write(okResponse)
    }

    @Test("TLS: a warm connection outlives the tickets that a server of TLS 1.3 sends when it likes")
    func tickets() async throws {
        let shaken = Counter()
        try await withServer { stream in
            shaken.add()
            try await Self.answer(stream)
            _ = try await stream.read(upTo: 1)
        } _: { session, url in
            try await session.warm(url)
            // The server's tickets are behind its own end of the handshake.
            await until { shaken.value == 1 }
            for _ in 0..<100 { await turn() }
            let text = try await session.get(url).text()
            #expect(text == "ok")
            let statistics = await session.statistics
            #expect((statistics.pool.connectionsOpened, statistics.reuses, statistics.pool.idleEnds) == (1, 1, 0))
        }
    }

    @Test(
        "TLS: what comes on a warm or an idle connection closes it, and is nobody's answer",
        arguments: [false, true]
    )
    func secure(warm: Bool) async throws {
        let number = Counter()
        try await withServer { stream in
            number.add()
            if number.value == 1 {
                if !warm { try await Self.answer(stream) }
                try await stream.write(Self.evil)
            } else {
                try await Self.answer(stream)
            }
            _ = try await stream.read(upTo: 1)
        } _: { session, url in
            if warm {
                try await session.warm(url)
            } else {
                let text = try await session.get(url).text()
                #expect(text == "ok")
            }
            await until { await session.statistics.open == 0 }
            let text = try await session.get(url).text()
            #expect(text == "ok")
            #expect(number.value == 2)
        }
    }
    #endif
}
