import ApusHTTPClient
import ApusNet
import ApusRuntime
import ApusTesting
import HTTPTypes
import Synchronization
import Testing

@testable import ApusHTTPServer

@Suite("The server, on real sockets", .serialized)
struct ServerTests {
    private func request(_ path: String = "/") -> String { "GET \(path) HTTP/1.1\r\nHost: test\r\n\r\n" }

    /// Runs `body` on a loop of its own, and checks that nothing is left.
    private func check(
        sourceLocation: SourceLocation = #_sourceLocation,
        _ body: @escaping @Sendable () async throws -> Void
    ) async throws {
        try await withTestLoop {
            let left = try await leaks { try await body() }
            #expect(left.isEmpty, "\(left)", sourceLocation: sourceLocation)
        }
    }

    @Test("shutdown lets a request under way end, closes idle connections, and refuses new ones")
    func graceful() async throws {
        let request = request
        try await check {
            let gate = Gate()
            let server = try await HTTPServer.start { _ in
                await gate.pass()
                return .text("finished")
            }
            let idle = try await TCPStream.connect(to: server.address)
            let busy = try await TCPStream.connect(to: server.address)
            try await busy.write(request("/"))
            await until { await server.connectionCount == 2 && gate.isWaiting }
            let shutting = EventLoop.spawn { await server.shutdown() }
            let end = try await idle.read()
            #expect(end.isEmpty)
            await #expect(throws: NetError.self) { try await TCPStream.connect(to: server.address) }
            gate.open()
            let answer = try await busy.readAll()
            #expect(answer.statuses == [200])
            #expect(answer.contains("Connection: close\r\n"))
            #expect(answer.hasSuffix("finished"))
            await busy.close()
            try await shutting.value
            #expect(await server.connectionCount == 0)
            await server.shutdown()
            await idle.close()
        }
    }

    @Test("what has not ended by shutdownTimeout is broken off, and its handler cancelled")
    func abort() async throws {
        let request = request
        try await check {
            var configuration = quiet
            configuration.shutdownTimeout = .milliseconds(10)
            let begun = Counter()
            let cancelled = Counter()
            let server = try await HTTPServer.start(configuration: configuration) { _ in
                begun.add()
                do {
                    try await sleep(for: .seconds(3_600))
                } catch {
                    cancelled.add()
                    throw error
                }
                return .text("never")
            }
            let client = try await TCPStream.connect(to: server.address)
            try await client.write(request("/"))
            await until { begun.value == 1 }
            await server.shutdown()
            #expect(cancelled.value == 1)
            #expect(await server.connectionCount == 0)
            await #expect(throws: NetError.self) { try await client.readAll() }
            await client.close()
        }
    }

    @Test("cancelling `serve` shuts down as shutdown() does, and throws CancellationError")
    func serve() async throws {
        let request = request
        try await check {
            let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
            let serving = EventLoop.spawn { try await HTTPServer.serve(on: listener) { _ in .text("ok") } }
            let client = try await TCPStream.connect(to: listener.address)
            try await client.write(request("/"))
            let answer = try await client.read(until: "ok")
            #expect(answer.statuses == [200])
            serving.cancel()
            await #expect(throws: CancellationError.self) { try await serving.value }
            let end = try await client.read()
            #expect(end.isEmpty)
            await client.close()
        }
    }

    @Test("closing the listener ends `serve` quietly")
    func closedListener() async throws {
        try await check {
            let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
            let serving = EventLoop.spawn { try await HTTPServer.serve(on: listener) { _ in .text("ok") } }
            await turn()
            await listener.close()
            try await serving.value
        }
    }

    @Test("beyond connectionLimit clients wait until another has gone")
    func connectionLimit() async throws {
        let request = request
        try await check {
            var configuration = quiet
            configuration.connectionLimit = 2
            try await TestServer.with(configuration: configuration, { .text("<\($0.path)>") }) { server in
                var clients: [TCPStream] = []
                for number in 0..<4 {
                    let client = try await TCPStream.connect(to: server.server.address)
                    try await client.write(request("/\(number)"))
                    clients.append(client)
                }
                for number in 0..<2 { _ = try await clients[number].read(until: "</\(number)>") }
                for _ in 0..<50 { await turn() }
                #expect(await server.server.connectionCount == 2)
                for number in 2..<4 {
                    await clients[number - 2].close()
                    _ = try await clients[number].read(until: "</\(number)>")
                    #expect(await server.server.connectionCount <= 2)
                }
                for client in clients { await client.close() }
            }
        }
    }

