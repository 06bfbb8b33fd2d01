import ApusRuntime
import Glibc
import Testing

/// What somebody who comes from asyncio expects of tasks, where Swift's are the same and where they are not.
@Suite("Tasks, as asyncio's rows say")
struct AsyncioTaskTests {
    @Test("A23: a spawned task begins on a later turn, never inside spawn, and needs nobody to keep it")
    func beginsLater() async throws {
        try await onCleanLoop {
            let events = Recorder<String>()
            try currentLoop().spawn { events.note("task") }
            events.note("spawned")
            await turns()
            #expect(events.all == ["spawned", "task"])
        }
    }

    @Test("A25: a task may end in its own way although it was cancelled, and the flag stays: nothing takes it back")
    func cancellationIsARequest() async throws {
        try await onCleanLoop {
            let task = EventLoop.spawn {
                do { try await untilCancelled() } catch {}
                // Every later wait throws at once, as long as it is not shielded.
                var refused = 0
                do { try await sleep(for: .seconds(1)) } catch is CancellationError { refused += 1 }
                try await withShield { try await sleep(for: .seconds(1)) }
                do { try await sleep(for: .seconds(1)) } catch is CancellationError { refused += 1 }
                return refused
            }
            await turns()
            task.cancel()
            task.cancel()
            let refused = try await task.value
            #expect(refused == 2 && task.isCancelled)
        }
    }

    @Test("A26: the body of a task that is cancelled before its first step runs, up to its first wait")
    func cancelledBeforeItBegins() async throws {
        try await onCleanLoop {
            let events = Recorder<String>()
            let task = try currentLoop().spawn {
                events.note("begun")
                defer { events.note("cleaned up") }
                try await sleep(for: .zero)
                events.note("not reached")
            }
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            #expect(events.all == ["begun", "cleaned up"])
        }
    }

    @Test("A36: Swift's own task group runs on the loop, awaits all, and an error that leaves it cancels the rest")
    func taskGroup() async throws {
        try await onCleanLoop {
            let loop = try currentLoop()
            let events = Recorder<String>()
            do {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask {
                        if loop.isCurrent { events.note("on the loop") }
                        do { try await untilCancelled() } catch { events.note("cancelled") }
                    }
                    group.addTask {
                        try await sleep(for: .seconds(1))
                        throw Oops(number: 1)
                    }
                    // Not `waitForAll`, which first waits for all, and then throws.
                    for try await _ in group {}
                }
                Issue.record("no error came out of the group")
            } catch {
                #expect(error as? Oops == Oops(number: 1))
            }
            #expect(events.all == ["on the loop", "cancelled"])
        }
    }

    @Test("A39, A40: a task knows its name, children have their own, and one without a name has none")
    func names() async throws {
        try await onCleanLoop {
            let inside = try await EventLoop.spawn(name: "import") { Task.name }.value
            let child = try await withThrowingTaskGroup(of: String?.self) { group in
                group.addTask(name: "page 1") { Task.name }
                return try await group.next() ?? nil
            }
            let without = try await EventLoop.spawn { Task.name }.value
            #expect(inside == "import" && child == "page 1" && without == nil)
        }
    }

    @Test("A24: an immediate task that prefers the loop begins inside the call, and stays on the loop")
    func immediate() async throws {
        try await onCleanLoop {
            let loop = try currentLoop()
            let events = Recorder<String>()
            let ready = Task.immediate(executorPreference: loop) { events.note("ready") }
            let waiting = Task.immediate(executorPreference: loop) {
                events.note("begun")
                try await sleep(for: .seconds(1))
                let afterSleep = loop.isCurrent
                await Task.yield()
                return afterSleep && loop.isCurrent
            }
            events.note("after")
            #expect(events.all == ["ready", "begun", "after"])
            await ready.value
            let isOnLoop = try await waiting.value
            #expect(isOnLoop)
        }
    }
}
