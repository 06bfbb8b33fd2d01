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
        return RandomFaults.responses(to: .expectRequest, size: 100_000, using: &random)
            + RandomFaults.fault(Int.random(in: 0..<RandomFaults.count, using: &random), after: .expectRequest)
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
        return try await RandomFaults.outcome(using: &random) {
            isPost ? try await session.post(url, body: .text("order")) : try await session.get(url)
        }
    }
}
