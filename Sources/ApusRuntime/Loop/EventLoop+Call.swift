extension EventLoop {
    /// Runs `body` on this loop, from wherever the caller is, and awaits it: the way to hand work to a loop by name.
    ///
    /// ```swift
    /// let address = try await group.loops[1].call { try await startServer() }
    /// ```
    ///
    /// From a task of this loop `body` runs at once. From elsewhere it is a task of the loop's own, and the caller comes back to where it
    /// was. What another thread shall not wait for is ``spawn(name:_:)``'s; what is not asynchronous and gives no value,
    /// ``schedule(_:)``'s.
    ///
    /// - Throws: what `body` throws; ``LoopError`` `.loopForked` in a forked child. On a closed loop `body` runs, and finds that every Apus
    ///   operation in it throws `.loopClosed`.
    ///
    /// The caller's task-local values reach `body`.
    ///
    /// Cancel safety: cancels `body` and awaits it.
    public func call<Success: Sendable>(
        _ body: @escaping @Sendable () async throws -> Success
    ) async throws -> Success {
        if runsCurrentTask { return try await body() }
        let caller = EventLoop.current
        caller?.beginExternalWork()
        defer { caller?.endExternalWork() }
        // Not by `hop`: each async function on the way is a frame of the caller's task.
        let task = try startHop(body)
        return try await withTaskCancellationHandler {
            try await task.value
        } onCancel: {
            task.cancel()
        }
    }
}
