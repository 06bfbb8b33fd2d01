import ApusNet
import ApusRuntime
import ApusTesting
import Glibc
import Testing

@Suite("UDP errors, waiting and ends", .serialized)
struct UDPErrorTests {
    // MARK: What cannot be delivered

    @Test(
        "a connected socket is told once that nobody listens, by its next call, and goes on",
        arguments: [true, false]
    )
    func refusedConnected(byReceiving: Bool) async throws {
        try await withLoopAndNoLeaks {
            let peer = try await UDPSocket.bind(host: "127.0.0.1", port: 0)
            let address = peer.localAddress
            let client = try await UDPSocket.connect(to: address)
            await peer.close()
            for _ in 0..<3 {
                try await client.send("anybody?")
                let error = await netError {
                    if byReceiving { return _ = try await client.receive() }
                    // On this machine the report is there when the send returns.
                    try await client.send("still?")
                }
                #expect(error?.code == .connectionRefused)
                #expect(error?.description.contains("\(address)") == true)
                let quiet = await netError { try await client.receive(timeout: .milliseconds(1)) }
                #expect(quiet?.code == .timedOut)
            }
            let back = try await UDPSocket.bind(to: address)
            try await client.send("hello")
            let datagram = try await back.receive()
            #expect(datagram.bytes == Array("hello".utf8))
            try await back.send("welcome", to: datagram.peer)
            let answer = try await client.receive()
            #expect(answer.bytes == Array("welcome".utf8))
            await client.close()
            await back.close()
        }
    }

    @Test("a receive that waits is told as well")
    func refusedWhileWaiting() async throws {
        try await withLoopAndNoLeaks {
            let address = try await unusedAddress()
            let client = try await UDPSocket.connect(to: address)
            async let code = netError { try await client.receive() }?.code
            await turn()
            try await client.send("anybody?")
            let told = await code
            #expect(told == .connectionRefused)
            let batch = await netError {
                try await client.send("anybody?")
                _ = try await client.receive(upTo: 10)
            }
            #expect(batch?.code == .connectionRefused)
            let sending = await netError {
                try await client.send(batch: [UInt8](0..<10).map { Datagram([$0], to: address) })
            }
            #expect(sending?.code == .connectionRefused)
            await client.close()
        }
    }

    @Test("a batch goes on past reports on a socket for all, which tells each of them")
    func refusedBatch() async throws {
        try await withLoopAndNoLeaks {
            let server = try await UDPSocket.bind(host: "127.0.0.1", port: 0)
            let client = try await UDPSocket.bind(host: "127.0.0.1", port: 0)
            let gone = try await unusedAddress()
            let batch = [UInt8](0..<40).map { Datagram([$0], to: $0 % 4 == 3 ? gone : client.localAddress) }
            try await server.send(batch: batch)
            var got: [UInt8] = []
            while got.count < 30 { got += try await client.receive(upTo: 30).flatMap(\.bytes) }
            #expect(got == (0..<40).filter { $0 % 4 != 3 })
            for _ in 0..<10 {
                let error = try await firstError(of: server)
                #expect(error?.destination == gone)
            }
            let quiet = await netError { try await server.receive(timeout: .milliseconds(1)) }
            #expect(quiet?.code == .timedOut)
            await server.close()
            await client.close()
        }
    }

    @Test("a socket for all tells in `errors` who was not reached; its sends and receives go on")
    func refusedUnconnected() async throws {
        try await withLoopAndNoLeaks {
            let server = try await UDPSocket.bind(host: "127.0.0.1", port: 0)
            let client = try await UDPSocket.connect(to: server.localAddress)
            var gone: [SocketAddress] = []
            for _ in 0..<20 { gone.append(try await unusedAddress()) }
            for address in gone {
                try await server.send("anybody?", to: address)
                try await client.send("hello")
                let datagram = try await server.receive()
                #expect(datagram.bytes == Array("hello".utf8))
            }
            var named: [SocketAddress?] = []
            for try await error in server.errors {
                #expect(error.cause.code == .connectionRefused)
                #expect(error.reporter?.host == "127.0.0.1")
                named.append(error.destination)
                if named.count == gone.count { break }
            }
            #expect(named == gone)
            await server.close()
            await client.close()
        }
    }

    @Test("a report wakes who waits for it, though nobody receives", arguments: ["127.0.0.1", "::1"])
    func errorWhileWaiting(host: String) async throws {
        try await withLoopAndNoLeaks {
            let address = try await unusedAddress(host)
            let server = try await UDPSocket.bind(host: host, port: 0)
            async let first = firstError(of: server)
            await turn()
            try await server.send("anybody?", to: address)
            let error = try await first
            #expect(error?.destination == address)
            #expect(error?.cause.code == .connectionRefused)
            await server.close()
        }
    }

    @Test("an IPv6 socket that takes IPv4 names IPv4 destinations too")
    func errorOfOtherFamily() async throws {
        try await withLoopAndNoLeaks {
            let address = try await unusedAddress()
            let server = try await UDPSocket.bind(host: nil, port: 0)
            try await server.send("anybody?", to: address)
            let error = try await firstError(of: server)
            #expect(error?.destination == address)
            await server.close()
        }
    }

