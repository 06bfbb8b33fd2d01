import DequeModule

/// The results of ``asCompleted(_:limit:timeout:discard:_:consume:)``, in the order in which they come.
///
/// For one task at a time; it may be another than the one that was given it, such as the body of a ``withTimeout(_:_:)``.
public final class Completions<Success: Sendable>: AsyncSequence, Sendable {
    public typealias Element = Success

    /// Takes the results, as ``Completions/nextResult()`` does; several iterators share them.
    public struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let completions: Completions

        /// The next value.
        ///
        /// - Throws: a child's error in the place of its value; as ``Completions/nextResult()``.
        ///
        /// Cancel safety: ends the wait; no result is lost.
        public mutating func next() async throws -> Success? { try await completions.nextResult()?.get() }

        /// The next value: see ``next()``.
        ///
        /// Cancel safety: ends the wait; no result is lost.
        public mutating func next(isolation actor: isolated (any Actor)?) async throws(any Error) -> Success? {
            try await completions.nextResult()?.get()
        }
    }

    private struct State {
        /// Elements that were begun.
        var begun = 0
        /// Elements that run, and results that wait to be taken: at most the limit.
        var busy = 0
        var ready = Deque<ChildEnd<Success>>()
        /// Results that were taken.
        var taken = 0
        var hasExpired = false
        var isOver = false
        /// The consumer. Gets false if another waits already.
        var consumer: UnsafeContinuation<Bool, Never>?
        /// Workers that wait until they may begin an element. They get its index, or nil to end.
        var workers = Deque<UnsafeContinuation<Int?, Never>>()
    }

    private let count: Int
    private let limit: Int
    private let timeout: Duration?
    private let state = ForkSafeLock(State())

    init(count: Int, limit: Int, timeout: Duration?) {
        self.count = count
        self.limit = limit
        self.timeout = timeout
    }

    // MARK: For the consumer

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(completions: self) }

    /// The next result: what a child returned or threw. An error cancels nobody.
    ///
    /// - Returns: nil when all have been taken, or the scope is over.
    /// - Throws: ``TimeoutError`` when the time is up and nothing is left of what came before; `CancellationError` when the caller is
    ///   cancelled and there is nothing; ``LoopError`` `.invalidArgument` if another task waits already.
    ///
    /// Cancel safety: ends the wait; no result is lost.
    public func nextResult() async throws -> Result<Success, any Error>? {
        while true {
            if let found = try take() { return found.end?.result }
            let isAlone = await withTaskCancellationHandler {
                await withUnsafeContinuation { continuation in
                    let outcome: Bool? = state.withLock { state in
                        if state.consumer != nil { return false }
                        if isWorthLooking(state) || Task.isCancelled { return true }
                        state.consumer = continuation
                        return nil
                    }
                    if let outcome { continuation.resume(returning: outcome) }
                }
            } onCancel: {
                wakeConsumer()
            }
            guard isAlone else {
                throw LoopError(
                    .invalidArgument,
                    "Two tasks wait for the results of one asCompleted. Let one take them and hand them on."
                )
            }
        }
    }

    /// - Returns: nil if it is necessary to wait.
    private func take() throws -> (end: ChildEnd<Success>?, Void)? {
        let isCancelled = Task.isCancelled
        let (found, worker) = try state.withLock { state -> ((ChildEnd<Success>?, Void)?, Worker?) in
            if let end = state.ready.popFirst() {
                state.taken += 1
                state.busy -= 1
                return ((end, ()), nextWorker(&state))
            }
            if state.taken == count || state.isOver { return ((nil, ()), nil) }
            if isCancelled { throw CancellationError() }
            if state.hasExpired { throw TimeoutError(duration: timeout ?? .zero) }
            return (nil, nil)
        }
        worker?.resume()
        return found
    }

    private func isWorthLooking(_ state: State) -> Bool {
        !state.ready.isEmpty || state.taken == count || state.isOver || state.hasExpired
    }

    private func wakeConsumer() {
        let consumer = state.withLock { state in
            defer { state.consumer = nil }
            return state.consumer
        }
        consumer?.resume(returning: true)
    }

    // MARK: For the workers

    /// A worker that waited, and what it gets.
    private struct Worker {
        var continuation: UnsafeContinuation<Int?, Never>
        var index: Int?

        func resume() { continuation.resume(returning: index) }
    }

    /// Waits until there is room.
    ///
    /// - Returns: the element to begin; nil when there is none left.
    ///
    /// Cancel safety: has no effect: the elements left are begun cancelled, so that each has its result. ``close()`` ends the wait.
    func begin() async -> Int? {
        await withUnsafeContinuation { continuation in
            let index: Int?? = state.withLock { state in
                if let index = claim(&state) { return index }
                state.workers.append(continuation)
                return nil
            }
            if let index { continuation.resume(returning: index) }
        }
    }

    /// - Returns: an element, nil for none any more; nil outside if there is no room.
    private func claim(_ state: inout State) -> Int?? {
        if state.begun == count || state.isOver || state.hasExpired { return .some(nil) }
        guard state.busy < limit else { return nil }
        defer {
            state.begun += 1
            state.busy += 1
        }
        return state.begun
    }

    private func nextWorker(_ state: inout State) -> Worker? {
        guard !state.workers.isEmpty, let index = claim(&state) else { return nil }
        return state.workers.popFirst().map { Worker(continuation: $0, index: index) }
    }

    func add(_ end: ChildEnd<Success>) {
        state.withLock { $0.ready.append(end) }
        wakeConsumer()
    }

    // MARK: The end

    /// - Returns: the timer of the timeout, if there is one that has not passed.
    func startTimer() -> ScheduledCall? {
        guard let timeout else { return nil }
        guard timeout > .zero else {
            expire()
            return nil
        }
        return EventLoop.keepingTime.schedule(after: timeout) { self.expire() }
    }

    private func expire() { finish { $0.hasExpired = true } }

    /// Nobody takes results any more.
    func close() { finish { $0.isOver = true } }

    private func finish(_ change: (inout State) -> Void) {
        let workers = state.withLock { state in
            change(&state)
            defer { state.workers = [] }
            return state.workers
        }
        for worker in workers { worker.resume(returning: nil) }
        wakeConsumer()
    }

    /// The results that nobody took, when all workers have ended.
    var left: [ChildEnd<Success>] {
        state.withLock { state in
            defer { state.ready = [] }
            return Array(state.ready)
        }
    }
}
