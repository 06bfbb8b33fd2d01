import ApusHTTPClient
import ApusNet
import ApusRuntime
import ApusTesting
import HTTPTypes
import Testing

/// What a request is doing when something happens to it.
enum Stage: String, CaseIterable, CustomTestStringConvertible {
    case acquiring, connecting, writing, waitingForHead, insideHead, insideBody, betweenPieces

    var testDescription: String { rawValue }

    /// Leads a request to the stage, and calls `reached` there.
    func script(_ reached: @escaping @Sendable () -> Void) -> [ScriptStep] {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n"
        switch self {
        case .acquiring: return []
        case .connecting: return [.neverConnect]
        case .writing: return [.take(10_000), .expect(count: 10_000), .perform(reached), .stall]
        case .waitingForHead: return [.expectRequest, .perform(reached), .stall]
        case .insideHead: return [.expectRequest, .send("HTTP/1.1 200", pieces: 12), .perform(reached), .stall]
        case .insideBody: return [.expectRequest, .send(head, pieces: 1_000), .perform(reached), .stall]
        case .betweenPieces:
            return [.expectRequest, .send(head + "0123456789", pieces: 1_000), .perform(reached), .stall]
        }
    }
}

@Suite("Cancellation, at every await of a request")
struct CancellationTests {
    /// Starts a request, brings it to `stage`, does `action` to it or to its session, and returns how it ended.
    private func run(
        _ stage: Stage,
        on session: ClientSession,
        _ peer: ScriptedPeer,
        _ reached: Canceller,
        _ action: @escaping @Sendable (LoopTask<String>) -> Void
    ) async -> Result<String, any Error> {
        let task = EventLoop.spawn {
            let body: RequestBody? = stage == .writing ? .bytes([UInt8](repeating: 1, count: 500_000)) : nil
            return try await session.request(.post, someURL, body: body).text()
        }
        reached.arm { action(task) }
        switch stage {
        case .acquiring:
            await until { await session.statistics.waiting == 1 }
            reached.fire()
        case .connecting:
            await until { peer.attempts == 1 }
            reached.fire()
        default: break
        }
        return await task.result
    }

    private func check(_ stage: Stage, _ cancel: @escaping @Sendable (LoopTask<String>) -> Void) async throws {
        let reached = Canceller()
        var configuration = ClientSession.Configuration()
        configuration.pool.limit = 1
        let holder: [ScriptStep] = [.expectRequest, .perform {}, .wait(.seconds(20)), .send(okResponse)]
        let script = stage == .acquiring ? holder : stage.script { reached.fire() }
        try await withScripts(script, configuration: configuration) { session, peer in
            async let holding = stage == .acquiring ? session.get(someURL).text() : "ok"
            if stage == .acquiring { await until { peer.opened == 1 } }
            let result = await run(stage, on: session, peer, reached, cancel)
            #expect(throws: CancellationError.self) { try result.get() }
            let held = try await holding
            #expect(held == "ok")
            let statistics = await session.statistics
            #expect(statistics.open == statistics.idle)
            if stage != .acquiring {
                #expect(statistics.open == 0)
                #expect(peer.open == 0)
            }
        }
    }

    @Test("from the loop's own thread: the place comes back, the connection closes", arguments: Stage.allCases)
    func sameThread(_ stage: Stage) async throws {
        try await check(stage) { $0.cancel() }
    }

    @Test("from another thread: the place comes back, the connection closes", arguments: Stage.allCases)
    func otherThread(_ stage: Stage) async throws {
        try await check(stage) { task in
            let loop = EventLoop.current
            // Virtual time must not run on while the other thread is on its way.
            loop?.beginExternalWork()
            Task.detached {
                task.cancel()
                loop?.endExternalWork()
            }
        }
    }

    @Test("a request that is cancelled before it begins opens nothing")
    func before() async throws {
        try await withScripts([.expectRequest, .send(okResponse)]) { session, peer in
            let task = EventLoop.spawn { try await session.get(someURL).text() }
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            #expect(peer.attempts == 0)
        }
    }

