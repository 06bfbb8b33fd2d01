import ApusRuntime
import ApusTesting
import Testing

@Suite("withDeadline")
struct DeadlineTests {
    @Test("A35: a body that is done in time gives its value, and leaves no timer")
    func inTime() async throws {
        try await onCleanLoop {
            let loop = try currentLoop()
            let value = try await withDeadline(loop.clock.now.advanced(by: .seconds(2))) { scope in
                #expect(scope.deadline == loop.clock.now.advanced(by: .seconds(2)))
                try await sleep(for: .seconds(1))
                #expect(loop.statistics()?.timers == 1)
                return scope.hasExpired
            }
            #expect(value == false)
            #expect(loop.statistics()?.timers == 0)
        }
    }

    @Test("A35: one that is not is cancelled, the scope knows it, and the error has the time from the beginning")
    func tooLate() async throws {
        try await onCleanLoop {
            let clock = try currentLoop().clock
            let start = clock.now
            let error = await #expect(throws: TimeoutError.self) {
                try await withDeadline(start.advanced(by: .seconds(3))) { scope in
                    do { try await untilCancelled() } catch {
                        #expect(scope.hasExpired)
                        throw error
                    }
                }
            }
            #expect(error?.duration == .seconds(3))
            #expect(start.duration(to: clock.now) == .seconds(3))
        }
    }

    @Test("A35: a deadline that has passed cancels at the first wait; a body without one gives its value")
    func past() async throws {
        try await onCleanLoop {
            let loop = try currentLoop()
            let past = loop.clock.now
            try await sleep(for: .seconds(1))
            let reached = Recorder<Bool>()
            await #expect(throws: TimeoutError.self) {
                try await withDeadline(past) { scope in
                    reached.note(scope.hasExpired)
                    try await sleep(for: .zero)
                    reached.note(false)
                }
            }
            #expect(reached.all == [true])
            let value = try await withDeadline(past) { _ in 1 }
            #expect(value == 1)
            #expect(loop.statistics()?.timers == 0)
        }
    }

    @Test("A35: nested, the tighter cancels, and only the scope that has expired turns it into its error")
    func nested() async throws {
        try await onCleanLoop {
            let clock = try currentLoop().clock
            let start = clock.now
            let seen = Recorder<String>()
            // The outer one is tighter.
            let outer = await #expect(throws: TimeoutError.self) {
                try await withDeadline(start.advanced(by: .seconds(1))) { _ in
                    try await withDeadline(start.advanced(by: .seconds(100))) { inner in
                        do { try await untilCancelled() } catch {
                            seen.note("inner expired: \(inner.hasExpired)")
                            throw error
                        }
                    }
                }
            }
            #expect(outer?.duration == .seconds(1))
            #expect(start.duration(to: clock.now) == .seconds(1))
            // The inner one is tighter: its error is an error of the outer one's body.
            let inner = await #expect(throws: TimeoutError.self) {
                try await withTimeout(.seconds(100)) {
                    try await withDeadline(clock.now.advanced(by: .seconds(5))) { _ in try await untilCancelled() }
                }
            }
            #expect(inner?.duration == .seconds(5))
            #expect(seen.all == ["inner expired: false"])
        }
    }

    @Test("A35: where both have expired by the end, the outer one's error is thrown")
    func bothExpired() async throws {
        try await onCleanLoop {
            let loop = try currentLoop()
            let start = loop.clock.now
            let error = await #expect(throws: TimeoutError.self) {
                try await withDeadline(start.advanced(by: .seconds(2))) { _ in
                    try await withDeadline(start.advanced(by: .seconds(1))) { _ in
                        do { try await untilCancelled() } catch {
                            try await loop.spawn { try await sleep(for: .seconds(5)) }.value
                            throw error
                        }
                    }
                }
            }
            #expect(error?.duration == .seconds(2))
        }
    }

    @Test("A35: rescheduling moves the deadline away, nearer, and takes it off")
    func reschedule() async throws {
        try await onCleanLoop {
            let loop = try currentLoop()
            let start = loop.clock.now
            let error = await #expect(throws: TimeoutError.self) {
                try await withDeadline(start.advanced(by: .seconds(5))) { scope in
                    for second in 1...20 {
                        try await sleep(for: .seconds(1))
                        #expect(scope.reschedule(after: .seconds(5)))
                        #expect(scope.deadline == start.advanced(by: .seconds(second + 5)))
                        #expect(loop.statistics()?.timers == 1, "never more than one entry")
                    }
                    #expect(scope.reschedule(to: nil))
                    #expect(scope.deadline == nil)
                    #expect(loop.statistics()?.timers == 0)
                    try await sleep(for: .seconds(100))
                    #expect(scope.reschedule(after: .seconds(1000)))
                    #expect(scope.reschedule(to: start.advanced(by: .seconds(130))))
                    try await untilCancelled()
                }
            }
            #expect(start.duration(to: loop.clock.now) == .seconds(130))
            #expect(error?.duration == .seconds(130))
        }
    }

    @Test("A35: a deadline of nil is none, until there is one")
    func none() async throws {
        try await onCleanLoop {
            let clock = try currentLoop().clock
            let start = clock.now
            let value = try await withDeadline(nil) { scope in
                #expect(scope.deadline == nil)
                try await sleep(for: .seconds(1_000_000))
                return 1
            }
            #expect(value == 1)
            await #expect(throws: TimeoutError.self) {
                try await withDeadline(nil) { scope in
                    scope.reschedule(after: .seconds(7))
                    try await untilCancelled()
                }
            }
            #expect(start.duration(to: clock.now) == .seconds(1_000_007))
        }
    }

    @Test("A35: rescheduling to the past cancels at once; an expired scope, or one that is over, is not moved")
    func rescheduleToPast() async throws {
        try await onCleanLoop {
            let clock = try currentLoop().clock
            let start = clock.now
            let kept = Recorder<DeadlineScope>()
            await #expect(throws: TimeoutError.self) {
                try await withDeadline(start.advanced(by: .seconds(60))) { scope in
                    kept.note(scope)
                    #expect(scope.reschedule(after: .seconds(-1)))
                    #expect(scope.hasExpired)
                    #expect(Task.isCancelled)
                    #expect(!scope.reschedule(after: .seconds(60)))
                    try await sleep(for: .seconds(1))
                }
            }
            #expect(start.duration(to: clock.now) == .zero)
            try await withDeadline(start.advanced(by: .seconds(60))) { kept.note($0) }
            #expect(!kept.all[1].reschedule(after: .zero))
            #expect(!kept.all[1].hasExpired)
        }
    }

    @Test("durations that overflow are for ever", arguments: [Duration.seconds(Int64.max), .seconds(1e18)])
    func overflow(duration: Duration) async throws {
        try await onCleanLoop {
            let clock = try currentLoop().clock
            let one = try await withDeadline(clock.now.advanced(by: duration)) { scope in
                #expect(scope.reschedule(after: duration))
                try await sleep(for: .seconds(1))
                return 1
            }
            #expect(one == 1)
            let two = try await withTimeout(duration) {
                try await sleep(for: .seconds(1))
                return 2
            }
            #expect(two == 2)
        }
    }

    @Test("another thread, and a cancellation handler, may ask and move the deadline")
    func fromElsewhere() async throws {
        try await onCleanLoop {
            let clock = try currentLoop().clock
            let start = clock.now
            let seen = Recorder<Bool>()
            await #expect(throws: TimeoutError.self) {
                try await withDeadline(start.advanced(by: .seconds(60))) { scope in
                    let moved = try await offload { scope.reschedule(to: start.advanced(by: .seconds(10))) }
                    #expect(moved)
                    try await withTaskCancellationHandler {
                        try await untilCancelled()
                    } onCancel: {
                        seen.note(scope.hasExpired)
                        seen.note(scope.reschedule(to: nil))
                    }
                }
            }
            #expect(seen.all == [true, false])
            #expect(start.duration(to: clock.now) == .seconds(10))
        }
    }

    @Test("when the caller is cancelled, that is what is thrown")
    func callerCancelled() async throws {
        try await onCleanLoop {
            let loop = try currentLoop()
            let task = loop.spawn {
                try await withDeadline(loop.clock.now.advanced(by: .seconds(10))) { scope in
                    do { try await untilCancelled() } catch {
                        #expect(!scope.hasExpired)
                        throw error
                    }
                }
            }
            loop.schedule(after: .seconds(5)) { task.cancel() }
            await #expect(throws: CancellationError.self) { try await task.value }
        }
    }

    /// Of no isolation of its own: it runs with its caller's.
    private static func increment(_ box: Box) async throws {
        try await withDeadline(nil) { _ in
            MainActor.assertIsolated()
            box.value += 1
            await Task.yield()
            MainActor.assertIsolated()
            box.value += 1
        }
    }

    private final class Box { var value = 0 }

    @Test("in a function without isolation the body runs with that of the function's caller")
    @MainActor
    func callersIsolation() async throws {
        let box = Box()
        try await Self.increment(box)
        #expect(box.value == 2)
    }

    @MainActor
    final class Model {
        var lines: [String] = []

        func load() async throws {
            try await withDeadline(EventLoop.shared.clock.now.advanced(by: .seconds(60))) { scope in
                lines.append("begun")
                await Task.yield()
                MainActor.assertIsolated()
                scope.reschedule(after: .nanoseconds(1))
                try await untilCancelled()
            }
        }
    }

    @Test("a main-actor class uses its own state inside, with no loop around")
    @MainActor
    func mainActorState() async throws {
        let model = Model()
        await #expect(throws: TimeoutError.self) { try await model.load() }
        #expect(model.lines == ["begun"])
    }

    @Test("an actor's method uses the actor's state inside")
    func actorState() async throws {
        actor Counter {
            var count = 0
            func hang(until deadline: LoopClock.Instant) async throws {
                try await withDeadline(deadline) { _ in
                    count = 100
                    defer { count += 1 }
                    try await untilCancelled()
                }
            }
        }
        try await onCleanLoop {
            let counter = Counter()
            let deadline = try currentLoop().clock.now.advanced(by: .seconds(1))
            await #expect(throws: TimeoutError.self) { try await counter.hang(until: deadline) }
            #expect(await counter.count == 101)
        }
    }
}
