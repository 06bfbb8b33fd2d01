import ApusRuntime
import Synchronization
import Testing

/// Locks, semaphores and limiters under ten thousand random schedules each (A120, A123).
@Suite("Locks under random schedules")
struct LockModelTests {
    @Test("A120: one at a time, in the order of coming, and whoever is cancelled passes the lock on")
    func lock() async throws {
        try await interleavings { schedule in
            let lock = AsyncLock()
            let inside = Gauge()
            let line = Line()
            let results = await schedule.run(4, line: line) { number, random in
                for _ in 0..<2 {
                    if Bool.random(using: &random) {
                        line.come(number)
                        do {
                            try await lock.acquire()
                        } catch {
                            line.leave(number)
                            throw error
                        }
                        try line.served(number)
                        inside.enter()
                        await Schedule.pause(&random)
                        inside.leave()
                        try lock.release()
                    } else if lock.tryAcquire() {
                        inside.enter()
                        await Schedule.pause(&random)
                        inside.leave()
                        try lock.release()
                    }
                    await Schedule.pause(&random)
                }
            }
            for result in results { _ = try result.wasCancelled() }
            try require(inside.most <= 1, "\(inside.most) were inside at once")
            try require(!lock.isLocked, "the lock was left locked")
        }
    }

    @Test("A123: never more than there are permits, in the order of coming, and none is lost")
    func semaphore() async throws {
        try await interleavings { schedule in
            var random = schedule.random()
            let permits = Int.random(in: 1...3, using: &random)
            let semaphore = try AsyncSemaphore(permits, isBounded: true)
            let inside = Gauge()
            // With several permits the order in which they are given is not the one in which tasks go on.
            let line = permits == 1 ? Line() : nil
            let results = await schedule.run(5, line: line) { number, random in
                for _ in 0..<2 {
                    line?.come(number)
                    do {
                        try await semaphore.acquire()
                    } catch {
                        line?.leave(number)
                        throw error
                    }
                    try line?.served(number)
                    inside.enter()
                    await Schedule.pause(&random)
                    inside.leave()
                    try semaphore.release()
                }
            }
            for result in results { _ = try result.wasCancelled() }
            try require(inside.most <= permits, "\(inside.most) had one of \(permits) permits at once")
            try require(semaphore.available == permits, "\(semaphore.available) of \(permits) permits came back")
        }
    }

    @Test("a limiter keeps to its total while that changes, and ends with all tokens")
    func limiter() async throws {
        try await interleavings { schedule in
            let limiter = try CapacityLimiter(2)
            let inside = Gauge()
            let results = await schedule.run(5) { number, random in
                if number == 0 {
                    for total in [3, 1, 2] {
                        await Schedule.pause(&random)
                        try limiter.setTotal(total)
                    }
                    return
                }
                for _ in 0..<2 {
                    try await limiter.withToken {
                        inside.enter()
                        await Schedule.pause(&random)
                        inside.leave()
                    }
                }
            }
            for result in results { _ = try result.wasCancelled() }
            try require(inside.most <= 3, "\(inside.most) had a token at once")
            try require(limiter.borrowed == 0, "\(limiter.borrowed) tokens were not given back")
            try require(limiter.waiting == 0, "somebody still waits")
            try require(limiter.available == limiter.total, "\(limiter.available) of \(limiter.total)")
        }
    }

    @Test("A121: everybody who waits goes on when it has happened, and nobody before")
    func event() async throws {
        try await interleavings { schedule in
            let event = AsyncEvent()
            let happened = Mutex(false)
            let results = await schedule.run(5) { number, random in
                if number == 0 {
                    if Bool.random(using: &random) {
                        // Clearing must not take anything from those whom it has woken.
                        happened.withLock { $0 = true }
                        event.set()
                        event.clear()
                        await Schedule.pause(&random)
                    }
                    happened.withLock { $0 = true }
                    return event.set()
                }
                try await event.wait()
                try require(happened.withLock { $0 }, "task \(number) went on before it had happened")
            }
            // The one who sets it may be cancelled before: then nobody else can be blamed for waiting.
            for result in results { _ = try result.wasCancelled() }
            try require(event.isSet, "it was set")
        }
    }
}
