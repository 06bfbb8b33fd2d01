import CApus

/// What the cancellation of a task ends: see ``withCancellationTarget(_:_:)``.
@usableFromInline
package protocol CancellationTarget: AnyObject, Sendable {
    /// The task was cancelled. Called on any thread, while the runtime holds the task's record: hands it over, and waits for nothing.
    func taskCancelled()
}

/// Runs `operation`, and tells `target` if the task is cancelled meanwhile or has been: `withTaskCancellationHandler` without its four
/// steps from executor to executor.
///
/// Each of them makes the runtime lock the task's record to find its preference (250 instructions), although the function that calls is
/// on its executor already, and stays there: inlined, this is its own code. The runtime is asked for what `withTaskCancellationHandler`
/// asks it for.
///
/// Cancel safety: as `operation`'s.
@inlinable
@inline(__always)
package func withCancellationTarget<Success>(
    _ target: some CancellationTarget,
    _ operation: nonisolated(nonsending) () async throws -> Success
) async rethrows -> Success {
    let record = addCancellationTarget(target)
    defer {
        removeCancellationTarget(record)
        // The record does not own it.
        withExtendedLifetime(target) {}
    }
    return try await operation()
}

@usableFromInline
func addCancellationTarget(_ target: AnyObject) -> UnsafeMutableRawPointer {
    apus_task_add_cancellation_handler(
        { (Unmanaged<AnyObject>.fromOpaque($0).takeUnretainedValue() as? any CancellationTarget)?.taskCancelled() },
        Unmanaged.passUnretained(target).toOpaque()
    )
}

@usableFromInline
func removeCancellationTarget(_ record: UnsafeMutableRawPointer) {
    apus_task_remove_cancellation_handler(record)
}
