import ApusRuntime
import ApusTesting
import Synchronization
import Testing

@Suite("gather")
struct GatherTests {
    @Test("results are in the elements' order, whatever the order of their ends", arguments: [nil, 1, 3, 1000])
    func order(limit: Int?) async throws {
        try await onCleanLoop {
            let results = try await gather(0..<100, limit: limit) { number in
                try await sleep(for: .seconds((number * 37) % 100))
                return number * number
            }
            #expect(results == (0..<100).map { $0 * $0 })
        }
    }

    @Test("takes as long as the longest, or as its waves")
    func together() async throws {
        try await onCleanLoop {
            let clock = try currentLoop().clock
            let start = clock.now
            _ = try await gather(1...5) { try await sleep(for: .seconds($0)) }
            #expect(start.duration(to: clock.now) == .seconds(5))
            _ = try await gather(1...6, limit: 2) { _ in try await sleep(for: .seconds(10)) }
            #expect(start.duration(to: clock.now) == .seconds(35))
        }
    }

    @Test("never more than the limit run at once, and as many as it if there is work", arguments: [1, 2, 7])
    func limit(limit: Int) async throws {
        let gauge = Gauge()
        try await onCleanLoop {
            _ = try await gather(0..<50, limit: limit) { number in
                gauge.enter()
                try await sleep(for: .seconds(number % 5 + 1))
                gauge.leave()
            }
        }
        #expect(gauge.most == limit)
        #expect(gauge.now == 0)
    }

    @Test("the next starts as soon as one is done, not when a wave is")
    func slidingWindow() async throws {
        try await onCleanLoop {
            let clock = try currentLoop().clock
            let start = clock.now
            _ = try await gather([10, 1, 1, 1, 1, 1], limit: 2) { try await sleep(for: .seconds($0)) }
            #expect(start.duration(to: clock.now) == .seconds(10))
        }
    }

    @Test("a limit below 1 is an error that says so", arguments: [0, -3])
    func invalidLimit(limit: Int) async throws {
        let error = await #expect(throws: LoopError.self) { try await gather([1], limit: limit) { $0 } }
        #expect(error?.code == .invalidArgument)
        #expect(error.map { "\($0)".contains("limit: \(limit)") } == true)
    }

    @Test("of nothing is nothing")
    func empty() async throws {
        #expect(try await gather([] as [Int]) { $0 } == [])
        #expect(await gatherResults([] as [Int], limit: 0) { $0 }.isEmpty)
    }

