import ApusTesting
import CApus
import Glibc
import Logging
import Testing

@testable import ApusRuntime

@Suite("Offload pools: of a loop, their numbers, their bounds")
struct OffloadPoolTests {
    private func threadName() -> String {
        guard let file = fopen("/proc/thread-self/comm", "re") else { return "" }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 32)
        fgets(&line, 32, file)
        return String(decoding: line.prefix { $0 != 0 && $0 != 10 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    @Test("A72: a loop's own pools are the defaults on it, and nowhere else")
    func poolsOfLoop() async throws {
        var options = EventLoop.Options()
        options.blockingPool = OffloadPool(name: "files", maximumThreads: 2)
        options.cpuPool = OffloadPool(name: "sums", maximumThreads: 1)
        let names = try await EventLoop.with(options) {
            #expect(OffloadPool.blocking.name == "files" && OffloadPool.cpu.name == "sums")
            return [
                try await offload { threadName() },
                try await offload(to: .cpu) { threadName() },
                try await offload(to: .blocking, cancellation: .cooperative) { threadName() },
                // A thread of the pool runs no loop.
                try await offload { OffloadPool.blocking.name },
            ]
        }
        #expect(names == ["apus-files", "apus-sums", "apus-files", "blocking"])
        #expect(OffloadPool.blocking.name == "blocking" && OffloadPool.cpu.name == "cpu")
        // The pool does not end with the loop: the next one can have it.
        let outcome1 = try await EventLoop.with(options) { try await offload { threadName() } }
        #expect(outcome1 == "apus-files")
    }

    @Test("A72: loops of a group share the pools of their options")
    func poolsOfGroup() async throws {
        var options = EventLoop.Options()
        options.blockingPool = OffloadPool(name: "shared-files", maximumThreads: 3)
        let names = try await LoopGroup.with(count: 3, options: options) { group in
            try await group.each { _ in try await offload { threadName() } }
        }
        #expect(names == Array(repeating: "apus-shared-fil", count: 3))
    }

    @Test("statistics: what runs, waits, has ended and was refused")
    func statistics() async throws {
        let pool = OffloadPool(name: "numbers", maximumThreads: 1, maximumQueue: 1)
        #expect(pool.statistics == OffloadStatistics(name: "numbers"))
        try await onCleanLoop {
            let running = await HeldThread(of: pool)
            let queued = EventLoop.spawn { try await offload(to: pool) { throw Oops() } }
            await turns()
            await #expect(throws: OffloadError.self) { try await offload(to: pool) {} }
            let seen = pool.statistics
            #expect(seen.running == 1 && seen.queued == 1 && seen.rejected == 1 && seen.completed == 0)
            #expect(seen.oldestWait > .zero)
            running.letGo()
            try await running.call.value
            await #expect(throws: Oops.self) { try await queued.value }
            let after = pool.statistics
            #expect(after.running == 0 && after.queued == 0 && after.completed == 2)
            #expect(after.oldestWait == .zero && after.longestWait >= seen.oldestWait)
        }
    }

    @Test("of idle threads the one that sat down last gets the next call, and the others sleep on")
    func lastFirst() async throws {
        let pool = OffloadPool(name: "seats", maximumThreads: 3)
        let threads = pool.threads
        let gates = (0..<3).map { _ in Gate() }
        let begun = Gate()
        try await onCleanLoop(.monotonic) {
            let calls = gates.map { gate in
                EventLoop.spawn {
                    try await offload(to: pool) {
                        begun.open()
                        gate.pass()
                        return apus_gettid()
                    }
                }
            }
            await turns()
            for _ in gates { begun.pass() }
            var ids: [Int32] = []
            for (index, gate) in gates.enumerated() {
                gate.open()
                ids.append(try await calls[index].value)
                while threads.withLock({ threads.seats.count }) <= index { await Task.yield() }
            }
            #expect(Set(ids).count == 3)
            for _ in 0..<20 {
                // A call's value is there a moment before its thread has sat down.
                while threads.withLock({ threads.idle }) < 3 { await Task.yield() }
                let id = try await offload(to: pool) { apus_gettid() }
                #expect(id == ids[2])
            }
            #expect(pool.statistics.threads == 3)
            // All three are of use still.
            let again = gates.map { gate in
                EventLoop.spawn {
                    try await offload(to: pool) {
                        gate.pass()
                        return apus_gettid()
                    }
                }
            }
            while pool.statistics.running < 3 { await Task.yield() }
            for gate in gates { gate.open() }
            var all: Set<Int32> = []
            for call in again { all.insert(try await call.value) }
            #expect(all == Set(ids))
        }
    }

    @Test("a call that is cancelled while it waits gives its place to another at once, and is not counted later")
    func placeIsFree() async throws {
        let pool = OffloadPool(name: "place", maximumThreads: 1, maximumQueue: 1)
        let ran = Recorder<Int>()
        try await onCleanLoop {
            let holder = await HeldThread(of: pool)
            for number in 0..<50 {
                let mode: OffloadCancellation = number % 2 == 0 ? .abandon : .cooperative
                let waiting = EventLoop.spawn { try await offload(to: pool, cancellation: mode) { ran.note(number) } }
                await turns(5)
                #expect(pool.statistics.queued == 1)
                waiting.cancel()
                // The thread is still held: this line is reached only since a call that has not begun is not awaited.
                await #expect(throws: CancellationError.self) { try await waiting.value }
                #expect(pool.statistics.queued == 0)
            }
            let last = EventLoop.spawn { try await offload(to: pool) { ran.note(50) } }
            await turns()
            holder.letGo()
            try await holder.call.value
            try await last.value
            let seen = pool.statistics
            #expect(seen.queued == 0 && seen.running == 0 && seen.completed == 2 && seen.rejected == 0)
        }
        #expect(ran.all == [50])
    }

    @Test("behind calls that never end, cancelled ones do not pile up without bound")
    func givenUpBound() async throws {
        let pool = OffloadPool(name: "stuck", maximumThreads: 1, maximumQueue: 1)
        try await onCleanLoop {
            let holder = await HeldThread(of: pool)
            var refusal: OffloadError?
            var count = 0
            while refusal == nil, count < 10_000 {
                let waiting = EventLoop.spawn { try await offload(to: pool) {} }
                await turns(3)
                waiting.cancel()
                do {
                    try await waiting.value
                } catch let error as OffloadError {
                    refusal = error
                } catch {
                    count += 1
                }
            }
            #expect(count == 1024)
            #expect(refusal?.code == .queueFull)
            #expect(refusal.map { "\($0)" }?.contains("1024 calls in its queue that were cancelled") == true)
            holder.letGo()
            try await holder.call.value
            // The thread has come through them.
            try await offload(to: pool) {}
            #expect(pool.statistics.completed == 2)
        }
    }

    @Test("A70: a saturated pool is told once per interval, with its name, numbers and what to do; else nothing is")
    func saturation() async throws {
        let log = LogRecorder()
        let pool = OffloadPool(name: "busy", maximumThreads: 1, logger: log.logger)
        let threads = pool.threads
        let second: Int64 = 1_000_000_000
        try await onCleanLoop {
            let holder = await HeldThread(of: pool)
            #expect(!threads.withLock { threads.isWatched }, "nothing waits")
            let queued = EventLoop.spawn { try await offload(to: pool) {} }
            let cancelled = EventLoop.spawn { try await offload(to: pool) {} }
            await turns()
            #expect(threads.withLock { threads.isWatched })
            cancelled.cancel()
            await turns()
            let start = apus_monotonic_now()
            let early = threads.reportSaturation(at: start + 5 * second)
            #expect(early && log.texts(.warning).isEmpty, "not yet for an interval")
            let late = threads.reportSaturation(at: start + 12 * second)
            #expect(late)
            let texts = log.texts(.warning)
            #expect(texts.count == 1)
            let text = texts.first ?? ""
            for part in [
                "“busy”", "all its 1 threads", "1 calls wait", "1 more were cancelled", "for 12.", "maximumThreads",
            ] {
                #expect(text.contains(part), "\(text)")
            }
            holder.letGo()
            try await holder.call.value
            try await queued.value
            // Both the given-up call and the next have been through the queue.
            try await offload(to: pool) {}
            let over = threads.reportSaturation(at: start + 30 * second)
            #expect(!over && log.texts(.warning).count == 1)
        }
    }

    @Test("the thread that tells of saturation comes by itself, and goes")
    func saturationThread() async throws {
        let told = Gate()
        let threads = ThreadPool(
            name: "short",
            maximumThreads: 1,
            maximumQueue: 10,
            logger: Logger(label: "test") { _ in OpeningHandler(gate: told) },
            saturationInterval: .milliseconds(1)
        )
        let pool = OffloadPool(threads: threads)
        let letGo = Gate()
        try await onCleanLoop(.monotonic) {
            let calls = (0..<2).map { _ in EventLoop.spawn { try await offload(to: pool) { letGo.pass() } } }
            try await offload { told.pass() }
            for _ in calls { letGo.open() }
            for call in calls { try await call.value }
            while threads.withLock({ threads.isWatched }) { await Task.yield() }
        }
    }

    @Test("8 threads that submit and cancel at once: nothing is lost, nothing runs twice, and the numbers agree")
    func eightThreads() async throws {
        let pool = OffloadPool(name: "eight", maximumThreads: 3, maximumQueue: 100)
        let ran = Recorder<Int>()
        let results = try await LoopGroup.with(count: 8) { group in
            try await group.each { loop in
                let base = Int(loop.name.split(separator: "-").last ?? "0").map { $0 * 10_000 } ?? 0
                var random = SplitMix(seed: UInt64(base + 1))
                var (values, cancelled, refused) = (0, 0, 0)
                for round in 0..<40 {
                    let tasks = (0..<25).map { number in
                        loop.spawn {
                            let own = base + round * 25 + number
                            return try await offload(to: pool, cancellation: number % 2 == 0 ? .abandon : .cooperative)
                            {
                                ran.note(own)
                                return own
                            }
                        }
                    }
                    for task in tasks where Int.random(in: 0..<3, using: &random) == 0 {
                        await turns(Int.random(in: 0..<3, using: &random))
                        task.cancel()
                    }
                    for (number, task) in tasks.enumerated() {
                        switch await task.result {
                        case .success(let value):
                            values += 1
                            #expect(value == base + round * 25 + number)
                        case .failure(is CancellationError): cancelled += 1
                        case .failure(let error):
                            refused += (error as? OffloadError)?.code == .queueFull ? 1 : 1_000_000
                        }
                    }
                }
                return (values: values, cancelled: cancelled, refused: refused)
            }
        }
        let (values, cancelled, refused) = results.reduce((0, 0, 0)) {
            ($0.0 + $1.values, $0.1 + $1.cancelled, $0.2 + $1.refused)
        }
        #expect(values + cancelled + refused == 8_000)
        let left = await pool.shutdown(timeout: .seconds(60))
        #expect(left == 0)
        // Jobs of calls that were given up may still be on their way.
        while pool.statistics.threads > 0 { await Task.yield() }
        let seen = pool.statistics
        #expect(Set(ran.all).count == ran.count && ran.count == seen.completed)
        #expect(seen.completed >= values && seen.completed <= values + cancelled)
        #expect(seen.rejected == refused && seen.queued == 0 && seen.running == 0)
        #expect(pool.threads.withLock { pool.threads.givenUp == 0 && pool.threads.waiting == 0 })
    }

    /// Opens a gate at the first line.
    private struct OpeningHandler: LogHandler {
        let gate: Gate
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) { gate.open() }
    }
}
