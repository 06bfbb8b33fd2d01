import ApusRuntime

/// Runs `body` under many schedules, each with virtual time and a loop of its own, and tells the seed of the first that it fails under.
///
/// A loop gives its tasks their turns in the order in which they became ready, always the same one, so that a test sees one of the
/// many orders that a program may meet: an answer that comes earlier, a timer that is late. Here each run draws another order.
///
/// ```swift
/// @Test func transfersLoseNothing() async throws {
///     try await forEachSchedule(500) {
///         let bank = Bank()
///         _ = try await gather(0..<3) { try await bank.transfer($0) }
///         try #require(await bank.total == 300)
///     }
/// }
/// ```
///
/// ``ScheduleFailure`` says how to run the schedule again that failed. A body in which nobody can go on any more (a deadlock, a lost
/// wake-up) fails by `timeout`, which virtual time reaches at once.
///
/// - Write `try #require(…)` in `body`, or throw, rather than `#expect`: only what is thrown ends the run and is told with its seed.
///   Where that does not do, `EventLoop.current?.options.shuffleSeed` is the seed.
/// - The same seed gives the same order as long as nothing from outside the loop takes part: no real socket, no `offload`, no thread,
///   no `Task { }`. What iterates over a `Set` or `Dictionary` does so in another order in each process, unless
///   `SWIFT_DETERMINISTIC_HASHING=1` is in its environment.
///
/// - Parameters:
///   - count: how many schedules; at least 1.
///   - seed: of the first; those that follow count up from it.
///   - timeout: virtual time that `body` may take.
/// - Throws: ``ScheduleFailure``; `CancellationError`.
///
/// Cancel safety: cancels `body` and awaits it.
public func forEachSchedule(
    _ count: Int = 100,
    seed: UInt64 = 0,
    timeout: Duration = .seconds(86_400),
    _ body: @escaping @Sendable () async throws -> Void
) async throws {
    for number in 0..<max(1, count) {
        try Task.checkCancellation()
        let current = seed &+ UInt64(number)
        do {
            try await withVirtualTime(shuffling: current) { try await withTimeout(timeout, body) }
        } catch {
            // The test's own end is no finding.
            try Task.checkCancellation()
            throw ScheduleFailure(seed: current, schedule: number + 1, count: max(1, count), cause: error)
        }
    }
}

/// A test failed under one order of its tasks: see ``forEachSchedule(_:seed:timeout:_:)``.
public struct ScheduleFailure: Error, Sendable, CustomStringConvertible {
    /// The seed under which it failed.
    public var seed: UInt64
    /// Which of the schedules it was, counted from 1.
    public var schedule: Int
    /// How many there were to be.
    public var count: Int
    /// What the body threw.
    public var cause: any Error

    public var description: String {
        "Schedule \(schedule) of \(count) failed: \(cause)\nTo run this schedule alone: forEachSchedule(1, seed: \(seed)) { … }"
    }
}
