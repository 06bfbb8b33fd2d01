import ApusRuntime
import ApusTesting
import Testing

@Suite("asCompleted")
struct AsCompletedTests {
    @Test("A33: results come in the order of their ends", arguments: [nil, 4, 100])
    func order(limit: Int?) async throws {
        try await onCleanLoop {
            let order = try await asCompleted([4, 1, 3, 2], limit: limit) { seconds in
                try await sleep(for: .seconds(seconds))
                return seconds
            } consume: { results in
                var order: [Int] = []
                for try await result in results { order.append(result) }
                return order
            }
            #expect(order == [1, 2, 3, 4])
        }
    }

    @Test("of nothing ends at once")
    func empty() async throws {
        try await onCleanLoop {
            let count = try await asCompleted([] as [Int], limit: 3, timeout: .seconds(1)) {
                $0
            } consume: { results in
                var count = 0
                for try await _ in results { count += 1 }
                return count
            }
            #expect(count == 0)
        }
    }

    @Test("a limit below 1 is an error that says so", arguments: [0, -1])
    func invalidLimit(limit: Int) async throws {
        let error = await #expect(throws: LoopError.self) {
            try await asCompleted([1], limit: limit) {
                $0
            } consume: { _ in
            }
        }
        #expect(error?.code == .invalidArgument)
    }

    @Test("never more than the limit run, or wait to be taken: a slow consumer slows them down", arguments: [1, 3])
    func limit(limit: Int) async throws {
        let gauge = Gauge()
        try await onCleanLoop {
            let sum = try await asCompleted(1...20, limit: limit) { number in
                gauge.enter()
                try await sleep(for: .seconds(1))
                return number
            } consume: { results in
                var sum = 0
                for try await result in results {
                    gauge.leave()
                    sum += result
                    try await sleep(for: .seconds(5))
                }
                return sum
            }
            #expect(sum == 210)
        }
        // One more may begin as soon as one is taken, before the consumer has counted it.
        #expect(gauge.most == limit || gauge.most == limit + 1)
    }

    @Test(
        "A33: when the time is up, waiting throws TimeoutError, the children are cancelled and awaited, and nothing new begins"
    )
    func timeout() async throws {
        let begun = Recorder<Int>()
        try await onCleanLoop {
            let clock = try currentLoop().clock
            let start = clock.now
            let taken = Recorder<Int>()
            let error = await #expect(throws: TimeoutError.self) {
                try await asCompleted(1...10, limit: 2, timeout: .seconds(5)) { number in
                    begun.note(number)
                    try await sleep(for: .seconds(number))
                } consume: { results in
                    for try await _ in results { taken.note(Int(start.duration(to: clock.now).components.seconds)) }
                }
            }
            #expect(error?.duration == .seconds(5))
            // 1 ends at 1, 2 at 2, 3 (begun at 1) at 4, and 4 (begun at 2) not before 6.
            #expect(taken.all == [1, 2, 4])
            #expect(start.duration(to: clock.now) == .seconds(5))
        }
        #expect(begun.all == [1, 2, 3, 4, 5])
    }

    @Test("what came before the time was up is still given")
    func queuedBeforeTimeout() async throws {
        try await onCleanLoop {
            let taken = Recorder<Int>()
            await #expect(throws: TimeoutError.self) {
                try await asCompleted([1, 2, 100], timeout: .seconds(5)) { seconds in
                    try await sleep(for: .seconds(seconds))
                    return seconds
                } consume: { results in
                    try await sleep(for: .seconds(20))
                    for try await result in results { taken.note(result) }
                }
            }
            #expect(taken.all == [1, 2])
        }
    }

    @Test("a timeout of zero or less begins nothing", arguments: [0, -5])
    func noTime(seconds: Int) async throws {
        let begun = Recorder<Int>()
        try await onCleanLoop {
            await #expect(throws: TimeoutError.self) {
                try await asCompleted([1, 2], timeout: .seconds(seconds)) {
                    begun.note($0)
                } consume: { results in
                    for try await _ in results {}
                }
            }
        }
        #expect(begun.count == 0)
    }

    @Test("a child's error leaves the loop over the results; the others are cancelled, and their errors reported")
    func error() async throws {
        let reported = Recorder<UnhandledError>()
        try await onCleanLoop(exceptionHandler: reported.note) {
            await #expect(throws: Oops(number: 2)) {
                try await asCompleted(1...4) { number in
                    if number == 2 { throw Oops(number: 2) }
                    do { try await untilCancelled() } catch {
                        if number == 3 { throw Oops(number: 3) }
                        throw error
                    }
                } consume: { results in
                    for try await _ in results {}
                }
            }
        }
        #expect(reported.all.map(\.taskName) == ["asCompleted[2]"])
        #expect(reported.all.map { $0.error as? Oops } == [Oops(number: 3)])
    }

    @Test("nextResult gives errors as values, and goes on")
    func results() async throws {
        try await onCleanLoop {
            let outcomes = try await asCompleted(1...4) { number in
                try await sleep(for: .seconds(number))
                if number % 2 == 0 { throw Oops(number: number) }
                return number
            } consume: { results in
                var outcomes: [String] = []
                while let result = try await results.nextResult() {
                    switch result {
                    case .success(let value): outcomes.append("\(value)")
                    case .failure(let error): outcomes.append("\((error as? Oops)?.number ?? 0)!")
                    }
                }
                return outcomes
            }
            #expect(outcomes == ["1", "2!", "3", "4!"])
        }
    }

    @Test("leaving early cancels and awaits the rest; values that nobody took are discarded")
    func leave() async throws {
        let ended = Gauge()
        let discarded = Recorder<Int>()
        try await onCleanLoop {
            let first = try await asCompleted(1...5, discard: { discarded.note($0) }) { number in
                ended.enter()
                defer { ended.leave() }
                if number < 4 {
                    try await sleep(for: .seconds(number))
                } else {
                    try? await untilCancelled()
                }
                return number
            } consume: { results in
                for try await result in results {
                    try await sleep(for: .milliseconds(1500))
                    return result
                }
                return 0
            }
            #expect(first == 1)
            #expect(ended.now == 0)
        }
        #expect(discarded.all == [2, 4, 5])
    }

    @Test("cancelling the caller, once or twice, cancels the children and ends the wait", arguments: [1, 2])
    func cancelled(times: Int) async throws {
        let gauge = Gauge()
        try await onCleanLoop {
            let task = try currentLoop().spawn {
                try await asCompleted(0..<10, limit: 4) { _ in
                    gauge.enter()
                    defer { gauge.leave() }
                    try await untilCancelled()
                } consume: { results in
                    for try await _ in results {}
                }
            }
            await turns()
            #expect(gauge.now == 4)
            for _ in 0..<times { task.cancel() }
            await #expect(throws: CancellationError.self) { try await task.value }
            #expect(gauge.now == 0)
        }
    }

    @Test("in a caller that was cancelled before, a shielded consumer still sees every end")
    func cancelledBefore() async throws {
        try await onCleanLoop {
            let task = try currentLoop().spawn {
                try await asCompleted(0..<10, limit: 2) { _ in
                    try await untilCancelled()
                } consume: { results in
                    try await withShield {
                        var count = 0
                        while let _ = try await results.nextResult() { count += 1 }
                        return count
                    }
                }
            }
            task.cancel()
            #expect(try await task.value == 10)
        }
    }

    @Test("results can be taken in a withTimeout, which loses none")
    func insideTimeout() async throws {
        try await onCleanLoop {
            let taken = try await asCompleted([3, 6]) { seconds in
                try await sleep(for: .seconds(seconds))
                return seconds
            } consume: { results in
                var taken: [Int?] = []
                for _ in 0..<4 {
                    do {
                        let result = try await withTimeout(.seconds(2)) { try await results.nextResult()?.get() }
                        taken.append(result)
                    } catch is TimeoutError {
                        taken.append(-1)
                    }
                }
                return taken
            }
            #expect(taken == [-1, 3, -1, 6])
        }
    }

    @Test("two tasks that wait for results at once are told; after the scope the results are over")
    func misuse() async throws {
        try await onCleanLoop {
            let escaped = Recorder<Completions<Int>>()
            try await asCompleted([1]) { number in
                try await sleep(for: .seconds(10))
                return number
            } consume: { results in
                escaped.note(results)
                let outcomes = await gatherResults(0..<2) { _ in try await results.nextResult()?.get() }
                #expect(throws: LoopError.self) { try outcomes[1].get() }
                let first = try outcomes[0].get()
                #expect(first == 1)
            }
            let after = try await escaped.all[0].nextResult()
            #expect(after == nil)
        }
    }

    @Test("ten thousand children that end in another order than they began")
    func many() async throws {
        try await onCleanLoop {
            let count = try await asCompleted(0..<10_000) { number in
                try await sleep(for: .milliseconds((number * 7919) % 10_000))
            } consume: { results in
                var count = 0
                for try await _ in results { count += 1 }
                return count
            }
            #expect(count == 10_000)
        }
    }

    /// Of no isolation of its own: it runs with its caller's.
    private static func sum(_ box: Box) async throws {
        try await asCompleted(1...3) {
            $0
        } consume: { results in
            for try await result in results {
                MainActor.assertIsolated()
                box.value += result
            }
        }
    }

    private final class Box { var value = 0 }

    @Test("in a function without isolation the consumer runs with that of the function's caller")
    @MainActor
    func callersIsolation() async throws {
        let box = Box()
        try await Self.sum(box)
        #expect(box.value == 6)
    }

    @MainActor
    final class Model {
        var lines: [Int] = []

        func load() async throws {
            try await asCompleted(1...3) {
                $0
            } consume: { results in
                for try await result in results {
                    MainActor.assertIsolated()
                    lines.append(result)
                }
            }
        }
    }

    @Test("a main-actor class uses its own state in the consumer, with no loop around")
    @MainActor
    func mainActorState() async throws {
        let model = Model()
        try await model.load()
        #expect(model.lines.sorted() == [1, 2, 3])
    }

    @Test("an actor uses its own state in the consumer")
    func actorState() async throws {
        actor Counter {
            var sum = 0
            func load() async throws -> Int {
                try await asCompleted(1...10, limit: 3) { number in
                    try await sleep(for: .seconds(number))
                    return number
                } consume: { results in
                    for try await result in results { sum += result }
                }
                return sum
            }
        }
        try await onCleanLoop {
            let sum = try await Counter().load()
            #expect(sum == 55)
        }
    }
}
