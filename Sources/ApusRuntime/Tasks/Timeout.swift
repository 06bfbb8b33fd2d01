import Synchronization

/// A `withTimeout` scope took longer than it was given.
public struct TimeoutError: Error, Sendable, CustomStringConvertible {
    /// What the scope was given.
    public var duration: Duration

    public init(duration: Duration) { self.duration = duration }

    /// Always true: every error of Apus that a deadline caused answers so.
    public var isTimeout: Bool { true }

    public var description: String { "The operation did not finish within \(duration) and was cancelled." }
}

/// Runs `body`, and cancels it when it takes longer than `duration`: asyncio's `timeout` and `wait_for`.
///
/// ```swift
/// let page = try await withTimeout(.seconds(5)) { try await session.get(url).text() }
/// ```
///
/// `body` runs with the caller's isolation, so an actor's method can use the actor's state inside. It is cancelled, not killed:
/// the function returns when `body` does. A body that returns a value although it was cancelled gives that value.
///
/// - Parameter duration: zero or less cancels `body` at its first suspension.
/// - Throws: ``TimeoutError`` if `body` ended with `CancellationError` because the time was up; else what `body` throws. If the
///   caller was cancelled as well, `CancellationError`.
///
/// Cancel safety: cancels `body` and awaits it.
public func withTimeout<Success>(
    _ duration: Duration,
    _ body: nonisolated(nonsending) () async throws -> Success
) async throws -> Success {
    // A local function, since a closure literal here is taken as nonisolated, and its use of `body` refused (6.3.1).
    func run(_ body: nonisolated(nonsending) @escaping () async throws -> Success) async throws -> Success {
        let timed = TimedBody(body)
        await runWithTimeout(duration, isolation: #isolation, timed)
        guard let result = timed.result else { throw CancellationError() }
        if case .failure(let error) = result, error is CancellationError, timed.scope.hasExpired, !Task.isCancelled {
            throw TimeoutError(duration: duration)
        }
        return try result.get()
    }
    return try await withoutActuallyEscaping(body, do: run)
}

/// Carries the caller's closure into the child task, and its result back.
// @unchecked: the caller is suspended while the child runs with the caller's isolation, so nothing is used by two at once.
private final class TimedBody<Success>: @unchecked Sendable {
    let scope = TimeoutScope()
    private let body: () async throws -> Success
    private(set) var result: Result<Success, any Error>?

    init(_ body: @escaping () async throws -> Success) { self.body = body }

    func run() async {
        do {
            result = .success(try await body())
        } catch {
            result = .failure(error)
        }
    }
}

private func runWithTimeout<Success>(
    _ duration: Duration,
    isolation: isolated (any Actor)?,
    _ timed: TimedBody<Success>
) async {
    // A closed loop keeps no time.
    let current = EventLoop.current
    let loop = if let current, current.closedError == nil { current } else { EventLoop.shared }
    let timer = loop.schedule(after: duration, timed.scope.expire)
    // One child, since Swift can cancel only a task. It captures `isolation`, and so runs with it.
    await withTaskGroup(of: Void.self) { group in
        group.addTask {
            _ = isolation
            timed.scope.begin()
            await timed.run()
            timed.scope.end()
        }
        await group.waitForAll()
    }
    timer.cancel()
}

/// Who may cancel the child, and whether they did.
private final class TimeoutScope: Sendable {
    private struct State {
        // Valid between `begin` and `end`, which the child itself calls: the task is alive.
        var task: UnsafeCurrentTask?
        var hasExpired = false
    }

    // UnsafeCurrentTask is not Sendable, for its properties; `cancel()` may be called from anywhere while the task lives.
    private nonisolated(unsafe) let state = UnsafeMutablePointer<State>.allocate(capacity: 1)
    private let lock = Mutex(())

    init() { state.initialize(to: State()) }

    deinit {
        state.deinitialize(count: 1)
        state.deallocate()
    }

    var hasExpired: Bool { lock.withLock { _ in state.pointee.hasExpired } }

    func begin() {
        withUnsafeCurrentTask { task in
            lock.withLock { _ in
                state.pointee.task = task
                if state.pointee.hasExpired { task?.cancel() }
            }
        }
    }

    func end() {
        lock.withLock { _ in state.pointee.task = nil }
    }

    @Sendable
    func expire() {
        lock.withLock { _ in
            state.pointee.hasExpired = true
            state.pointee.task?.cancel()
        }
    }
}
