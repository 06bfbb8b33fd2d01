import ApusTesting
import Synchronization
import Testing

@testable import ApusRuntime

@Suite("Cancellation targets")
struct CancellationTargetTests {
    private final class Target: CancellationTarget {
        let count = Atomic(0)
        let event = AsyncEvent()
        let loop: EventLoop

        init(_ loop: EventLoop) { self.loop = loop }

        var times: Int { count.load(ordering: .sequentiallyConsistent) }

        func taskCancelled() {
            count.wrappingAdd(1, ordering: .sequentiallyConsistent)
            loop.perform { self.event.set() }
        }
    }

    private struct Failure: Error {}

    @Test("a target is told once when its task is cancelled")
    func during() async throws {
        try await onCleanLoop(.monotonic) {
            let loop = try currentLoop()
            let target = Target(loop)
            let task = loop.spawn {
                try await withCancellationTarget(target) { try await target.event.wait() }
            }
            await Task.yield()
            #expect(target.times == 0)
            task.cancel()
            _ = try? await task.value
            #expect(target.times == 1)
        }
    }

    @Test("a target of a task that was cancelled before is told at once")
    func before() async throws {
        try await onCleanLoop(.monotonic) {
            let loop = try currentLoop()
            let target = Target(loop)
            let task = loop.spawn {
                while !Task.isCancelled { await Task.yield() }
                return await withCancellationTarget(target) { target.times }
            }
            task.cancel()
            #expect(try await task.value == 1)
        }
    }

    @Test("a target is not told when the operation has returned or thrown, and what it throws is thrown")
    func after() async throws {
        try await onCleanLoop(.monotonic) {
            let loop = try currentLoop()
            let target = Target(loop)
            let task = loop.spawn {
                for _ in 0..<3 {
                    await withCancellationTarget(target) { await Task.yield() }
                    do {
                        try await withCancellationTarget(target) { throw Failure() }
                        Issue.record("nothing thrown")
                    } catch { #expect(error is Failure) }
                }
                target.event.set()
                while !Task.isCancelled { await Task.yield() }
            }
            try await target.event.wait()
            task.cancel()
            try await task.value
            #expect(target.times == 0)
        }
    }

    @Test("targets within targets are all told, whoever cancels")
    func nested() async throws {
        try await onCleanLoop(.monotonic) {
            let loop = try currentLoop()
            let (outer, inner) = (Target(loop), Target(loop))
            let task = loop.spawn {
                await withCancellationTarget(outer) {
                    await withCancellationTarget(inner) {
                        // Not until the task is cancelled: it is, a moment before its handlers are called, and one that is gone by then
                        // is not.
                        while outer.times == 0 || inner.times == 0 { await Task.yield() }
                    }
                }
            }
            try await offload { task.cancel() }
            try await task.value
            #expect((outer.times, inner.times) == (1, 1))
        }
    }
}
