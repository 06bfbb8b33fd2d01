import ApusHTTPClient
import ApusNet
import ApusRuntime
import ApusTesting
import ApusWire
import HTTPTypes
import Testing

@Suite("Pools and sessions in the wrong hands")
struct PoolMisuseTests {
    @Test("limits without sense are the nearest ones with sense", arguments: [Int.min, -1, 0, 1])
    func limits(number: Int) async throws {
        var configuration = ClientSession.Configuration()
        configuration.pool.limit = number
        configuration.pool.limitPerHost = number
        configuration.pool.maximumUses = number
        configuration.pool.maximumAge = number < 0 ? .seconds(Int64.min) : .zero
        configuration.pool.idleTimeout = .seconds(-1)
        try await withScripts(
            configuration: configuration,
            script: { _ in (0..<9).flatMap { _ in [.expectRequest, .send(okResponse)] } }
        ) { session, peer in
            for _ in 0..<3 {
                try await expectOK(session)
                try await sleep(for: .milliseconds(1))
            }
            // By then each was too old, or idle for too long.
            #expect(peer.opened == 3)
            for count in [Int.min, 0, 2, Int.max] {
                let open = try await session.warm(someURL, connections: count)
                #expect(open <= 1)
            }
        }
    }

    private struct OddResolver: Resolver {
        var error: (any Error)?

        func addresses(of host: String, port: Int) async throws -> [SocketAddress] {
            if let error { throw error }
            return []
        }
    }

    @Test("resolvers and filters that throw or return what they must not are errors of their request")
    func oddities() async throws {
        try await withTestLoop {
            let left = try await leaks {
                var configuration = ClientSession.Configuration()
                configuration.resolver = OddResolver()
                try await ClientSession.with(configuration) { session in
                    let error = await clientError { try await session.get(someURL) }
                    #expect(error?.code == .unknownHost)
                }
                // Nobody cancelled the request, whatever the resolver says.
                configuration.resolver = OddResolver(error: CancellationError())
                try await ClientSession.with(configuration) { session in
                    let error = await clientError { try await session.get(someURL) }
                    #expect(error?.code == .connectionFailed, "\(error.map { "\($0)" } ?? "-")")
                    #expect(await session.statistics.open == 0)
                }
                configuration.resolver = StaticResolver(["script.test": ["127.0.0.1"]])
                configuration.addressFilter = AddressFilter { _, _ in throw CancellationError() }
                try await ClientSession.with(configuration) { session in
                    let error = await clientError { try await session.get(someURL) }
                    #expect(error?.code == .addressRefused)
                }
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test("a pool made off the loop, sessions on another, everything closed at once from several threads, and dropped")
    func anywhere() async throws {
        let server = try await FaultyServer.start { _ in (0..<9).flatMap { _ in [.expectRequest, .send(okResponse)] } }
        let url = "\(server.url)/"
        var settings = ClientSession.Configuration.Pool()
        settings.limit = 3
        let pool = ConnectionPool(settings)
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<40 {
                group.addTask {
                    var configuration = ClientSession.Configuration()
                    configuration.sharedPool = pool
                    let session = ClientSession(configuration)
                    let task = EventLoop.spawn { try await session.get(url).text() }
                    if number % 3 == 0 { task.cancel() }
                    if number % 4 == 0 { await session.close() }
                    if number == 30 { await pool.close() }
                    _ = await task.result
                    if number % 5 == 0 { await session.close() }
                }
            }
        }
        await pool.close()
        let numbers = await pool.statistics
        #expect(numbers.open - numbers.connecting == 0 && numbers.waiting == 0, "\(numbers)")
        await server.stop()
    }

    @Test("a thousand sessions, one after the other, leave a shared pool as small as one does")
    func manySessions() async throws {
        try await withTestLoop {
            let server = try await FaultyServer.start { _ in
                (0..<2_000).flatMap { _ in [.expectRequest, .send(okResponse)] }
            }
            let pool = ConnectionPool()
            for number in 0..<1_000 {
                var configuration = ClientSession.Configuration()
                configuration.sharedPool = pool
                // Another kind of connections each: none can be used again.
                if number % 100 == 0 { configuration.addressFilter = AddressFilter { _, _ in } }
                let text = try await ClientSession.with(configuration) { try await $0.get("\(server.url)/").text() }
                #expect(text == "ok")
            }
            let numbers = await pool.statistics
            #expect((numbers.connectionsOpened, numbers.idle) == (11, 11))
            await pool.close()
            await server.stop()
        }
    }
}
