import Apus
import Synchronization

/// Cases of the client against a server on this machine, which answers all paths alike.
struct ClientCases {
    let meter: Meter
    let size: Int
    let count: Int
    /// Where the server is, such as `http://127.0.0.1:8080`.
    let port: Int

    private static let workers = 64
    private var url: String { "http://127.0.0.1:\(port)/" }

    static let names = ["client-busy", "client-idle", "client-hosts", "client-cookies", "client-loops"]

    func run(_ name: String) async throws {
        switch name {
        case "client-busy": try await busy()
        case "client-idle": try await idle()
        case "client-hosts": try await hosts()
        case "client-cookies": try await cookies()
        default: try await loops()
        }
    }

    /// N connections, and a request under way on each.
    private func busy() async throws {
        try await ClientSession.with(configuration(connections: size)) { session in
            _ = try await session.warm(url, connections: size)
            try await work(session, workers: size) { _ in url }
            try expect(await session.statistics.pool.open, size)
        }
    }

    /// N idle connections to a second name of the server, and 64 that work.
    private func idle() async throws {
        try await ClientSession.with(configuration(connections: size + Self.workers)) { session in
            _ = try await session.warm("http://host0.example:\(port)/", connections: size)
            try await work(session, workers: Self.workers) { _ in url }
            try expect(await session.statistics.pool.open, size + Self.workers)
        }
    }

    /// N hosts, each with a connection; each request is to another one.
    private func hosts() async throws {
        let urls = try (0..<size).map { try URI("http://host\(10_000 + $0).example:\(port)/") }
        try await ClientSession.with(configuration(connections: size + Self.workers)) { session in
            _ = try await gather(urls, limit: Self.workers) { _ = try await session.warm($0) }
            let size = size
            try await work(session, workers: min(size, Self.workers)) { urls[$0 % size] }
        }
    }

    /// N cookies in the session's jar, each of another host, and one of the server's.
    private func cookies() async throws {
        let jar = CookieJar()
        for number in 1..<size { try jar.set(["name": "value"], for: "http://host\(10_000 + number).example/") }
        try jar.set(["name": "value"], for: url)
        var configuration = configuration(connections: Self.workers)
        configuration.cookieJar = jar
        try await ClientSession.with(configuration) { session in
            try await work(session, workers: Self.workers) { _ in url }
        }
    }

    /// N loops, each with a session of its own; 64 connections in all.
    private func loops() async throws {
        let next = Atomic<Int>(0)
        let (url, each, meter, count) = (url, Self.workers / size, meter, count)
        let warmUp = count / 10
        let configuration = configuration(connections: each)
        _ = try await LoopGroup.with(count: size) { group in
            try await group.each { _ in
                try await ClientSession.with(configuration) { session in
                    _ = try await gather(0..<each) { _ in
                        while true {
                            let number = next.wrappingAdd(1, ordering: .relaxed).newValue
                            if number == warmUp { meter.start() }
                            if number > warmUp + count { break }
                            _ = try await session.get(url).text()
                            if number == warmUp + count { meter.stop(after: count) }
                        }
                    }
                }
            }
        }
    }

    private func configuration(connections: Int) -> ClientSession.Configuration {
        var configuration = ClientSession.Configuration()
        configuration.pool.limit = connections
        configuration.pool.idleTimeout = .seconds(600)
        configuration.resolver = OneAddress()
        return configuration
    }

    /// So many requests by so many tasks; those of the first tenth do not count, and none of the end, when tasks run out of work.
    private func work(
        _ session: ClientSession,
        workers: Int,
        _ url: @escaping @Sendable (Int) -> some RequestURL
    ) async throws {
        let next = Atomic<Int>(0)
        let (meter, count) = (meter, count)
        let warmUp = max(count / 10, 2 * workers)
        _ = try await gather(0..<workers) { _ in
            while true {
                let number = next.wrappingAdd(1, ordering: .relaxed).newValue
                if number == warmUp { meter.start() }
                if number == warmUp + count { meter.stop(after: count) }
                if number >= warmUp + count { break }
                _ = try await session.get(url(number)).text()
            }
        }
    }

    private func expect(_ open: Int, _ wanted: Int) throws {
        guard open == wanted else { throw CaseError("\(open) connections are open, not \(wanted)") }
    }
}

/// Whatever the name, this machine.
private struct OneAddress: Resolver {
    func addresses(of host: String, port: Int) async throws -> [SocketAddress] {
        [try SocketAddress("127.0.0.1", port: port)]
    }
}
