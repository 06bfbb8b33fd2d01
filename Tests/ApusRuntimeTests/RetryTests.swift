import ApusRuntime
import ApusTesting
import Testing

@Suite("Backoff")
struct BackoffTests {
    @Test("waits grow by the factor, up to the maximum, and never overflow")
    func growth() {
        let backoff = Backoff(initial: .milliseconds(100), factor: 2, maximum: .seconds(1), jitter: .none)
        let waits = (1...6).map { backoff.longestDelay(afterFailures: $0) }
        #expect(waits == [100, 200, 400, 800, 1000, 1000].map { .milliseconds($0) })
        #expect(backoff.longestDelay(afterFailures: Int.max) == .seconds(1))
        #expect(backoff.longestDelay(afterFailures: 0) == .milliseconds(100))
        #expect(backoff.longestDelay(afterFailures: -5) == .milliseconds(100))
        let endless = Backoff(initial: .seconds(Int64.max), factor: 1e300, maximum: .seconds(Int64.max))
        #expect(endless.longestDelay(afterFailures: 50) == .seconds(Int64.max))
        let tiny = Backoff(initial: .nanoseconds(1), factor: 1.0000001, maximum: .seconds(Int64.max))
        #expect(tiny.longestDelay(afterFailures: 1_000_000) < .seconds(1))
    }

    @Test(
        "what cannot be meant is taken as the nearest that can",
        arguments: [-1.0, 0, 0.5, .nan, -.infinity]
    )
    func nonsense(factor: Double) {
        let backoff = Backoff(initial: .seconds(1), factor: factor, maximum: .seconds(60), jitter: .none)
        #expect(backoff.longestDelay(afterFailures: 9) == .seconds(1))
        let infinite = Backoff(initial: .seconds(1), factor: .infinity, maximum: .seconds(60), jitter: .none)
        #expect(infinite.longestDelay(afterFailures: 2) == .seconds(60))
        let negative = Backoff(initial: .seconds(-1), maximum: .seconds(-2))
        #expect(negative.delay(afterFailures: 3) == .zero)
        let inverted = Backoff(initial: .seconds(9), maximum: .seconds(3), jitter: .none)
        #expect(inverted.delay(afterFailures: 1) == .seconds(3))
    }

    @Test("chance stays within its bounds, uses them, and can be repeated", arguments: [Backoff.Jitter.full, .equal])
    func jitter(jitter: Backoff.Jitter) {
        let backoff = Backoff(initial: .seconds(8), factor: 2, maximum: .seconds(8), jitter: jitter)
        var (one, other) = (SplitMix(seed: 7), SplitMix(seed: 7))
        let waits = (0..<1000).map { _ in backoff.delay(afterFailures: 1, using: &one) }
        #expect(waits == (0..<1000).map { _ in backoff.delay(afterFailures: 1, using: &other) })
        let least: Duration = jitter == .full ? .zero : .seconds(4)
        #expect(waits.allSatisfy { $0 >= least && $0 <= .seconds(8) })
        #expect(waits.contains { $0 < least + .milliseconds(400) })
        #expect(waits.contains { $0 > .milliseconds(7600) })
    }

    @Test("constant, and none")
    func constants() {
        #expect(Backoff.constant(.seconds(3)).delay(afterFailures: 99) == .seconds(3))
        #expect(Backoff.none.delay(afterFailures: 99) == .zero)
    }
}

@Suite("retry")
struct RetryTests {
    @Test("runs the body again after each error, with growing waits on the loop's clock, and gives the first value")
    func succeeds() async throws {
        try await onCleanLoop {
            let clock = try currentLoop().clock
            let start = clock.now
            let begins = Recorder<Int>()
            let backoff = Backoff(initial: .seconds(1), factor: 10, maximum: .seconds(50), jitter: .none)
            let value = try await retry(attempts: 10, backoff: backoff) { attempt in
                begins.note(Int(start.duration(to: clock.now).components.seconds))
                if attempt < 5 { throw Oops(number: attempt) }
                return attempt
            }
            #expect(value == 5)
            #expect(begins.all == [0, 1, 11, 61, 111])
        }
    }

