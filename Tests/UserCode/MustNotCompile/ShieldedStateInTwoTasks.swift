// error: sending
import Apus

final class Counter {
    var total = 0
}

func program() async throws {
    let counter = Counter()
    async let other: Void = withShield { counter.total += 1 }
    counter.total += 1
    try await other
}
