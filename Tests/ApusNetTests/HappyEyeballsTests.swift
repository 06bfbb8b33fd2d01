import ApusRuntime
import ApusTesting
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
        try await withTestLoop {
            let loop = try #require(EventLoop.current)
            var listeners: [TCPListener] = []
            for _ in 0..<3 {
                let options = ListenerOptions(backlog: 1)
                listeners.append(try await TCPListener.bind(host: "127.0.0.1", port: 0, options: options))
            }
            let addresses = listeners.map(\.address)
            let left = await leaks {
                // Until the backlogs are full: who comes then gets no answer, and all three of its attempts wait.
                var filling: [TCPStream] = []
                for address in addresses {
                    for _ in 0..<8 {
                        guard let stream = try? await TCPStream.connect(to: address, timeout: .milliseconds(20)) else {
                            break
                        }
                        filling.append(stream)
                    }
                }
                var options = SocketOptions()
                options.attemptDelay = .zero
                let all = options
                let task = EventLoop.spawn {
                    let transport = try await Connector.connect(
                        toAny: addresses,
                        host: "test",
                        on: loop,
                        deadline: .max,
                        options: all
                    )
                    return LoopBound(transport, on: loop)
                }
                for _ in 0..<20 { await turn() }
                #expect(!task.isFinished)
                task.cancel()
                await #expect(throws: CancellationError.self) { _ = try await task.value }
                for stream in filling { await stream.close() }
            }
            #expect(left.isEmpty, "\(left)")
            for listener in listeners { await listener.close() }
        }
    }
}
