import ApusRuntime
import ApusTesting
import Glibc
import Synchronization
import Testing

@testable import ApusNet

/// What a network does to a connection, at every stage: the same clear error each time, and nothing left behind.
@Suite("Faults of connections")
struct StreamFaultTests {
    /// What this side is doing when the peer breaks the connection off.
    enum Stage: String, CaseIterable, Sendable, CustomTestStringConvertible {
        case idleBeforeRead = "before it reads"
        case idleBeforeWrite = "before it writes"
        case waitingToRead = "while it waits for the first byte"
        case inMessage = "in the middle of a message"
        case waitingToWrite = "while it waits for room"
        case inVector = "in the middle of many pieces"
        case inFile = "in the middle of a file"
        case afterHalfClose = "after it has finished writing"

        var testDescription: String { rawValue }
    }

    @Test("a reset is connectionReset or brokenPipe, at once", arguments: Stage.allCases)
    func reset(stage: Stage) async throws {
        let broken: Set<NetError.Code> = [.connectionReset, .brokenPipe]
        try await withStreams { near, far in
            let large = [UInt8](repeating: 7, count: 16 << 20)
            /// Breaks off when `near` has had the turns that it needs to be in its wait.
            @Sendable func breakOff(after bytes: Int = 0) -> LoopTask<Void> {
                EventLoop.spawn {
                    if bytes > 0 { _ = try await far.read(exactly: bytes) }
                    for _ in 0..<20 { await turn() }
                    await far.abort()
                }
            }
            let error: NetError?
            switch stage {
            case .idleBeforeRead:
                try await breakOff().value
                error = await netError { try await near.read() }
            case .idleBeforeWrite:
                try await breakOff().value
                // The first write may meet the reset or be taken by the system; a later one cannot be, once a busy system has delivered it.
                error = await netError {
                    for _ in 0..<1_000_000 {
                        try await near.write("x")
                        await turn()
                    }
                }
            case .waitingToRead:
                _ = breakOff()
                error = await netError { try await near.read() }
            case .inMessage:
                try await far.write("half a mes")
                let task = breakOff()
                let reader = BufferedReader(near)
                error = await netError { try await reader.readExactly(20) }
                try await task.value
            case .waitingToWrite:
                _ = breakOff(after: 1_000)
                error = await netError { try await near.write(large) }
            case .inVector:
                _ = breakOff(after: 1_000)
                error = await netError {
                    try await near.write(vector: Array(repeating: [UInt8](repeating: 1, count: 1 << 20), count: 16))
                }
            case .inFile:
                try await withFolder { folder in
                    let fd = open(folder + "/file", O_CREAT | O_WRONLY, 0o600)
                    ftruncate(fd, 16 << 20)
                    close(fd)
                    _ = breakOff(after: 1_000)
                    let failed = await netError { try await near.sendFile(folder + "/file") }
                    #expect(broken.contains(failed?.code ?? .system))
                }
                error = await netError { for _ in 0..<1_000 { try await near.write("x") } }
            case .afterHalfClose:
                await near.finishWriting()
                _ = breakOff()
                error = await netError { try await near.read() }
            }
            #expect(broken.contains(error?.code ?? .system), "\(error.map(String.init(describing:)) ?? "none")")
            #expect(error?.isTimeout == false)
        }
    }

    @Test("where nobody may write, a listener's error says permissionDenied")
    func permissionDenied() async throws {
        // In a process of its own: it gives up being root.
        await #expect(processExitsWith: .success) {
            try await withFolder { folder in
                try #require(chmod(folder, 0o555) == 0)
                let user = geteuid()
                if user == 0 { try #require(seteuid(65_534) == 0) }
                let path = folder + "/socket"
                try EventLoop.runForExitTest {
                    let error = await netError { try await UnixListener.bind(path: path) }
                    #expect(error?.code == .permissionDenied)
                    #expect(error?.description.contains(path) == true)
                }
                if user == 0 { seteuid(0) }
            }
        }
    }

    // MARK: Reads that stop early

