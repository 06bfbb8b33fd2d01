import ApusRuntime
import ApusTesting
import Glibc
import Testing

@testable import ApusNet

/// Unix sockets: files that stay behind, permissions, names without a file, and who is at the other end.
@Suite("Unix sockets")
struct UnixTests {
    /// Runs `body` on a loop with the path of a socket that is not there yet; nothing may be left, the file included.
    private func withPath(_ body: @escaping @Sendable (String) async throws -> Void) async throws {
        try await withTestLoop {
            try await withFolder { folder in
                let path = folder + "/socket"
                let left = try await leaks { try await body(path) }
                #expect(left.isEmpty, "\(left)")
                #expect(access(path, F_OK) != 0, "the socket's file was left behind")
            }
        }
    }

    private func mode(_ path: String) -> mode_t {
        var facts = stat()
        return stat(path, &facts) == 0 ? facts.st_mode & 0o777 : 0
    }

    @Test("a path can be listened at, connected to, written and read, and each side knows the address")
    func exchange() async throws {
        try await withPath { path in
            let listener = try await UnixListener.bind(path: path)
            let client = try await UnixStream.connect(path: path)
            let server = try await listener.accept()
            #expect(listener.address.host == path)
            #expect(client.remoteAddress == listener.address)
            #expect(server.localAddress == listener.address)
            #expect(server.remoteAddress?.host.isEmpty == true)
            try await client.write("over unix")
            let text = try await server.read()
            #expect(text == Array("over unix".utf8))
            await server.close()
            let end = try await client.read()
            #expect(end.isEmpty)
            await client.close()
            await listener.close()
        }
    }

    @Test("no file, nobody listening, no socket and no permission are different errors")
    func refusals() async throws {
        try await withPath { path in
            let missing = await netError { try await UnixStream.connect(path: path) }
            #expect(missing?.errno == ENOENT)
            // The file of a process that has died: bound, and nobody listens.
            try leaveStale(path)
            let refused = await netError { try await UnixStream.connect(path: path) }
            #expect(refused?.code == .connectionRefused)
            #expect(refused?.description.contains("port") == false, "advice for TCP: \(refused?.description ?? "")")
            unlink(path)
            let long = await netError { try await UnixStream.connect(path: String(repeating: "x", count: 108)) }
            #expect(long?.code == .invalidAddress)
            let internet = await netError { try await UnixStream.connect(to: try SocketAddress("127.0.0.1", port: 1)) }
            #expect(internet?.code == .invalidAddress)
            #expect(internet?.description.contains("TCPStream") == true)
            let folder = await netError { try await UnixListener.bind(path: "/nonexistent/socket") }
            #expect(folder?.errno == ENOENT)
            #expect(folder?.description.contains("/nonexistent/socket") == true)
        }
    }

    private func leaveStale(_ path: String) throws {
        let fd = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(fd) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(fd, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(result == 0)
    }

    @Test("a stale socket's file is replaced; one with a listener, and any other file, is left alone")
    func stale() async throws {
        try await withPath { path in
            try leaveStale(path)
            let listener = try await UnixListener.bind(path: path)
            let again = await netError { try await UnixListener.bind(path: path) }
            #expect(again?.code == .addressInUse)
            #expect(again?.description.contains("port 0") == false, "advice for TCP: \(again?.description ?? "")")
            let client = try await UnixStream.connect(path: path)
            await client.close()
            await listener.close()
            let file = open(path, O_CREAT | O_WRONLY, 0o600)
            close(file)
            let other = await netError { try await UnixListener.bind(path: path) }
            #expect(other?.code == .addressInUse)
            #expect(other?.description.contains("no socket") == true)
            #expect(access(path, F_OK) == 0)
            unlink(path)
        }
    }

    @Test("a busy listener, whose backlog is full, is not taken for a stale one")
    func fullBacklog() async throws {
        try await withPath { path in
            let listener = try await UnixListener.bind(path: path, backlog: 1)
            var clients: [UnixStream] = []
            while clients.count < 10 {
                guard let client = try? await UnixStream.connect(path: path, timeout: .zero) else { break }
                clients.append(client)
            }
            #expect(clients.count < 10)
            let error = await netError { try await UnixListener.bind(path: path) }
            #expect(error?.code == .addressInUse)
            for client in clients { await client.close() }
            await listener.close()
        }
    }

    @Test("the file has the permissions that were asked for")
    func permissions() async throws {
        for permissions in [0o600, 0o660, 0o666] {
            try await withPath { path in
                let listener = try await UnixListener.bind(path: path, permissions: permissions)
                #expect(mode(path) == mode_t(permissions))
                await listener.close()
            }
        }
    }

    @Test("a listener removes its own file only: a successor's stays")
    func successor() async throws {
        try await withPath { path in
            let first = try await UnixListener.bind(path: path)
            unlink(path)
            let second = try await UnixListener.bind(path: path)
            await first.close()
            let client = try await UnixStream.connect(path: path)
            await client.close()
            await second.close()
        }
    }

    @Test("an abstract name needs no file, and is free again when its listener is gone")
    func abstractName() async throws {
        try await withTestLoop {
            let name = try SocketAddress(unixAbstractName: "apus-test-\(getpid())-\(UInt64.random(in: 0...UInt64.max))")
            let left = try await leaks {
                for _ in 0..<2 {
                    let listener = try await UnixListener.bind(to: name)
                    #expect(listener.address == name)
                    #expect(name.description.hasPrefix("unix:@apus-test-"))
                    let again = await netError { try await UnixListener.bind(to: name) }
                    #expect(again?.code == .addressInUse)
                    let client = try await UnixStream.connect(to: name)
                    let server = try await listener.accept()
                    #expect(client.remoteAddress == name)
                    #expect(server.localAddress == name)
                    for stream in [client, server] { await stream.close() }
                    await listener.close()
                }
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test("the system says who is at the other end")
    func credentials() async throws {
        try await withPath { path in
            let listener = try await UnixListener.bind(path: path)
            let client = try await UnixStream.connect(path: path)
            let server = try await listener.accept()
            for stream in [client, server] {
                let peer = try await stream.peerCredentials()
                #expect(peer == UnixStream.PeerCredentials(processID: getpid(), userID: geteuid(), groupID: getegid()))
                await stream.close()
                let closed = await netError { try await stream.peerCredentials() }
                #expect(closed?.code == .closed)
            }
            await listener.close()
        }
    }

    @Test("connections are served, and shut down")
    func serving() async throws {
        try await withPath { path in
            let listener = try await UnixListener.bind(path: path)
            let server = EventLoop.spawn {
                try await listener.serve { stream in
                    for try await line in BufferedReader(stream).lines {
                        try await stream.write(line.uppercased() + "\n")
                    }
                }
            }
            let answers = try await gather(0..<10) { number in
                let client = try await UnixStream.connect(path: path)
                try await client.write("line \(number)\n")
                let answer = try await BufferedReader(client).readLine()
                await client.close()
                return answer
            }
            #expect(answers == (0..<10).map { "LINE \($0)" })
            await listener.shutdown()
            try await server.value
        }
    }
}
