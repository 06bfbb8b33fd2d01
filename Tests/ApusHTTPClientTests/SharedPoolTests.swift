import ApusHTTPClient
import ApusNet
import ApusRuntime
import ApusTesting
import Testing

@Suite("Sessions that share a pool", .serialized)
struct SharedPoolTests {
    /// On real sockets, because scripted sessions never share connections.
    private func withSessions(
        limit: Int = 10,
        _ body:
            @escaping @Sendable (_ url: String, _ pool: ConnectionPool, _ one: ClientSession, _ other: ClientSession)
            async throws -> Void
    ) async throws {
        try await withTestLoop {
            let left = try await leaks {
                let server = try await FaultyServer.start { _ in
                    (0..<50).flatMap { _ in [.expectRequest, .send(okResponse)] }
                }
                var settings = ClientSession.Configuration.Pool()
                settings.limit = limit
                let pool = ConnectionPool(settings)
                var configuration = ClientSession.Configuration()
                configuration.sharedPool = pool
                let (one, other) = (ClientSession(configuration), ClientSession(configuration))
                try await body("\(server.url)/", pool, one, other)
                await one.close()
                await other.close()
                await pool.close()
                let numbers = await pool.statistics
                #expect((numbers.open, numbers.idle, numbers.waiting, numbers.connecting) == (0, 0, 0, 0))
                await server.stop()
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test("C4: they use each other's connections; closing one leaves the pool to the other")
    func shared() async throws {
        try await withSessions { url, pool, one, other in
            let texts = [try await one.get(url).text(), try await other.get(url).text()]
            #expect(texts == ["ok", "ok"])
            var numbers = await pool.statistics
            #expect((numbers.connectionsOpened, numbers.idle) == (1, 1))
            await one.close()
            let late = await clientError { try await one.get(url) }
            #expect(late?.code == .sessionClosed)
            numbers = await pool.statistics
            #expect(numbers.idle == 1)
            let again = try await other.get(url).text()
            #expect(again == "ok")
            let mine = await other.statistics
            #expect((mine.requests, mine.reuses, mine.connectionsOpened) == (2, 2, 1))
        }
    }

    @Test("C60: the limit is of all sessions together, and a place that one gives back goes to the other")
    func limit() async throws {
        try await withSessions(limit: 2) { url, pool, one, other in
            try await withThrowingTaskGroup(of: String.self) { group in
                for number in 0..<30 { group.addTask { try await (number % 2 == 0 ? one : other).get(url).text() } }
                for try await text in group { #expect(text == "ok") }
            }
            let numbers = await pool.statistics
            #expect(numbers.connectionsOpened <= 2)
            #expect(numbers.open == numbers.idle)
        }
    }

    @Test("a session with another address filter does not get their connections")
    func filtered() async throws {
        try await withSessions { url, pool, one, _ in
            _ = try await one.get(url).text()
            var configuration = ClientSession.Configuration()
            configuration.sharedPool = pool
            configuration.addressFilter = .publicOnly
            try await ClientSession.with(configuration) { session in
                let error = await clientError { try await session.get(url) }
                #expect(error?.code == .addressRefused)
            }
        }
    }

    @Test("C69: closing the pool ends the requests of all of them with sessionClosed")
    func closedPool() async throws {
        try await withSessions { url, pool, one, other in
            _ = try await one.get(url).text()
            await pool.close()
            for session in [one, other] {
                let error = await clientError { try await session.get(url) }
                #expect(error?.code == .sessionClosed)
                #expect(error?.message.contains("pool") == true)
            }
        }
    }

    @Test("closing one session ends its requests, in whatever state, and none of the other's")
    func closingOne() async throws {
        try await withTestLoop {
            let left = try await leaks {
                // Connections 0 and 1 stop before the head and inside the body; the third goes on.
                let server = try await FaultyServer.start { number in
                    switch number {
                    case 0: [.expectRequest, .stall]
                    case 1: [.expectRequest, .send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), .stall]
                    default: (0..<9).flatMap { _ in [.expectRequest, .send(okResponse)] }
                    }
                }
                let url = "\(server.url)/"
                var configuration = ClientSession.Configuration()
                configuration.pool.limit = 3
                let pool = ConnectionPool(configuration.pool)
                configuration.sharedPool = pool
                let (one, other) = (ClientSession(configuration), ClientSession(configuration))
                let head = EventLoop.spawn { try await one.get(url).text() }
                await until { await pool.statistics.connectionsOpened == 1 }
                let unread = try await one.get(url)
                let mine = try await other.get(url)
                // A full pool: this one waits, and so does the other session's.
                let third = EventLoop.spawn { try await other.get(url).text() }
                _ = try await mine.text()
                _ = try await third.value
                await one.close()
                let errors = [
                    await clientError { try await head.value }, await clientError { try await unread.bytes() },
                ]
                #expect(errors.allSatisfy { $0?.code == .sessionClosed })
                let text = try await other.get(url).text()
                #expect(text == "ok")
                let numbers = await pool.statistics
                #expect((numbers.open, numbers.idle) == (1, 1))
                await other.close()
                await pool.close()
                await server.stop()
            }
            #expect(left.isEmpty, "\(left)")
        }
    }
}
