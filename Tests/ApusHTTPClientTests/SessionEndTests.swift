import ApusHTTPClient
import ApusNet
import ApusRuntime
import ApusTesting
import Testing

@Suite("The end of a request in states that scripts do not reach")
struct SessionEndTests {
    enum State: String, CaseIterable, Sendable { case resolving, shakingHands, redirected, inheriting }
    enum End: String, CaseIterable, Sendable { case cancelled, closed }

    private struct SlowResolver: Resolver {
        let asked = Flag()

        func addresses(of host: String, port: Int) async throws -> [SocketAddress] {
            asked.raise()
            try await sleep(for: .seconds(3600))
            return []
        }
    }

    @Test(
        "cancelled or with its session closed, it ends at once, with its own error, and leaves nothing",
        arguments: State.allCases,
        End.allCases
    )
    func ends(state: State, end: End) async throws {
        try await withTestLoop {
            let left = try await leaks {
                let server = try await FaultyServer.start { number in
                    guard state == .redirected, number == 0 else { return [.stall] }
                    let location = "Location: /next\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
                    return [.expectRequest, .send("HTTP/1.1 302 Found\r\n\(location)"), .finish]
                }
                var configuration = ClientSession.Configuration()
                let resolver = SlowResolver()
                var url = "\(server.url)/"
                switch state {
                case .resolving, .inheriting: configuration.resolver = resolver
                case .shakingHands: url = url.replacing("http://", with: "https://")
                case .redirected: break
                }
                configuration.pool.limit = 1
                let session = ClientSession(configuration)
                let target = url
                let first = EventLoop.spawn { try await session.get(target).text() }
                var task = first
                switch state {
                case .resolving: await until { resolver.asked.isRaised }
                case .shakingHands: await until { await session.statistics.pool.connecting == 1 }
                case .redirected: await until { await session.statistics.requests == 2 }
                case .inheriting:
                    // It waits for a connection that another request has begun and given up.
                    await until { resolver.asked.isRaised }
                    task = EventLoop.spawn { try await session.get(target).text() }
                    await until { await session.statistics.waiting == 2 }
                    first.cancel()
                    await #expect(throws: CancellationError.self) { try await first.value }
                    #expect(await session.statistics.pool.connecting == 1, "the attempt goes on for the next")
                }
                switch end {
                case .cancelled:
                    task.cancel()
                    await #expect(throws: CancellationError.self) { try await task.value }
                case .closed:
                    await session.close()
                    let error = await clientError { try await task.value }
                    #expect(error?.code == .sessionClosed)
                }
                await until { await session.statistics.open == 0 }
                #expect(await session.statistics.waiting == 0)
                await session.close()
                await server.stop()
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test(
        "C70: random schedules of requests, connects, cancellations and closes leave no place, descriptor, timer or task",
        arguments: 0..<40
    )
    func storm(part: Int) async throws {
        for seed in UInt64(part * 25)..<UInt64(part * 25 + 25) {
            var random = SplitMix(seed: seed)
            var configuration = ClientSession.Configuration()
            configuration.pool.limit = Int.random(in: 1...4, using: &random)
            configuration.pool.limitPerHost = Int.random(in: 0...2, using: &random)
            configuration.pool.maximumUses = Int.random(in: 0...3, using: &random)
            configuration.timeouts.connect = .milliseconds(40)
            configuration.timeouts.head = .milliseconds(40)
            if Bool.random(using: &random) { configuration.timeouts.acquire = .milliseconds(30) }
            let given = configuration
            let isClosed = Bool.random(using: &random)
            try await withVirtualTime {
                let peer = ScriptedPeer { Self.script($0, seed) }
                let outcomes = Outcomes()
                let left = try await leaks {
                    let session = ClientSession.scripted(peer, given)
                    var random = SplitMix(seed: seed &+ 1)
                    let tasks = (0..<12).map { number in
                        let (begin, end) = (
                            Int.random(in: 0...60, using: &random), Int.random(in: 0...160, using: &random)
                        )
                        let host = Int.random(in: 0...2, using: &random)
                        return EventLoop.spawn {
                            try? await sleep(for: .milliseconds(begin))
                            do {
                                let text = try await withTimeout(.milliseconds(end)) {
                                    try await session.get("http://host\(host).test/\(number)").text()
                                }
                                outcomes.add(text)
                            } catch { outcomes.add((error as? ClientError)?.code.description ?? "\(type(of: error))") }
                        }
                    }
                    if isClosed {
                        try await sleep(for: .milliseconds(Int.random(in: 0...100, using: &random)))
                        await session.close()
                    }
                    for task in tasks { _ = await task.result }
                    // What was begun for them and is nobody's now ends within its time.
                    try await sleep(for: .milliseconds(100))
                    let numbers = await session.statistics
                    #expect(numbers.open == numbers.idle && numbers.waiting == 0, "seed \(seed): \(numbers)")
                    #expect(numbers.open <= given.pool.limit, "seed \(seed): \(numbers)")
                    await session.close()
                    let closed = await session.statistics
                    #expect((closed.open, closed.idle, closed.waiting) == (0, 0, 0), "seed \(seed)")
                }
                #expect(left.isEmpty, "seed \(seed): \(left)")
                #expect(peer.open == 0, "seed \(seed): a connection was not closed")
                let known: Set = [
                    "ok", "TimeoutError", "connectionRefused", "connectTimeout", "headTimeout", "acquireTimeout",
                    "connectionClosed",
                    "sessionClosed",
                ]
                #expect(outcomes.all.isSubset(of: known), "seed \(seed): \(outcomes.all)")
            }
        }
    }

    private static func script(_ number: Int, _ seed: UInt64) -> [ScriptStep] {
        var random = SplitMix(seed: seed &* 1_000 &+ UInt64(number))
        var steps: [ScriptStep] = []
        switch Int.random(in: 0...6, using: &random) {
        case 0: return [.wait(.milliseconds(5)), .refuse]
        case 1: return [.neverConnect]
        case 2, 3: steps.append(.wait(.milliseconds(Int.random(in: 0...30, using: &random))))
        default: break
        }
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            steps += [.expectRequest, .wait(.milliseconds(Int.random(in: 0...20, using: &random))), .send(okResponse)]
        }
        return steps + [Bool.random(using: &random) ? .finish : .stall]
    }

    /// What has come of requests. On one loop.
    private final class Outcomes: @unchecked Sendable {
        private(set) var all: Set<String> = []

        func add(_ outcome: String) { all.insert(outcome) }
    }
}
