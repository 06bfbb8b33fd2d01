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
    }
}