    @Test("after the last attempt its error is thrown as it is, without a wait")
    func exhausted() async throws {
        try await onCleanLoop {
            let clock = try currentLoop().clock
            let start = clock.now
            let asked = Recorder<Oops?>()
            await #expect(throws: Oops(number: 3)) {
                try await retry(
                    attempts: 3,
                    backoff: .constant(.seconds(5)),
                    shouldRetry: { error in
                        asked.note(error as? Oops)
                        return true
                    }
                ) { throw Oops(number: $0) }
            }
            #expect(asked.all == [Oops(number: 1), Oops(number: 2)])
            #expect(start.duration(to: clock.now) == .seconds(10))
        }
    }

    @Test("an error that is not worth it ends it")
    func shouldRetry() async throws {
        try await onCleanLoop {
            let attempts = Recorder<Int>()
            await #expect(throws: Oops(number: 2)) {
                try await retry(attempts: 9, backoff: .none, shouldRetry: { ($0 as? Oops)?.number == 1 }) { attempt in
                    attempts.note(attempt)
                    throw Oops(number: attempt)
                }
            }
            #expect(attempts.all == [1, 2])
        }
    }

    @Test("one attempt is none again; less is an error that says so", arguments: [1, 0, -1])
    func attempts(attempts: Int) async throws {
        try await onCleanLoop {
            let begun = Recorder<Int>()
            let body: @Sendable (Int) async throws -> Void = { attempt in
                begun.note(attempt)
                throw Oops()
            }
            do {
                try await retry(attempts: attempts, backoff: .none) { try await body($0) }
                Issue.record("it threw")
            } catch let error as LoopError {
                #expect(error.code == .invalidArgument && attempts < 1)
            } catch {
                #expect(error as? Oops == Oops() && attempts == 1)
            }
            #expect(begun.count == max(0, attempts))
        }
    }

    @Test("chance comes from the generator it is given")
    func generator() async throws {
        try await onCleanLoop {
            let clock = try currentLoop().clock
            let backoff = Backoff(initial: .seconds(60), maximum: .seconds(600))
            var generator = SplitMix(seed: 1)
            var expected = Duration.zero
            for failure in 1...3 { expected += backoff.delay(afterFailures: failure, using: &generator) }
            let start = clock.now
            var other = SplitMix(seed: 1)
            try await retry(attempts: 4, backoff: backoff, jitter: &other) { if $0 < 4 { throw Oops() } }
            #expect(start.duration(to: clock.now) == expected)
        }
    }

    @Test("cancelling ends the wait at once, and there is no further attempt; nor after a CancellationError")
    func cancelled() async throws {
        try await onCleanLoop {
            let loop = try currentLoop()
            let start = loop.clock.now
            let attempts = Recorder<Int>()
            let task = loop.spawn {
                try await retry(attempts: 9, backoff: .constant(.seconds(60))) { attempt in
                    attempts.note(attempt)
                    throw Oops()
                }
            }
            loop.schedule(after: .seconds(90)) {
                task.cancel()
                task.cancel()
            }
            await #expect(throws: CancellationError.self) { try await task.value }
            #expect(start.duration(to: loop.clock.now) == .seconds(90))
            #expect(attempts.all == [1, 2])
            await #expect(throws: CancellationError.self) {
                try await retry(backoff: .none) { attempt in
                    attempts.note(attempt)
                    throw CancellationError()
                }
            }
            #expect(attempts.all == [1, 2, 1])
        }
    }

    @Test("in a cancelled caller there is one attempt, and its error")
    func cancelledBefore() async throws {
        try await onCleanLoop {
            let attempts = Recorder<Int>()
            let task = try currentLoop().spawn {
                try await retry(backoff: .none) { attempt in
                    attempts.note(attempt)
                    throw Oops()
                }
            }
            task.cancel()
            await #expect(throws: Oops()) { try await task.value }
            #expect(attempts.all == [1])
        }
    }

    @MainActor
    final class Model {
        var attempts = 0

        func load() async throws {
            try await retry(backoff: .none) { _ in
                MainActor.assertIsolated()
                attempts += 1
                await Task.yield()
                if attempts < 3 { throw Oops() }
            }
        }
    }

    @Test("a main-actor class uses its own state inside, with no loop around")
    @MainActor
    func mainActorState() async throws {
        let model = Model()
        try await model.load()
        #expect(model.attempts == 3)
    }
}