    @Test("a client that resets in the middle of anything costs nothing")
    func resets() async throws {
        let request = request
        try await check {
            try await TestServer.with(
                configuration: quiet,
                { request in
                    _ = try await request.body.bytes()
                    return .stream { writer in
                        for _ in 0..<100 { try await writer.write([UInt8](repeating: 1, count: 100_000)) }
                    }
                }
            ) { server in
                let starts = [
                    "", "GET / HT", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc", request("/"),
                ]
                for round in 0..<40 {
                    let client = try await TCPStream.connect(to: server.server.address)
                    try await client.write(starts[round % 4])
                    for _ in 0..<round / 4 { await turn() }
                    await client.abort()
                }
                await until { await server.server.connectionCount == 0 }
            }
        }
    }

    @Test("server and client understand each other: many requests at once, of every kind")
    func together() async throws {
        try await check {
            try await TestServer.with({ request in
                let body = try await request.body.bytes()
                if request.query == "stream" {
                    return .stream { writer in
                        for start in stride(from: 0, to: body.count, by: 1_000) {
                            try await writer.write(Array(body[start..<min(start + 1_000, body.count)]))
                        }
                    }
                }
                return ServerResponse(bytes: body)
            }) { server in
                var configuration = ClientSession.Configuration()
                // A hundred connections at once, on a machine that has other things to do.
                configuration.timeouts.connect = nil
                try await ClientSession.with(configuration) { session in
                    let url = server.url()
                    try await withThrowingTaskGroup { group in
                        for number in 0..<300 {
                            group.addTask {
                                let bytes = (0..<number * 97).map { UInt8(truncatingIfNeeded: $0 &* number) }
                                let target = number % 2 == 0 ? url : url + "?stream"
                                let answer = try await session.post(target, body: .bytes(bytes)).bytes()
                                #expect(answer == bytes)
                            }
                        }
                        try await group.waitForAll()
                    }
                    let statistics = await session.statistics
                    #expect(statistics.requests == 300)
                    #expect(statistics.connectionsOpened <= 100)
                    #expect(statistics.resends == 0)
                }
            }
        }
    }

    @Test("a server started off every loop serves and shuts down from there")
    func elsewhere() async throws {
        let server = try await HTTPServer.start { _ in .text("ok") }
        let stream = try await TCPStream.connect(to: server.address)
        try await stream.write(request("/"))
        let answer = try await stream.read(until: "ok")
        #expect(answer.statuses == [200])
        await stream.close()
        await server.shutdown()
        #expect(await server.connectionCount == 0)
    }

    @Test("an address in use cannot be served")
    func addressInUse() async throws {
        try await check {
            let first = try await HTTPServer.start { _ in .text("ok") }
            let port = first.address.port ?? 0
            let error = await #expect(throws: NetError.self) {
                try await HTTPServer.start(port: port) { _ in .text("ok") }
            }
            #expect(error?.code == .addressInUse)
            await first.shutdown()
        }
    }
}

/// A door that a handler waits at.
private final class Gate: Sendable {
    private struct State {
        var isOpen = false
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    var isWaiting: Bool { state.withLock { $0.waiter != nil } }

    func pass() async {
        await withCheckedContinuation { continuation in
            let isOpen = state.withLock { state in
                if !state.isOpen { state.waiter = continuation }
                return state.isOpen
            }
            if isOpen { continuation.resume() }
        }
    }

    func open() {
        let waiter = state.withLock { state in
            state.isOpen = true
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }
}

@Suite("Servers on several loops")
struct SharedPortTests {
    @Test("a server on each loop of a group shares one port, and each answers on its own loop")
    func sharedPort() async throws {
        try await LoopGroup.with(count: 2) { group in
            var configuration = HTTPServer.Configuration()
            configuration.reusePort = true
            let shared = configuration
            var servers: [HTTPServer] = []
            for loop in group.loops {
                let port = servers.first?.address.port ?? 0
                servers.append(
                    try await loop.call {
                        try await HTTPServer.start(port: port, configuration: shared) { _ in
                            .text(EventLoop.current?.name ?? "no loop")
                        }
                    }
                )
            }
            let url = "http://\(servers[0].address)/"
            // A connection each, of which the system spreads a hundred over both.
            let names = try await gather(0..<100, limit: 10) { _ in
                try await ClientSession.with { try await $0.get(url).text() }
            }
            #expect(Set(names) == ["main-0", "main-1"])
            for server in servers { await server.shutdown() }
        }
    }
}
