import CApus

/// Runs `attempt` for one element after the other, and returns the first value: the next begins beside those that run when `delay`
/// has passed, or at once when the last one begun has failed. RFC 8305 §5 ("happy eyeballs"); asyncio's `staggered_race`.
///
/// ```swift
/// let answer = try await staggeredRace(replicas, delay: .milliseconds(50)) { try await ask($0) }
/// ```
///
/// Any failure makes the next begin, of the newest attempt or of an older one; the delay then counts anew. When one has succeeded the
/// others are cancelled, and awaited before this returns. Nothing is lost: errors of before and after the success, except
/// `CancellationError`, go to `onFailure`, or are reported through ``EventLoop/Options/exceptionHandler``; values that came too late
/// go to `discard`.
///
/// - Parameters:
///   - elements: the alternatives, the preferred one first. They are drawn one at a time.
///   - delay: how long an attempt has alone before the next begins beside it; zero or less begins all at once.
///   - discard: takes the value of an attempt that succeeded too late, to close it, for instance. Nil drops it.
///   - onFailure: takes the errors of the attempts that failed although another succeeded, where failing is expected.
/// - Throws: ``AllFailedError`` with all errors if none succeeded; `CancellationError` if the caller was cancelled and none succeeded;
///   ``LoopError`` `.invalidArgument` if there are no elements.
///
/// Cancel safety: begins no further attempt, cancels the children and awaits them; a value that one returns nevertheless is returned.
public func staggeredRace<Elements: Sequence, Success: Sendable>(
    _ elements: Elements,
    delay: Duration,
    discard: (@Sendable (Success) async -> Void)? = nil,
    onFailure: (@Sendable (any Error) -> Void)? = nil,
    _ attempt: @escaping @Sendable (Elements.Element) async throws -> Success
) async throws -> Success where Elements.Element: Sendable {
    let loop = EventLoop.current
    let tracking = loop?.trackingChildren(of: "staggeredRace")
    let losers = Losers(of: "staggeredRace", on: loop, discard: discard, onFailure: onFailure)
    let attempts = await withTaskGroup(of: ChildEnd<Success>?.self) { group in
        var rest = elements.makeIterator()
        var next = rest.next()
        var begun = 0
        var running = 0
        var attempts = Attempts(losers)
        let pacer = Pacer(delay: delay, loop: loop)
        var isPaced = false

        /// Begins an attempt, and sees to it that there is a child that says when its time alone is over: one for all of them.
        func begin() {
            while let element = next {
                let index = begun
                begun += 1
                running += 1
                group.addTask(executorPreference: loop) {
                    await ChildEnd(index: index, tracking) { try await attempt(element) }
                }
                next = rest.next()
                if delay > .zero { break }
            }
            guard next != nil else { return }
            pacer.restart()
            guard !isPaced else { return }
            isPaced = true
            group.addTask(executorPreference: loop) {
                await pacer.wait()
                return nil
            }
        }

        begin()
        while running > 0, let event = await group.next() {
            if let end = event {
                running -= 1
                if await attempts.take(end) { group.cancelAll() }
            } else {
                isPaced = false
            }
            let isDelayOver = event == nil
            let isFailure = if case .failure = event?.result { true } else { false }
            if isDelayOver || isFailure, !attempts.hasWinner, !Task.isCancelled { begin() }
        }
        group.cancelAll()
        return attempts
    }
    return try attempts.outcome(of: "staggeredRace")
}

/// Says when the attempt begun last has had its time alone. A single waiter serves the whole race: when it wakes and the time was set
/// anew meanwhile, it sleeps on.
private final class Pacer: Sendable {
    private let delay: Duration
    private let loop: EventLoop?
    private let deadline = ForkSafeLock(LoopClock.Instant(nanoseconds: 0))

    init(delay: Duration, loop: EventLoop?) {
        self.delay = delay
        self.loop = loop
    }

    private var now: LoopClock.Instant { loop?.clock.now ?? LoopClock.Instant(nanoseconds: apus_monotonic_now()) }

    func restart() {
        let next = now.advanced(by: delay)
        deadline.withLock { $0 = next }
    }

    /// Returns when the time is over, or the task is cancelled.
    func wait() async {
        while true {
            let next = deadline.withLock { $0 }
            if next <= now { return }
            do { try await sleep(until: next) } catch { return }
        }
    }
}
