import ApusRuntime
import ApusTesting
import Testing

@Suite("race")
struct RaceTests {
    @Test("A31: the first to finish decides, the others are cancelled and awaited")
    func firstValue() async throws {
        let cancelled = Recorder<Int>()
        try await onCleanLoop {
            let clock = try currentLoop().clock
            let start = clock.now
            let winner = try await race([5, 1, 3]) { seconds in
                do { try await sleep(for: .seconds(seconds)) } catch {
                    cancelled.note(seconds)
                    throw error
                }
                return seconds
            }
            #expect(winner == 1)
            #expect(start.duration(to: clock.now) == .seconds(1))
        }
        #expect(cancelled.all == [5, 3])
    }

    @Test("an error decides it as well")
    func firstError() async throws {
        try await onCleanLoop {
            await #expect(throws: Oops(number: 1)) {
                try await race([1, 2]) { number in
                    try await sleep(for: .seconds(number))
                    if number == 1 { throw Oops(number: 1) }
                    return number
                }
            }
        }
    }

    @Test("of those that finish in the same turn the first in the order of the elements wins")
    func tie() async throws {
        try await onCleanLoop {
            let winner = try await race([1, 2, 3]) { $0 }
            #expect(winner == 1)
            let throwing = try await race({ 1 }, { throw Oops() }, { 3 })
            #expect(throwing == 1)
        }
    }

    @Test("the losers' errors are reported with their place, cancellations are not, and their values can be closed")
    func losers() async throws {
        let reported = Recorder<UnhandledError>()
        let discarded = Recorder<Int>()
        try await onCleanLoop(exceptionHandler: reported.note) {
            let winner = try await race(0..<4, discard: { discarded.note($0) }) { number in
                if number == 2 { return number }
                do { try await untilCancelled() } catch {
                    if number == 1 { throw Oops(number: 1) }
                    if number == 3 { return 3 }
                    throw error
                }
                return number
            }
            #expect(winner == 2)
        }
        #expect(reported.all.map(\.taskName) == ["race[1]"])
        #expect(reported.all.first?.error as? Oops == Oops(number: 1))
        #expect(reported.all.first?.loop == "test")
        #expect(discarded.all == [3])
    }

    @Test("a loser that ignores its cancellation is waited for")
    func stubborn() async throws {
        try await onCleanLoop {
            let loop = try currentLoop()
            let start = loop.clock.now
            let winner = try await race(
                { 1 },
                {
                    try await loop.spawn { try await sleep(for: .seconds(9)) }.value
                    return 2
                }
            )
            #expect(winner == 1)
            #expect(start.duration(to: loop.clock.now) == .seconds(9))
        }
    }

    @Test("of nothing is an error that says so")
    func empty() async throws {
        let error = await #expect(throws: LoopError.self) { try await race([] as [Int]) { $0 } }
        #expect(error?.code == .invalidArgument)
    }

    @Test("A31: cancelling the caller, once or twice, cancels all children", arguments: [1, 2])
    func cancelled(times: Int) async throws {
        let gauge = Gauge()
        try await onCleanLoop {
            let task = try currentLoop().spawn {
                try await race(0..<3) { _ in
                    gauge.enter()
                    defer { gauge.leave() }
                    try await untilCancelled()
                }
            }
            await turns()
            #expect(gauge.now == 3)
            for _ in 0..<times { task.cancel() }
            await #expect(throws: CancellationError.self) { try await task.value }
            #expect(gauge.now == 0)
        }
    }

    @Test("in a caller that was cancelled before, a body that does not mind still wins")
    func cancelledBefore() async throws {
        try await onCleanLoop {
            let task = try currentLoop().spawn { try await race({ Task.isCancelled }, { Task.isCancelled }) }
            task.cancel()
            #expect(try await task.value)
        }
    }

    @Test("children run on the caller's loop; off a loop it works as well")
    func place() async throws {
        try await onCleanLoop {
            let loop = try currentLoop()
            let isThere = try await race({ EventLoop.current === loop }, { EventLoop.current === loop })
            #expect(isThere)
        }
        let value = try await race([1, 2]) { $0 }
        #expect([1, 2].contains(value))
    }
}

@Suite("firstSuccess")
struct FirstSuccessTests {
    @Test("errors decide nothing while another may succeed, and are reported when one has")
    func success() async throws {
        let reported = Recorder<UnhandledError>()
        try await onCleanLoop(exceptionHandler: reported.note) {
            let winner = try await firstSuccess(1...4) { number in
                try await sleep(for: .seconds(number))
                if number < 3 { throw Oops(number: number) }
                return number
            }
            #expect(winner == 3)
        }
        #expect(reported.all.map(\.taskName) == ["firstSuccess[0]", "firstSuccess[1]"])
        #expect(reported.all.map { $0.error as? Oops } == [Oops(number: 1), Oops(number: 2)])
    }

    @Test("where failing is expected, onFailure takes the errors of before and after")
    func onFailure() async throws {
        let reported = Recorder<UnhandledError>()
        let failures = Recorder<Oops?>()
        let discarded = Recorder<Int>()
        try await onCleanLoop(exceptionHandler: reported.note) {
            let winner = try await firstSuccess(
                0..<5,
                discard: { discarded.note($0) },
                onFailure: { failures.note($0 as? Oops) }
            ) { number in
                if number == 0 { throw Oops(number: 0) }
                if number == 1 { return number }
                do { try await untilCancelled() } catch {
                    if number == 2 { return number }
                    if number == 3 { throw Oops(number: number) }
                    throw error
                }
                return number
            }
            #expect(winner == 1)
        }
        #expect(failures.all == [Oops(number: 0), Oops(number: 3)])
        #expect(discarded.all == [2])
        #expect(reported.count == 0)
    }

    @Test("when all fail, one error has all of theirs, in the elements' order, and nothing is reported")
    func allFailed() async throws {
        let reported = Recorder<UnhandledError>()
        try await onCleanLoop(exceptionHandler: reported.note) {
            let error = await #expect(throws: AllFailedError.self) {
                try await firstSuccess(1...6) { number in
                    try await sleep(for: .seconds(10 - number))
                    throw Oops(number: number)
                }
            }
            #expect(error?.errors.map { ($0 as? Oops)?.number } == [1, 2, 3, 4, 5, 6])
            let text = error.map { "\($0)" } ?? ""
            #expect(text.contains("All of 6 attempts failed") && text.contains("and 2 more"))
        }
        #expect(reported.count == 0)
    }

    @Test("of nothing is an error that says so")
    func empty() async throws {
        let error = await #expect(throws: LoopError.self) { try await firstSuccess([] as [Int]) { $0 } }
        #expect(error?.code == .invalidArgument)
    }

    @Test("when the caller is cancelled that is what is thrown, and other errors are reported")
    func cancelled() async throws {
        let reported = Recorder<UnhandledError>()
        try await onCleanLoop(exceptionHandler: reported.note) {
            let task = try currentLoop().spawn {
                try await firstSuccess(
                    { throw Oops(number: 7) },
                    { try await untilCancelled() }
                )
            }
            await turns()
            task.cancel()
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
        }
        #expect(reported.all.map { $0.error as? Oops } == [Oops(number: 7)])
    }

    @Test("cancellations of the bodies' own count as failures")
    func ownCancellations() async throws {
        try await onCleanLoop {
            let error = await #expect(throws: AllFailedError.self) {
                try await firstSuccess({ throw CancellationError() }, { throw CancellationError() })
            }
            #expect(error?.errors.count == 2)
        }
    }
}
