import ApusRuntime
import ApusTesting
import CApus
import Glibc
import Synchronization
import Testing

@Suite("schedule")
struct ScheduleTests {
    @Test("runs a function on the loop's thread, outside any task, after what is ready")
    func soon() async throws {
        let order = Recorder<String>()
        try await onCleanLoop {
            let loop = try currentLoop()
            let thread = apus_gettid()
            loop.schedule {
                #expect(apus_gettid() == thread)
                #expect(EventLoop.current === loop)
                withUnsafeCurrentTask { #expect($0 == nil) }
                order.note("first")
            }
            loop.schedule { order.note("second") }
            order.note("task")
            await turns()
        }
        #expect(order.all == ["task", "first", "second"])
    }

    @Test("after and at: by deadline, equal ones in the order in which they were asked for")
    func later() async throws {
        let order = Recorder<Int>()
        try await onCleanLoop {
            let loop = try currentLoop()
            let start = loop.clock.now
            loop.schedule(after: .seconds(2)) { order.note(3) }
            loop.schedule(at: start.advanced(by: .seconds(1))) { order.note(1) }
            loop.schedule(after: .seconds(1)) { order.note(2) }
            loop.schedule(after: .zero) { order.note(0) }
            loop.schedule(after: .seconds(-5)) { order.note(0) }
            try await sleep(for: .seconds(3))
        }
        #expect(order.all == [0, 0, 1, 2, 3])
    }

    @Test("a deadline that has passed runs the function at the next opportunity")
    func past() async throws {
        let order = Recorder<Int>()
        try await onCleanLoop {
            let loop = try currentLoop()
            try await sleep(for: .seconds(10))
            loop.schedule(at: loop.clock.now.advanced(by: .seconds(-10))) { order.note(1) }
            #expect(order.all == [])
            await turns()
            #expect(order.all == [1])
        }
    }

    @Test(
        "a deadline long before the clock's beginning has passed too",
        arguments: [Duration.seconds(Int64.min), .nanoseconds(Int64.min), .seconds(-9_000_000_000)]
    )
    func longPast(before: Duration) async throws {
        try await onCleanLoop(.monotonic) {
            let loop = try currentLoop()
            // From here on nothing is left of what woke the loop when it began.
            try await sleep(for: .milliseconds(1))
            let hasRun = AsyncFuture<Bool>()
            loop.schedule(at: loop.clock.now.advanced(by: before)) { hasRun.resolve(returning: true) }
            // Of another loop, since this one would sleep for ever.
            let end = EventLoop.shared.schedule(after: .seconds(10)) { hasRun.resolve(returning: false) }
            let outcome = try await hasRun.value
            #expect(outcome)
            end.cancel()
        }
    }

    @Test("a cancelled call never runs, and only the first cancel says that it prevented it")
    func cancel() async throws {
        let calls = Recorder<Int>()
        try await onCleanLoop {
            let loop = try currentLoop()
            for call in [
                loop.schedule { calls.note(0) }, loop.schedule(after: .seconds(1)) { calls.note(1) },
                loop.schedule(at: loop.clock.now.advanced(by: .seconds(1))) { calls.note(2) },
            ] {
                #expect(!call.isOver)
                #expect(call.cancel())
                #expect(call.isOver)
                #expect(!call.cancel())
            }
            #expect(loop.statistics()?.timers == 0)
            try await sleep(for: .seconds(2))
        }
        #expect(calls.all == [])
    }

    @Test("cancelling a call that has run prevents nothing")
    func cancelTooLate() async throws {
        try await onCleanLoop {
            let call = try currentLoop().schedule {}
            await turns()
            #expect(call.isOver)
            #expect(!call.cancel())
        }
    }

    @Test("a call may cancel itself, cancel others and schedule more")
    func reentrant() async throws {
        let order = Recorder<Int>()
        try await onCleanLoop {
            let loop = try currentLoop()
            let victim = loop.schedule(after: .seconds(1)) { order.note(-1) }
            loop.schedule(after: .milliseconds(1)) {
                #expect(victim.cancel())
                loop.schedule { order.note(1) }
                loop.schedule(after: .seconds(1)) { order.note(2) }
            }
            try await sleep(for: .seconds(5))
        }
        #expect(order.all == [1, 2])
    }

    @Test("of a thousand calls cancelled by another thread, each ran or was prevented")
    func cancelElsewhere() async throws {
        let ran = Recorder<Int>()
        try await onCleanLoop(.monotonic) {
            let loop = try currentLoop()
            let prevented = try await offload {
                var prevented: [Int] = []
                for number in 0..<1000 {
                    let call =
                        number % 2 == 0
                        ? loop.schedule { ran.note(number) }
                        : loop.schedule(after: .nanoseconds(1)) { ran.note(number) }
                    if number % 3 == 0, call.cancel() { prevented.append(number) }
                }
                return prevented
            }
            try await sleep(for: .milliseconds(1))
            #expect((ran.all + prevented).sorted() == Array(0..<1000))
        }
    }

    @Test("8 threads × 10,000 calls: none is lost, and each thread's stay in order")
    func storm() async throws {
        let pool = OffloadPool(name: "storm", maximumThreads: 8)
        let received = Mutex<[[Int]]>(Array(repeating: [], count: 8))
        try await onCleanLoop(.monotonic) {
            let loop = try currentLoop()
            let start = Gate()
            try await gather(
                {
                    try await gather(0..<8) { thread in
                        try await offload(to: pool) {
                            start.pass()
                            for number in 0..<10_000 {
                                loop.schedule { received.withLock { $0[thread].append(number) } }
                            }
                        }
                    }
                },
                { for _ in 0..<8 { start.open() } }
            )
            await turns()
        }
        #expect(received.withLock { $0 }.allSatisfy { $0 == Array(0..<10_000) })
    }

    @Test("what is scheduled on a loop that sleeps wakes it")
    func wakes() async throws {
        try await onCleanLoop(.monotonic) {
            let loop = try currentLoop()
            for _ in 0..<100 {
                // The loop has nothing to do but to wait for the other thread, which calls at no particular moment.
                await withUnsafeContinuation { continuation in
                    OffloadedCaller.call { loop.schedule { continuation.resume() } }
                }
            }
        }
    }

    /// Calls from a thread that is not the loop's, without the loop knowing of it.
    private enum OffloadedCaller {
        static func call(_ body: @escaping @Sendable () -> Void) {
            Task.detached { body() }
        }
    }
}

@Suite("Virtual time")
struct VirtualTimeTests {
    @Test("jumps over a year of sleeps, in order")
    func jumps() async throws {
        let days = try await onCleanLoop {
            let clock = try currentLoop().clock
            let start = clock.now
            var days: [Int64] = []
            for _ in 0..<365 {
                try await sleep(for: .seconds(86_400))
                days.append(start.duration(to: clock.now).components.seconds / 86_400)
            }
            return days
        }
        #expect(days == Array(1...365))
    }

