import CApus
import Testing

@testable import ApusRuntime

@Suite("Turns")
struct TurnTests {
    @Test("are taken one at a time, given back by an error too, and give what is returned")
    func oneAtATime() async throws {
        let shared = Shared()
        let gauge = Gauge()
        try await gather(0..<8) { number in
            try await offload {
                for round in 0..<20 {
                    let value = try? shared.turn.take {
                        gauge.enter()
                        defer { gauge.leave() }
                        if round % 5 == 0 { throw Oops() }
                        return number
                    }
                    #expect(value == (round % 5 == 0 ? nil : number))
                }
            }
        }
        #expect(gauge.most == 1)
    }

    @Test("of before a fork are over in the child")
    func afterFork() {
        let turn = Turn(takenIn: apus_fork_epoch() &- 1)
        let value = turn.take { 1 }
        #expect(value == 1)
    }

    private final class Shared: Sendable { let turn = Turn() }
}
