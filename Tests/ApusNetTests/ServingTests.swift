import ApusNet
import ApusRuntime
import ApusTesting
import Logging
import Testing

/// `serve`: a task for each connection, a limit, and an end.
@Suite("Serving connections")
struct ServingTests {
    /// Serves `handler` while `body` runs, and shuts down; nothing may be left.
    private func serving(
        connectionLimit: Int = 1_000,
        _ handler: @escaping @Sendable (TCPStream) async throws -> Void,
        log: LogRecorder = LogRecorder(),
        _ body: @escaping @Sendable (TCPListener) async throws -> Void
    ) async throws {
        var options = EventLoop.Options()
        options.logger = log.logger
        try await withTestLoop(options) {
            let left = try await leaks {
                let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
                let server = EventLoop.spawn { try await listener.serve(connectionLimit: connectionLimit, handler) }
                try await body(listener)
                await listener.shutdown(grace: .zero)
                try await server.value
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    private static let echo: @Sendable (TCPStream) async throws -> Void = { stream in
        var buffer = [UInt8](repeating: 0, count: 4_096)
        while case let count = try await stream.read(into: &buffer), count > 0 {
            try await stream.write(buffer[..<count])
        }
    }

    @Test("connections are served at once, each in its own task, and closed when their handlers return")
    func together() async throws {
        try await serving(Self.echo) { listener in
            let clients = try await gather(0..<50) { _ in try await TCPStream.connect(to: listener.address) }
            // Backwards: nobody waits for an earlier one.
            for (index, client) in clients.enumerated().reversed() {
                try await client.write("\(index)")
                let answer = try await client.read()
                #expect(answer == Array("\(index)".utf8))
            }
            let count = await listener.connectionCount
            #expect(count == 50)
            for client in clients {
                await client.finishWriting()
                let end = try await client.read()
                #expect(end.isEmpty)
                await client.close()
            }
            await until { await listener.connectionCount == 0 }
        }
    }

    @Test("a handler's error ends its connection only, and is logged; that peers go away is not")
    func handlerError() async throws {
        let log = LogRecorder()
        struct Mistake: Error {}
        try await serving(
            { stream in
                let bytes = try await stream.read()
                if bytes == Array("fail".utf8) { throw Mistake() }
                _ = try await stream.read()
            },
            log: log
        ) { listener in
            let bad = try await TCPStream.connect(to: listener.address)
            try await bad.write("fail")
            let end = try await bad.read()
            #expect(end.isEmpty)
            await until { !log.texts(.error).isEmpty }
            let rude = try await TCPStream.connect(to: listener.address)
            try await rude.write("x")
            await until { await listener.connectionCount == 1 }
            await rude.abort()
            await until { await listener.connectionCount == 0 }
            let good = try await TCPStream.connect(to: listener.address)
            await until { await listener.connectionCount == 1 }
            await good.close()
            await bad.close()
        }
        #expect(log.texts(.error).count == 1)
        #expect(log.texts(.error).first?.contains("Mistake") == true)
    }

    @Test("never more connections than the limit are served at a time, and those that wait get their turn")
    func limit() async throws {
        let (now, most, full) = (Counter(), Counter(), AsyncEvent())
        try await serving(
            connectionLimit: 3,
            { stream in
                now.add()
                defer { now.add(-1) }
                if now.value > most.value { most.add() }
                // However slowly they come: the first ones are there together.
                if most.value == 3 { full.set() }
                try await full.wait()
                _ = try await stream.read()
                try await stream.write("served")
            }
        ) { listener in
            let answers = try await gather(0..<20) { _ in
                let client = try await TCPStream.connect(to: listener.address)
                // Until it is served, and only then: the others have to wait meanwhile.
                try await client.write("x")
                let answer = try await client.read()
                await client.close()
                return answer
            }
            #expect(answers.allSatisfy { $0 == Array("served".utf8) })
            #expect(most.value == 3)
        }
    }

    @Test("a limit below one is refused")
    func zeroLimit() async throws {
        try await withTestLoop {
            let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
            let error = await netError { try await listener.serve(connectionLimit: 0) { _ in } }
            #expect(error?.code == .invalidArgument)
            await listener.close()
        }
    }

    @Test("closing the listener ends serve when its connections have ended, and no later one is let in")
    func close() async throws {
        try await withTestLoop {
            let left = try await leaks {
                let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
                let hasReturned = Counter()
                let server = EventLoop.spawn {
                    try await listener.serve(Self.echo)
                    hasReturned.add()
                }
                let client = try await TCPStream.connect(to: listener.address)
                await until { await listener.connectionCount == 1 }
                await listener.close()
                let refused = await netError { try await TCPStream.connect(to: listener.address) }
                #expect(refused?.code == .connectionRefused)
                try await client.write("still here")
                let answer = try await client.read()
                #expect(answer == Array("still here".utf8))
                #expect(hasReturned.value == 0)
                await client.close()
                try await server.value
                let again = await netError { try await listener.serve { _ in } }
                #expect(again?.code == .closed)
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test("shutdown waits for the handlers, and breaks off what is left after its grace")
    func shutdown() async throws {
        try await withTestLoop {
            let left = try await leaks {
                let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
                let cancelled = Counter()
                let server = EventLoop.spawn {
                    try await listener.serve { stream in
                        do {
                            _ = try await stream.read()
                            try await sleep(for: .seconds(Int64.max))
                        } catch is CancellationError {
                            cancelled.add()
                        }
                    }
                }
                let client = try await TCPStream.connect(to: listener.address)
                try await client.write("unread by now")
                await until { await listener.connectionCount == 1 }
                await listener.shutdown(grace: .milliseconds(1))
                #expect(cancelled.value == 1)
                try await server.value
                await listener.shutdown()
                let end = await netError {
                    while try await !client.read().isEmpty {}
                    throw NetError.ended
                }
                // A reset where the system had it in time, else an end: never a wait.
                #expect([.connectionReset, .unexpectedEnd].contains(end?.code))
                await client.close()
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test("a shutdown whose caller is cancelled goes on, and breaks off what is left after its grace")
    func cancelledShutdown() async throws {
        try await withTestLoop {
            let left = try await leaks {
                let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
                let server = EventLoop.spawn {
                    try await listener.serve { _ in try? await sleep(for: .seconds(Int64.max)) }
                }
                let client = try await TCPStream.connect(to: listener.address)
                await until { await listener.connectionCount == 1 }
                let stopping = EventLoop.spawn {
                    withUnsafeCurrentTask { $0?.cancel() }
                    await listener.shutdown(grace: .milliseconds(1))
                }
                try await stopping.value
                try await server.value
                await client.close()
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test("cancelling serve cancels and awaits the handlers, and the listener still listens")
    func cancelled() async throws {
        try await withTestLoop {
            let left = try await leaks {
                let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
                let (begun, ended) = (Counter(), Counter())
                let server = EventLoop.spawn {
                    try await listener.serve { stream in
                        begun.add()
                        defer { ended.add() }
                        _ = try await stream.read()
                    }
                }
                let client = try await TCPStream.connect(to: listener.address)
                await until { begun.value == 1 }
                server.cancel()
                await #expect(throws: CancellationError.self) { try await server.value }
                #expect(ended.value == 1)
                let end = try await client.read()
                #expect(end.isEmpty)
                let next = try await TCPStream.connect(to: listener.address)
                let accepted = try await listener.accept()
                for stream in [client, next, accepted] { await stream.close() }
                await listener.close()
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test("while it serves, another that accepts is told .busy")
    func busy() async throws {
        try await serving(Self.echo) { listener in
            let client = try await TCPStream.connect(to: listener.address)
            await until { await listener.connectionCount == 1 }
            let error = await netError { try await listener.accept() }
            #expect(error?.code == .busy)
            await client.close()
        }
    }

    @Test("10,000 connections opened and dropped, in every way, leave no descriptor")
    func tenThousand() async throws {
        // In a process of its own, where the descriptors of other tests do not come and go.
        await #expect(processExitsWith: .success) {
            func serve(_ count: Int) throws {
                try EventLoop.runForExitTest {
                    let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
                    let server = EventLoop.spawn {
                        try await listener.serve { stream in
                            // Some answer, some do not even read.
                            let bytes = try await stream.read()
                            if bytes == [1] { try await stream.write(bytes) }
                        }
                    }
                    _ = try await gather(0..<count, limit: 100) { number in
                        let client = try await TCPStream.connect(to: listener.address)
                        switch number % 5 {
                        case 0: await client.close()
                        case 1: await client.abort()
                        case 2: try await client.write([1])
                        case 3:
                            try await client.write([1])
                            let answer = try await client.read()
                            #expect(answer == [1])
                        default: await client.finishWriting()
                        }
                    }
                    await listener.shutdown()
                    try await server.value
                }
            }
            // What the process opens once and keeps, such as libdispatch's own.
            try serve(10)
            let before = openDescriptors()
            try serve(10_000)
            let after = openDescriptors()
            // The test library's threads may open or close one meanwhile; a leak is of thousands.
            #expect(after.count <= before.count + 5, "\(after.count) after \(before.count)")
        }
    }
}

extension NetError {
    /// What a test says for an orderly end.
    fileprivate static var ended: NetError { NetError(.unexpectedEnd, "the end") }
}
