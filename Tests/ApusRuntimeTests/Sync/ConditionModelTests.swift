import ApusRuntime
import Synchronization
import Testing

/// Conditions and barriers under ten thousand random schedules each (A122, A124).
@Suite("Conditions and barriers under random schedules")
struct ConditionModelTests {
    @Test("A122: a notification is never lost: what a producer brings, a consumer gets, whoever is cancelled meanwhile")
    func condition() async throws {
        try await interleavings { schedule in
            let condition = AsyncCondition()
            let items = Mutex(0)
            let taken = Mutex(0)
            let inside = Gauge()
            let stop = Mutex(false)
            let left = Mutex(0)
            // Comes when all else stands still, and tells those who wait for what never comes.
            let stopper = EventLoop.spawn {
                try await sleep(for: .seconds(1))
                // Not later: who is woken now takes what a lost notification had left.
                left.withLock { $0 = items.withLock { $0 } }
                stop.withLock { $0 = true }
                try await condition.withLock { try condition.notifyAll() }
            }
            let results = await schedule.run(5) { number, random in
                if number < 2 {
                    for _ in 0..<2 {
                        try await condition.withLock {
                            inside.enter()
                            items.withLock { $0 += 1 }
                            try condition.notify()
                            inside.leave()
                        }
                        await Schedule.pause(&random)
                    }
                    return
                }
                while true {
                    let goesOn = try await condition.withLock {
                        try await condition.wait(until: { items.withLock { $0 > 0 } || stop.withLock { $0 } })
                        inside.enter()
                        defer { inside.leave() }
                        guard items.withLock({ $0 > 0 }) else { return false }
                        items.withLock { $0 -= 1 }
                        taken.withLock { $0 += 1 }
                        return true
                    }
                    if !goesOn { return }
                }
            }
            try await stopper.value
            for result in results { _ = try result.wasCancelled() }
            let consumersLeft = try results[2...].filter { try !$0.wasCancelled() }.count
            try require(inside.most <= 1, "\(inside.most) held the lock at once")
            try require(!condition.lock.isLocked, "the lock was left locked")
            if consumersLeft > 0 {
                try require(
                    left.withLock { $0 } == 0,
                    "\(left.withLock { $0 }) items were left, and somebody waited for them"
                )
            }
        }
    }

    @Test("A124: each round lets all through with places of their own; a cancelled task breaks it for the others")
    func barrier() async throws {
        try await interleavings { schedule in
            let barrier = try AsyncBarrier(parties: 3)
            let places = Mutex<[Int]>([])
            let rounds = 2
            let results = await schedule.run(3) { number, random in
                for _ in 0..<rounds {
                    await Schedule.pause(&random)
                    do {
                        let place = try await barrier.wait()
                        places.withLock { $0.append(place) }
                    } catch let error as CancellationError {
                        // Cancelled before it came: the others would wait for ever.
                        barrier.abort()
                        throw error
                    } catch let error as SyncError where error.code == .broken {
                        return
                    }
                }
            }
            let cancelled = try results.filter { try $0.wasCancelled() }.count
            let all = places.withLock { $0 }
            // A round that was completed gave each place once, whoever was cancelled afterwards.
            try require(all.count % 3 == 0, "\(all) of a round that was let through in part")
            for round in stride(from: 0, to: all.count, by: 3) {
                try require(all[round..<round + 3].sorted() == [0, 1, 2], "\(all)")
            }
            if cancelled == 0 { try require(all.count == 3 * rounds && !barrier.isBroken, "\(all)") }
            try require(barrier.waiting == 0, "somebody still waits")
            barrier.reset()
            try require(!barrier.isBroken, "reset mends it")
        }
    }
}
