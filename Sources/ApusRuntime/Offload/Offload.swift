import Synchronization

/// Runs a blocking function on a thread of `pool`, while the loop goes on: asyncio's `run_in_executor` and `to_thread`.
///
/// ```swift
/// let row = try await offload { database.query("select …") }
/// let hash = try await offload(to: .cpu) { expensiveHash(of: bytes) }
/// ```
///
/// The caller's task-local values reach `body`.
///
/// - Parameters:
///   - pool: ``OffloadPool/blocking`` (the default) for calls that wait, ``OffloadPool/cpu`` for calls that compute.
///   - body: a synchronous function. Asynchronous code needs no thread: await it.
/// - Throws: what `body` throws; `CancellationError`; ``OffloadError`` if the pool's queue is full;
///   ``LoopError`` `.loopClosed` on a closed loop.
///
/// Cancel safety: ends the wait at once. A call that has not begun never runs; one that has begun cannot be stopped: it goes on
/// to its end on its thread, and its result is dropped. So return an object that releases what it owns, never a bare descriptor.
public func offload<Success: Sendable>(
    to pool: OffloadPool = .blocking,
    _ body: @escaping @Sendable () throws -> Success
) async throws -> Success {
    try Task.checkCancellation()
    let loop = EventLoop.current
    try loop?.checkOpen()
    try pool.pool.admit()
    let call = OffloadedCall(body)
    loop?.beginExternalWork()
    defer { loop?.endExternalWork() }
    // A task, since a task carries the caller's task-local values.
    _ = EventLoop.startTask(on: pool.pool, call.run)
    if let loop, loop.runsCurrentTask { loop.awaitsCall() }
    let result = await withTaskCancellationHandler {
        await withUnsafeContinuation { call.wait($0) }
    } onCancel: {
        call.abandon()
    }
    return try result.get()
}

/// An asynchronous closure needs no thread.
@available(
    *,
    unavailable,
    message: "offload runs a synchronous function on a thread. Asynchronous code does not block: await it directly."
)
public func offload<Success: Sendable>(
    to pool: OffloadPool = .blocking,
    _ body: @escaping @Sendable () async throws -> Success
) async throws -> Success {
    try await body()
}

extension OffloadPool {
    /// Runs `body` on a thread of the pool, and forgets it.
    ///
    /// - Throws: ``OffloadError`` if the queue is full.
    package func submit(_ body: @escaping @Sendable () -> Void) throws {
        try pool.admit()
        _ = EventLoop.startTask(on: pool, body)
    }
}

/// One offloaded call, between the task that waits and the thread that works.
private final class OffloadedCall<Success: Sendable>: Sendable {
    typealias Outcome = Result<Success, any Error>

    private enum State {
        case idle(@Sendable () throws -> Success)
        case waiting(UnsafeContinuation<Outcome, Never>, body: (@Sendable () throws -> Success)?)
        /// The body runs, and nobody waits yet.
        case running
        case finished(Outcome)
        case over
    }

    private let state: Mutex<State>

    init(_ body: @escaping @Sendable () throws -> Success) { state = Mutex(.idle(body)) }

    /// The thread's side.
    @Sendable
    func run() {
        let body: (@Sendable () throws -> Success)? = state.withLock { state in
            switch state {
            case .idle(let body):
                state = .running
                return body
            case .waiting(let continuation, let body):
                state = .waiting(continuation, body: nil)
                return body
            case .running, .finished, .over:
                return nil
            }
        }
        guard let body else { return }
        let outcome = Outcome { try body() }
        let waiter: UnsafeContinuation<Outcome, Never>? = state.withLock { state in
            switch state {
            case .waiting(let continuation, _):
                state = .over
                return continuation
            case .running, .idle:
                state = .finished(outcome)
                return nil
            case .finished, .over:
                return nil
            }
        }
        waiter?.resume(returning: outcome)
    }

    /// The waiting task's side.
    func wait(_ continuation: UnsafeContinuation<Outcome, Never>) {
        let outcome: Outcome? = state.withLock { state in
            switch state {
            case .idle(let body):
                state = .waiting(continuation, body: body)
                return nil
            case .running:
                state = .waiting(continuation, body: nil)
                return nil
            case .finished(let outcome):
                state = .over
                return outcome
            case .waiting, .over:
                return .failure(CancellationError())
            }
        }
        if let outcome { continuation.resume(returning: outcome) }
    }

    func abandon() {
        let waiter: UnsafeContinuation<Outcome, Never>? = state.withLock { state in
            defer { state = .over }
            if case .waiting(let continuation, _) = state { return continuation }
            return nil
        }
        waiter?.resume(returning: .failure(CancellationError()))
    }
}
