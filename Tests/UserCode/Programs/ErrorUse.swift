// Every kind of error, caught as its type and told by its code.

import Apus

enum ErrorUse {
    static func run(_ base: String) async throws {
        let session = ClientSession()
        try await code(.invalidURL) { _ = try await session.get("not a url") }
        try await code(.unsupportedScheme) { _ = try await session.get("gopher://localhost/") }
        try await code(.totalTimeout) {
            _ = try await session.get("\(base)/slow", timeouts: .total(.milliseconds(20))).text()
        }
        try await code(.bodyTooLarge) { _ = try await session.get("\(base)/hello").text(limit: 3) }
        try await code(.decodingFailed) { _ = try await session.get("\(base)/hello").json(Int.self) }
        await session.close()
        try await code(.sessionClosed) { _ = try await session.get("\(base)/hello") }

        let closed = try await TCPListener.bind(host: "127.0.0.1", port: 0)
        let port = closed.address
        await closed.close()
        do {
            _ = try await TCPStream.connect(to: port)
            throw Unexpected(description: "nobody listens there")
        } catch let error as NetError {
            try expect(error.code == .connectionRefused && !error.isTimeout && error.errno != nil, "\(error)")
        }
        do {
            _ = try await gather([1], limit: 0) { $0 }
            throw Unexpected(description: "a limit of 0")
        } catch let error as LoopError {
            try expect(error.code == .invalidArgument, "\(error)")
        }
        do {
            _ = try URI("http://[nonsense/")
            throw Unexpected(description: "no URI")
        } catch let error as URIError {
            try expect(!error.message.isEmpty, "\(error.code)")
        }
    }

    private static func code(_ code: ClientError.Code, _ body: () async throws -> Void) async throws {
        do {
            try await body()
            throw Unexpected(description: "\(code) was expected")
        } catch let error as ClientError {
            try expect(error.code == code, "\(error.code), \(error)")
            try expect(error.isTimeout == (code == .totalTimeout), "isTimeout of \(code)")
        }
    }
}
