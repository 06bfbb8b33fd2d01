import ApusRuntime
import ApusTesting
import Synchronization
import Testing

/// A claim of a model that did not hold.
struct Broken: Error, CustomStringConvertible {
    let description: String
}

/// Throws unless `condition` holds. Much cheaper than `#expect`, of which a run would make millions.
func require(_ condition: Bool, _ claim: @autoclosure () -> String) throws {
    if !condition { throw Broken(description: claim()) }
}

/// One seeded schedule: tasks that yield at random places, some of which are cancelled at random moments.
struct Schedule: Sendable {
    let seed: UInt64

    /// Random numbers for the task with this number; -1 for the schedule itself.
    func random(_ task: Int = -1) -> SplitMix {
        SplitMix(seed: seed &* 0x9E37_79B9_7F4A_7C15 &+ UInt64(bitPattern: Int64(task &+ 1)) &* 0xD129_0E6B)
    }

    /// Runs `count` tasks together, and cancels some of them meanwhile.
    ///
    /// - Parameters:
    ///   - line: is told who is cancelled, and may be passed over from then on.
    ///   - body: gets the task's number and its random numbers.
    /// - Returns: what each ended with.
    func run(
        _ count: Int,
        line: Line? = nil,
        _ body: @escaping @Sendable (Int, inout SplitMix) async throws -> Void
    ) async -> [Result<Void, any Error>] {
        var random = random()
        let tasks = (0..<count).map { number in
            EventLoop.spawn {
                var random = self.random(number)
                await Self.pause(&random)
                try await body(number, &random)
            }
        }
        for _ in 0..<Int.random(in: 0...2, using: &random) {
            await Self.pause(&random)
            guard let victim = (0..<count).randomElement(using: &random) else { break }
            line?.leave(victim)
            tasks[victim].cancel()
        }
        // A schedule in which nobody goes on is cancelled by its timeout.
        return await withTaskCancellationHandler {
            var results: [Result<Void, any Error>] = []
            for task in tasks { results.append(await task.result) }
            return results
        } onCancel: {
            for task in tasks { task.cancel() }
        }
    }

    /// Some turns for the others.
    static func pause(_ random: inout SplitMix) async {
        for _ in 0..<Int.random(in: 0...3, using: &random) { await Task.yield() }
    }
}

/// Runs `body` under `count` schedules, on virtual time, and names the seed of those that break its claims. A schedule in which nobody goes on
/// any more ends by a timeout that virtual time reaches at once.
func interleavings(
    _ count: Int = 10_000,
    sourceLocation: SourceLocation = #_sourceLocation,
    _ body: @escaping @Sendable (Schedule) async throws -> Void
) async throws {
    let failures = try await onCleanLoop {
        var failures: [String] = []
        for seed in 0..<UInt64(count) where failures.count < 5 {
            do {
                try await withTimeout(.seconds(3_600)) { try await body(Schedule(seed: seed)) }
            } catch {
                failures.append("seed \(seed): \(error)")
            }
        }
        return failures
    }
    for failure in failures { Issue.record("\(failure)", sourceLocation: sourceLocation) }
}

/// Who waits for a turn, in the order of coming, to check that turns are given in it.
final class Line: Sendable {
    private let waiting = Mutex<[(number: Int, hasLeft: Bool)]>([])

    func come(_ number: Int) { waiting.withLock { $0.append((number, false)) } }

    /// The task was given its turn: all before it must have left.
    func served(_ number: Int) throws {
        let skipped = waiting.withLock { waiting -> [Int] in
            guard let place = waiting.firstIndex(where: { $0.number == number && !$0.hasLeft }) else { return [-1] }
            let skipped = waiting[..<place].filter { !$0.hasLeft }.map(\.number)
            waiting.removeSubrange(...place)
            return skipped
        }
        try require(skipped.isEmpty, "task \(number) was served before \(skipped), who had come earlier")
    }

    /// The task is cancelled, and may be passed over from now on.
    func leave(_ number: Int) {
        waiting.withLock { waiting in
            for place in waiting.indices where waiting[place].number == number { waiting[place].hasLeft = true }
        }
    }
}

extension Result where Success == Void, Failure == any Error {
    /// Whether the task ended by being cancelled. Any other error is thrown.
    func wasCancelled() throws -> Bool {
        switch self {
        case .success: return false
        case .failure(let error) where error is CancellationError: return true
        case .failure(let error): throw error
        }
    }
}