    /// Every kind of wait in one request: for a place, the connection, room to write, the head and the body, piece by piece.
    private let long: [ScriptStep] =
        [.wait(.zero), .take(20_000)]
        + (0..<5).flatMap { _ in [.expect(count: 20_000), .take(20_000)] }
        + [.takeAll, .expect(count: 19_800)]
        + [.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", pieces: 6)]
        + [.send("4\r\nabcd\r\n6\r\nefghij\r\n0\r\nX-Trailer: 1\r\n\r\n", pieces: 3)]
    private let longBody = RequestBody.bytes([UInt8](repeating: 120, count: 119_800))

    @Test("a cancellation in any pass of the loop ends the request and leaves nothing")
    func everyPass() async throws {
        let (long, longBody) = (long, longBody)
        var passes = 0
        var isComplete = false
        while !isComplete {
            let count = passes
            let succeeded = Flag()
            try await withScripts(script: { _ in long }) { session, _ in
                let task = EventLoop.spawn { try await session.post(someURL, body: longBody).text() }
                for _ in 0..<count { await turn() }
                task.cancel()
                switch await task.result {
                case .success(let text):
                    #expect(text == "abcdefghij")
                    succeeded.raise()
                case .failure(let error):
                    #expect(error is CancellationError, "after \(count) passes: \(error)")
                    #expect(await session.statistics.open == 0)
                }
            }
            isComplete = succeeded.isRaised
            passes += 1
            guard passes < 1_000 else {
                Issue.record("the request never came to its end")
                return
            }
        }
        // It is a sweep only if it went through the stages.
        #expect(passes > 20)
    }

    @Test("a close of the session in any pass of the loop ends the request with sessionClosed and leaves nothing")
    func closeInEveryPass() async throws {
        let (long, longBody) = (long, longBody)
        var passes = 0
        var isComplete = false
        while !isComplete {
            let count = passes
            let succeeded = Flag()
            try await withScripts(script: { _ in long }) { session, _ in
                let task = EventLoop.spawn { try await session.post(someURL, body: longBody).text() }
                for _ in 0..<count { await turn() }
                await session.close()
                switch await task.result {
                case .success(let text):
                    #expect(text == "abcdefghij")
                    succeeded.raise()
                case .failure(let error):
                    #expect((error as? ClientError)?.code == .sessionClosed, "after \(count) passes: \(error)")
                }
            }
            isComplete = succeeded.isRaised
            passes += 1
            guard passes < 1_000 else {
                Issue.record("the request never came to its end")
                return
            }
        }
        #expect(passes > 20)
    }

    @Test("closing the session at each stage ends the request at once", arguments: Stage.allCases)
    func close(_ stage: Stage) async throws {
        let reached = Canceller()
        var configuration = ClientSession.Configuration()
        configuration.pool.limit = 1
        let script = stage == .acquiring ? [.expectRequest, .stall] : stage.script { reached.fire() }
        try await withScripts(script, configuration: configuration) { session, peer in
            let holding = EventLoop.spawn { stage == .acquiring ? try await session.get(someURL).text() : "" }
            if stage == .acquiring { await until { peer.opened == 1 } }
            let start = EventLoop.current?.clock.now
            let result = await run(stage, on: session, peer, reached) { _ in
                EventLoop.spawn { await session.close() }
            }
            let error = await clientError { try result.get() }
            #expect(error?.code == .sessionClosed)
            // Virtual time has not moved: nothing had to time out.
            #expect(EventLoop.current?.clock.now == start)
            _ = await holding.result
            let late = await clientError { try await session.get(someURL) }
            #expect(late?.code == .sessionClosed)
        }
    }

    @Test("a cancelled waiter leaves its turn to the next one")
    func nextWaiter() async throws {
        var configuration = ClientSession.Configuration()
        configuration.pool.limit = 1
        try await withScripts(
            [.expectRequest, .wait(.seconds(5)), .send(okResponse), .expectRequest, .send(okResponse)],
            configuration: configuration
        ) { session, peer in
            let tasks = (0..<3).map { _ in EventLoop.spawn { try await session.get(someURL).text() } }
            await until { await session.statistics.waiting == 2 }
            tasks[1].cancel()
            await #expect(throws: CancellationError.self) { try await tasks[1].value }
            let texts = (try await tasks[0].value, try await tasks[2].value)
            #expect(texts == ("ok", "ok"))
            #expect(peer.opened == 1)
        }
    }
}