    @Test("stands at each deadline of nested sleeps")
    func nested() async throws {
        let log = Recorder<String>()
        try await onCleanLoop {
            let clock = try currentLoop().clock
            let start = clock.now
            @Sendable func note(_ what: String) {
                log.note("\(what) \(start.duration(to: clock.now).components.seconds)")
            }
            try await gather(
                {
                    try await sleep(for: .seconds(1))
                    note("a")
                    try await sleep(for: .seconds(3))
                    note("a")
                },
                {
                    try await sleep(for: .seconds(2))
                    note("b")
                    try await gather(0..<2) { number in
                        try await sleep(for: .seconds(1 + number))
                        note("b\(number)")
                    }
                }
            )
        }
        #expect(log.all == ["a 1", "b 2", "b0 3", "a 4", "b1 4"])
    }

    @Test("does not pass while somebody can run")
    func readyTasksFirst() async throws {
        try await onCleanLoop {
            let loop = try currentLoop()
            let start = loop.clock.now
            let sleeper = loop.spawn { try await sleep(for: .nanoseconds(1)) }
            for _ in 0..<1000 {
                await Task.yield()
                #expect(loop.clock.now == start)
            }
            try await sleeper.value
        }
    }

    @Test("stands still while an offloaded call is in flight, and goes on after it")
    func offloaded() async throws {
        try await onCleanLoop {
            let loop = try currentLoop()
            let start = loop.clock.now
            let sleeper = loop.spawn { try await sleep(for: .seconds(60)) }
            let seen = try await offload {
                // A hundred round trips, each of which gives the loop every occasion to jump.
                (0..<100).map { _ in
                    let gate = Gate()
                    let now = Mutex(start)
                    loop.schedule {
                        now.withLock { $0 = loop.clock.now }
                        gate.open()
                    }
                    gate.pass()
                    return now.withLock { $0 }
                }
            }
            #expect(seen.allSatisfy { $0 == start })
            try await sleeper.value
            #expect(start.duration(to: loop.clock.now) == .seconds(60))
        }
    }

