/// What ``wait(_:returnWhen:timeout:)`` waits for.
public enum WaitCondition: Sendable, Hashable {
    /// All tasks have ended: asyncio's `ALL_COMPLETED`.
    case allCompleted
    /// One task has ended, with a value or an error: `FIRST_COMPLETED`.
    case firstCompleted
    /// One task has ended with an error other than `CancellationError`, or all have ended: `FIRST_EXCEPTION`.
    case firstFailure
}

/// Waits until one or all of `tasks` have ended, and cancels none of them: asyncio's `wait`.
///
/// ```swift
/// let (done, pending) = try await wait(tasks, returnWhen: .firstCompleted, timeout: .seconds(5))
/// for task in pending { task.cancel() }
/// for task in done { show(try await task.value) }
/// ```
///
/// It is for tasks that have handles, those of ``EventLoop/spawn(name:_:)``. Swift's own children (`async let`, task groups) have none,
/// and may not outlive their scope: for those there are ``race(_:discard:_:)``, ``firstSuccess(_:discard:onFailure:_:)`` and
/// ``asCompleted(_:limit:timeout:discard:_:consume:)``, which also cancel and await the rest.
///
/// Waiting takes no error away: one that nobody asks for with ``LoopTask/value`` is still reported.
///
/// - Parameters:
///   - tasks: of any loops; the same one may occur twice.
///   - condition: what to wait for.
///   - timeout: how long; nil for as long as it takes. Zero or less looks, and does not wait.
/// - Returns: the tasks that have ended, and the others, each in the order of `tasks`. When the time is up that is no error.
/// - Throws: `CancellationError` when the caller is cancelled; ``LoopError`` `.invalidArgument` if there are no tasks.
///
/// Cancel safety: ends the wait at once, also of a caller that was cancelled before; the tasks go on.
public func wait<Success: Sendable>(
    _ tasks: some Collection<LoopTask<Success>>,
    returnWhen condition: WaitCondition = .allCompleted,
    timeout: Duration? = nil
) async throws -> (done: [LoopTask<Success>], pending: [LoopTask<Success>]) {
    guard !tasks.isEmpty else {
        throw LoopError(.invalidArgument, "wait(_:returnWhen:timeout:) for no tasks. Call it with at least one.")
    }
    try Task.checkCancellation()
    let watch = TaskWatch(condition, count: tasks.count)
    for task in tasks { task.record.add(watch) }
    defer { for task in tasks { task.record.remove(watch) } }
    var timer: ScheduledCall?
    if let timeout {
        if timeout > .zero {
            timer = EventLoop.keepingTime.schedule(after: timeout) { watch.end() }
        } else {
            watch.end()
        }
    }
    defer { timer?.cancel() }
    await withTaskCancellationHandler {
        await watch.wait()
    } onCancel: {
        watch.end()
    }
    try Task.checkCancellation()
    var (done, pending): ([LoopTask<Success>], [LoopTask<Success>]) = ([], [])
    for task in tasks {
        if task.isFinished { done.append(task) } else { pending.append(task) }
    }
    return (done, pending)
}

/// Sees tasks end, for one waiter.
final class TaskWatch: Sendable {
    private struct State {
        var outstanding: Int
        var isOver = false
        var waiter: UnsafeContinuation<Void, Never>?
    }

    private let condition: WaitCondition
    private let state: ForkSafeLock<State>

    init(_ condition: WaitCondition, count: Int) {
        self.condition = condition
        state = ForkSafeLock(State(outstanding: count))
    }

    /// Called for each task once, at its end, or at once if it has ended.
    func taskEnded(_ error: (any Error)?) {
        let isMet = state.withLock { state in
            state.outstanding -= 1
            return switch condition {
            case .allCompleted: state.outstanding == 0
            case .firstCompleted: true
            case .firstFailure: state.outstanding == 0 || error.map { !($0 is CancellationError) } == true
            }
        }
        if isMet { end() }
    }

    /// Ends the wait.
    func end() {
        let waiter = state.withLock { state in
            state.isOver = true
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }

    func wait() async {
        await withUnsafeContinuation { continuation in
            let isOver = state.withLock { state in
                if !state.isOver { state.waiter = continuation }
                return state.isOver
            }
            if isOver { continuation.resume() }
        }
    }
}
