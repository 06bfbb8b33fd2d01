import ApusRuntime
import ApusTesting
import Testing

@Suite("withTimeout")
struct TimeoutTests {
    @Test("gives the value of a body that is done in time, and leaves no timer")
    func inTime() async throws {
        try await onCleanLoop {
            let value = try await withTimeout(.seconds(2)) {
                try await sleep(for: .seconds(1))
                return 42
            }
            #expect(value == 42)
            #expect(try currentLoop().statistics()?.timers == 0)
        }
    }

    @Test("cancels a body that is not, and throws TimeoutError with the duration")
    func tooLate() async throws {
        try await onCleanLoop {
            let clock = try currentLoop().clock
            let start = clock.now
            let error = await #expect(throws: TimeoutError.self) {
                try await withTimeout(.seconds(3)) { try await sleep(for: .seconds(4)) }
            }
            #expect(error?.duration == .seconds(3))
            #expect(error?.isTimeout == true)
            #expect(start.duration(to: clock.now) == .seconds(3))
        }
    }

    @Test("waits for a body that ends in its own time, and gives the value it returns nevertheless")
    func valueDespite() async throws {
        try await onCleanLoop {
            let clock = try currentLoop().clock
            let start = clock.now
            let value = try await withTimeout(.seconds(1)) {
                try? await untilCancelled()
                // A task of its own is not cancelled with this one.
                try await EventLoop.spawn { try await sleep(for: .seconds(5)) }.value
                return "late"
            }
            #expect(value == "late")
            #expect(start.duration(to: clock.now) == .seconds(6))
        }
    }

    @Test("throws the body's own error, before its time and after")
    func otherError() async throws {
        try await onCleanLoop {
            await #expect(throws: Oops(number: 1)) { try await withTimeout(.seconds(1)) { throw Oops(number: 1) } }
            await #expect(throws: Oops(number: 2)) {
                try await withTimeout(.seconds(1)) {
                    do { try await untilCancelled() } catch { throw Oops(number: 2) }
                }
            }
        }
    }

    @Test("a CancellationError of the body's own, in time, stays one")
    func ownCancellation() async throws {
        try await onCleanLoop {
            await #expect(throws: CancellationError.self) {
                try await withTimeout(.seconds(1)) { throw CancellationError() }
            }
        }
    }

    @Test("when the caller is cancelled, that is what is thrown, expired or not", arguments: [false, true])
    func callerCancelled(expires: Bool) async throws {
        try await onCleanLoop {
            let loop = try currentLoop()
            let task = loop.spawn {
                try await withTimeout(.seconds(10)) {
                    do {
                        try await untilCancelled()
                    } catch {
                        if expires { _ = try? await loop.spawn { try await sleep(for: .seconds(60)) }.value }
                        throw error
                    }
                }
            }
            loop.schedule(after: .seconds(5)) { task.cancel() }
            await #expect(throws: CancellationError.self) { try await task.value }
        }
    }

    @Test("in a cancelled task cancels the body from the start")
    func cancelledBefore() async throws {
        try await onCleanLoop {
            let task = try currentLoop().spawn {
                try await withTimeout(.seconds(10)) {
                    let wasCancelled = Task.isCancelled
                    return wasCancelled
                }
            }
            task.cancel()
            #expect(try await task.value == true)
        }
    }

    @Test("of zero or less cancels at the first wait; a body without one gives its value", arguments: [0, -1])
    func zero(seconds: Int) async throws {
        try await onCleanLoop {
            await #expect(throws: TimeoutError.self) {
                try await withTimeout(.seconds(seconds)) { try await untilCancelled() }
            }
            let value = try await withTimeout(.seconds(seconds)) { 1 }
            #expect(value == 1)
        }
    }

    @Test("nested: the inner one's time is its own, and the outer one's covers both")
    func nested() async throws {
        try await onCleanLoop {
            let clock = try currentLoop().clock
            let start = clock.now
            let error = await #expect(throws: TimeoutError.self) {
                try await withTimeout(.seconds(10)) {
                    do {
                        try await withTimeout(.seconds(1)) { try await untilCancelled() }
                    } catch let inner as TimeoutError {
                        #expect(inner.duration == .seconds(1))
                    }
                    try await withTimeout(.seconds(100)) { try await untilCancelled() }
                }
            }
            #expect(error?.duration == .seconds(10))
            #expect(start.duration(to: clock.now) == .seconds(10))
        }
    }

    @Test("nested: an inner scope that the outer one cancels does not call it its own timeout")
    func nestedReasons() async throws {
        try await onCleanLoop {
            let seen = Recorder<String>()
            await #expect(throws: TimeoutError.self) {
                try await withTimeout(.seconds(1)) {
                    do {
                        try await withTimeout(.seconds(100)) { try await untilCancelled() }
                    } catch is CancellationError {
                        seen.note("cancelled")
                        throw CancellationError()
                    }
                }
            }
            #expect(seen.all == ["cancelled"])
        }
    }

    @Test("a hundred thousand that are done in time leave nothing in the timer queue")
    func noTombstones() async throws {
        try await onCleanLoop {
            let loop = try currentLoop()
            for _ in 0..<100 {
                _ = try await gather(0..<1000) { number in try await withTimeout(.seconds(60)) { number } }
                #expect(loop.statistics()?.timers == 0)
            }
        }
    }

    @Test("an actor's method uses the actor's state inside")
    func actorState() async throws {
        actor Counter {
            var count = 0
            func step() async throws -> Int {
                try await withTimeout(.seconds(1)) {
                    count += 1
                    await Task.yield()
                    count += 1
                    return count
                }
            }
            func hang() async throws {
                try await withTimeout(.seconds(1)) {
                    count = 100
                    defer { count += 1 }
                    try await untilCancelled()
                }
            }
        }
        try await onCleanLoop {
            let counter = Counter()
            let count = try await counter.step()
            #expect(count == 2)
            await #expect(throws: TimeoutError.self) { try await counter.hang() }
            #expect(await counter.count == 101)
        }
    }

    /// Of no isolation of its own: it runs with its caller's.
    private static func increment(_ box: Box) async throws {
        try await withTimeout(.seconds(60)) {
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
            try await withTimeout(.seconds(60)) {
                lines.append("begun")
                await Task.yield()
                MainActor.assertIsolated()
                lines.append("done")
            }
        }

        func hang() async throws {
            try await withTimeout(.nanoseconds(1)) {
                lines.append("hanging")
                try await untilCancelled()
            }
        }
    }

    @Test("a main-actor class uses its own state inside, with no loop around")
    @MainActor
    func mainActorState() async throws {
        let model = Model()
        try await model.load()
        await #expect(throws: TimeoutError.self) { try await model.hang() }
        #expect(model.lines == ["begun", "done", "hanging"])
    }

    @Test("state that nobody else may touch is used inside without ado")
    func localState() async throws {
        try await onCleanLoop {
            final class Box { var value = 0 }
            let box = Box()
            var count = 0
            try await withTimeout(.seconds(1)) {
                box.value += 1
                count += 1
            }
            #expect(box.value == 1 && count == 1)
        }
    }

    @Test("task-locals and priority are the caller's inside")
    func taskLocals() async throws {
        try await onCleanLoop {
            try await Local.$value.withValue(7) {
                let value = try await withTimeout(.seconds(1)) { Local.value }
                #expect(value == 7)
            }
        }
    }
}

enum Local {
    @TaskLocal static var value = 0
}
