// error: capture of 'counter' with non-Sendable type 'Counter' in a '@Sendable' closure
import Apus

final class Counter {
    var total = 0
}

func program() async throws {
    let counter = Counter()
    try await firstSuccess({ counter.total += 1 }, { counter.total += 2 })
}