    @Test("reports that nobody asks for are bounded, and neither stop datagrams nor keep the loop busy")
    func unreadErrors() async throws {
        try await withLoopAndNoLeaks {
            let loop = try #require(EventLoop.current)
            let server = try await UDPSocket.bind(host: "127.0.0.1", port: 0)
            let client = try await UDPSocket.connect(to: server.localAddress)
            let first = try await unusedAddress()
            let last = try await unusedAddress()
            async let receiving = server.receive()
            await turn()
            for _ in 0..<2_000 { try await server.send("x", to: first) }
            for _ in 0..<300 { try await server.send("x", to: last) }
            try await client.send("hello")
            let datagram = try await receiving
            #expect(datagram.bytes == Array("hello".utf8))
            // The system itself may limit how many reports it sends (net.ipv4.icmp_msgs_per_sec); there is at least one.
            let error = try await firstError(of: server)
            #expect(error?.cause.code == .connectionRefused)
            let polls = try #require(loop.statistics()).polls
            let quiet = await netError { try await server.receive(timeout: .milliseconds(1)) }
            #expect(quiet?.code == .timedOut)
            let after = try #require(loop.statistics()).polls
            #expect(after - polls < 100)
            await server.close()
            await client.close()
        }
    }

    @Test("errors has none on a connected socket, one who asks at a time, and an end with the socket")
    func errorsMisuse() async throws {
        try await withLoopAndNoLeaks {
            let server = try await UDPSocket.bind(host: "127.0.0.1", port: 0)
            let client = try await UDPSocket.connect(to: server.localAddress)
            let wrong = await netError { try await firstError(of: client) }
            #expect(wrong?.code == .invalidArgument)
            async let first = firstError(of: server)
            await turn()
            let busy = await netError { try await firstError(of: server) }
            #expect(busy?.code == .busy)
            await server.close()
            let end = try await first
            #expect(end == nil)
            await client.close()
        }
    }

    // MARK: Waiting

    @Test("two who receive at once: the second is told that the socket is busy")
    func busy() async throws {
        try await withLoopAndNoLeaks {
            let server = try await UDPSocket.bind(host: "127.0.0.1", port: 0)
            let client = try await UDPSocket.connect(to: server.localAddress)
            async let first = server.receive()
            await turn()
            let alone = await netError { try await server.receive() }
            let batch = await netError { try await server.receive(upTo: 3) }
            #expect(alone?.code == .busy)
            #expect(batch?.code == .busy)
            try await client.send("x")
            let datagram = try await first
            #expect(datagram.bytes == Array("x".utf8))
            await server.close()
            await client.close()
        }
    }

    @Test("a receive that was cancelled or timed out has taken nothing", arguments: [true, false])
    func cancel(inBatch: Bool) async throws {
        try await withLoopAndNoLeaks {
            let server = try await UDPSocket.bind(host: "127.0.0.1", port: 0)
            let client = try await UDPSocket.connect(to: server.localAddress)
            for round in 0..<50 {
                let task = EventLoop.spawn {
                    inBatch ? try await server.receive(upTo: 1) : [try await server.receive()]
                }
                for _ in 0..<round % 5 { await turn() }
                task.cancel()
                try await client.send([UInt8(round)])
                switch await task.result {
                case .success(let datagrams): #expect(datagrams.map(\.bytes) == [[UInt8(round)]])
                case .failure(let error):
                    #expect(error is CancellationError)
                    let datagram = try await server.receive()
                    #expect(datagram.bytes == [UInt8(round)])
                }
            }
            let late = await netError { try await server.receive(timeout: .milliseconds(1)) }
            let lateBatch = await netError { try await server.receive(upTo: 2, timeout: .milliseconds(1)) }
            #expect(late?.code == .timedOut)
            #expect(lateBatch?.code == .timedOut)
            try await client.send("x")
            let datagram = try await server.receive()
            #expect(datagram.bytes == Array("x".utf8))
            await server.close()
            await client.close()
        }
    }

    @Test("tasks that find no room wait in turn, and none is forgotten, however the others end")
    func roomQueue() async throws {
        try await withLoopAndNoLeaks {
            let loop = try #require(EventLoop.current)
            let descriptor = LoopBound(try loop.register(-1), on: loop)
            let queue = LoopBound(RoomQueue(for: descriptor.value, on: loop), on: loop)
            let room = Counter()
            // As a send does it: tries, waits, tries again, and in the end lets the next one try.
            let tasks = (0..<6).map { number in
                EventLoop.spawn {
                    let deadline = number == 2 ? loop.deadline(after: .milliseconds(1)) : Int64.max
                    defer { queue.value.passOn() }
                    while room.value == 0 {
                        descriptor.value.writeWouldBlock()
                        let outcome = try await queue.value.wait(deadline: deadline)
                        guard outcome == .ready else { return outcome }
                    }
                    room.add(-1)
                    return .ready
                }
            }
            await until { queue.value.count == 5 }
            // The one that waits for the descriptor itself, and one behind it.
            for number in [0, 1] {
                tasks[number].cancel()
                let outcome = try await tasks[number].value
                #expect(outcome == .cancelled)
            }
            let late = try await tasks[2].value
            #expect(late == .timedOut)
            for left in [2, 1] {
                room.add()
                descriptor.value.signal(.writable)
                await until { room.value == 0 && queue.value.count == left - 1 }
            }
            room.add()
            descriptor.value.signal(.writable)
            for number in [3, 4, 5] {
                let outcome = try await tasks[number].value
                #expect(outcome == .ready)
            }
            #expect(queue.value.count == 0)
            descriptor.value.release()
        }
    }

