import Apus
import CApus

/// A TCP server that sends back what it gets, on the loop on which it was made.
final class EchoServer: Sendable {
    let address: SocketAddress
    private let task: LoopTask<Void>

    static func start() async throws -> EchoServer {
        let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
        return EchoServer(listener)
    }

    private init(_ listener: TCPListener) {
        address = listener.address
        task = listener.eventLoop.spawn(name: "echo server") {
            while true {
                let stream = try await listener.accept()
                EventLoop.spawn {
                    while true {
                        let bytes = try await stream.read()
                        if bytes.isEmpty { break }
                        try await stream.write(bytes)
                    }
                    await stream.close()
                }
            }
        }
    }

    func stop() async {
        task.cancel()
        _ = await task.result
    }
}

/// The thread and the loop that code finds itself on.
struct Place: Equatable, Sendable {
    var thread: Int32
    var loop: String?

    static var here: Place { Place(thread: apus_gettid(), loop: EventLoop.current?.name) }
}

/// Where a task is at its start, and after each kind of wait.
struct Stages: Equatable, Sendable {
    var places: [String: Place] = [:]

    /// Visits all stages, with the caller's isolation.
    static func visit(echo: SocketAddress) async throws -> Stages {
        var stages = Stages()
        stages.places["at the start"] = .here
        await Task.yield()
        stages.places["after a yield"] = .here
        try await sleep(for: .nanoseconds(1))
        stages.places["after a sleep"] = .here
        let stream = try await TCPStream.connect(to: echo)
        stages.places["after connecting"] = .here
        try await stream.write("ping")
        stages.places["after a write"] = .here
        var received = 0
        while received < 4 { received += try await stream.read().count }
        stages.places["after a socket read"] = .here
        await stream.close()
        let datagrams = try await UDPSocket.bind(host: "127.0.0.1", port: 0)
        try await datagrams.send("ping", to: datagrams.localAddress)
        _ = try await datagrams.receive()
        stages.places["after a datagram"] = .here
        await datagrams.close()
        stages.places["after a closed socket's datagrams"] = try await afterTheLast(of: datagrams)
        let (near, far) = try await PipeStream.pair()
        try await near.write("ping")
        _ = try await far.read()
        stages.places["after a pipe read"] = .here
        await near.close()
        await far.close()
        try await offload {}
        stages.places["after an offloaded call"] = .here
        stages.places["in withTimeout"] = try await withTimeout(.seconds(60)) {
            await Task.yield()
            return .here
        }
        stages.places["after withTimeout"] = .here
        _ = try await gather({ await Task.yield() }, { await Task.yield() })
        stages.places["after gather"] = .here
        try await stages.visitCombinators()
        return stages
    }

    private static func afterTheLast(of socket: UDPSocket) async throws -> Place {
        for try await _ in socket.datagrams {}
        return .here
    }

    private mutating func visitCombinators() async throws {
        _ = try await race({ await Task.yield() }, { await Task.yield() })
        places["after race"] = .here
        _ = try await firstSuccess({ await Task.yield() }, { await Task.yield() })
        places["after firstSuccess"] = .here
        _ = try await staggeredRace([1, 0], delay: .nanoseconds(1)) { try await sleep(for: .microseconds($0)) }
        places["after staggeredRace"] = .here
        let deadline = (EventLoop.current ?? .shared).clock.now.advanced(by: .seconds(60))
        places["in withDeadline"] = try await withDeadline(deadline) { scope in
            await Task.yield()
            scope.reschedule(after: .seconds(60))
            return .here
        }
        places["after withDeadline"] = .here
        places["in withShield"] = try await withShield {
            await Task.yield()
            return .here
        }
        places["after withShield"] = .here
        places["in the consumer of asCompleted"] = try await asCompleted([1, 2]) { number in
            try await sleep(for: .microseconds(number))
        } consume: { results in
            for try await _ in results {}
            return .here
        }
        places["after asCompleted"] = .here
        _ = try await wait([EventLoop.spawn { try await sleep(for: .microseconds(1)) }], timeout: .seconds(60))
        places["after wait"] = .here
        places["in retry"] = try await retry(backoff: .constant(.microseconds(1))) { attempt in
            if attempt == 1 { throw FirstAttempt() }
            return .here
        }
        places["after retry"] = .here
    }

    private struct FirstAttempt: Error {}
    /// Checks that all stages were at `place`.
    func check(_ report: Report, _ who: String, at place: Place) {
        for (stage, found) in places.sorted(by: { $0.key < $1.key }) {
            report.equal(found, place, "\(who) is on its loop's thread \(stage)")
        }
    }

    /// Checks that no stage was on `loop`.
    func checkNever(_ report: Report, _ who: String, on loop: String) {
        let strays = places.filter { $0.value.loop == loop }.keys.sorted()
        report.check(
            strays.isEmpty,
            "\(who) works at every stage, and never runs on a loop that is not its own \(strays)"
        )
    }
}

/// An actor that lives on a loop.
actor LoopActor {
    nonisolated let loop: EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
    private var state = 0

    init(_ loop: EventLoop) { self.loop = loop }

    func visit(echo: SocketAddress) async throws -> Stages {
        state += 1
        return try await Stages.visit(echo: echo)
    }

    func get(_ session: ClientSession, _ url: String) async throws -> String {
        state += 1
        return try await session.get(url).text()
    }

    nonisolated func assumed() -> Int { assumeIsolated { $0.state } }

    var place: Place {
        get async {
            await Task.yield()
            return .here
        }
    }
}

/// An actor of the usual kind.
actor PlainActor {
    private var state = 0

    func visit(echo: SocketAddress) async throws -> Stages {
        state += 1
        return try await Stages.visit(echo: echo)
    }

    func get(_ session: ClientSession, _ url: String) async throws -> String {
        state += 1
        return try await session.get(url).text()
    }
}
