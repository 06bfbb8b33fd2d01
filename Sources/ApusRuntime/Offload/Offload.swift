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
/// - Throws: what `body` throws; `CancellationError`; ``OffloadError`` if the pool's queue is full, or the pool was shut down;
///   ``LoopError`` `.loopClosed` on a closed loop.
///
/// Cancel safety: ends the wait at once. A call that has not begun never runs; one that has begun cannot be stopped: it goes on
/// to its end on its thread, and its result is dropped. So return an object that releases what it owns, never a bare descriptor.
/// A call that looks at `Task.isCancelled` can end early; an error that it throws then, other than `CancellationError`, goes to
/// ``EventLoop/Options/exceptionHandler``. To wait for a call that has begun: ``offload(to:cancellation:_:)``.
@inlinable  // for the type of the value: see OffloadedCall
public func offload<Success: Sendable>(
    to pool: OffloadPool = .blocking,
    _ body: @escaping @Sendable () throws -> Success
) async throws -> Success {
    let call = OffloadedFunction(body, on: pool)
    try await call.perform(.abandon)
    return try call.result()
}

/// Runs a blocking function on a thread of `pool`, and says what cancelling does to it.
///
/// ```swift
/// try await withTimeout(.seconds(5)) {
///     try await offload(to: .cpu, cancellation: .cooperative) {
///         for chunk in chunks {
///             try Task.checkCancellation()
///             index.add(chunk)
///         }
///     }
/// }
/// ```
///
/// - Parameters:
///   - pool: as of ``offload(to:_:)``.
///   - cancellation: whether a cancelled task leaves the call alone, or waits until it has ended.
///   - body: a synchronous function.
/// - Throws: as ``offload(to:_:)``.
///
/// Cancel safety: with `.abandon` as ``offload(to:_:)``. With `.cooperative` a call that has not begun never runs, and one that has begun
/// is awaited, and gives its result or its error: nothing is dropped. A body that does not look whether it was cancelled holds its task,
/// and with it whatever waits for the task: a `withTimeout`, or the end of the loop.
@inlinable
public func offload<Success: Sendable>(
    to pool: OffloadPool = .blocking,
    cancellation: OffloadCancellation,
    _ body: @escaping @Sendable () throws -> Success
) async throws -> Success {
    let call = OffloadedFunction(body, on: pool)
    try await call.perform(cancellation)
    return try call.result()
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
    /// - Parameter refused: runs instead if the pool is shut down before a thread was free. It must not block.
    /// - Throws: ``OffloadError`` if the queue is full, or the pool was shut down.
    package func submit(
        _ body: @escaping @Sendable () -> Void,
        orElse refused: @escaping @Sendable (any Error) -> Void
    ) throws {
        let threads = threads
        try threads.admit()
        _ = EventLoop.startTask(on: threads) {
            if threads.isOver { refused(OffloadError.shutDown(threads.name)) } else { body() }
            threads.callEnded()
        }
    }
}