    @Test("bytes behind TCP's urgent byte are read, although a read stops at it")
    func urgentData() async throws {
        try await withStreams { near, far in
            // All of it is there before the first read, so that no later event helps.
            let fd = far.handle.core.transport.descriptor.fd
            #expect(
                send(fd, "abc", 3, 0) == 3 && send(fd, "x", 1, Int32(MSG_OOB)) == 1
                    && send(fd, "def", 3, 0) == 3
            )
            await far.finishWriting()
            for _ in 0..<20 { await turn() }
            var bytes: [UInt8] = []
            while case let more = try await near.read(timeout: .seconds(10)), !more.isEmpty { bytes += more }
            #expect(bytes == Array("abcdef".utf8))
        }
        try await withStreams { near, far in
            let fd = far.handle.core.transport.descriptor.fd
            #expect(
                send(fd, "abc", 3, 0) == 3 && send(fd, "x", 1, Int32(MSG_OOB)) == 1
                    && send(fd, "def", 3, 0) == 3
            )
            for _ in 0..<20 { await turn() }
            // The peer goes on: nothing but the urgent byte says that a short read means nothing.
            let bytes = try await near.read(exactly: 6)
            #expect(bytes == Array("abcdef".utf8))
        }
    }

    @Test("bytes behind a message with a descriptor are read from a Unix socket")
    func passedDescriptor() async throws {
        try await withTestLoop {
            let left = try await leaks {
                let (near, far) = try await UnixStream.pair()
                let fd = far.handle.core.transport.descriptor.fd
                #expect(sendDescriptor(0, by: fd) == 3)
                #expect(send(fd, "def", 3, 0) == 3)
                for _ in 0..<20 { await turn() }
                let reader = BufferedReader(near)
                let bytes = try await reader.readExactly(6, timeout: .seconds(10))
                #expect(bytes == Array("abcdef".utf8))
                await near.close()
                await far.close()
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    /// Sends “abc” with a descriptor (SCM_RIGHTS, unix(7)); CMSG_SPACE and its kin are macros, which Swift does not import.
    private func sendDescriptor(_ descriptor: Int32, by socket: Int32) -> Int {
        var control = [UInt8](repeating: 0, count: 24)
        control.withUnsafeMutableBytes {
            $0.storeBytes(of: 20, as: Int.self)
            $0.storeBytes(of: SOL_SOCKET, toByteOffset: 8, as: Int32.self)
            $0.storeBytes(of: Int32(SCM_RIGHTS), toByteOffset: 12, as: Int32.self)
            $0.storeBytes(of: descriptor, toByteOffset: 16, as: Int32.self)
        }
        var text = Array("abc".utf8)
        return control.withUnsafeMutableBytes { control in
            text.withUnsafeMutableBytes { text in
                var vector = iovec(iov_base: text.baseAddress, iov_len: text.count)
                return withUnsafeMutablePointer(to: &vector) { vector in
                    var message = msghdr()
                    message.msg_iov = vector
                    message.msg_iovlen = 1
                    message.msg_control = control.baseAddress
                    message.msg_controllen = control.count
                    return sendmsg(socket, &message, 0)
                }
            }
        }
    }

    // MARK: Names

    @Test("of a hundred addresses the one that works is found, and the others' sockets are gone")
    func hundredAddresses() async throws {
        try await withTestLoop {
            let left = try await leaks {
                let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
                let port = listener.address.port ?? 0
                // On loopback addresses that nobody listens at the refusal comes at once, one after the other.
                let dead = (2...100).map { "127.0.1.\($0)" }
                for position in [0, 50, 99] {
                    var all = dead
                    all.insert("127.0.0.1", at: position)
                    var options = SocketOptions()
                    options.resolver = StaticResolver(["many.test": all])
                    let client = try await TCPStream.connect(host: "many.test", port: port, options: options)
                    #expect(client.remoteAddress == listener.address)
                    await (try await listener.accept()).close()
                    await client.close()
                }
                await listener.close()
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test("when none of a hundred works, one error names the first ones and counts the rest")
    func noneOfHundred() async throws {
        try await withTestLoop {
            let closed = try await TCPListener.bind(host: "127.0.0.1", port: 0)
            await closed.close()
            var options = SocketOptions()
            options.resolver = StaticResolver(["none.test": (1...100).map { "127.0.1.\($0)" }])
            let error = await netError {
                try await TCPStream.connect(host: "none.test", port: closed.address.port ?? 0, options: options)
            }
            #expect(error?.code == .connectionRefused)
            #expect(error?.description.contains("none.test") == true)
            #expect(error?.description.contains("96 more") == true)
        }
    }

    @Test("one address that hangs beside others that refuse: the error tells of each, and is a timeout")
    func hangingAddress() async throws {
        try await withTestLoop {
            let left = try await leaks {
                let full = try await TCPListener.bind(host: "127.0.0.1", port: 0, options: ListenerOptions(backlog: 1))
                var clients: [TCPStream] = []
                // Until its backlog is full: who comes then gets no answer.
                while let client = try? await TCPStream.connect(to: full.address, timeout: .milliseconds(100)) {
                    clients.append(client)
                    if clients.count > 100 { break }
                }
                var options = SocketOptions()
                options.resolver = StaticResolver(["Mixed.Test": ["127.0.0.1", "127.0.1.1", "127.0.1.2"]])
                options.attemptDelay = .milliseconds(1)
                let mixed = options
                let error = await netError {
                    let port = full.address.port ?? 0
                    return try await TCPStream.connect(
                        host: "mixed.test",
                        port: port,
                        timeout: .milliseconds(200),
                        options: mixed
                    )
                }
                #expect(error?.isTimeout == true)
                for host in ["127.0.0.1", "127.0.1.1", "127.0.1.2"] {
                    #expect(
                        error?.description.contains(host) == true,
                        "\(host) is missing: \(error?.description ?? "")"
                    )
                }
                for client in clients { await client.close() }
                await full.close()
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test("a resolver that hangs ends with the connection's timeout, and a cancelled connection does not wait for it")
    func hangingResolver() async throws {
        struct Hanging: Resolver {
            func addresses(of host: String, port: Int) async throws -> [SocketAddress] {
                try await sleep(for: .seconds(Int64.max))
                return []
            }
        }
        try await withVirtualTime {
            let left = await leaks {
                var options = SocketOptions()
                options.resolver = Hanging()
                let hanging = options
                let error = await netError {
                    try await TCPStream.connect(host: "slow.test", port: 1, timeout: .seconds(3), options: hanging)
                }
                #expect(error?.code == .timedOut)
                #expect(error?.description.contains("slow.test") == true)
                #expect(EventLoop.current?.clock.now == LoopClock.Instant(nanoseconds: 3_000_000_000))
                let task = EventLoop.spawn {
                    try await TCPStream.connect(host: "slow.test", port: 1, timeout: nil, options: hanging)
                }
                await turn()
                task.cancel()
                await #expect(throws: CancellationError.self) { try await task.value }
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test("a resolver that answers with nothing is unknownHost, for a client and for a listener")
    func emptyResolver() async throws {
        struct Empty: Resolver {
            func addresses(of host: String, port: Int) async throws -> [SocketAddress] { [] }
        }
        try await withTestLoop {
            var options = SocketOptions()
            options.resolver = Empty()
            let error = await netError { try await TCPStream.connect(host: "empty.test", port: 1, options: options) }
            #expect(error?.code == .unknownHost)
            var listening = ListenerOptions()
            listening.resolver = Empty()
            let refused = await netError { try await TCPListener.bind(host: "empty.test", port: 0, options: listening) }
            #expect(refused?.code == .unknownHost)
            #expect(refused?.description.contains("empty.test") == true)
        }
    }

    @Test("a name server that hangs delays no offloaded call, and offloaded calls that hang delay no name")
    func separatePools() async throws {
        try await withTestLoop {
            let isOpen = Atomic(false)
            @Sendable func block() { while !isOpen.load(ordering: .acquiring) { sched_yield() } }
            let resolver = SystemResolver(timeToLive: .zero, negativeTimeToLive: .zero) { (_) throws(NetError) in
                block()
                return [try SocketAddress("192.0.2.1", port: 0)]
            }
            let names = (0..<64).map { name in
                EventLoop.spawn { try await resolver.addresses(of: "host\(name).test", port: 1) }
            }
            await until { resolver.statistics.running == 8 }
            let done = try await offload { 42 }
            #expect(done == 42)
            let calls = (0..<64).map { _ in EventLoop.spawn { try await offload { block() } } }
            let addresses = try await SystemResolver(timeToLive: .zero, negativeTimeToLive: .zero)
                .addresses(of: "localhost", port: 1)
            #expect(!addresses.isEmpty)
            isOpen.store(true, ordering: .releasing)
            for name in names { _ = try await name.value }
            for call in calls { try await call.value }
        }
    }
}
