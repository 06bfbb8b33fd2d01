import ApusRuntime
import ApusTesting
import Glibc
import Testing

@testable import ApusNet

/// Listening on several addresses, serving, ending.
@Suite("Listeners")
struct ListenerTests {
    // MARK: Binding

    @Test("several addresses with port 0 get one port, and connections come by each of them")
    func severalAddresses() async throws {
        try await withTestLoop {
            let left = try await leaks {
                let addresses = [try SocketAddress("127.0.0.1", port: 0), try SocketAddress("::1", port: 0)]
                let listener = try await TCPListener.bind(to: addresses[0], addresses[1])
                #expect(listener.addresses.map(\.host) == ["127.0.0.1", "::1"])
                #expect(Set(listener.addresses.map(\.port)).count == 1)
                for address in listener.addresses + listener.addresses {
                    let client = try await TCPStream.connect(to: address)
                    let server = try await listener.accept()
                    #expect(server.localAddress == address)
                    #expect(server.remoteAddress == client.localAddress)
                    await client.close()
                    await server.close()
                }
                await listener.close()
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test("an address with many waiting connections does not keep another's from being accepted")
    func fairness() async throws {
        try await withTestLoop {
            let addresses = [try SocketAddress("127.0.0.1", port: 0), try SocketAddress("::1", port: 0)]
            let listener = try await TCPListener.bind(to: addresses[0], addresses[1])
            var clients: [TCPStream] = []
            for _ in 0..<8 { clients.append(try await TCPStream.connect(to: listener.addresses[0])) }
            clients.append(try await TCPStream.connect(to: listener.addresses[1]))
            let first = [try await listener.accept(), try await listener.accept()]
            #expect(Set(first.compactMap { $0.localAddress?.host }) == ["127.0.0.1", "::1"])
            await listener.close()
        }
    }

    @Test("without a host it listens on both families, for every address of the machine")
    func anyAddress() async throws {
        try await withTestLoop {
            let listener = try await TCPListener.bind(host: nil, port: 0)
            #expect(listener.addresses.map(\.host) == ["::", "0.0.0.0"])
            for host in ["127.0.0.1", "::1"] {
                let client = try await TCPStream.connect(host: host, port: listener.address.port ?? 0)
                await (try await listener.accept()).close()
                await client.close()
            }
            await listener.close()
        }
    }

    @Test("an IPv6 socket takes no IPv4 connections: each family has its own")
    func onlyIPv6() async throws {
        try await withTestLoop {
            let listener = try await TCPListener.bind(host: "::", port: 0)
            let address = try SocketAddress("127.0.0.1", port: listener.address.port ?? 0)
            let error = await netError { try await TCPStream.connect(to: address) }
            #expect(error?.code == .connectionRefused)
            await listener.close()
        }
    }

    @Test("addresses that the machine does not have are left out if others remain, and an error if none does")
    func missingAddress() async throws {
        try await withTestLoop {
            let left = try await leaks {
                let missing = try SocketAddress("192.0.2.1", port: 0)
                let listener = try await TCPListener.bind(to: missing, try SocketAddress("127.0.0.1", port: 0))
                #expect(listener.addresses.map(\.host) == ["127.0.0.1"])
                await listener.close()
                let error = await netError { try await TCPListener.bind(to: missing) }
                #expect(error?.code == .addressNotAvailable)
                #expect(error?.description.contains("192.0.2.1") == true)
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test("if one of several addresses is in use, none stays bound")
    func allOrNone() async throws {
        try await withTestLoop {
            let left = try await leaks {
                let other = try await TCPListener.bind(host: "::1", port: 0)
                let port = other.address.port ?? 0
                let free = try SocketAddress("127.0.0.1", port: port)
                let error = await netError { try await TCPListener.bind(to: free, other.address) }
                #expect(error?.code == .addressInUse)
                // The first is free again.
                await (try await TCPListener.bind(to: free)).close()
                await other.close()
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test("a Unix socket's address, or none at all, is refused")
    func wrongAddresses() async throws {
        try await withTestLoop {
            let path = try SocketAddress(unixPath: "somewhere")
            let unix = await netError { try await TCPListener.bind(to: path) }
            #expect(unix?.code == .invalidAddress)
            #expect(unix?.description.contains("UnixListener") == true)
            let client = await netError { try await TCPStream.connect(to: path) }
            #expect(client?.code == .invalidAddress)
        }
    }

    @Test("connections get the options that were asked for, on both sides")
    func socketOptions() async throws {
        try await withTestLoop {
            var options = ListenerOptions()
            options.noDelay = false
            options.keepAlive = SocketOptions.KeepAlive(idle: .seconds(7), interval: .seconds(3), count: 2)
            let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0, options: options)
            var here = SocketOptions()
            here.keepAlive = SocketOptions.KeepAlive()
            here.localAddress = try SocketAddress("127.0.0.2", port: 0)
            let client = try await TCPStream.connect(to: listener.address, options: here)
            let server = try await listener.accept()
            #expect(server.remoteAddress?.host == "127.0.0.2")
            #expect(option(TCP_NODELAY, of: client) == 1)
            #expect(option(TCP_KEEPIDLE, of: client) == 60)
            #expect(option(TCP_NODELAY, of: server) == 0)
            #expect(option(TCP_KEEPIDLE, of: server) == 7)
            #expect(option(TCP_KEEPINTVL, of: server) == 3)
            #expect(option(TCP_KEEPCNT, of: server) == 2)
            await client.close()
            await server.close()
            await listener.close()
        }
    }

    private func option(_ name: Int32, of stream: TCPStream) -> Int32 {
        var value: Int32 = -1
        var length = socklen_t(MemoryLayout<Int32>.size)
        getsockopt(stream.handle.core.transport.descriptor.fd, Int32(IPPROTO_TCP), name, &value, &length)
        return value
    }

    // MARK: Adopting

    @Test("sockets that were made elsewhere become streams and listeners")
    func adopting() async throws {
        try await withTestLoop {
            let left = try await leaks {
                let fd = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
                var address = sockaddr_in()
                address.sin_family = sa_family_t(AF_INET)
                address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
                let bound = withUnsafePointer(to: &address) {
                    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        bind(fd, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                    }
                }
                #expect(bound == 0 && listen(fd, 8) == 0)
                let listener = try await TCPListener.adopt(fd: fd)
                #expect(listener.address.host == "127.0.0.1")
                let client = try await TCPStream.connect(to: listener.address)
                let server = try await listener.accept()
                try await client.write("x")
                let byte = try await server.read()
                #expect(byte == [0x78])
                await client.close()
                await server.close()
                await listener.close()

                let pair = blockingPair()
                let (near, far) = (try await UnixStream.adopt(fd: pair.0), try await UnixStream.adopt(fd: pair.1))
                try await near.write("y")
                let other = try await far.read()
                #expect(other == [0x79])
                await near.close()
                await far.close()
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test("what is no such socket is refused, and closed")
    func adoptingOthers() async throws {
        try await withTestLoop {
            let datagrams = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
            let unconnected = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            let file = open("/dev/null", O_RDONLY)
            let pair = blockingPair()
            close(pair.1)
            for fd in [datagrams, unconnected, file, pair.0] {
                let error = await netError { try await TCPStream.adopt(fd: fd) }
                #expect(error?.code == .invalidArgument, "\(fd)")
            }
            for fd in [socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0), open("/dev/null", O_RDONLY)] {
                let error = await netError { try await TCPListener.adopt(fd: fd) }
                #expect(error?.code == .invalidArgument, "\(fd)")
            }
            let closed = await netError { try await TCPStream.adopt(fd: -1) }
            #expect(closed?.code == .invalidArgument)
        }
    }

    private func blockingPair() -> (Int32, Int32) {
        var fds: [Int32] = [-1, -1]
        socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &fds)
        return (fds[0], fds[1])
    }
}
