/// Runs `body`, which goes on although the caller is cancelled: for cleaning up, and for what must not stop half-way.
///
/// ```swift
/// try await withShield {
///     try await journal.write(entry)
///     try await journal.flush()
/// }
/// ```
///
/// Where asyncio's `shield` makes a cancelled caller leave at once, and leaves the rest to itself, this one waits for `body`, and
/// returns its value or throws its error: nothing is lost, and `body` can use the caller's state, since it runs with the caller's
/// isolation. Afterwards the caller is as cancelled as it was. Inside, `Task.isCancelled` is false, and only scopes inside cancel:
/// give `body` a ``withTimeout(_:_:)`` of its own if it might not end.
///
/// asyncio's way is a task of its own: ``wait(_:returnWhen:timeout:)`` leaves at once when the caller is cancelled, and cancels nobody;
/// an error that the task ends with later is reported, since nobody asked for its value.
///
/// ```swift
/// let task = EventLoop.spawn { try await commit() }
/// _ = try await wait([task])
/// return try await task.value
/// ```
///
/// - Throws: what `body` throws.
///
/// Cancel safety: cancelling has no effect inside; a caller that was cancelled before runs `body` as well. The loop's end waits for it.
public func withShield<Success>(
    _ body: nonisolated(nonsending) () async throws -> Success
) async throws -> Success {
    // A local function: see `withTimeout`.
    func run(_ body: nonisolated(nonsending) @escaping () async throws -> Success) async throws -> Success {
        let shielded = CallersBody(body)
        await EventLoop.runUncancelled(shielded, isolation: #isolation)
        return try shielded.result.get()
    }
    return try await withoutActuallyEscaping(body, do: run)
}
