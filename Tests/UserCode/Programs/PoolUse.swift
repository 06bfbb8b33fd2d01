// From Swift's own pool of threads: no loop, a session at hand, loops of one's own.

import Apus

enum PoolUse {
    static func run(_ base: String) async throws {
        try await Task.detached { try await offLoop(base) }.value
        try await Task { @concurrent in try await offLoop(base) }.value
    }

    @concurrent
    private nonisolated static func offLoop(_ base: String) async throws {
        let session = ClientSession()
        async let first = session.get("\(base)/hello").text()
        async let second = session.get("\(base)/hello?2").text()
        let both = try await [first, second]
        try expect(both == ["hello ", "hello 2"], "async let")
        let sizes = try await withThrowingTaskGroup { group in
            for number in 0..<3 { group.addTask { try await session.get("\(base)/hello?\(number)").bytes().count } }
            var sizes: [Int] = []
            for try await size in group { sizes.append(size) }
            return sizes
        }
        try expect(sizes == [7, 7, 7], "a task group")
        await session.close()

        let text = try await EventLoop.with {
            try await ClientSession.with { try await $0.get("\(base)/hello").text() }
        }
        try expect(text == "hello ", "a loop of its own")

        try await sleep(for: .milliseconds(1))
        try await sleep(until: EventLoop.shared.clock.now.advanced(by: .microseconds(1)))
        let value = try await withTimeout(.seconds(10)) { try await EventLoop.shared.spawn { 42 }.value }
        try expect(value == 42, "a task on the shared loop")
        try await combinators()
    }

    /// Without a loop around.
    @concurrent
    private nonisolated static func combinators() async throws {
        let first = try await race({ 1 }, { 1 })
        let mirror = try await firstSuccess(["a", "b"]) { _ in "answer" }
        let replica = try await staggeredRace([3, 0], delay: .milliseconds(1)) { hours in
            try await sleep(for: .seconds(3600 * hours))
            return hours
        }
        try expect(first == 1 && mirror == "answer" && replica == 0, "races off any loop")
        let sum = try await asCompleted(1...10, limit: 3, timeout: .seconds(60)) {
            $0
        } consume: { results in
            var sum = 0
            for try await result in results { sum += result }
            return sum
        }
        try expect(sum == 55, "asCompleted off any loop")
        let deadline = EventLoop.shared.clock.now.advanced(by: .milliseconds(1))
        do {
            try await withDeadline(deadline) { _ in try await sleep(for: .seconds(3600)) }
            throw Unexpected(description: "it timed out")
        } catch is TimeoutError {}
        let shielded = try await withShield { try await retry(backoff: .none) { attempt in attempt } }
        try expect(shielded == 1, "withShield and retry off any loop")
        let (done, _) = try await wait([EventLoop.spawn { 1 }], timeout: .seconds(60))
        try expect(done.count == 1, "wait off any loop")
    }
}
