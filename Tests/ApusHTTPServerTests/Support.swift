import ApusNet
import ApusRuntime
import ApusTesting
import Logging
import Testing

@testable import ApusHTTPServer

/// Runs `body` on virtual time as a client of a server whose connections are in memory, and checks that nothing is left.
func withConnection(
    _ handler: @escaping HTTPServer.Handler,
    configuration: HTTPServer.Configuration = quiet,
    sourceLocation: SourceLocation = #_sourceLocation,
    _ body: @escaping @Sendable (_ client: TCPStream) async throws -> Void
) async throws {
    try await withVirtualTime {
        let left = try await leaks {
            guard let loop = EventLoop.current else { return }
            // Nobody waits for it, so that it does not hold virtual time.
            let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
            let core = try ServerCore(listener: listener.handle, configuration: configuration, handler: handler)
            let (near, far) = try MemoryTransport.pair(capacity: 65_536, on: loop)
            core.adopt(far, on: loop)
            let client = TCPStream(near, on: loop)
            try await body(client)
            await client.close()
            await until { core.connections.isEmpty }
            await listener.close()
        }
        #expect(left.isEmpty, "\(left)", sourceLocation: sourceLocation)
    }
}

/// A configuration whose logs go nowhere.
let quiet: HTTPServer.Configuration = {
    var configuration = HTTPServer.Configuration()
    configuration.logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    return configuration
}()

extension TCPStream {
    /// Everything until the server closes. On virtual time it always does.
    func readAll() async throws -> String {
        var bytes: [UInt8] = []
        while true {
            let piece = try await read()
            if piece.isEmpty { return String(decoding: bytes, as: UTF8.self) }
            bytes += piece
        }
    }

    /// Writes, and reads everything until the server closes.
    func exchange(_ text: String) async throws -> String {
        try await write(text)
        return try await readAll()
    }

    /// Reads until what came ends with `suffix`.
    func read(until suffix: String) async throws -> String {
        var text = ""
        while !text.hasSuffix(suffix) {
            let piece = try await read()
            guard !piece.isEmpty else { throw NetError(.unexpectedEnd, "“\(text)”") }
            text += String(decoding: piece, as: UTF8.self)
        }
        return text
    }
}

extension String {
    /// The status codes of the responses in it.
    var statuses: [Int] {
        ranges(of: "HTTP/1.1 ").compactMap { Int(self[$0.upperBound...].prefix(3)) }
    }

    /// What follows the first empty line.
    var body: String {
        guard let end = firstRange(of: "\r\n\r\n") else { return "" }
        return String(self[end.upperBound...])
    }
}
