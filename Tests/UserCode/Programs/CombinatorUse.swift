// Combinators: gather, race and their kin, withTimeout, withDeadline, withShield, wait, retry.

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
        try await races()
        try await scopes()
        try await handles()
        try await retries()
    }

    private static func races() async throws {
        let first = try await race([3600, 0]) { seconds in
            try await sleep(for: .seconds(seconds))
            return seconds
        }
        let second = try await race({ 1 }, { try await after(.seconds(3600), 2) })
        try expect(first == 0 && second == 1, "the first to finish wins")
        let mirror = try await firstSuccess(["bad", "good"], onFailure: { _ in }) { name in
            if name == "bad" { throw Unexpected(description: "expected") }
            return name
        }
        let either = try await firstSuccess({ 1 }, { 1 })
        let replica = try await staggeredRace(1...3, delay: .seconds(60), discard: { _ in }, onFailure: { _ in }) {
            number in
            if number == 1 { throw Unexpected(description: "expected") }
            return number
        }
        try expect(mirror == "good" && either == 1 && replica == 2, "the first success wins")
        do {
            try await firstSuccess([1, 2]) { _ in throw Unexpected(description: "expected") }
            throw Unexpected(description: "none succeeded")
        } catch let error as AllFailedError {
            try expect(error.errors.count == 2, "both errors are there")
        }
        var order: [Int] = []
        try await asCompleted([3600, 0], timeout: .seconds(1800)) { seconds in
            try await sleep(for: .seconds(seconds))
            return seconds
        } consume: { results in
            for try await seconds in results {
                order.append(seconds)
                break
            }
        }
        let count = try await asCompleted(1...5, limit: 2) {
            $0
        } consume: { results in
            var count = 0
            while let result = try await results.nextResult() {
                if case .success = result { count += 1 }
            }
            return count
        }
        try expect(order == [0] && count == 5, "results as they come")
    }

    private static func scopes() async throws {
        var state = 0
        let deadline = (EventLoop.current ?? .shared).clock.now.advanced(by: .seconds(60))
        let value = try await withDeadline(deadline) { scope in
            state += 1
            try expect(scope.reschedule(after: .seconds(30)) && !scope.hasExpired, "a deadline is moved")
            scope.reschedule(to: nil)
            return scope.deadline == nil
        }
        try expect(value && state == 1, "a local variable is used inside withDeadline")
        let shielded = try await withShield {
            state += 1
            await Task.yield()
            return state
        }
        try expect(shielded == 2, "a local variable is used inside withShield")
    }

    private static func handles() async throws {
        let tasks = [3600, 0].map { seconds in
            EventLoop.spawn {
                try await sleep(for: .seconds(seconds))
                return seconds
            }
        }
        let (done, pending) = try await wait(tasks, returnWhen: .firstCompleted, timeout: .seconds(1800))
        try expect(done.count == 1 && pending.count == 1 && done[0].isFinished, "one is done")
        for task in pending { task.cancel() }
        let rest = try await wait(pending)
        try expect(rest.pending.isEmpty, "and then the other")
        for task in tasks { _ = await task.result }
    }

    private static func retries() async throws {
        var failures = 0
        let attempt = try await retry(attempts: 4, backoff: .none) { attempt in
            if attempt < 3 {
                failures += 1
                throw Unexpected(description: "expected")
            }
            return attempt
        }
        var generator = SystemRandomNumberGenerator()
        let other = try await retry(
            backoff: Backoff(initial: .microseconds(1), factor: 1.5, maximum: .microseconds(9), jitter: .equal),
            jitter: &generator,
            shouldRetry: { $0 is Unexpected }
        ) { attempt in
            if attempt < 2 { throw Unexpected(description: "expected") }
            return attempt
        }
        try expect(attempt == 3 && failures == 2 && other == 2, "it is tried again")
    }

    private static func after(_ duration: Duration, _ value: Int) async throws -> Int {
        try await sleep(for: duration)
        return value
    }
}
