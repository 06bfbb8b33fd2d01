import ApusWire
import Testing

@Suite("Rules of retries, rates and circuits") struct RetryRuleTests {
    private let now = HTTPTimestamp(secondsSince1970: 784_111_777)

    private func wait(_ values: String..., date: String? = nil) -> RetryWait {
        RetryWait(values, limit: 60, date: date, now: now)
    }

    @Test("Retry-After: seconds, dates, nonsense, and what is absurd")
    func retryAfter() {
        #expect(wait() == .seconds(0))
        #expect(wait("7") == .seconds(7) && wait("60") == .seconds(60) && wait("61") == .giveUp)
        #expect(wait("Sun, 06 Nov 1994 08:49:47 GMT") == .seconds(10))
        #expect(wait("Sun, 06 Nov 1994 08:49:27 GMT") == .seconds(0))
        #expect(wait("Sun, 06 Nov 2094 08:49:37 GMT") == .giveUp)
        #expect(wait("99999999999999999999999") == .giveUp)
        #expect(wait("") == .seconds(0) && wait("soon") == .seconds(0) && wait("-5") == .seconds(0))
        #expect(wait("1.5") == .seconds(0) && wait("3", "5", "x") == .seconds(5))
        // The server's clock is an hour behind; it means ten seconds.
        let (behind, later) = ("Sun, 06 Nov 1994 07:49:37 GMT", "Sun, 06 Nov 1994 07:49:47 GMT")
        #expect(wait(later, date: behind) == .seconds(10))
        #expect(wait(later) == .seconds(0))
    }

    @Test("retries are a share of the requests of a window, and a few")
    func allowance() {
        let second: Int64 = 1_000_000_000
        var budget = RetryAllowance(share: 0.2, minimum: 3, window: 10 * second)
        var taken: [Int] = []
        func take(_ count: Int, at now: Int64) { taken.append((0..<count).count { _ in budget.takeRetry(at: now) }) }
        take(10, at: 0)
        for _ in 0..<100 { budget.noteRequest(at: second) }
        take(100, at: 2 * second)
        // The first three leave the window before the requests do.
        take(100, at: 10 * second + 1)
        // The window is over for the hundred, too.
        take(100, at: 11 * second)
        take(100, at: 12 * second)
        take(100, at: 1_000 * second)
        // A clock that goes back gives nothing.
        take(1, at: 5 * second)
        budget.noteRetry(at: 2_000 * second)
        take(9, at: 2_000 * second)
        #expect(taken == [3, 20, 3, 0, 0, 3, 0, 2])
        budget = RetryAllowance(share: .nan, minimum: -1, window: 0)
        budget.noteRequest(at: 0)
        take(9, at: 0)
        #expect(taken.last == 0)
    }

    @Test("a bucket gives its burst at once, and then one at a time")
    func bucket() {
        var bucket = TokenBucket(interval: 100, burst: 3)
        func take(_ count: Int, at now: Int64) -> Int { (0..<count).count { _ in bucket.takeIfThere(at: now) } }
        let burst = take(5, at: 1_000)
        #expect(burst == 3 && bucket.next(at: 1_000) == 1_100)
        let later = [take(1, at: 1_099), take(2, at: 1_100)]
        #expect(later == [0, 1] && !bucket.isFull(at: 1_399) && bucket.isFull(at: 1_400))
        let saved = take(5, at: 1_000_000)
        #expect(saved == 3, "no more than the burst is saved up")
        // In any stretch of time no more than the burst, and its length's worth.
        var random = SplitMix(seed: 3)
        var taken: [Int64] = []
        var now: Int64 = 2_000_000
        for _ in 0..<2_000 {
            now += Int64.random(in: 0...90, using: &random)
            if take(1, at: now) == 1 { taken.append(now) }
        }
        #expect(taken.count > 800)
        var excess = 0
        for first in stride(from: 0, to: taken.count, by: 37) {
            for last in first..<taken.count where Int64(last - first + 1) > 3 + (taken[last] - taken[first]) / 100 {
                excess += 1
            }
        }
        #expect(excess == 0)
        bucket = TokenBucket(interval: .max, burst: .max)
        let huge = take(3, at: 0)
        #expect(huge >= 1 && bucket.next(at: 0) >= 0)
    }

    @Test("a circuit opens after failures in a row, tries, closes, and stays open longer each time")
    func circuit() {
        let limits = CircuitState.Limits(failures: 3, open: 100, longestOpen: 350, trials: 1)
        var state = CircuitState()
        func fail(_ count: Int, at now: Int64) -> [Bool] {
            (0..<count).map { _ in state.failed(state.generation, at: now, limits) }
        }
        func ask(at now: Int64) -> CircuitState.Permit { state.permit(at: now, limits) }
        var failed = fail(2, at: 0)
        state.succeeded(state.generation, limits)
        #expect(failed == [false, false] && state.isPristine)
        let before = state.generation
        failed = fail(3, at: 3)
        var permits = [ask(at: 4)]
        #expect(failed == [false, false, true] && permits == [.refused(for: 99)])
        // Answers to requests from before change nothing.
        state.succeeded(before, limits)
        failed = [state.failed(before, at: 5, limits)]
        permits = [ask(at: 102), ask(at: 103), ask(at: 103)]
        #expect(failed == [false] && permits == [.refused(for: 1), .trial, .refused(for: 0)])
        // Twice as long.
        failed = fail(1, at: 104)
        permits = [ask(at: 303), ask(at: 304)]
        #expect(failed == [true] && permits == [.refused(for: 1), .trial])
        // A cancelled trial decides nothing, and holds nothing.
        state.undecided(state.generation)
        permits = [ask(at: 305)]
        #expect(permits == [.trial])
        // No longer than the limit.
        failed = fail(1, at: 305)
        permits = [ask(at: 654), ask(at: 655)]
        #expect(failed == [true] && permits == [.refused(for: 1), .trial])
        state.succeeded(state.generation, limits)
        permits = [ask(at: 656)]
        #expect(state.isPristine && permits == [.go])
        // And it begins anew.
        failed = fail(3, at: 657)
        permits = [ask(at: 756), ask(at: 757)]
        #expect(failed == [false, false, true] && permits == [.refused(for: 1), .trial])
    }

    @Test("with several trials all have to succeed")
    func trials() {
        let limits = CircuitState.Limits(failures: 1, open: 10, longestOpen: 10, trials: 2)
        var state = CircuitState()
        let opened = state.failed(0, at: 0, limits)
        var permits = (0..<3).map { _ in state.permit(at: 10, limits) }
        #expect(opened && permits == [.trial, .trial, .refused(for: 0)])
        state.succeeded(state.generation, limits)
        permits = [state.permit(at: 11, limits)]
        #expect(permits == [.refused(for: 0)] && !state.isPristine)
        state.succeeded(state.generation, limits)
        #expect(state.isPristine)
    }
}
