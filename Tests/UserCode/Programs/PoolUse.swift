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
    }
}
