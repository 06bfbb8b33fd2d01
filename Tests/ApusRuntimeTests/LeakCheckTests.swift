import ApusTesting
import Testing

@testable import ApusRuntime

/// What ApusTesting says was left behind.
@Suite("Leak checks")
struct LeakCheckTests {
    @Test("a task, a timer and a descriptor that are left are each told; what has ended is not")
    func kinds() async throws {
        try await withVirtualTime {
            let loop = try currentLoop()
            let nothing = try await leaks {
                try await sleep(for: .seconds(1))
                EventLoop.spawn { await Task.yield() }
                loop.schedule(after: .seconds(60)) {}.cancel()
                try loop.register(-1).release()
            }
            #expect(nothing.isEmpty && "\(nothing)" == "no leaks")

            let task = await leaks { EventLoop.spawn { try await untilCancelled() } }
            // It sleeps, and so has a timer.
            #expect((task.tasks, task.timers, task.descriptors) == (1, 1, 0))
            let timer = await leaks { loop.schedule(after: .seconds(60)) {} }
            #expect((timer.tasks, timer.timers, timer.descriptors) == (0, 1, 0))
            var kept: Descriptor?
            let descriptor = try await leaks { kept = try loop.register(-1) }
            #expect((descriptor.tasks, descriptor.timers, descriptor.descriptors) == (0, 0, 1))
            kept?.release()
        }
    }

    @Test("what was there before and is ended by the code is no leak")
    func fewer() async throws {
        try await withVirtualTime {
            let loop = try currentLoop()
            let task = loop.spawn { try await untilCancelled() }
            let descriptor = try loop.register(-1)
            await turns()
            let left = await leaks {
                descriptor.release()
                task.cancel()
                _ = await task.result
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test("withoutLeaks gives the value, throws what was left, and leaves errors of the body as they are")
    func claim() async throws {
        struct Refused: Error {}
        try await withVirtualTime {
            let loop = try currentLoop()
            let value = try await withoutLeaks { 7 }
            #expect(value == 7)
            let error = await #expect(throws: LeakError.self) {
                try await withoutLeaks { _ = loop.schedule(after: .seconds(60)) {} }
            }
            #expect(error?.leaks.timers == 1)
            let words = error.map { "\($0)" }
            #expect(words == "The code left behind: 0 descriptors, 1 timers, 0 tasks.")
            await #expect(throws: Refused.self) { try await withoutLeaks { throw Refused() } }
        }
    }
}