    // MARK: Ends

    @Test(
        "closing ends a receive, a batch and the sequence, from this loop or from elsewhere",
        arguments: [true, false]
    )
    func close(fromElsewhere: Bool) async throws {
        try await withLoopAndNoLeaks {
            for kind in 0..<3 {
                let socket = try await UDPSocket.bind(host: "127.0.0.1", port: 0)
                async let outcome = waits(socket, kind)
                await turn()
                if fromElsewhere { await closeElsewhere(socket) } else { await socket.close() }
                let code = await outcome
                #expect(code == (kind == 2 ? nil : .closed))
                await socket.close()
                let target = try SocketAddress("127.0.0.1", port: 9)
                for later in [
                    await netError { try await socket.receive() },
                    await netError { try await socket.receive(upTo: 2) },
                    await netError { try await socket.send("x", to: target) },
                    await netError { try await socket.send(batch: [Datagram([], to: target)]) },
                    await netError { try await socket.join(group: "239.255.7.7") },
                ] { #expect(later?.code == .closed) }
            }
        }
    }

    @Test("it may be used from the global pool")
    func fromThePool() async throws {
        try await withLoopAndNoLeaks {
            let server = try await UDPSocket.bind(host: "127.0.0.1", port: 0)
            let client = try await UDPSocket.connect(to: server.localAddress)
            try await talk(client, server)
            await server.close()
            await client.close()
        }
    }

    @Test("a socket that was made elsewhere is taken over; what is none is refused and closed")
    func adopt() async throws {
        try await withLoopAndNoLeaks {
            let server = try await UDPSocket.bind(host: "127.0.0.1", port: 0)
            let fd = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
            var local = sockaddr_in()
            local.sin_family = sa_family_t(AF_INET)
            local.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
            _ = withUnsafePointer(to: &local) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(fd, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            let adopted = try await UDPSocket.adopt(fd: fd)
            try await adopted.send("x", to: server.localAddress)
            let datagram = try await server.receive()
            #expect(datagram.peer == adopted.localAddress)
            let stream = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            let identity = FileIdentity(stream)
            #expect(identity != nil)
            let refused = await netError { try await UDPSocket.adopt(fd: stream) }
            #expect(refused?.code == .invalidArgument)
            #expect(FileIdentity(stream) != identity)
            await adopted.close()
            await server.close()
        }
    }

    @Test("10,000 sockets opened and dropped leave no descriptor")
    func dropped() async throws {
        try await withLoopAndNoLeaks {
            for number in 0..<10_000 {
                let socket = try await UDPSocket.bind(host: "127.0.0.1", port: 0)
                if number.isMultiple(of: 100) { try await socket.send("x", to: socket.localAddress) }
            }
        }
    }
}

/// An address of this machine where nobody listens.
private func unusedAddress(_ host: String = "127.0.0.1") async throws -> SocketAddress {
    let socket = try await UDPSocket.bind(host: host, port: 0)
    let address = socket.localAddress
    await socket.close()
    return address
}

private func firstError(of socket: UDPSocket) async throws -> DeliveryError? {
    for try await error in socket.errors { return error }
    return nil
}

/// The code of the error that a wait of some kind ends with.
private func waits(_ socket: UDPSocket, _ kind: Int) async -> NetError.Code? {
    do {
        switch kind {
        case 0: _ = try await socket.receive()
        case 1: _ = try await socket.receive(upTo: 5)
        default: for try await _ in socket.datagrams {}
        }
        return nil
    } catch {
        return (error as? NetError)?.code
    }
}

@concurrent
private func closeElsewhere(_ socket: UDPSocket) async { await socket.close() }

@concurrent
private func talk(_ client: UDPSocket, _ server: UDPSocket) async throws {
    for number in 0..<100 {
        try await client.send([UInt8(number)])
        let datagram = try await server.receive()
        #expect(datagram.bytes == [UInt8(number)])
        try await server.send(batch: [Datagram([1], to: datagram.peer), Datagram([2], to: datagram.peer)])
        var answers: [[UInt8]] = []
        while answers.count < 2 { answers += try await client.receive(upTo: 2).map(\.bytes) }
        #expect(answers == [[1], [2]])
    }
    let address = try await unusedAddress()
    try await server.send("anybody?", to: address)
    let error = try await firstError(of: server)
    #expect(error?.destination == address)
}
