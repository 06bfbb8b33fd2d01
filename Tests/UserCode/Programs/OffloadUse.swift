// Blocking and computing, off the loop.

import Apus

nonisolated enum Request {
    @TaskLocal static var id = 0
}

enum OffloadUse {
    private nonisolated static let database = OffloadPool(name: "database", maximumThreads: 2, maximumQueue: 100)

    static func run(_ base: String) async throws {
        let rows = try await offload(to: database) { ["a", "b"] }
        try expect(rows.count == 2, "a function's result")
        let id = try await Request.$id.withValue(7) { try await offload { Request.id } }
        try expect(id == 7, "task-local values go along")
        let sums = try await gather(1...4) { number in try await offload(to: .cpu) { (1...number).reduce(0, +) } }
        try expect(sums == [1, 3, 6, 10], "computed in parallel")
        do {
            try await offload { throw Unexpected(description: "mine") }
        } catch let error as Unexpected {
            try expect(error.description == "mine", "a function's error")
        }
        let numbers = database.statistics
        try expect(numbers.queued == 0 && numbers.threads <= 2 && database.name == "database", "the pool's numbers")
        try expect(
            OffloadPool.blocking.maximumThreads == 64 && OffloadPool.cpu.maximumQueue > 0,
            "the pools that are there"
        )
        try await cancelling()
        try await ending()
    }

    private static func cancelling() async throws {
        let found = try await offload(to: .cpu, cancellation: .cooperative) {
            var found = 0
            for number in 0..<100 {
                try Task.checkCancellation()
                found += number
            }
            return found
        }
        try expect(found == 4950, "a call that can be stopped")
        let task = EventLoop.spawn { try await offload(cancellation: .cooperative) { while !Task.isCancelled {} } }
        task.cancel()
        _ = await task.result
    }

    private static func ending() async throws {
        let pool = OffloadPool(name: "short-lived", maximumThreads: 1)
        try await offload(to: pool) {}
        let abandoned = await pool.shutdown(timeout: .seconds(10))
        try expect(abandoned == 0 && pool.statistics.completed == 1, "a pool ends")
        do {
            try await offload(to: pool) {}
        } catch let error as OffloadError {
            try expect(error.code == .shutDown, "a pool that has ended says so")
        }
        var options = EventLoop.Options()
        options.blockingPool = OffloadPool(name: "of-the-loop", maximumThreads: 2)
        options.cpuPool = OffloadPool(name: "computing", maximumThreads: 1)
        options.offloadDrainTimeout = .seconds(5)
        let names = try await EventLoop.with(options) { [OffloadPool.blocking.name, OffloadPool.cpu.name] }
        try expect(names == ["of-the-loop", "computing"], "a loop's own pools")
    }
}
