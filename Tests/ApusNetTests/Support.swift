import ApusNet
import ApusRuntime
import ApusTesting
import Glibc
import Testing

/// The error that `body` throws, which has to be a ``NetError``.
func netError<Success>(
    sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () async throws -> Success
) async -> NetError? {
    do {
        _ = try await body()
        Issue.record("no error", sourceLocation: sourceLocation)
    } catch let error as NetError {
        return error
    } catch {
        Issue.record("not a NetError: \(error)", sourceLocation: sourceLocation)
    }
    return nil
}

/// Runs `body` on a loop of its own with two connected TCP streams, and checks that no descriptor, timer or task is left.
func withStreams(
    sourceLocation: SourceLocation = #_sourceLocation,
    _ body: @escaping @Sendable (_ client: TCPStream, _ server: TCPStream) async throws -> Void
) async throws {
    try await withTestLoop {
        let left = try await leaks {
            let (client, server) = try await TCPStream.testPair()
            try await body(client, server)
            await client.close()
            await server.close()
        }
        #expect(left.isEmpty, "\(left)", sourceLocation: sourceLocation)
    }
}

extension TCPStream {
    /// Two streams that are connected to each other through the system.
    static func testPair(host: String = "127.0.0.1") async throws -> (TCPStream, TCPStream) {
        let listener = try await TCPListener.bind(host: host, port: 0)
        async let accepting = listener.accept()
        let client = try await TCPStream.connect(to: listener.address)
        let server = try await accepting
        await listener.close()
        return (client, server)
    }

    /// Reads exactly `count` bytes.
    func read(exactly count: Int) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let piece = try await read(upTo: count - bytes.count)
            guard !piece.isEmpty else { throw NetError(.unexpectedEnd, "\(bytes.count) of \(count) bytes") }
            bytes += piece
        }
        return bytes
    }
}

extension EventLoop {
    /// `run` is for synchronous code; an exit test's body is asynchronous, and alone in its process.
    static func runForExitTest(
        _ options: Options = Options(),
        _ body: @escaping @Sendable () async throws -> Void
    ) throws {
        func synchronously() throws { try EventLoop.run(options, body) }
        try synchronously()
    }
}

/// Runs `body` with a folder of its own under `.build`, and removes it with what is in it. Its path is relative, and so short enough for
/// Unix sockets.
func withFolder<Success>(
    isolation: isolated (any Actor)? = #isolation,
    _ body: (_ path: String) async throws -> Success
) async throws -> Success {
    mkdir(".build", 0o777)
    mkdir(".build/tmp", 0o777)
    var template = Array(".build/tmp/net-XXXXXX".utf8CString)
    let path = try #require(mkdtemp(&template).map { String(cString: $0) }, "no folder can be made under .build/tmp")
    defer {
        if let folder = opendir(path) {
            while let entry = readdir(folder) {
                let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                    String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
                }
                unlink("\(path)/\(name)")
            }
            closedir(folder)
        }
        rmdir(path)
    }
    return try await body(path)
}

/// Which file is behind a descriptor. Whether it was closed cannot be told by its number, which other tests may have got meanwhile.
struct FileIdentity: Equatable {
    private let device: UInt
    private let inode: UInt

    /// Nil if nothing is open there.
    init?(_ fd: Int32) {
        var facts = stat()
        guard fstat(fd, &facts) == 0 else { return nil }
        device = UInt(facts.st_dev)
        inode = UInt(facts.st_ino)
    }
}
