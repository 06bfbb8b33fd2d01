// gather and withTimeout.

import Apus

enum CombinatorUse {
    static func run(_ base: String) async throws {
        let urls = (0..<20).map { "\(base)/hello?\($0)" }
        try await ClientSession.with { session in
            let pages = try await gather(urls, limit: 5) { url in try await session.get(url).text() }
            try expect(pages == (0..<20).map { "hello \($0)" }, "pages in the order of their URLs")
            let outcomes = await gatherResults(urls + ["nonsense"]) { try await session.get($0).status.code }
            let failed = outcomes.filter { if case .failure = $0 { true } else { false } }
            try expect(failed.count == 1, "one of them fails and the others do not mind")
        }
        // For its effects alone.
        try await gather([1, 2, 3]) { _ in try await sleep(for: .microseconds(1)) }

        let two = try await gather({ 1 }, { "two" })
        let three = try await gather({ 1 }, { "two" }, { 3.0 })
        let four = try await gather({ 1 }, { "two" }, { 3.0 }, { true })
        let five = try await gather({ 1 }, { "two" }, { 3.0 }, { true }, { [5] })
        let six = try await gather({ 1 }, { "two" }, { 3.0 }, { true }, { [5] }, { Optional(6) })
        try expect(two == (1, "two") && three == (1, "two", 3.0) && four == (1, "two", 3.0, true), "tuples")
        try expect(five == (1, "two", 3.0, true, [5]) && six == (1, "two", 3.0, true, [5], 6), "long tuples")

        var state = 0
        let value = try await withTimeout(.seconds(10)) {
            state += 1
            return state
        }
        try expect(value == 1, "a local variable is used inside withTimeout")
        do {
            try await withTimeout(.milliseconds(1)) { try await sleep(for: .seconds(3600)) }
            throw Unexpected(description: "it timed out")
        } catch let error as TimeoutError {
            try expect(error.isTimeout && error.duration == .milliseconds(1), "the timeout's error")
        }
    }
}
