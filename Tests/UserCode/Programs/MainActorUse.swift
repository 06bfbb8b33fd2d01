// A model of a user interface: its state belongs to the main actor, and is used inside every scoped function.

import Apus

@MainActor
final class PageModel {
    private(set) var title = ""
    private(set) var received = 0
    private(set) var log: [String] = []

    func load(_ base: String) async throws {
        try await ClientSession.with { session in
            log.append("session")
            title = try await session.get("\(base)/hello").text()
            let count = try await session.get("\(base)/chunks") { response in
                log.append("response \(response.status.code)")
                for try await chunk in response.body { received += chunk.count }
                return received
            }
            try expect(count == 40, "the chunks came whole")
        }
    }

    func loadInTime(_ base: String) async throws {
        title = ""
        try await withTimeout(.seconds(30)) {
            log.append("in time")
            let text = try await ClientSession.with { try await $0.get("\(base)/hello").text() }
            title = text
        }
    }

    func loadAll(_ base: String) async throws {
        let session = ClientSession()
        let pages = try await gather(1...3) { number in
            try await session.get("\(base)/hello", params: ["n": "\(number)"]).text()
        }
        for page in pages { note(page) }
        let (first, second) = try await gather(
            { try await session.get("\(base)/hello").text() },
            { await self.title }
        )
        try expect(first == "hello " && second == title, "both sides of the tuple")
        await session.close()
    }

    func combine() async throws {
        let deadline = (EventLoop.current ?? .shared).clock.now.advanced(by: .seconds(30))
        try await withDeadline(deadline) { scope in
            note("deadline")
            scope.reschedule(after: .seconds(60))
        }
        try await withShield { note("shield") }
        try await retry { attempt in note("attempt \(attempt)") }
        try await asCompleted([1]) {
            $0
        } consume: { results in
            for try await result in results { note("result \(result)") }
        }
        let winner = try await race({ await self.title }, { await self.title })
        try expect(winner == title, "a race of the main actor's own")
    }

    func compute() async throws {
        let sum = try await offload(to: .cpu) { (1...1000).reduce(0, +) }
        note("sum \(sum)")
        try await sleep(for: .milliseconds(1))
        let task = EventLoop.spawn(name: "from the main actor") { await self.note("spawned") }
        try await task.value
    }

    func note(_ line: String) { log.append(line) }
}

enum MainActorUse {
    static func run(_ base: String) async throws {
        try await withModel(base)
        try await withoutModel(base)
    }

    @MainActor
    private static func withModel(_ base: String) async throws {
        let model = PageModel()
        try await model.load(base)
        try await model.loadInTime(base)
        try await model.loadAll(base)
        try await model.combine()
        try await model.compute()
        let log = model.log
        try expect(
            log == [
                "session", "response 200", "in time", "hello n=1", "hello n=2", "hello n=3",
                "deadline", "shield", "attempt 1", "result 1", "sum 500500", "spawned",
            ],
            "the model's log is \(log)"
        )
    }

    @MainActor
    private static func withoutModel(_ base: String) async throws {
        var pages: [String] = []
        try await ClientSession.with { session in
            for _ in 0..<2 { pages.append(try await session.get("\(base)/hello").text()) }
        }
        try expect(pages == ["hello ", "hello "], "a local variable is used inside the session's closure")
    }
}
