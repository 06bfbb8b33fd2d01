/// One offloaded call, between the task that waits and the thread that works.
final class OffloadedCall<Success: Sendable>: Sendable {
    typealias Outcome = Result<Success, any Error>
    typealias Body = @Sendable () throws -> Success
    typealias Waiter = UnsafeContinuation<Outcome, Never>

    private enum State {
        case idle(Body)
        case waiting(Waiter, body: Body?)
        /// The body runs, and nobody waits yet.
        case running
        /// The body runs, and nobody waits any more: an error goes to the loop's handler.
        case abandoned(EventLoop?)
        case finished(Outcome)
        /// The outcome was taken; or the call was given up before it began.
        case over
    }

    private let lock = FutexLock()
    // Guarded by `lock`, which the compiler's check and the runtime's would not see.
    @exclusivity(unchecked) private nonisolated(unsafe) var state: State

    @inline(__always)
    private func withState<Result>(_ body: (inout State) -> Result) -> Result {
        lock.lock()
        defer { lock.unlock() }
        return body(&state)
    }
    // unowned(unsafe): pools live as long as the process.
    private unowned(unsafe) let pool: ThreadPool

    init(_ body: @escaping Body, on pool: ThreadPool) {
        state = .idle(body)
        self.pool = pool
    }

    /// The thread's side. Runs once.
    @Sendable
    func run() {
        let body: Body? = withState { state in
            switch state {
            case .idle(let body):
                state = .running
                return body
            case .waiting(let waiter, let body):
                state = .waiting(waiter, body: nil)
                return body
            case .running, .abandoned, .finished, .over:
                return nil
            }
        }
        guard let body else {
            pool.reachedGivenUpCall()
            return
        }
        let outcome = pool.isOver ? .failure(OffloadError.shutDown(pool.name)) : Outcome { try body() }
        // Before anybody hears of the end: who does may look at the statistics.
        pool.callEnded()
        // Variables, since a tuple that depends on `Success` is looked up by the runtime each time.
        var isAbandoned = false
        var loop: EventLoop?
        let waiter: Waiter? = withState { state in
            switch state {
            case .waiting(let waiter, _):
                state = .over
                return waiter
            case .running, .idle:
                state = .finished(outcome)
                return nil
            case .abandoned(let reporter):
                state = .over
                isAbandoned = true
                loop = reporter
                return nil
            case .finished, .over:
                return nil
            }
        }
        if let waiter {
            waiter.resume(returning: outcome)
        } else if isAbandoned, case .failure(let error) = outcome {
            EventLoop.reportUnhandled(
                error,
                of: "offload(to: \(pool.name))",
                advice: "Its caller was cancelled before. Catch the error inside the closure.",
                on: loop
            )
        }
    }

    /// The waiting task's side.
    func wait(_ waiter: Waiter) {
        let outcome: Outcome? = withState { state in
            switch state {
            case .idle(let body):
                state = .waiting(waiter, body: body)
                return nil
            case .running:
                state = .waiting(waiter, body: nil)
                return nil
            case .finished(let outcome):
                state = .over
                return outcome
            case .waiting, .abandoned, .over:
                return .failure(CancellationError())
            }
        }
        if let outcome { waiter.resume(returning: outcome) }
    }

    /// The waiting task was cancelled: before it waits, while it does, or afterwards.
    ///
    /// - Parameter loop: hears of an error that the body throws when nobody waits any more.
    func cancel(_ cancellation: OffloadCancellation, on loop: EventLoop?) {
        // The body leaves the lock before it is released, which may run code of the user's.
        let (waiter, unbegun): (Waiter?, Body?) = withState { state in
            switch state {
            case .idle(let body):
                state = .over
                return (nil, body)
            case .waiting(let waiter, let body?):
                state = .over
                return (waiter, body)
            case .waiting(let waiter, nil):
                if cancellation == .cooperative { return (nil, nil) }
                state = .abandoned(loop)
                return (waiter, nil)
            case .running:
                if cancellation == .abandon { state = .abandoned(loop) }
                return (nil, nil)
            case .abandoned, .finished, .over:
                return (nil, nil)
            }
        }
        if unbegun != nil { pool.givesUpCall() }
        waiter?.resume(returning: .failure(CancellationError()))
    }
}
