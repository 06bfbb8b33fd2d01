// A server that is started and shut down, and one that serves until its task is cancelled.

import Apus

enum ServerUse {
    static func run(_ base: String) async throws {
        var configuration = HTTPServer.Configuration()
        configuration.headTimeout = .seconds(5)
        configuration.shutdownTimeout = .seconds(1)
        let visits = Visits()
        let server = try await HTTPServer.start(configuration: configuration) { request in
            let count = await visits.add(request.remoteAddress?.host ?? "?")
            var length = 0
            for try await piece in request.body { length += piece.count }
            return .text("\(request.method) \(request.target) \(count) \(length)", headers: [.cacheControl: "no-store"])
        }
        try await ClientSession.with { session in
            let url = "http://\(server.address)/a?b"
            try expect(try await session.get(url).text() == "GET /a?b 1 0", "the first visit")
            try expect(try await session.post(url, body: .text("four")).text() == "POST /a?b 2 4", "the second")
            let open = await server.connectionCount
            try expect(open == 1, "over one connection")
        }
        await server.shutdown()

        let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
        let address = listener.address
        let serving = EventLoop.spawn {
            try await HTTPServer.serve(on: listener) { request in try await .text(request.body.text(limit: 10)) }
        }
        let text = try await ClientSession.with { try await $0.put("http://\(address)/", body: .text("put")).text() }
        try expect(text == "put", "what a handler read")
        serving.cancel()
        if case .success = await serving.result { throw Unexpected(description: "serving was cancelled") }
    }
}

/// Shared by all requests.
@MainActor
final class Visits {
    private var counts: [String: Int] = [:]

    nonisolated init() {}

    func add(_ host: String) -> Int {
        counts[host, default: 0] += 1
        return counts[host] ?? 0
    }
}
