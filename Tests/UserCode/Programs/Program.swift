// Runs every use against an embedded server. Each `run` is one file of this folder.

import Apus

@main
struct Program {
    static func main() throws {
        let names = try EventLoop.run {
            try await withServer { base in
                var names: [String] = []
                for (name, use) in uses {
                    try await withTimeout(.seconds(60)) { try await use(base) }
                    names.append(name)
                }
                return names
            }
        }
        print("ok: \(names.joined(separator: ", "))")
    }
}

typealias Use = @Sendable (_ base: String) async throws -> Void

nonisolated let uses: [(String, Use)] = [
    ("main actor", { try await MainActorUse.run($0) }),
    ("actor", { try await ActorUse.run($0) }),
    ("actor bound to a loop", { try await BoundActorUse.run($0) }),
    ("pool", { try await PoolUse.run($0) }),
    ("loop", { try await LoopUse.run($0) }),
    ("debugging", { try await DebugUse.run($0) }),
    ("runner", { try await RunnerUse.run($0) }),
    ("combinators", { try await CombinatorUse.run($0) }),
    ("offload", { try await OffloadUse.run($0) }),
    ("client", { try await ClientUse.run($0) }),
    ("response", { try await ResponseUse.run($0) }),
    ("middleware", { try await MiddlewareUse.run($0) }),
    ("observers", { try await ObserverUse.run($0) }),
    ("server", { try await ServerUse.run($0) }),
    ("TCP", { try await EchoUse.run($0) }),
    ("streams", { try await StreamUse.run($0) }),
    ("locks and queues", { try await SyncUse.run($0) }),
    ("UDP", { try await DatagramUse.run($0) }),
    ("pipes", { try await PipeUse.run($0) }),
    ("TLS", { try await TLSUse.run($0) }),
    ("formats", { try await WireUse.run($0) }),
    ("errors", { try await ErrorUse.run($0) }),
    ("names", { try await NameClashUse.run($0) }),
]

/// A claim of these programs did not hold.
struct Unexpected: Error, CustomStringConvertible {
    let description: String
}

nonisolated func expect(_ condition: Bool, _ claim: String) throws {
    if !condition { throw Unexpected(description: claim) }
}

/// A server that says hello, repeats what it is sent, redirects, and takes its time.
nonisolated func withServer<Success: Sendable>(
    _ body: @Sendable (_ base: String) async throws -> Success
) async throws -> Success {
    var configuration = HTTPServer.Configuration()
    // One of the responses is still under way at the end.
    configuration.shutdownTimeout = .milliseconds(1)
    let server = try await HTTPServer.start(configuration: configuration) { request in
        switch request.path {
        case "/hello": .text("hello \(request.query ?? "")")
        case "/echo": ServerResponse(headers: [.contentType: "application/json"], bytes: try await request.body.bytes())
        case "/chunks":
            .stream { writer in
                for number in 1...5 {
                    try await sleep(for: .microseconds(10))
                    try await writer.write("chunk \(number)\n")
                }
            }
        case "/events":
            .text("data: 1\n\ndata: 2\n\n", headers: [.contentType: "text/event-stream"])
        case "/moved": .status(.found, headers: [.location: "/hello?from=moved"])
        case "/slow":
            .stream { writer in
                try await sleep(for: .seconds(3600))
                try await writer.write("late")
            }
        case "/headers": .text(request.headers[values: .init("X-Test")!].joined(separator: ","))
        default: .status(.notFound)
        }
    }
    do {
        let result = try await body("http://\(server.address)")
        await server.shutdown()
        return result
    } catch {
        await server.shutdown()
        throw error
    }
}
