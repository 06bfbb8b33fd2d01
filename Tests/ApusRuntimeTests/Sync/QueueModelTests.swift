import ApusRuntime
import Synchronization
import Testing

/// Queues under ten thousand random schedules each (A125–A127).
@Suite("Queues under random schedules")
struct QueueModelTests {
    private struct Outcome: Sendable {
        var put: [Int] = []
        var got: [Int] = []
        var mostStored = 0
    }

    /// Producers and consumers around a queue; checks that every element that was put in comes out once.
    private func check(
        _ schedule: Schedule,
        limit: Int,
        order: AsyncQueue<Int>.Order,
        consumers: Int = 2,
        immediate: Bool = false
    ) async throws -> Outcome {
        let queue = try AsyncQueue<Int>(limit: limit, order: order)
        let outcome = Mutex(Outcome())
        let results = await schedule.run(3 + consumers) { number, random in
            switch number {
            case 0, 1:
                for index in 0..<3 {
                    let element = number * 100 + index
                    do {
                        if Bool.random(using: &random) {
                            try await queue.put(element)
                        } else {
                            do {
                                try queue.putNow(element)
                            } catch let error as SyncError where error.code == .full {
                                continue
                            }
                        }
                    } catch let error as SyncError where error.code == .shutDown {
                        return
                    }
                    outcome.withLock {
                        $0.put.append(element)
                        $0.mostStored = max($0.mostStored, queue.count)
                    }
                    await Schedule.pause(&random)
                }
            case 2:
                // Late enough for most to be done, and sometimes in their midst.
                for _ in 0..<Int.random(in: 0...40, using: &random) { await Task.yield() }
                queue.shutDown(immediate: immediate)
            default:
                for try await element in queue {
                    outcome.withLock { $0.got.append(element) }
                    try queue.taskDone()
                    await Schedule.pause(&random)
                }
            }
        }
        for result in results { _ = try result.wasCancelled() }
        while let element = try? queue.getNow() {
            outcome.withLock { $0.got.append(element) }
            try queue.taskDone()
        }
        let final = outcome.withLock { $0 }
        try require(Set(final.got).count == final.got.count, "an element came twice: \(final.got)")
        try require(final.mostStored <= limit, "\(final.mostStored) were stored, and \(limit) allowed")
        try require(queue.unfinished == 0, "\(queue.unfinished) are unfinished")
        try await queue.join()
        return final
    }

    @Test("A125: each element comes out once, in each producer's order, never more than the limit are held")
    func fifo() async throws {
        try await interleavings { schedule in
            var random = schedule.random()
            let limit = Int.random(in: 1...3, using: &random)
            // With two consumers the order in which elements are handed over is not the one in which they are noted.
            let consumers = Int.random(in: 1...2, using: &random)
            let outcome = try await check(schedule, limit: limit, order: .fifo, consumers: consumers)
            // A put that was cancelled after it was granted has its element in, without having noted it.
            try require(
                Set(outcome.put).isSubset(of: Set(outcome.got)),
                "lost: \(Set(outcome.put).subtracting(outcome.got))"
            )
            for producer in [0, 1] where consumers == 1 {
                let own = outcome.got.filter { $0 / 100 == producer }
                try require(own == own.sorted(), "producer \(producer)'s order: \(own)")
            }
        }
    }

    @Test("A126: priority and LIFO queues lose and repeat nothing either")
    func otherOrders() async throws {
        try await interleavings { schedule in
            let order: AsyncQueue<Int>.Order = schedule.seed % 2 == 0 ? .priority : .lifo
            let outcome = try await check(schedule, limit: 2, order: order)
            try require(
                Set(outcome.put).isSubset(of: Set(outcome.got)),
                "lost: \(Set(outcome.put).subtracting(outcome.got))"
            )
        }
    }

    @Test("A127: an immediate shutdown throws away what is stored, and wakes everybody")
    func immediateShutdown() async throws {
        try await interleavings { schedule in
            let outcome = try await check(schedule, limit: 2, order: .fifo, immediate: true)
            // At most what was stored at that moment, and what a putter had handed over without noting it.
            let lost = Set(outcome.put).subtracting(outcome.got)
            try require(lost.count <= 2, "lost: \(lost)")
        }
    }
}