    @Test("the first error cancels the others, awaits them, and is thrown")
    func firstError() async throws {
        let cancelled = Recorder<Int>()
        try await onCleanLoop {
            let clock = try currentLoop().clock
            let start = clock.now
            let error = await #expect(throws: Oops.self) {
                try await gather(0..<5) { number in
                    if number == 3 {
                        try await sleep(for: .seconds(1))
                        throw Oops(number: number)
                    }
                    do {
                        try await untilCancelled()
                    } catch {
                        cancelled.note(number)
                        throw Oops(number: 100)
                    }
                }
            }
            #expect(error == Oops(number: 3))
            #expect(start.duration(to: clock.now) == .seconds(1))
        }
        #expect(cancelled.all.sorted() == [0, 1, 2, 4])
    }

    @Test(
        "A30: the errors of the others, after the first, are reported with their place, and cancellations are not",
        arguments: [5, 3000]
    )
    func laterErrors(count: Int) async throws {
        let reported = Recorder<UnhandledError>()
        try await onCleanLoop(exceptionHandler: reported.note) {
            await #expect(throws: Oops(number: 1)) {
                try await gather(0..<count) { number in
                    if number == 1 { throw Oops(number: 1) }
                    do { try await untilCancelled() } catch {
                        if number == 2 || number == count - 1 { throw Oops(number: number) }
                        throw error
                    }
                }
            }
        }
        #expect(reported.count == 2)
        #expect(Set(reported.all.map(\.taskName)) == ["gather[2]", "gather[\(count - 1)]"])
        #expect(Set(reported.all.map { ($0.error as? Oops)?.number }) == [2, count - 1])
    }

    @Test("A30: a tuple's later errors are reported, too")
    func laterErrorsOfTuple() async throws {
        let reported = Recorder<UnhandledError>()
        try await onCleanLoop(exceptionHandler: reported.note) {
            do {
                _ = try await gather(
                    { () -> Int in throw Oops(number: 1) },
                    { () -> String in
                        do { try await untilCancelled() } catch { throw Oops(number: 2) }
                        return ""
                    }
                )
                Issue.record("one of them threw")
            } catch {
                #expect(error as? Oops == Oops(number: 1))
            }
        }
        #expect(reported.all.map(\.taskName) == ["gather[1]"])
    }

    @Test("after an error, what had not begun does not")
    func errorWithLimit() async throws {
        let begun = Recorder<Int>()
        try await onCleanLoop {
            await #expect(throws: Oops.self) {
                try await gather(0..<100, limit: 2) { number in
                    begun.note(number)
                    if number == 1 { throw Oops() }
                    try await untilCancelled()
                }
            }
        }
        #expect(begun.count <= 3)
    }

    @Test("cancelling the caller cancels all children, and awaits them")
    func parentCancelled() async throws {
        let gauge = Gauge()
        try await onCleanLoop {
            let loop = try currentLoop()
            let task = loop.spawn {
                try await gather(0..<20) { _ in
                    gauge.enter()
                    defer { gauge.leave() }
                    try await untilCancelled()
                }
            }
            await turns()
            #expect(gauge.now == 20)
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            #expect(gauge.now == 0)
        }
    }

    @Test("gatherResults tells each one's outcome, and an error cancels nobody")
    func results() async throws {
        try await onCleanLoop {
            let results = await gatherResults(0..<4, limit: 2) { number in
                try await sleep(for: .seconds(4 - number))
                if number % 2 == 1 { throw Oops(number: number) }
                return number
            }
            #expect(results.map { try? $0.get() } == [0, nil, 2, nil])
            #expect(throws: Oops(number: 3)) { try results[3].get() }
        }
    }

    @Test("gatherResults of a cancelled caller has a result for each")
    func resultsCancelled() async throws {
        try await onCleanLoop {
            let task = try currentLoop().spawn {
                await gatherResults(0..<10, limit: 0) { number in
                    try await sleep(for: .seconds(number))
                    return number
                }
            }
            task.cancel()
            let results = try await task.value
            #expect(results.count == 10)
            for result in results { #expect(throws: CancellationError.self) { try result.get() } }
        }
    }

    @Test("children run on the caller's loop, one at a time")
    func onLoop() async throws {
        let gauge = Gauge()
        try await onCleanLoop {
            let loop = try currentLoop()
            _ = try await gather(0..<100) { _ in
                gauge.enter()
                #expect(EventLoop.current === loop)
                gauge.leave()
                await Task.yield()
                #expect(EventLoop.current === loop)
            }
        }
        #expect(gauge.most == 1)
    }

    @Test("off a loop it works as well")
    func offLoop() async throws {
        #expect(try await gather(1...100, limit: 7) { $0 } == Array(1...100))
        let pair = try await gather({ 1 }, { "a" })
        #expect(pair == (1, "a"))
    }

    @Test("a single-pass sequence is taken one element at a time")
    func lazySequence() async throws {
        let drawn = Mutex(0)
        let source = sequence(state: 0) { (next: inout Int) -> Int? in
            drawn.withLock { $0 += 1 }
            next += 1
            return next <= 10 ? next : nil
        }
        try await onCleanLoop {
            let inFlight = Gauge()
            let results = try await gather(1...10, limit: 2) { number in
                inFlight.enter()
                try await sleep(for: .seconds(1))
                inFlight.leave()
                return number
            }
            #expect(results == Array(1...10))
        }
        #expect(try await gather(source) { $0 } == Array(1...10))
        #expect(drawn.withLock { $0 } == 11)
    }

    @Test("two to six closures give a tuple, at once and in order")
    func tuples() async throws {
        try await onCleanLoop {
            let clock = try currentLoop().clock
            let start = clock.now
            @Sendable func after<Value: Sendable>(_ seconds: Int, _ value: Value) async throws -> Value {
                try await sleep(for: .seconds(seconds))
                return value
            }
            // Not inside #expect: closures in its arguments may get another closure's symbol (6.3.1), and so its result.
            let two = try await gather({ try await after(2, 1) }, { try await after(1, "b") })
            #expect(two == (1, "b"))
            #expect(start.duration(to: clock.now) == .seconds(2))
            let three = try await gather({ 1 }, { "b" }, { 3.0 })
            #expect(three == (1, "b", 3.0))
            let four = try await gather({ 1 }, { "b" }, { 3.0 }, { try await after(1, true) })
            #expect(four == (1, "b", 3.0, true))
            let five = try await gather({ 1 }, { 2 }, { 3 }, { 4 }, { try await after(1, 5) })
            #expect(five == (1, 2, 3, 4, 5))
            let six = try await gather({ try await after(3, 1) }, { 2 }, { 3 }, { 4 }, { 5 }, { "six" })
            #expect(six == (1, 2, 3, 4, 5, "six"))
        }
    }

    @Test("the first error of a tuple cancels the others and is thrown")
    func tupleError() async throws {
        let cancelled = Recorder<Int>()
        try await onCleanLoop {
            // Not inside #expect: see `tuples`.
            do {
                _ = try await gather(
                    {
                        do { try await untilCancelled() } catch { cancelled.note(1) }
                        return 1
                    },
                    { () -> String in throw Oops(number: 2) },
                    {
                        do { try await untilCancelled() } catch { cancelled.note(3) }
                        return 3
                    }
                )
                Issue.record("one of them threw")
            } catch {
                #expect(error as? Oops == Oops(number: 2))
            }
        }
        #expect(cancelled.all.sorted() == [1, 3])
    }
}
