import ApusTesting
import CApus
import Testing

@testable import ApusRuntime

@Suite("offload")
struct OffloadTests {
    @Test("gives the function's result, from another thread, and comes back to the loop")
    func result() async throws {
        try await onCleanLoop {
            let loop = try currentLoop()
            let thread = apus_gettid()
            let other = try await offload { () -> Int32 in
                #expect(EventLoop.current == nil)
                return apus_gettid()
            }
            #expect(other != thread)
            #expect(EventLoop.current === loop)
            #expect(apus_gettid() == thread)
        }
    }

    @Test("throws the function's error")
    func error() async throws {
        try await onCleanLoop {
            await #expect(throws: Oops(number: 3)) { try await offload { throw Oops(number: 3) } }
        }
    }

    @Test("task-local values reach the function", arguments: [false, true])
    func taskLocals(cpu: Bool) async throws {
        try await onCleanLoop {
            let value = try await Local.$value.withValue(11) {
                try await offload(to: cpu ? .cpu : .blocking) { Local.value }
            }
            #expect(value == 11)
        }
    }

    @Test("the loop goes on meanwhile")
    func loopGoesOn() async throws {
        try await onCleanLoop {
            let gate = Gate()
            async let waiting: Void = offload { gate.pass() }
            await turns()
            gate.open()
            try await waiting
        }
    }

    @Test("cancelling ends the wait at once, while the function goes on to its end")
    func cancelRunning() async throws {
        let (begun, letGo, ended) = (Gate(), Gate(), Gate())
        try await onCleanLoop {
            let task = try currentLoop().spawn {
                try await offload {
                    begun.open()
                    letGo.pass()
                    ended.open()
                }
            }
            await turns()
            begun.pass()
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            // Had the wait not ended, this line would not be reached.
            letGo.open()
            ended.pass()
        }
    }

    @Test("a call that is cancelled before it begins never runs")
    func cancelQueued() async throws {
        let pool = OffloadPool(name: "one", maximumThreads: 1)
        let ran = Recorder<String>()
        let letGo = Gate()
        try await onCleanLoop {
            let loop = try currentLoop()
            let holder = loop.spawn { try await offload(to: pool) { letGo.pass() } }
            let victim = loop.spawn { try await offload(to: pool) { ran.note("victim") } }
            await turns()
            victim.cancel()
            await #expect(throws: CancellationError.self) { try await victim.value }
            letGo.open()
            try await holder.value
            try await offload(to: pool) { ran.note("next") }
        }
        #expect(ran.all == ["next"])
    }

    @Test("in a cancelled task nothing is sent to the pool")
    func cancelledBefore() async throws {
        let ran = Recorder<Int>()
        try await onCleanLoop {
            let task = try currentLoop().spawn { try await offload { ran.note(1) } }
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
        }
        #expect(ran.all == [])
    }

    @Test("one thread and a queue of one: the third call is refused, says why, and its place is free again later")
    func queueFull() async throws {
        let pool = OffloadPool(name: "tiny", maximumThreads: 1, maximumQueue: 1)
        #expect(pool.maximumThreads == 1 && pool.maximumQueue == 1 && pool.name == "tiny")
        let (begun, letGo) = (Gate(), Gate())
        try await onCleanLoop {
            let loop = try currentLoop()
            let running = loop.spawn {
                try await offload(to: pool) {
                    begun.open()
                    letGo.pass()
                }
            }
            await turns()
            begun.pass()
            let queued = loop.spawn { try await offload(to: pool) {} }
            await turns()
            let seen = pool.statistics
            #expect(seen.threads == 1 && seen.idleThreads == 0 && seen.running == 1 && seen.queued == 1)
            let error = await #expect(throws: OffloadError.self) { try await offload(to: pool) {} }
            #expect(error?.code == .queueFull)
            #expect(error.map { "\($0)".contains("“tiny” has 1 calls waiting") } == true)
            letGo.open()
            try await running.value
            try await queued.value
            try await offload(to: pool) {}
        }
    }

    @Test("the queue's bound counts only calls that have to wait for a thread")
    func boundIsForWaiting() async throws {
        let pool = OffloadPool(name: "four", maximumThreads: 4, maximumQueue: 1)
        let letGo = Gate()
        try await onCleanLoop {
            let loop = try currentLoop()
            // Started in one go, before any thread has begun.
            let calls = (0..<5).map { _ in loop.spawn { try await offload(to: pool) { letGo.pass() } } }
            await turns()
            let error = await #expect(throws: OffloadError.self) { try await offload(to: pool) {} }
            #expect(error?.code == .queueFull)
            for _ in calls { letGo.open() }
            for call in calls { try await call.value }
        }
    }

