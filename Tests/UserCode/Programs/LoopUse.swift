// The loop itself: tasks, calls, the clock.

import Apus

enum LoopUse {
    static func run(_ base: String) async throws {
        var options = EventLoop.Options()
        options.name = "mine"
        options.signals = .none
        options.shuffleSeed = 42
        options.exceptionHandler = { print("unhandled: \($0)") }
        try await EventLoop.with(options) {
            guard let loop = EventLoop.current else { throw Unexpected(description: "a loop runs here") }
            try expect(loop.name == "mine" && loop.isCurrent && loop.options.name == "mine", "it is this one")

            let task = loop.spawn(name: "worker") {
                try await sleep(for: .milliseconds(1))
                return "done"
            }
            let result = try await task.value
            try expect(result == "done" && task.name == "worker" && !task.isCancelled, "a task's value")
            let endless = loop.spawn { try await sleep(for: .seconds(3600)) }
            endless.cancel()
            if case .success = await endless.result { throw Unexpected(description: "it was cancelled") }

            await withCheckedContinuation { continuation in
                loop.schedule { continuation.resume() }
            }
            await withCheckedContinuation { continuation in
                loop.schedule(after: .milliseconds(1)) { continuation.resume() }
            }
            let start = loop.clock.now
            await withCheckedContinuation { continuation in
                loop.schedule(at: start.advanced(by: .milliseconds(1))) { continuation.resume() }
            }
            try expect(start.duration(to: loop.clock.now) >= .milliseconds(1), "the clock goes forward")
            let call = loop.schedule(after: .seconds(3600)) { print("never") }
            try expect(call.cancel() && call.isOver, "a call that is cancelled")

            let took = try await loop.clock.measure { try await loop.clock.sleep(for: .microseconds(1)) }
            try expect(took >= .microseconds(1), "the loop's clock is a Clock")

            let numbers = loop.statistics()
            try expect((numbers?.jobs ?? 0) > 0 && numbers?.tasks == 0 && numbers?.timers == 0, "statistics")
        }
        try expect(EventLoop.shared.statistics() == nil, "statistics of another loop")
    }
}
