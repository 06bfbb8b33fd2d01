import ApusHTTPClient
import ApusNet
import ApusRuntime
import ApusTesting
import Testing

@Suite("Everything goes wrong at once, on real sockets", .serialized)
struct FaultStormTests {
    /// What a connection does, by its number: some good responses, and then a fault.
    @Sendable
    private static func script(_ number: Int, seed: UInt64) -> [ScriptStep] {
        var random = SplitMix(seed: seed &+ UInt64(number) &* 7_919)
        var steps: [ScriptStep] = []
        for _ in 0..<Int.random(in: 0..<6, using: &random) {
            steps.append(.expectRequest)
            switch Int.random(in: 0..<4, using: &random) {
            case 0: steps.append(.send(okResponse))
            case 1:
                steps.append(
                    .send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", pieces: 7)
                )
            case 2: steps.append(.send(okResponse, pieces: 3))
            default:
                let body = String(repeating: "ok", count: 50_000)
                steps.append(.send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + body))
            }
        }
        switch Int.random(in: 0..<10, using: &random) {
        case 0: steps += [.expectRequest, .finish]
        case 1: steps += [.expectRequest, .reset]
        case 2: steps += [.expectRequest, .send("HTTP/1.1 200 O"), .finish]
        case 3: steps += [.expectRequest, .send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), .finish]
        case 4: steps += [.expectRequest, .send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), .reset]
        case 5: steps += [.expectRequest, .send("nonsense\r\n\r\n")]
        case 6: steps += [.expectRequest, .send(okResponse + "more")]
        case 7: steps += [.expectRequest, .send(okResponse), .finish]
        case 8: steps += [.reset]
        default: steps += [.expectRequest, .send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), .stall]
        }
        return steps
    }

    @Test("5,000 requests with faults and cancellations leave no descriptor, place, timer or task")
    func storm() async throws {
        let seed: UInt64 = 4_711
        try await withTestLoop {
            let left = try await leaks {
                let server = try await FaultyServer.start { Self.script($0, seed: seed) }
                var configuration = ClientSession.Configuration()
                configuration.pool.limit = 32
                configuration.timeouts.idle = .milliseconds(50)
                let url = "\(server.url)/"
                let session = ClientSession(configuration)
                let outcomes = try await gather(0..<5_000, limit: 100) { number in
                    try await Self.request(session, url, number, seed)
                }
                let statistics = await session.statistics
                #expect(statistics.open == statistics.idle, "seed \(seed): \(statistics)")
                #expect(statistics.waiting == 0)
                await session.close()
                #expect(await session.statistics.open == 0)
                await server.stop()
                // It is a storm only if some of each happened.
                for outcome in [
                    "ok", "cancelled", "connectionClosed", "closedInHead", "closedInBody", "malformedResponse",
                ] {
                    #expect(outcomes.contains(outcome), "seed \(seed): no \(outcome)")
                }
                #expect(
                    Set(outcomes).isSubset(of: [
                        "ok", "cancelled", "connectionClosed", "closedInHead", "closedInBody", "malformedResponse",
                        "idleTimeout",
                    ]),
                    "seed \(seed): \(Set(outcomes))"
                )
            }
            #expect(left.isEmpty, "seed \(seed): \(left)")
        }
    }

    private static func request(
        _ session: ClientSession,
        _ url: String,
        _ number: Int,
        _ seed: UInt64
    ) async throws -> String {
        var random = SplitMix(seed: seed ^ UInt64(number) &* 104_729)
        let isPost = Int.random(in: 0..<4, using: &random) == 0
        let leaves = Int.random(in: 0..<10, using: &random) == 0
        let task = EventLoop.spawn {
            let response =
                isPost
                ? try await session.post(url, body: .text("order")) : try await session.get(url)
            // Some responses are forgotten unread.
            if !leaves { _ = try await response.bytes() }
        }
        if Int.random(in: 0..<8, using: &random) == 0 {
            for _ in 0..<Int.random(in: 0..<12, using: &random) { await turn() }
            task.cancel()
        }
        do {
            try await task.value
            return "ok"
        } catch is CancellationError {
            return "cancelled"
        } catch let error as ClientError {
            return "\(error.code)"
        }
    }
}
