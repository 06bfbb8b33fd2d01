import ApusNet
import ApusRuntime
import Synchronization

/// A proxy of this process's on 127.0.0.1, simple and honest, that remembers what it was told: for what needs a server behind it.
final class TestProxy: Sendable {
    enum Kind: Sendable {
        /// CONNECT makes tunnels; anything else is answered here, with the request's first line as its body.
        case http
        /// With a user name and password, if there are any.
        case socks5(user: String, password: String)
    }

    private struct Log {
        var heads: [[String]] = []
        var targets: [String] = []
    }

    let port: Int
    private let log = Mutex(Log())
    private let kind: Kind
    private let tls: TLSServerConfiguration?

    /// The heads that came, line by line: those of tunnelled requests are not seen.
    var heads: [[String]] { log.withLock { $0.heads } }
    /// What was to be connected to.
    var targets: [String] { log.withLock { $0.targets } }

    private init(_ kind: Kind, _ tls: TLSServerConfiguration?, port: Int) {
        self.kind = kind
        self.tls = tls
        self.port = port
    }

    /// - Parameter tls: for a proxy that is spoken to over TLS.
    static func with<Success>(
        _ kind: Kind = .http,
        tls: TLSServerConfiguration? = nil,
        _ body: (TestProxy) async throws -> Success
    ) async throws -> Success {
        let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
        let proxy = TestProxy(kind, tls, port: listener.address.port ?? 0)
        let task = EventLoop.spawn(name: "a proxy") {
            try await listener.serve { stream in
                // A client that goes away in the middle is no news.
                try? await proxy.serve(stream)
            }
        }
        let result: Result<Success, any Error>
        do {
            result = .success(try await body(proxy))
        } catch {
            result = .failure(error)
        }
        task.cancel()
        await listener.close()
        _ = await task.result
        return try result.get()
    }

    private func serve(_ stream: TCPStream) async throws {
        if let tls { try await stream.startTLS(server: tls) }
        let reader = BufferedReader(stream)
        switch kind {
        case .http: try await serveHTTP(stream, reader)
        case .socks5(let user, let password): try await serveSOCKS(stream, reader, user, password)
        }
    }

    private func serveHTTP(_ stream: TCPStream, _ reader: BufferedReader) async throws {
        while true {
            var head: [String] = []
            while let line = try await reader.readLine(), !line.isEmpty { head.append(line) }
            guard let first = head.first else { return }
            let lines = head
            log.withLock { $0.heads.append(lines) }
            let words = first.split(separator: " ").map(String.init)
            guard words.count == 3, words[0] == "CONNECT" else {
                try await stream.write("HTTP/1.1 200 OK\r\nContent-Length: \(first.utf8.count)\r\n\r\n\(first)")
                continue
            }
            let colon = words[1].lastIndex(of: ":") ?? words[1].endIndex
            let far = try await connect(String(words[1][..<colon]), Int(words[1][colon...].dropFirst()) ?? 0)
            try await stream.write("HTTP/1.1 200 Connection established\r\n\r\n")
            return try await Self.forward(stream, far)
        }
    }

    private func serveSOCKS(
        _ stream: TCPStream,
        _ reader: BufferedReader,
        _ user: String,
        _ password: String
    ) async throws {
        let greeting = try await reader.readExactly(2)
        let methods = try await reader.readExactly(Int(greeting[1]))
        if user.isEmpty {
            try await stream.write([5, 0])
        } else {
            guard methods.contains(2) else { return try await stream.write([5, 0xFF]) }
            try await stream.write([5, 2])
            let name = try await reader.readExactly(Int(try await reader.readExactly(2)[1]))
            let secret = try await reader.readExactly(Int(try await reader.readExactly(1)[0]))
            guard name == Array(user.utf8), secret == Array(password.utf8) else {
                return try await stream.write([1, 1])
            }
            try await stream.write([1, 0])
        }
        let type = try await reader.readExactly(4)[3]
        let host: String
        switch type {
        case 1: host = try await reader.readExactly(4).map { "\($0)" }.joined(separator: ".")
        case 3:
            let name = try await reader.readExactly(Int(try await reader.readExactly(1)[0]))
            host = String(decoding: name, as: UTF8.self)
        default: return try await stream.write([5, 8, 0, 1, 0, 0, 0, 0, 0, 0])
        }
        let port = try await reader.readExactly(2)
        let far = try await connect(host, Int(port[0]) << 8 | Int(port[1]))
        try await stream.write([5, 0, 0, 1, 0, 0, 0, 0, 0, 0])
        try await Self.forward(stream, far)
    }

    private func connect(_ host: String, _ port: Int) async throws -> TCPStream {
        log.withLock { $0.targets.append("\(host):\(port)") }
        // Every name is this machine.
        return try await TCPStream.connect(host: "127.0.0.1", port: port)
    }

    private static func forward(_ near: TCPStream, _ far: TCPStream) async throws {
        _ = try? await gather({ try await carry(from: near, to: far) }, { try await carry(from: far, to: near) })
        await far.close()
    }

    private static func carry(from source: TCPStream, to sink: TCPStream) async throws {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while case let count = try await source.read(into: &buffer), count > 0 {
            try await sink.write(buffer[..<count])
        }
        await sink.finishWriting()
    }
}
