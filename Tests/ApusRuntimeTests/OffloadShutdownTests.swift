import ApusTesting
import Logging
import Testing

@testable import ApusRuntime

@Suite("The end of offload pools")
struct OffloadShutdownTests {
    @Test("A73: a pool that is shut down takes nothing new, and says so")
    func refuses() async throws {
        let pool = OffloadPool(name: "ended", maximumThreads: 2)
        try await onCleanLoop {
            let outcome1 = try await offload(to: pool) { 1 }
            #expect(outcome1 == 1)
            let outcome2 = await pool.shutdown(timeout: .seconds(60))
            #expect(outcome2 == 0)
            let error = await #expect(throws: OffloadError.self) { try await offload(to: pool) { 2 } }
            #expect(error?.code == .shutDown)
            #expect(error.map { "\($0)" }?.contains("“ended” was shut down") == true)
            #expect(pool.statistics.rejected == 1 && pool.statistics.completed == 1)
            // Twice is once.
            let outcome3 = await pool.shutdown(timeout: .zero)
            #expect(outcome3 == 0)
        }
    }

    @Test("A73: what runs and what waits goes on until the time is over, and shutdown waits for it")
    func waits() async throws {
        let pool = OffloadPool(name: "waits", maximumThreads: 1)
        let (begun, letGo) = (Gate(), Gate())
        try await onCleanLoop {
            let calls = (0..<3).map { number in
                EventLoop.spawn {
                    try await offload(to: pool) {
                        begun.open()
                        letGo.pass()
                        return number
                    }
                }
            }
            await turns()
            begun.pass()
            let ended = EventLoop.spawn { await pool.shutdown(timeout: .seconds(3600)) }
            await turns()
            #expect(!ended.isFinished)
            for _ in calls { letGo.open() }
            for (number, call) in calls.enumerated() {
                let outcome4 = try await call.value
                #expect(outcome4 == number)
            }
            let left = try await ended.value
            #expect(left == 0)
        }
    }

    @Test(
        "the threads of a pool that is shut down leave at once, those that slept and those that work",
        .timeLimit(.minutes(1))
    )
    func threadsLeave() async throws {
        // An idle one would stay for long.
        let threads = ThreadPool(name: "leaves", maximumThreads: 3, maximumQueue: 9, idleTime: .seconds(86_400))
        let pool = OffloadPool(threads: threads)
        try await onCleanLoop {
            // The first two sleep, or are about to; the third works.
            try await gather(0..<2) { _ in try await offload(to: pool) {} }
            let held = await HeldThread(of: pool)
            let ended = EventLoop.spawn { await pool.shutdown(timeout: .seconds(3600)) }
            await turns()
            held.letGo()
            try await held.call.value
            let left = try await ended.value
            #expect(left == 0)
            while pool.statistics.threads > 0 {
                // In virtual time no timer would see the end of the test's time.
                try Task.checkCancellation()
                await Task.yield()
            }
        }
    }

    @Test("A73: when the time is over, what runs is counted, and what waits is refused and never runs")
    func timeIsOver() async throws {
        let pool = OffloadPool(name: "over", maximumThreads: 1)
        let (begun, letGo) = (Gate(), Gate())
        let ran = Recorder<String>()
        try await onCleanLoop {
            let running = EventLoop.spawn {
                try await offload(to: pool) {
                    begun.open()
                    letGo.pass()
                    return "result"
                }
            }
            await turns()
            begun.pass()
            let waiting = EventLoop.spawn { try await offload(to: pool) { ran.note("waiting") } }
            let givenUp = EventLoop.spawn { try await offload(to: pool) { ran.note("given up") } }
            await turns()
            givenUp.cancel()
            await turns()
            let left = await pool.shutdown(timeout: .zero)
            #expect(left == 2)
            let error = await #expect(throws: OffloadError.self) { try await waiting.value }
            #expect(error?.code == .shutDown)
            await #expect(throws: CancellationError.self) { try await givenUp.value }
            // Who awaits the call that runs gets its result all the same.
            letGo.open()
            let outcome5 = try await running.value
            #expect(outcome5 == "result")
            let outcome6 = await pool.shutdown(timeout: .seconds(60))
            #expect(outcome6 == 0)
        }
        #expect(ran.all == [])
    }

    @Test("A73: a call that never returns does not hold shutdown: virtual time passes, since nobody awaits it")
    func neverReturns() async throws {
        let pool = OffloadPool(name: "never", maximumThreads: 1)
        let held = try await onCleanLoop {
            let held = await HeldThread(of: pool)
            held.call.cancel()
            await #expect(throws: CancellationError.self) { try await held.call.value }
            let clock = try currentLoop().clock
            let start = clock.now
            let left = await pool.shutdown(timeout: .seconds(300))
            #expect(left == 1)
            #expect(start.duration(to: clock.now) == .seconds(300))
            return held
        }
        held.letGo()
    }

    @Test("cancelling ends the wait of shutdown, as if the time were over; several can wait")
    func cancelled() async throws {
        let pool = OffloadPool(name: "impatient", maximumThreads: 1)
        try await onCleanLoop {
            let running = await HeldThread(of: pool)
            let impatient = EventLoop.spawn { await pool.shutdown(timeout: .seconds(3600)) }
            let patient = EventLoop.spawn { await pool.shutdown(timeout: .seconds(Int64.max)) }
            await turns()
            impatient.cancel()
            let left = try await impatient.value
            #expect(left == 1)
            running.letGo()
            try await running.call.value
            let patientLeft = try await patient.value
            #expect(patientLeft == 0)
        }
    }

