import ApusRuntime
import ApusTesting
import Testing

@Suite("withShield")
struct ShieldTests {
    @Test("A34: the body goes on when the caller is cancelled, and the caller gets its value")
    func shields() async throws {
        try await onCleanLoop {
            let loop = try currentLoop()
            let start = loop.clock.now
            let task = loop.spawn {
                let value = try await withShield {
                    try await sleep(for: .seconds(10))
                    return Task.isCancelled ? 1 : 2
                }
                return (value, Task.isCancelled)
            }
            loop.schedule(after: .seconds(1)) {
                task.cancel()
                task.cancel()
            }
            let (value, isCancelled) = try await task.value
            #expect(value == 2)
            #expect(isCancelled, "afterwards the caller is as cancelled as it was")
            #expect(start.duration(to: loop.clock.now) == .seconds(10))
        }
    }

    @Test("A34: the body's error reaches the caller, cancelled or not: nothing is lost", arguments: [false, true])
    func error(cancelled: Bool) async throws {
        let reported = Recorder<UnhandledError>()
        try await onCleanLoop(exceptionHandler: reported.note) {
            let task = try currentLoop().spawn {
                try await withShield {
                    try await sleep(for: .seconds(1))
                    throw Oops()
                }
            }
            await turns()
            if cancelled { task.cancel() }
            await #expect(throws: Oops()) { try await task.value }
        }
        #expect(reported.count == 0)
    }

    @Test("in a caller that was cancelled before, the body runs, uncancelled")
    func cancelledBefore() async throws {
        try await onCleanLoop {
            let task = try currentLoop().spawn {
                try await withShield {
                    try await sleep(for: .seconds(1))
                    return "cleaned up"
                }
            }
            task.cancel()
            #expect(try await task.value == "cleaned up")
        }
    }

    @Test("a timeout inside ends the body; one around waits for it, and gives its value")
    func timeouts() async throws {
        try await onCleanLoop {
            let clock = try currentLoop().clock
            let start = clock.now
            await #expect(throws: TimeoutError.self) {
                try await withShield { try await withTimeout(.seconds(2)) { try await untilCancelled() } }
            }
            #expect(start.duration(to: clock.now) == .seconds(2))
            let value = try await withTimeout(.seconds(1)) {
                try await withShield {
                    try await sleep(for: .seconds(5))
                    return 5
                }
            }
            #expect(value == 5)
            #expect(start.duration(to: clock.now) == .seconds(7))
        }
    }

    @Test("the loop's end waits for a body that its tasks shield")
    func loopEnd() async throws {
        let done = Recorder<String>()
        var options = EventLoop.Options()
        options.clock = .virtual
        try await EventLoop.with(options) {
            EventLoop.spawn {
                try await withShield {
                    try await sleep(for: .seconds(100))
                    done.note("done")
                }
            }
            await turns()
        }
        #expect(done.all == ["done"])
    }

    @Test("A37: loop, task-locals and priority are the caller's inside")
    func context() async throws {
        try await onCleanLoop {
            let loop = try currentLoop()
            try await Local.$value.withValue(7) {
                let (value, isThere, priority) = try await withShield {
                    await Task.yield()
                    return (Local.value, EventLoop.current === loop, Task.currentPriority)
                }
                #expect(value == 7)
                #expect(isThere)
                #expect(priority == Task.currentPriority)
            }
        }
    }

    @Test("an actor's method, a main-actor class and local variables are used inside without ado")
    func isolation() async throws {
        actor Counter {
            var count = 0
            func step() async throws -> Int {
                try await withShield {
                    count += 1
                    await Task.yield()
                    assertIsolated()
                    count += 1
                    return count
                }
            }
        }
        try await onCleanLoop {
            #expect(try await Counter().step() == 2)
            final class Box { var value = 0 }
            let box = Box()
            var count = 0
            try await withShield {
                box.value += 1
                await Task.yield()
                count += 1
            }
            #expect(box.value == 1 && count == 1)
        }
        #expect(try await Counter().step() == 2)
    }

    /// Of no isolation of its own: it runs with its caller's.
    private static func increment(_ box: Box) async throws {
        try await withShield {
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

        func save() async throws {
            try await withShield {
                lines.append("begun")
                await Task.yield()
                MainActor.assertIsolated()
                lines.append("done")
            }
        }
    }

    @Test("a main-actor class uses its own state inside, with no loop around")
    @MainActor
    func mainActorState() async throws {
        let model = Model()
        try await model.save()
        #expect(model.lines == ["begun", "done"])
    }
}
