import Testing

@testable import ApusRuntime

/// What is put off until the jobs of a slice have run.
@Suite("Deferred work")
struct DeferredWorkTests {
    /// Written by the loop's thread only.
    private final class Lines {
        var all: [String] = []
    }

    private final class Work: DeferredWork {
        private let name: String
        private let lines: Lines
        private let then: () -> Void

        init(_ name: String, _ lines: Lines, then: @escaping () -> Void = {}) {
            self.name = name
            self.lines = lines
            self.then = then
        }

        func runDeferred() {
            let isPartOfTask = withUnsafeCurrentTask { $0 != nil }
            lines.all.append(isPartOfTask ? "\(name), in a task" : name)
            then()
        }
    }

    @Test("it runs behind the slice's jobs, once, in the order in which it was deferred, and in no task")
    func order() async throws {
        try await onCleanLoop {
            let loop = try currentLoop()
            let lines = LoopBound(Lines(), on: loop)
            let tasks = (0..<3).map { number in
                EventLoop.spawn {
                    lines.value.all.append("job \(number)")
                    loop.defer(Work("work \(number)", lines.value))
                }
            }
            for task in tasks { try await task.value }
            await turns()
            #expect(lines.value.all == ["job 0", "job 1", "job 2", "work 0", "work 1", "work 2"])
        }
    }

    @Test("what deferred work defers runs in the same row; what it makes ready runs next")
    func nested() async throws {
        try await onCleanLoop {
            let loop = try currentLoop()
            let lines = LoopBound(Lines(), on: loop)
            let bound = LoopBound(loop, on: loop)
            await withUnsafeContinuation { continuation in
                let inner = Work("inner", lines.value) { continuation.resume() }
                loop.defer(Work("outer", lines.value) { bound.value.defer(inner) })
            }
            lines.value.all.append("resumed")
            #expect(lines.value.all == ["outer", "inner", "resumed"])
        }
    }

    @Test("whoever is alone gathers with nobody; whoever has jobs behind him, or deferred work, does")
    func gathers() async throws {
        try await onCleanLoop {
            let loop = try currentLoop()
            await turns()
            #expect(!loop.gathersWork)
            let other = EventLoop.spawn {}
            #expect(loop.gathersWork)
            try await other.value
            await turns()
            #expect(!loop.gathersWork)
            loop.defer(Work("work", Lines()))
            #expect(loop.gathersWork)
            await turns()
            #expect(!loop.gathersWork)
        }
    }

    @Test("a call from another thread may defer, and the loop does not fall asleep over it")
    func fromTheInbox() async throws {
        try await onCleanLoop(.monotonic) {
            let loop = try currentLoop()
            let lines = LoopBound(Lines(), on: loop)
            await withUnsafeContinuation { continuation in
                let work = LoopBound(Work("work", lines.value) { continuation.resume() }, on: loop)
                do {
                    try startThread(name: "defers") { loop.perform { loop.defer(work.value) } }
                } catch {
                    Issue.record(error)
                    continuation.resume()
                }
            }
            #expect(lines.value.all == ["work"])
        }
    }

    @Test("with a shuffled order it runs behind each slice, too", arguments: 1...20 as ClosedRange<UInt64>)
    func shuffled(seed: UInt64) async throws {
        var options = EventLoop.Options()
        options.clock = .virtual
        options.shuffleSeed = seed
        try await EventLoop.with(options) {
            let loop = try currentLoop()
            let lines = LoopBound(Lines(), on: loop)
            let tasks = (0..<100).map { number in
                EventLoop.spawn { loop.defer(Work("\(number)", lines.value)) }
            }
            for task in tasks { try await task.value }
            try await sleep(for: .seconds(1))
            #expect(lines.value.all.sorted() == (0..<100).map { "\($0)" }.sorted())
        }
    }

    @Test("a loop that ends before its slice does, neither calls it nor keeps it")
    func closedLoop() throws {
        final class Owner: DeferredWork {
            let ran: Counter
            let freed: Counter
            init(_ ran: Counter, _ freed: Counter) {
                self.ran = ran
                self.freed = freed
            }
            deinit { freed.add() }
            func runDeferred() { ran.add() }
        }
        let (ran, freed) = (Counter(), Counter())
        try EventLoop.run {
            // The last job of the loop's: it ends with it.
            try currentLoop().defer(Owner(ran, freed))
        }
        #expect((ran.value, freed.value) == (0, 1))
    }
}