    @Test("bounds below one count as one")
    func bounds() async throws {
        let pool = OffloadPool(name: "zero", maximumThreads: 0, maximumQueue: -1)
        #expect(pool.maximumThreads == 1 && pool.maximumQueue == 1)
        #expect(try await offload(to: pool) { 5 } == 5)
        #expect(OffloadPool.cpu.maximumThreads >= 1)
        #expect(OffloadPool.blocking.maximumThreads == 64)
    }

    @Test("never uses more threads than its bound, and as many if there is work")
    func threads() async throws {
        let pool = OffloadPool(name: "three", maximumThreads: 3)
        let gauge = Gauge()
        let (inside, letGo) = (Gate(), Gate())
        try await onCleanLoop {
            async let all = gather(0..<30) { number in
                try await offload(to: pool) {
                    gauge.enter()
                    inside.open()
                    letGo.pass()
                    gauge.leave()
                    return number
                }
            }
            await turns()
            for _ in 0..<3 { inside.pass() }
            #expect(gauge.now == 3)
            for _ in 0..<30 { letGo.open() }
            let results = try await all
            #expect(results == Array(0..<30))
        }
        #expect(gauge.most == 3)
        #expect(pool.statistics.queued == 0)
    }

    @Test("ten thousand calls, from a loop and from the pool of tasks, all come back", arguments: [false, true])
    func many(onLoop: Bool) async throws {
        @Sendable func work() async throws {
            let results = try await gather(0..<10_000, limit: 500) { number in try await offload { number } }
            #expect(results == Array(0..<10_000))
        }
        if onLoop { try await onCleanLoop { try await work() } } else { try await work() }
    }

    @Test("cancelled at a random moment, each call gives its result or CancellationError", arguments: UInt64(1)...5)
    func cancelRace(seed: UInt64) async throws {
        let pool = OffloadPool(name: "race", maximumThreads: 4)
        let ran = Recorder<Int>()
        try await onCleanLoop(.monotonic) {
            var random = SplitMix(seed: seed)
            let loop = try currentLoop()
            let tasks = (0..<500).map { number in
                loop.spawn {
                    try await offload(to: pool) {
                        ran.note(number)
                        return number
                    }
                }
            }
            for task in tasks.shuffled(using: &random) {
                if Bool.random(using: &random) { task.cancel() }
                if Int.random(in: 0..<20, using: &random) == 0 { await Task.yield() }
            }
            for (number, task) in tasks.enumerated() {
                switch await task.result {
                case .success(let value): #expect(value == number)
                case .failure(let error): #expect(error is CancellationError)
                }
            }
            try await offload(to: pool) {}
        }
        #expect(Set(ran.all).count == ran.count, "nothing runs twice")
    }

    @Test("what the function captured is let go when it is done or abandoned")
    func lifetimes() async throws {
        final class Witness: Sendable {}
        try await onCleanLoop {
            weak var witness: Witness?
            do {
                let strong = Witness()
                witness = strong
                _ = try await offload { ObjectIdentifier(strong) }
            }
            // The thread lets go of the call right after it has given the result.
            for _ in 0..<1000 where witness != nil { try await offload {} }
            #expect(witness == nil)
        }
    }

    @Test("EventLoop.run works in an offloaded function: the thread has no loop of its own")
    func runInside() async throws {
        try await onCleanLoop {
            let value = try await offload {
                try EventLoop.run {
                    try await sleep(for: .nanoseconds(1))
                    return 3
                }
            }
            #expect(value == 3)
        }
    }

    /// What an offloaded function made, such as a descriptor's owner.
    private final class Owner: Sendable {
        let released: Gate
        init(_ released: Gate) { self.released = released }
        deinit { released.open() }
    }

    @Test("what a function returns after its wait was cancelled is released: an owner closes what it owns")
    func droppedResult() async throws {
        let (begun, letGo, released) = (Gate(), Gate(), Gate())
        try await onCleanLoop {
            let task = EventLoop.spawn {
                try await offload {
                    begun.open()
                    letGo.pass()
                    return Owner(released)
                }
            }
            try await offload { begun.pass() }
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            letGo.open()
            // Returns only when the owner is gone.
            try await offload { released.pass() }
        }
    }
}
