// Two tasks that wait: one after the other they take the sum of their times, together the longest of them.
//
//     swift run SayAfter
import Apus

@Sendable
func sayAfter(_ delay: Duration, _ text: String) async throws {
    try await sleep(for: delay)
    print(text)
}

let clock = ContinuousClock()

try EventLoop.run {
    let inSequence = try await clock.measure {
        try await sayAfter(.seconds(1), "hello")
        try await sayAfter(.seconds(2), "world")
    }
    print("one after the other:", inSequence)

    let together = try await clock.measure {
        _ = try await gather(
            { try await sayAfter(.seconds(1), "hello") },
            { try await sayAfter(.seconds(2), "world") }
        )
    }
    print("together:", together)
}
