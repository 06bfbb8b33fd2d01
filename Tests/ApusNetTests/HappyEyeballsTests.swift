import ApusRuntime
import Testing

@testable import ApusNet

/// RFC 8305: which address is tried when, and what is said when none answers.
@Suite
struct HappyEyeballsTests {
    @Test func `the families take turns, beginning with the one that the system prefers`() throws {
        let addresses = try ["::1", "::2", "::3", "127.0.0.1", "127.0.0.2"].map { try SocketAddress($0, port: 1) }
        #expect(Connector.interleaved(addresses).map(\.host) == ["::1", "127.0.0.1", "::2", "127.0.0.2", "::3"])
        #expect(Connector.interleaved([]).isEmpty)
    }

    @Test func `an address that refuses is followed by the next at once`() async throws {
        try await EventLoop.with {
            let closed = try await TCPListener.bind(host: "127.0.0.1", port: 0)
            await closed.close()
            let open = try await TCPListener.bind(host: "127.0.0.1", port: 0)
            let accepted = EventLoop.spawn { try await open.accept() }
            let transport = try await Connector.connect(
                toAny: [closed.address, closed.address.with(port: 1), open.address],
                host: "test",
                on: open.eventLoop,
                deadline: .max
            )
            #expect(transport.remoteAddress == open.address)
            transport.close()
            await (try await accepted.value).close()
            await open.close()
        }
    }

    @Test func `when all refuse, the error names each address`() async throws {
        try await EventLoop.with {
            let one = try await TCPListener.bind(host: "127.0.0.1", port: 0)
            let two = try await TCPListener.bind(host: "127.0.0.1", port: 0)
            await one.close()
            await two.close()
            do {
                _ = try await Connector.connect(
                    toAny: [one.address, two.address],
                    host: "test",
                    on: one.eventLoop,
                    deadline: .max
                )
                Issue.record("nobody listens there")
            } catch let error as NetError {
                #expect(error.code == .connectionRefused)
                #expect(error.description.contains("\(one.address)"))
                #expect(error.description.contains("\(two.address)"))
            }
        }
    }

    @Test func `cancelling closes every attempt`() async throws {
        try await EventLoop.with {
            // A listener whose backlog is never accepted still completes handshakes: so the attempts are cancelled before they begin.
            let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
            let task = EventLoop.spawn {
                try await TCPStream.connect(host: "localhost", port: listener.address.port ?? 0)
            }
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            await listener.close()
        }
    }
}