    @Test("stands still while a real descriptor is waited for, and says so after five seconds")
    func realDescriptor() async throws {
        // The five seconds are in the past already: see `standstill` in VirtualStandstillTests.
        try await onCleanLoop {
            let loop = try currentLoop()
            let start = loop.clock.now
            let pair = try SocketPair()
            let descriptor = LoopBound(try loop.register(pair.near), on: loop)
            await turns()
            let sleeper = loop.spawn { try await sleep(for: .seconds(60)) }
            Task.detached {
                // From outside, after many looks of the loop at its clock.
                for _ in 0..<100 {
                    await withUnsafeContinuation { continuation in loop.schedule { continuation.resume() } }
                }
                pair.write([1])
            }
            #expect(await descriptor.value.waitReadable() == .ready)
            #expect(loop.clock.now == start)
            descriptor.value.release()
            pair.close()
            try await sleeper.value
            #expect(start.duration(to: loop.clock.now) == .seconds(60))
        }
    }

    @Test("is what withTimeout and gather measure by")
    func combinators() async throws {
        try await onCleanLoop {
            let clock = try currentLoop().clock
            let start = clock.now
            _ = await gatherResults(1...100) { number in
                try await withTimeout(.seconds(number)) { try await untilCancelled() }
            }
            #expect(start.duration(to: clock.now) == .seconds(100))
        }
    }
}

@Suite("LoopClock")
struct LoopClockTests {
    @Test("is a Clock: measure, sleep(for:) and deadlines of generic code work with it")
    func isClock() async throws {
        @Sendable func took<C: Clock>(_ clock: C, _ duration: C.Duration) async throws -> C.Duration {
            try await clock.measure { try await clock.sleep(for: duration) }
        }
        try await onCleanLoop {
            let clock = try currentLoop().clock
            #expect(try await took(clock, .seconds(9)) == .seconds(9))
            #expect(clock.minimumResolution == .nanoseconds(1))
        }
    }

    @Test("moments are ordered, and never overflow")
    func instants() {
        let now = EventLoop.shared.clock.now
        let later = now.advanced(by: .milliseconds(5))
        #expect(now < later)
        #expect(now.duration(to: later) == .milliseconds(5))
        #expect(later.duration(to: now) == .milliseconds(-5))
        let never = now.advanced(by: .seconds(Int64.max))
        #expect(later < never)
        #expect(never.advanced(by: .seconds(1)) == never)
        #expect(now.advanced(by: .seconds(Int64.min)) < now)
    }

    @Test("the monotonic clock never goes back, on the loop and off it")
    func monotonic() async throws {
        let start = EventLoop.shared.clock.now
        #expect(start <= EventLoop.shared.clock.now)
        try await onCleanLoop(.monotonic) {
            let clock = try currentLoop().clock
            let first = clock.now
            #expect(start <= first)
            try await sleep(for: .nanoseconds(1))
            #expect(first < clock.now)
        }
    }
}
