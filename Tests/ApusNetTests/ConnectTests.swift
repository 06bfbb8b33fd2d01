import ApusNet
import ApusRuntime
import ApusTesting
import Glibc
import Logging
import Synchronization
import Testing

@Suite("Connecting, listening, accepting", .serialized)
struct ConnectTests {
    @Test("a port where nobody listens is connectionRefused, with its address and what to look at")
    func refused() async throws {
        try await withTestLoop {
            let left = try await leaks {
                let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
                await listener.close()
                let port = listener.address.port ?? 0
                for error in [
                    await netError { try await TCPStream.connect(to: listener.address) },
                    await netError { try await TCPStream.connect(host: "127.0.0.1", port: port) },
                ] {
                    #expect(error?.code == .connectionRefused)
                    #expect(error?.description.contains("127.0.0.1:\(port)") == true)
                    #expect(error?.description.contains("is the server running") == true)
                }
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test("a name that does not exist is unknownHost (or cannot be looked up, without a name server)")
    func unknownHost() async throws {
        try await withTestLoop {
            let error = await netError { try await TCPStream.connect(host: "nobody.invalid", port: 80, timeout: nil) }
            #expect(error?.code == .unknownHost || error?.code == .nameLookupFailed)
            #expect(error?.description.contains("nobody.invalid") == true)
        }
    }

    @Test("names and ports that cannot be are invalidAddress, without a lookup")
    func invalid() async throws {
        try await withTestLoop {
            for (host, port) in [
                ("", 80), ("a\0b", 80), (String(repeating: "a", count: 300), 80), ("localhost", 70_000),
            ] {
                let error = await netError { try await TCPStream.connect(host: host, port: port) }
                #expect(error?.code == .invalidAddress)
            }
        }
    }

    @Test("an address in use is addressInUse, and says what to do")
    func addressInUse() async throws {
        try await withTestLoop {
            let left = try await leaks {
                let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
                let error = await netError {
                    try await TCPListener.bind(host: "127.0.0.1", port: listener.address.port ?? 0)
                }
                #expect(error?.code == .addressInUse)
                #expect(error?.description.contains("port 0") == true)
                await listener.close()
                // At once again, although connections of the old one may linger.
                let again = try await TCPListener.bind(host: "127.0.0.1", port: listener.address.port ?? 0)
                await again.close()
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test("an address of another machine is addressNotAvailable")
    func notHere() async throws {
        try await withTestLoop {
            let error = await netError { try await TCPListener.bind(host: "192.0.2.1", port: 0) }
            #expect(error?.code == .addressNotAvailable)
        }
    }

    @Test("several listeners share a port if they ask for it")
    func reusePort() async throws {
        try await withTestLoop {
            let options = ListenerOptions(reusePort: true)
            let first = try await TCPListener.bind(host: "127.0.0.1", port: 0, options: options)
            let port = first.address.port ?? 0
            let second = try await TCPListener.bind(host: "127.0.0.1", port: port, options: options)
            #expect(first.address == second.address)
            await first.close()
            await second.close()
        }
    }

    @Test("localhost is looked up, and connected to")
    func localhost() async throws {
        try await withTestLoop {
            let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
            let port = listener.address.port ?? 0
            async let accepting = listener.accept()
            let stream = try await TCPStream.connect(host: "localhost", port: port)
            let server = try await accepting
            #expect(stream.remoteAddress == listener.address)
            await stream.close()
            await server.close()
            await listener.close()
        }
    }

    @Test("closing the listener ends accept with .closed, and accepted connections go on")
    func closeListener() async throws {
        try await withTestLoop {
            let left = try await leaks {
                let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
                async let accepting = listener.accept()
                let client = try await TCPStream.connect(to: listener.address)
                let server = try await accepting
                let waiting = EventLoop.spawn { try await listener.accept() }
                await turn()
                await listener.close()
                await listener.close()
                let error = await netError { try await waiting.value }
                #expect(error?.code == .closed)
                let late = await netError { try await listener.accept() }
                #expect(late?.code == .closed)
                try await client.write("x")
                let bytes = try await server.read()
                #expect(bytes == [0x78])
                await client.close()
                await server.close()
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test("cancelling accept loses no connection; two that accept at once: the second is told .busy")
    func cancelAccept() async throws {
        try await withTestLoop {
            let left = try await leaks {
                let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
                for round in 0..<10 {
                    let accepting = EventLoop.spawn { try await listener.accept() }
                    for _ in 0..<round % 3 { await turn() }
                    if round % 3 > 0 {
                        let busy = await netError { try await listener.accept() }
                        #expect(busy?.code == .busy)
                    }
                    accepting.cancel()
                    await #expect(throws: CancellationError.self) { try await accepting.value }
                }
                let client = try await TCPStream.connect(to: listener.address)
                let server = try await listener.accept()
                #expect(server.remoteAddress == client.localAddress)
                await client.close()
                await server.close()
                await listener.close()
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test("without descriptors left, a listener says so and pauses for a second at a time, instead of spinning")
    func tooManyDescriptors() async throws {
        await #expect(processExitsWith: .success) {
            let warnings = Warnings()
            var options = EventLoop.Options()
            options.clock = .virtual
            options.signals = .none
            options.logger = Logger(label: "test") { _ in WarningHandler(warnings) }
            try EventLoop.runForExitTest(options) {
                let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
                let client = try await TCPStream.connect(to: listener.address)
                var limit = rlimit()
                getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
                let before = limit
                limit.rlim_cur = rlim_t((openDescriptors().max() ?? 0) + 1)
                // Numbers below the highest may be free.
                var fillers: [Int32] = []
                setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
                while true {
                    let fd = dup(0)
                    if fd < 0 { break }
                    fillers.append(fd)
                }
                // Virtual time: the pauses take no time, and each is exactly one second long. The third gives them back.
                let held = fillers
                warnings.onThird = {
                    var limit = before
                    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
                    for fd in held { close(fd) }
                }
                let server = try await listener.accept()
                #expect(warnings.texts.count == 3)
                #expect(warnings.texts.allSatisfy { $0.contains("pauses for 1 s") && $0.contains("ulimit -n") })
                #expect(EventLoop.current?.clock.now == LoopClock.Instant(nanoseconds: 3_000_000_000))
                try await client.write("x")
                let bytes = try await server.read()
                #expect(bytes == [0x78])
            }
        }
    }

    @Test("an accept's timeout counts while the listener pauses for want of descriptors")
    func timeoutWhilePaused() async throws {
        await #expect(processExitsWith: .success) {
            var options = EventLoop.Options()
            options.clock = .virtual
            options.signals = .none
            options.logger.logLevel = .critical
            try EventLoop.runForExitTest(options) {
                let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
                let client = try await TCPStream.connect(to: listener.address)
                var limit = rlimit()
                getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
                limit.rlim_cur = rlim_t((openDescriptors().max() ?? 0) + 1)
                setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
                while dup(0) >= 0 {}
                let error = await netError { try await listener.accept(timeout: .milliseconds(2_500)) }
                #expect(error?.code == .timedOut)
                #expect(EventLoop.current?.clock.now == LoopClock.Instant(nanoseconds: 2_500_000_000))
                await client.close()
            }
        }
    }

    @Test("connecting without descriptors left is tooManyDescriptors, and leaves nothing half-open")
    func noDescriptorToConnect() async throws {
        await #expect(processExitsWith: .success) {
            try EventLoop.runForExitTest {
                let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
                var limit = rlimit()
                getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
                limit.rlim_cur = rlim_t((openDescriptors().max() ?? 0) + 1)
                setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
                while dup(0) >= 0 {}
                let error = await netError { try await TCPStream.connect(to: listener.address) }
                #expect(error?.code == .tooManyDescriptors)
                #expect(error?.description.contains("ulimit -n") == true)
            }
        }
    }

    @Test("a cancelled connection leaves no socket")
    func cancelConnect() async throws {
        try await withTestLoop {
            let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0, options: ListenerOptions(backlog: 1))
            let left = try await leaks {
                // More than the backlog holds: some stay in SYN_SENT, which is where the cancellation finds them.
                let tasks = (0..<8).map { _ in
                    EventLoop.spawn { try await TCPStream.connect(to: listener.address, timeout: nil) }
                }
                for _ in 0..<20 { await turn() }
                for task in tasks { task.cancel() }
                var cancelled = 0
                for task in tasks {
                    do {
                        await (try await task.value).close()
                    } catch is CancellationError {
                        cancelled += 1
                    }
                }
                #expect(cancelled > 0)
            }
            #expect(left.isEmpty, "\(left)")
            await listener.close()
        }
    }

    @Test("a connection that nobody answers ends with .timedOut")
    func connectTimeout() async throws {
        try await withTestLoop {
            let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0, options: ListenerOptions(backlog: 1))
            let left = try await leaks {
                // The backlog is full after a few; the rest gets no answer.
                let codes = try await gather(0..<8) { _ in
                    do {
                        await (try await TCPStream.connect(to: listener.address, timeout: .milliseconds(20))).close()
                        return NetError.Code.closed
                    } catch let error as NetError {
                        return error.code
                    }
                }
                #expect(codes.contains(.timedOut))
                #expect(Set(codes).isSubset(of: [.timedOut, .closed]))
            }
            #expect(left.isEmpty, "\(left)")
            await listener.close()
        }
    }

    @Test("from off every loop, listener and stream live on the shared one")
    func shared() async throws {
        let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
        #expect(listener.eventLoop === EventLoop.shared)
        async let accepting = listener.accept()
        let client = try await TCPStream.connect(to: listener.address)
        let server = try await accepting
        try await client.write("x")
        let bytes = try await server.read()
        #expect(bytes == [0x78])
        await client.close()
        await server.close()
        await listener.close()
    }
}

private final class Warnings: Sendable {
    private struct State {
        var texts: [String] = []
        var onThird: (@Sendable () -> Void)?
    }

    private let state = Mutex(State())

    var texts: [String] { state.withLock { $0.texts } }

    var onThird: (@Sendable () -> Void)? {
        get { state.withLock { $0.onThird } }
        set { state.withLock { $0.onThird = newValue } }
    }

    func add(_ text: String) {
        let action = state.withLock { state in
            state.texts.append(text)
            return state.texts.count == 3 ? state.onThird : nil
        }
        action?()
    }
}

private struct WarningHandler: LogHandler {
    let warnings: Warnings
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.warning

    init(_ warnings: Warnings) { self.warnings = warnings }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) { warnings.add("\(event.message)") }
}
