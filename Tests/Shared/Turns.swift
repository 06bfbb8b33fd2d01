import ApusRuntime
import Testing

/// One pass of the loop: everything that is ready runs, and what other threads and scripts have left is taken in.
func turn() async {
    guard let loop = EventLoop.current else { return await Task.yield() }
    await withCheckedContinuation { continuation in
        loop.schedule { continuation.resume() }
    }
}

/// Passes of the loop until `condition` holds; there are far more of them than any test needs.
func until(
    sourceLocation: SourceLocation = #_sourceLocation,
    _ condition: () async throws -> Bool
) async rethrows {
    for _ in 0..<100_000 {
        if try await condition() { return }
        await turn()
    }
    Issue.record("it never came to that", sourceLocation: sourceLocation)
}
