/// One offloaded call, between the task that waits and the thread that works.
///
/// All but the function and its value is the same for all types, and is here: code for all types asks the runtime for the metadata of
/// each of them at every step, which was half of what an empty call cost.
// @unchecked: `refusal` is written under the lock and read by who has been resumed afterwards.
@usableFromInline
class OffloadedCall: @unchecked Sendable {
    typealias Waiter = UnsafeContinuation<Void, Never>

    private enum State {
        case idle
        case waiting(Waiter, hasBegun: Bool)
        /// The body runs, and nobody waits yet.
        case running
        /// The body runs, and nobody waits any more: an error goes to the loop's handler.
        case abandoned(EventLoop?)
        case finished
        /// The outcome was taken; or the call was given up before it began.
        case over
    }

    private let lock = FutexLock()
    // Two threads never have it at once, which the runtime's check would not see.
    @exclusivity(unchecked) private final var state = State.idle

    @inline(__always)
    private func withState<Result>(_ body: (inout State) -> Result) -> Result {
        lock.lock()
        defer { lock.unlock() }
        return body(&state)
    }

    // unowned(unsafe): pools live as long as the process.
    private unowned(unsafe) let pool: ThreadPool
    /// Why there is no outcome.
    private var refusal: (any Error)?

    @usableFromInline
    init(on pool: OffloadPool) { self.pool = pool.threads }

    /// Runs the function, and keeps what it returns or throws. At most once.
    ///
    /// - Returns: what it threw.
    @usableFromInline
    func execute() -> (any Error)? { nil }

    /// Lets go of a function that will not run.
    @usableFromInline
    func dropFunction() {}

    // MARK: The caller's side

    /// Gives the call to the pool, and waits for its end. Without an error there is an outcome.
    @usableFromInline
    final func perform(_ cancellation: OffloadCancellation) async throws {
        try Task.checkCancellation()
        let loop = EventLoop.current
        try loop?.checkOpen()
        try pool.admit()
        loop?.beginExternalWork()
        defer { loop?.endExternalWork() }
        // A task, since a task carries the caller's task-local values, and tells the body that it was cancelled.
        let task = EventLoop.start(self, on: pool)
        if let loop, loop.runsCurrentTask { loop.awaitsCall() }
        await withTaskCancellationHandler {
            await withUnsafeContinuation { wait($0) }
        } onCancel: {
            cancel(cancellation, on: loop)
            task.cancel()
        }
        if let refusal { throw refusal }
    }

    private func wait(_ waiter: Waiter) {
        let isOver = withState { state in
            switch state {
            case .idle:
                state = .waiting(waiter, hasBegun: false)
                return false
            case .running:
                state = .waiting(waiter, hasBegun: true)
                return false
            case .waiting, .abandoned:
                refusal = CancellationError()
                return true
            case .finished, .over:
                return true
            }
        }
        if isOver { waiter.resume() }
    }

    /// The waiting task was cancelled: before it waits, while it does, or afterwards.
    ///
    /// - Parameter loop: hears of an error that the body throws when nobody waits any more.
    private func cancel(_ cancellation: OffloadCancellation, on loop: EventLoop?) {
        let (waiter, hasNotBegun): (Waiter?, Bool) = withState { state in
            switch state {
            case .idle:
                state = .over
                refusal = CancellationError()
                return (nil, true)
            case .waiting(let waiter, hasBegun: false):
                state = .over
                refusal = CancellationError()
                return (waiter, true)
            case .waiting(let waiter, hasBegun: true):
                if cancellation == .cooperative { return (nil, false) }
                state = .abandoned(loop)
                refusal = CancellationError()
                return (waiter, false)
            case .running:
                if cancellation == .abandon { state = .abandoned(loop) }
                return (nil, false)
            case .abandoned, .finished, .over:
                return (nil, false)
            }
        }
        // Outside of the lock: it may release what is the user's. The thread does not touch it any more.
        if hasNotBegun {
            dropFunction()
            pool.givesUpCall()
        }
        waiter?.resume()
    }

    // MARK: The thread's side

    /// Runs once.
    final func run() {
        let isWanted = withState { state in
            switch state {
            case .idle:
                state = .running
                return true
            case .waiting(let waiter, _):
                state = .waiting(waiter, hasBegun: true)
                return true
            case .running, .abandoned, .finished, .over:
                return false
            }
        }
        guard isWanted else {
            pool.reachedGivenUpCall()
            return
        }
        let refused = pool.isOver ? OffloadError.shutDown(pool.name) : nil
        if refused != nil { dropFunction() }
        let error = refused ?? execute()
        // Before anybody hears of the end: who does may look at the statistics.
        pool.callEnded()
        let (waiter, isAbandoned, loop): (Waiter?, Bool, EventLoop?) = withState { state in
            switch state {
            case .waiting(let waiter, _):
                state = .over
                refusal = refused
                return (waiter, false, nil)
            case .running, .idle:
                state = .finished
                refusal = refused
                return (nil, false, nil)
            case .abandoned(let loop):
                state = .over
                return (nil, true, loop)
            case .finished, .over:
                return (nil, false, nil)
            }
        }
        if let waiter {
            waiter.resume()
        } else if isAbandoned, let error {
            EventLoop.reportUnhandled(
                error,
                of: "offload(to: \(pool.name))",
                advice: "Its caller was cancelled before. Catch the error inside the closure.",
                on: loop
            )
        }
    }
}

/// A call with its function, compiled for the type of its value where it is made.
// @unchecked: the function belongs to the thread that runs it, or to who has given it up before it began; its outcome to the thread, and
// from the end on to who awaits it.
@usableFromInline
final class OffloadedFunction<Success: Sendable>: OffloadedCall, @unchecked Sendable {
    @usableFromInline typealias Body = @Sendable () throws -> Success

    @usableFromInline var body: Body?
    @usableFromInline var value: Success?
    @usableFromInline var error: (any Error)?

    @inlinable
    init(_ body: @escaping Body, on pool: OffloadPool) {
        self.body = body
        super.init(on: pool)
    }

    @inlinable
    override func execute() -> (any Error)? {
        guard let body else { return nil }
        // Its captures go with the call, whoever keeps this.
        self.body = nil
        do {
            value = try body()
            return nil
        } catch {
            self.error = error
            return error
        }
    }

    @inlinable
    override func dropFunction() { body = nil }

    /// What the function returned or threw; after ``perform(_:)`` only.
    @inlinable
    func result() throws -> Success {
        if let value { return value }
        throw error ?? CancellationError()
    }
}
