/// A task that ``EventLoop/spawn(name:_:)`` started.
///
/// The loop keeps the task alive, whether or not the handle is kept. If the task ends with an error, and the handle is gone
/// without anybody having asked for ``value``, the error is reported through ``EventLoop/Options/exceptionHandler``.
public final class LoopTask<Success: Sendable>: Sendable {
    @usableFromInline let task: Task<Success, any Error>
    @usableFromInline let record: ValueRecord<Success>

    @inlinable
    init(_ task: Task<Success, any Error>, _ record: ValueRecord<Success>) {
        self.task = task
        self.record = record
    }

    deinit { record.abandoned() }

    /// The name given at the start.
    public var name: String? { record.name }

    /// Asks the task to end. It notices at its next suspension in Apus, or when it looks at `Task.isCancelled`.
    public func cancel() { record.cancel() }

    /// Whether ``cancel()`` was called.
    public var isCancelled: Bool { task.isCancelled }

    /// Whether the task has ended, with a value or an error.
    public var isFinished: Bool { record.isFinished }

    /// What the task returns.
    ///
    /// - Throws: what the task throws.
    ///
    /// Cancel safety: cancelling the waiter does not cancel the task, nor end the wait: await it in a group, or forward the
    /// cancellation with `withTaskCancellationHandler`, if that is wanted.
    @inlinable public var value: Success {
        get async throws {
            record.received()
            return try await task.value
        }
    }

    /// What the task returns or throws.
    @inlinable public var result: Result<Success, any Error> {
        get async {
            record.received()
            return await task.result
        }
    }
}
