import ApusRuntime
import CApus
import Testing

@Suite("Several loops")
struct LoopGroupTests {
    @Test("each loop of a group has a thread, a name and its place in turn")
    func group() async throws {
        try await LoopGroup.with(count: 3) { group in
            #expect(group.loops.count == 3)
            #expect(group.loops.map(\.name) == ["main-0", "main-1", "main-2"])
            let threads = try await group.each { loop in
                #expect(EventLoop.current === loop)
                await Task.yield()
                return apus_gettid()
            }
            #expect(Set(threads).count == 3)
            let turns = (0..<7).map { _ in group.next().name.suffix(1) }
            #expect(turns == ["0", "1", "2", "0", "1", "2", "0"])
        }
    }

    @Test("one loop per core that the process may use, unless a count is given; below one is an error")
    func count() async throws {
        let count = try await LoopGroup.with { $0.loops.count }
        #expect(count == Int(apus_available_cores()))
        for count in [0, -1] {
            let error = await #expect(throws: LoopError.self) { try await LoopGroup.with(count: count) { _ in } }
            #expect(error?.code == .invalidArgument)
        }
        var options = EventLoop.Options()
        options.clock = .virtual
        let given = options
        let error = await #expect(throws: LoopError.self) {
            try await LoopGroup.with(count: 1, options: given) { _ in }
        }
        #expect(error?.code == .invalidArgument)
    }

    @Test("the body runs with the caller's isolation, and the caller is back afterwards")
    @MainActor
    func isolation() async throws {
        var seen = 0
        try await LoopGroup.with(count: 2) { group in
            MainActor.assertIsolated()
            seen += try await group.each { _ in 1 }.reduce(0, +)
            MainActor.assertIsolated()
        }
        #expect(seen == 2)
        let (before, after) = try await EventLoop.with {
            let before = apus_gettid()
            try await LoopGroup.with(count: 1) { _ = try await $0.loops[0].call { 1 } }
            return (before, apus_gettid())
        }
        #expect(before == after)
    }

    @Test(
        "the end of the body ends all loops, leftovers cancelled and awaited, after an error too",
        arguments: [false, true]
    )
    func end(failing: Bool) async throws {
        let ended = Recorder<Int>()
        let loops = Recorder<EventLoop>()
        let result = await withResult {
            try await LoopGroup.with(count: 4) { group in
                for loop in group.loops { loops.note(loop) }
                try await group.each { loop in
                    loop.spawn {
                        do { try await untilCancelled() } catch { ended.note(1) }
                    }
                    await turns()
                }
                if failing { throw Oops(number: 6) }
            }
        }
        #expect(ended.count == 4)
        #expect(failing == ((try? result.get()) == nil))
        for loop in loops.all {
            let code = await withResult { try await loop.call { try await sleep(for: .seconds(1)) } }
            #expect(throws: LoopError.self) { try code.get() }
        }
    }

    private func withResult<Success>(_ body: () async throws -> Success) async -> Result<Success, any Error> {
        do { return .success(try await body()) } catch { return .failure(error) }
    }

    @Test("each: the first error is thrown, and the other loops' bodies are cancelled and awaited")
    func eachFails() async throws {
        let cancelled = Recorder<String>()
        await #expect(throws: Oops(number: 4)) {
            try await LoopGroup.with(count: 3) { group in
                try await group.each { loop in
                    if loop.name == "main-1" { throw Oops(number: 4) }
                    do { try await untilCancelled() } catch {
                        cancelled.note(loop.name)
                        throw error
                    }
                }
            }
        }
        // A body that was cancelled before it began notes it too: its first wait says so.
        #expect(Set(cancelled.all).isSubset(of: ["main-0", "main-2"]))
    }

    @Test("cancelling the caller reaches the body, and the loops' end is awaited")
    func cancelled() async throws {
        let begun = Gate()
        let task = Task {
            try await LoopGroup.with(count: 2) { group in
                try await group.each { _ in
                    begun.open()
                    try await untilCancelled()
                }
            }
        }
        try await offload { begun.pass() }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    @Test("statistics of each loop, with what waits for its turn, and the longest job in debug mode")
    func statistics() async throws {
        var options = EventLoop.Options()
        options.debug = true
        options.blockThreshold = .seconds(3600)
        try await LoopGroup.with(count: 2, options: options) { group in
            let first = group.loops[0]
            let (ready, left) = try await first.call {
                let tasks = (0..<10).map { _ in first.spawn {} }
                let ready = first.statistics()?.ready
                for task in tasks { try await task.value }
                return (ready, first.statistics()?.tasks)
            }
            #expect(ready == 10 && left == 0)
            try await group.each { _ in await Task.yield() }
            let numbers = try await group.statistics()
            #expect(numbers.count == 2 && numbers[0].jobs > numbers[1].jobs)
            #expect(numbers.allSatisfy { ($0.longestJob ?? .zero) > .zero })
        }
        try await LoopGroup.with(count: 1) { group in
            let numbers = try await group.statistics()
            #expect(numbers[0].longestJob == nil)
        }
    }

    @Test("call runs on the loop from wherever the caller is, at once if it is there, and brings task-local values")
    func call() async throws {
        try await LoopGroup.with(count: 2) { group in
            let (one, two) = (group.loops[0], group.loops[1])
            let names = try await TaskValue.$number.withValue(5) {
                try await one.call {
                    let inner = try await two.call {
                        let back = try await one.call { EventLoop.current === one }
                        return EventLoop.current === two && back && TaskValue.number == 5
                    }
                    return EventLoop.current === one && inner
                }
            }
            #expect(names)
            await #expect(throws: Oops(number: 1)) { try await two.call { throw Oops(number: 1) } }
            let here = try await one.call {
                let jobs = one.statistics()?.jobs
                return try await one.call { one.statistics()?.jobs == jobs }
            }
            #expect(here)
        }
    }

    private enum TaskValue {
        @TaskLocal static var number = 0
    }

    @Test("while a call is under way on another loop, virtual time stands still")
    func callFromVirtualTime() async throws {
        try await LoopGroup.with(count: 1) { group in
            let other = group.loops[0]
            try await onCleanLoop {
                let timer = Recorder<Int>()
                let loop = try currentLoop()
                let call = loop.schedule(after: .seconds(3600)) { timer.note(1) }
                // Real time passes there; the loop has nothing to do here but to wait, and must not jump.
                try await other.call { try await sleep(for: .milliseconds(1)) }
                #expect(timer.count == 0)
                call.cancel()
            }
        }
    }

    @Test("twenty groups one after the other leave nothing")
    func many() async throws {
        for _ in 0..<20 {
            let sum = try await LoopGroup.with(count: 3) { try await $0.each { _ in 1 }.reduce(0, +) }
            #expect(sum == 3)
        }
    }
}
