// asyncio's locks and queues, from tasks that know nothing of loops.

import Apus

enum SyncUse {
    static func run(_ base: String) async throws {
        let queue = try AsyncQueue<Int>(limit: 2)
        let total = try await gather(
            {
                for number in 1...10 { try await queue.put(number) }
                queue.shutDown()
                return 0
            },
            {
                var sum = 0
                for try await number in queue {
                    sum += number
                    try queue.taskDone()
                }
                return sum
            }
        )
        try await queue.join()
        try expect(total.1 == 55, "the queue lost something")

        let lock = AsyncLock()
        var inside = 0
        try await lock.withLock {
            inside += 1
            await Task.yield()
        }
        try expect(inside == 1 && !lock.isLocked, "the lock")

        let semaphore = try AsyncSemaphore(2, isBounded: true)
        let limiter = try CapacityLimiter(3)
        _ = try await gather(0..<6) { _ in
            try await semaphore.withPermit { try await limiter.withToken { await Task.yield() } }
        }
        try expect(semaphore.available == 2 && limiter.borrowed == 0, "permits")

        let event = AsyncEvent()
        let waiting = EventLoop.spawn { try await event.wait() }
        event.set()
        try await waiting.value

        let future = AsyncFuture<Int>(name: "answer")
        let asking = EventLoop.spawn { try await future.value }
        try await offload { _ = future.resolve(returning: 42) }
        let answer = try await asking.value
        try expect(answer == 42 && future.isResolved && !future.resolve(throwing: CancellationError()), "the future")

        let condition = AsyncCondition()
        try await condition.withLock {
            try condition.notifyAll()
            try await condition.wait(until: { event.isSet })
        }

        let barrier = try AsyncBarrier(parties: 2)
        let places = try await gather(0..<2) { _ in try await barrier.wait() }
        try expect(places.sorted() == [0, 1], "the barrier")

        let jobs = try AsyncQueue<String>(limit: 3, order: .priority)
        for name in ["c", "a", "b"] { try jobs.putNow(name) }
        let first = try jobs.getNow()
        try expect(first == "a", "priorities")
        do {
            _ = try AsyncQueue<Int>(limit: 0)
        } catch let error as SyncError {
            try expect(error.code == .invalidArgument, "a limit")
        }
    }
}