    @Test("the process's own pools do not end: shutdown waits there, and calls go on")
    func processPools() async throws {
        try await onCleanLoop {
            let outcome9 = await OffloadPool.cpu.shutdown(timeout: .zero)
            #expect(outcome9 >= 0)
            let outcome10 = try await offload(to: .cpu) { 3 }
            #expect(outcome10 == 3)
        }
    }

    @Test("shut down from threads without a loop while 8 loops submit: every call ends, with its result or .shutDown")
    func storm() async throws {
        let pool = OffloadPool(name: "storm", maximumThreads: 2)
        let started = Gate()
        async let ends: Int = {
            await withUnsafeContinuation { continuation in
                try? startThread(name: "waits") {
                    started.pass()
                    continuation.resume()
                }
            }
            return await pool.shutdown(timeout: .nanoseconds(1))
        }()
        let counts = try await LoopGroup.with(count: 8) { group in
            try await group.each { _ in
                let results = await gatherResults(0..<500) { number in
                    if number == 100 { started.open() }
                    return try await offload(to: pool) { number }
                }
                for (number, result) in results.enumerated() {
                    switch result {
                    case .success(let value): #expect(value == number)
                    case .failure(let error): #expect((error as? OffloadError)?.code == .shutDown)
                    }
                }
                return results.count
            }
        }
        _ = await ends
        #expect(counts.reduce(0, +) == 4_000)
        let outcome11 = await pool.shutdown(timeout: .seconds(60))
        #expect(outcome11 == 0)
        let seen = pool.statistics
        #expect(seen.running == 0 && seen.queued == 0)
    }

    // MARK: With a loop

    @Test("A73: a loop's end waits for calls of its own pool that nobody awaits any more")
    func loopWaits() async throws {
        let log = LogRecorder()
        var options = EventLoop.Options()
        options.logger = log.logger
        options.blockingPool = OffloadPool(name: "files", maximumThreads: 1)
        options.offloadDrainTimeout = .seconds(3600)
        let (begun, letGo) = (Gate(), Gate())
        let order = Recorder<String>()
        try await EventLoop.with(options) {
            let task = EventLoop.spawn {
                try await offload {
                    begun.open()
                    letGo.pass()
                    order.note("call")
                }
            }
            try await offload(to: .processBlocking) { begun.pass() }
            task.cancel()
            _ = await task.result
            // The loop still turns while it waits.
            try currentLoop().schedule(after: .milliseconds(1)) { letGo.open() }
            order.note("body")
        }
        order.note("loop")
        #expect(order.all == ["body", "call", "loop"])
        #expect(log.texts(.warning) == [])
    }

    @Test("A73: a call that never returns holds a loop's end only for so long, and is named", arguments: [false, true])
    func loopGivesUp(runner: Bool) async throws {
        let log = LogRecorder()
        var options = EventLoop.Options()
        options.name = "main"
        options.logger = log.logger
        options.blockingPool = OffloadPool(name: "files", maximumThreads: 1)
        options.cpuPool = options.blockingPool
        options.offloadDrainTimeout = .milliseconds(1)
        options.signals = .none
        let (begun, letGo) = (Gate(), Gate())
        let body: @Sendable () async throws -> Void = {
            let task = EventLoop.spawn {
                try await offload {
                    begun.open()
                    letGo.pass()
                }
            }
            try await offload(to: .processBlocking) { begun.pass() }
            task.cancel()
            _ = await task.result
        }
        if runner {
            let setup = options
            try await offload { try EventLoop.Runner.with(setup) { try $0.run(body) } }
        } else {
            try await EventLoop.with(options, body)
        }
        letGo.open()
        let texts = log.texts(.warning)
        #expect(texts.count == 1)
        #expect(texts.first?.contains("“main” has ended while 1 calls go on in its offload pool “files”") == true)
    }

    @Test("of loops that share a pool, the last one waits")
    func lastLoopWaits() async throws {
        let log = LogRecorder()
        var options = EventLoop.Options()
        options.logger = log.logger
        options.blockingPool = OffloadPool(name: "shared", maximumThreads: 1)
        options.offloadDrainTimeout = .zero
        let (begun, letGo) = (Gate(), Gate())
        let setup = options
        try await EventLoop.with(setup) {
            try await EventLoop.with(setup) {
                let task = EventLoop.spawn {
                    try await offload {
                        begun.open()
                        letGo.pass()
                    }
                }
                try await offload(to: .processBlocking) { begun.pass() }
                task.cancel()
                _ = await task.result
            }
            #expect(log.texts(.warning) == [], "the other loop still has the pool")
        }
        letGo.open()
        #expect(log.texts(.warning).count == 1)
        #expect(setup.blockingPool?.threads.withLock { setup.blockingPool?.threads.owners } == 0)
    }

    @Test("the end of a loop does not wait for the process's pools")
    func processPoolsAreNotAwaited() async throws {
        let (begun, letGo) = (Gate(), Gate())
        try await EventLoop.with {
            let task = EventLoop.spawn {
                try await offload {
                    begun.open()
                    letGo.pass()
                }
            }
            try await offload(to: .cpu) { begun.pass() }
            task.cancel()
        }
        // Had it waited, this line would not be reached.
        letGo.open()
    }

    @Test("from a closed loop nothing is offloaded: loopClosed, also with pools of its own")
    func closedLoop() async throws {
        var options = EventLoop.Options()
        options.blockingPool = OffloadPool(name: "closed", maximumThreads: 1)
        let setup = options
        let loop = try await EventLoop.with(setup) { try currentLoop() }
        let late = loop.spawn { try await offload { 1 } }
        let error = await #expect(throws: LoopError.self) { try await late.value }
        #expect(error?.code == .loopClosed)
        #expect(setup.blockingPool?.statistics.completed == 0)
    }
}
