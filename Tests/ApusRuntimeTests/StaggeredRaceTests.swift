import ApusRuntime
import ApusTesting
import Testing

@Suite("staggeredRace")
struct StaggeredRaceTests {
    /// When each attempt began, in seconds since the race's beginning.
    private func begins(
        _ takes: [(seconds: Int, succeeds: Bool)],
        delay: Duration,
        reported: Recorder<UnhandledError> = Recorder()
    ) async throws -> (winner: Result<Int, any Error>, begins: [Int], end: Int) {
        try await onCleanLoop(exceptionHandler: reported.note) {
            let clock = try currentLoop().clock
            let start = clock.now
            let begins = Recorder<Int>()
            let seconds: @Sendable () -> Int = { Int(start.duration(to: clock.now).components.seconds) }
            let result: Result<Int, any Error>
            do {
                let value = try await staggeredRace(takes.indices, delay: delay) { index in
                    begins.note(seconds())
                    try await sleep(for: .seconds(takes[index].seconds))
                    if !takes[index].succeeds { throw Oops(number: index) }
                    return index
                }
                result = .success(value)
            } catch {
                result = .failure(error)
            }
            return (result, begins.all, seconds())
        }
    }

    @Test("A43: the next attempt begins after the delay, and the first success wins")
    func delays() async throws {
        let race = try await begins([(100, true), (100, true), (5, true), (1, true)], delay: .seconds(10))
        #expect(try race.winner.get() == 2)
        #expect(race.begins == [0, 10, 20])
        #expect(race.end == 25)
    }

    @Test("A43: or at once when one has failed, and the delay then counts anew")
    func failures() async throws {
        let reported = Recorder<UnhandledError>()
        let race = try await begins(
            [(3, false), (100, true), (100, true), (1, true)],
            delay: .seconds(10),
            reported: reported
        )
        #expect(race.begins == [0, 3, 13, 23])
        #expect(try race.winner.get() == 3)
        #expect(race.end == 24)
        #expect(reported.all.map(\.taskName) == ["staggeredRace[0]"])
    }

    @Test("the failure of an older attempt makes the next begin, too")
    func olderFailure() async throws {
        let race = try await begins([(12, false), (100, true), (1, true)], delay: .seconds(10))
        #expect(race.begins == [0, 10, 12])
        #expect(try race.winner.get() == 2)
    }

    @Test("when all fail, all errors are thrown together, in the elements' order")
    func allFail() async throws {
        let race = try await begins([(30, false), (1, false), (1, false)], delay: .seconds(10))
        #expect(race.begins == [0, 10, 11])
        #expect(race.end == 30)
        let error = #expect(throws: AllFailedError.self) { try race.winner.get() }
        #expect(error?.errors.map { ($0 as? Oops)?.number } == [0, 1, 2])
    }

    @Test("bodies that throw at once are followed by the next without any delay")
    func immediateFailures() async throws {
        let race = try await begins(Array(repeating: (0, false), count: 50) + [(0, true)], delay: .seconds(10))
        #expect(race.begins == Array(repeating: 0, count: 51))
        #expect(try race.winner.get() == 50)
        #expect(race.end == 0)
    }

    @Test("a delay of zero or less begins all at once, and one that overflows never passes")
    func extremeDelays() async throws {
        for delay in [Duration.zero, .seconds(-1)] {
            let race = try await begins([(9, true), (1, true), (5, true)], delay: delay)
            #expect(race.begins == [0, 0, 0])
            #expect(try race.winner.get() == 1)
        }
        let race = try await begins([(9, false), (9, true)], delay: .seconds(Int64.max))
        #expect(race.begins == [0, 9])
    }

    @Test("of nothing is an error; of one, it is that one")
    func few() async throws {
        let nothing = try await begins([], delay: .seconds(1))
        #expect(throws: LoopError.self) { try nothing.winner.get() }
        let one = try await begins([(60, true)], delay: .seconds(1))
        #expect(try one.winner.get() == 0)
        #expect(one.end == 60)
    }

    @Test("cancelling begins nothing more, and cancels what runs")
    func cancelled() async throws {
        let begun = Recorder<Int>()
        try await onCleanLoop {
            let loop = try currentLoop()
            let task = loop.spawn {
                try await staggeredRace(0..<10, delay: .seconds(10)) { number in
                    begun.note(number)
                    try await untilCancelled()
                }
            }
            loop.schedule(after: .seconds(15)) { task.cancel() }
            await #expect(throws: CancellationError.self) { try await task.value }
        }
        #expect(begun.all == [0, 1])
    }

    @Test("a value that comes too late is discarded, and no more than one pacer waits beside the attempts")
    func discard() async throws {
        let discarded = Recorder<Int>()
        try await onCleanLoop {
            let loop = try currentLoop()
            let value = try await staggeredRace(0..<3, delay: .seconds(1), discard: { discarded.note($0) }) { number in
                if number == 0 {
                    try? await untilCancelled()
                    return number
                }
                try await sleep(for: .seconds(2))
                // The attempts that sleep, and the pacer.
                #expect((loop.statistics()?.timers ?? 0) <= 3)
                return number
            }
            #expect(value == 1)
        }
        #expect(discarded.all == [0])
    }

    @Test("elements are drawn one at a time")
    func lazy() async throws {
        try await onCleanLoop {
            let value = try await staggeredRace(sequence(first: 1) { $0 + 1 }, delay: .seconds(1)) { number in
                try await sleep(for: .seconds(number == 4 ? 0 : 60))
                return number
            }
            #expect(value == 4)
        }
    }
}
