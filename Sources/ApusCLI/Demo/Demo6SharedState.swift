import Apus

extension Demo {
    func sharedState() async throws {
        screen.heading(6, "State that tasks share, without locks")
        screen.explain("A variable that a thousand tasks change without protection does not compile:")
        screen.code(Self.unprotected)
        screen.quote(Self.compilerSays)

        screen.explain("On the main actor, which this loop serves, it does, and needs no lock:")
        screen.code(
            """
            @MainActor final class Counter {
                var hits = 0
                func add() { hits += 1 }
            }
            _ = try await gather(1...1000) { _ in await counter.add() }
            """
        )
        let counter = Counter()
        let time = try await clock.measure {
            _ = try await gather(1...1000) { _ in await counter.add() }
        }
        screen.figure("hits, from 1,000 tasks", "\(await counter.hits)", "in \(Format.time(time))")
    }

    /// A test compiles this, and compares what the compiler says with ``compilerSays``.
    static let unprotected = """
        var hits = 0
        _ = try await gather(1...1000) { _ in hits += 1 }
        """

    static let compilerSays = "error: mutation of captured var 'hits' in concurrently-executing code"
}

@MainActor
private final class Counter {
    private(set) var hits = 0

    func add() { hits += 1 }
}
