import Synchronization

/// The tasks that a loop has started and that have not ended: owned strongly here, so that no task is lost because nobody
/// kept its handle, and cancelled and awaited when the loop ends.
struct TaskRegistry: ~Copyable, Sendable {
    struct Tables {
        var records: [UInt64: TaskRecord] = [:]
        /// The tasks that the loop runs for: nobody cancels or awaits those at its end.
        var roots: [UInt64: TaskRecord] = [:]
        var next: UInt64 = 0
        /// Debug mode only, by the runtime's task id.
        var tracked: [UInt64: TrackedTask] = [:]
    }

    private let tables = ForkSafeLock(Tables())

    var count: Int { tables.withLock { $0.records.count } }

    func insert(_ record: TaskRecord) -> UInt64 {
        tables.withLock { tables in
            tables.next += 1
            tables.records[tables.next] = record
            return tables.next
        }
    }

    func remove(_ id: UInt64) {
        // Freed outside the lock: the last reference may run a deinit of the user's.
        let record = tables.withLock { $0.records.removeValue(forKey: id) }
        _ = record
    }

    var all: [TaskRecord] { tables.withLock { Array($0.records.values) } }

    // MARK: For listing

    func insertRoot(_ record: TaskRecord) -> UInt64 {
        tables.withLock { tables in
            tables.next += 1
            tables.roots[tables.next] = record
            return tables.next
        }
    }

    func removeRoot(_ id: UInt64) {
        let record = tables.withLock { $0.roots.removeValue(forKey: id) }
        _ = record
    }

    /// All in the order in which they were started.
    var started: [(record: TaskRecord, isRoot: Bool)] {
        tables.withLock { tables in
            (tables.roots.map { (key: $0.key, record: $0.value, isRoot: true) }
                + tables.records.map { (key: $0.key, record: $0.value, isRoot: false) })
                .sorted { $0.key < $1.key }
                .map { ($0.record, $0.isRoot) }
        }
    }

    // MARK: Debug mode

    func track(_ task: TrackedTask, as id: UInt64) { tables.withLock { $0.tracked[id] = task } }

    func untrack(_ id: UInt64) { tables.withLock { _ = $0.tracked.removeValue(forKey: id) } }

    func tracked(_ id: UInt64) -> TrackedTask? { tables.withLock { $0.tracked[id] } }

    var allTracked: [UInt64: TrackedTask] { tables.withLock { $0.tracked } }

    /// Notes a turn of a task, if it is one that Apus started.
    func ran(_ id: UInt64, for nanoseconds: Int64) {
        tables.withLock { tables in
            guard let index = tables.tracked.index(forKey: id) else { return }
            tables.tracked.values[index].runs += 1
            tables.tracked.values[index].nanoseconds += nanoseconds
        }
    }
}

/// One started task, as its handle, its loop and itself share it.
// @unchecked: for ``ValueRecord`` only; all that is here is locked.
@usableFromInline
class TaskRecord: @unchecked Sendable {
    private struct State {
        var cancel: (@Sendable () -> Void)?
        /// Where the runtime keeps the task: valid for as long as `cancel` keeps it alive, or until the registry lets it go.
        var address: UInt = 0
        var error: (any Error)?
        var isCancelled = false
        var isFinished = false
        /// The error was given to somebody, or nobody can ask for it any more and it was reported.
        var isReceived = false
        var isAbandoned = false
        var waiters: [UnsafeContinuation<Void, Never>] = []
        /// Where threads wait for the end: made by the first that has to sleep.
        var blocked: BlockingEnd?
        /// Who else wants to see the end, and how often.
        var watches: [ObjectIdentifier: (watch: TaskWatch, count: Int)] = [:]
    }

    let name: String?
    let loop: EventLoop
    /// Debug mode only.
    let creation: TaskCreation?
    private let lock = FutexLock()
    // Two threads never have it at once, which the runtime's check would not see.
    @exclusivity(unchecked) private final var state = State()

    @inline(__always)
    private func withState<Result>(_ body: (inout State) -> Result) -> Result {
        lock.lock()
        defer { lock.unlock() }
        return body(&state)
    }

    /// Whether the end is there: lets a thread look without the lock.
    private let ended = Atomic(false)

    @usableFromInline
    init(name: String?, loop: EventLoop) {
        self.name = name
        self.loop = loop
        creation = loop.options.debug ? TaskCreation() : nil
    }

    /// Gives the record the means to cancel its task, which it may have been asked to do before.
    ///
    /// - Parameter address: the task's.
    @usableFromInline
    final func started(at address: UInt, cancel: @escaping @Sendable () -> Void) {
        let isCancelled = withState { state in
            if !state.isFinished {
                state.cancel = cancel
                state.address = address
            }
            return state.isCancelled
        }
        if isCancelled { cancel() }
    }

    final func cancel() {
        let cancel = withState { state in
            state.isCancelled = true
            return state.cancel
        }
        cancel?()
    }

    /// Called by the task itself, first: whoever started it may not have got to ``started(at:cancel:)`` yet.
    final func begins(at address: UInt) { withState { $0.address = address } }

    /// The task's address, and what keeps it valid if its end is not up to the loop. Nil before its start and after its end.
    final var living: (address: UInt, owner: (@Sendable () -> Void)?)? {
        withState { state in state.address == 0 || state.isFinished ? nil : (state.address, state.cancel) }
    }

    @usableFromInline
    final func finished(_ error: (any Error)?) {
        let (waiters, watches, lost, blocked) = withState { state in
            state.isFinished = true
            state.cancel = nil
            state.error = error
            defer {
                state.waiters = []
                state.watches = [:]
                state.blocked = nil
            }
            return (state.waiters, state.watches, Self.takeLost(&state), state.blocked)
        }
        ended.store(true, ordering: .releasing)
        blocked?.comes()
        for waiter in waiters { waiter.resume() }
        for (watch, count) in watches.values {
            for _ in 0..<count { watch.taskEnded(error) }
        }
        if let lost { report(lost) }
    }

    /// Whether the task has ended, as seen without the lock.
    final var hasEnded: Bool { ended.load(ordering: .acquiring) }

    /// Where threads wait for the end, one for all of them; nil if it is there.
    final var blockingEnd: BlockingEnd? {
        withState { state in
            if state.isFinished { return nil }
            if let blocked = state.blocked { return blocked }
            let new = BlockingEnd()
            state.blocked = new
            return new
        }
    }

    /// Somebody gets what the task has ended with: the error, if it was one.
    @usableFromInline
    final func receivedEnd() -> (any Error)? {
        withState { state in
            state.isReceived = true
            return state.error
        }
    }

    /// Somebody has the error, or will.
    @usableFromInline
    final func received() {
        withState { $0.isReceived = true }
    }

    /// The handle is gone: from now on nobody can ask.
    final func abandoned() {
        let lost = withState { state in
            state.isAbandoned = true
            return Self.takeLost(&state)
        }
        if let lost { report(lost) }
    }

    final func waitUntilFinished() async {
        await withUnsafeContinuation { continuation in
            let isFinished = withState { state in
                if !state.isFinished { state.waiters.append(continuation) }
                return state.isFinished
            }
            if isFinished { continuation.resume() }
        }
    }

    final var isFinished: Bool { withState { $0.isFinished } }
    final var isCancelled: Bool { withState { $0.isCancelled } }

    /// Tells `watch` when the task has ended, at once if it has.
    final func add(_ watch: TaskWatch) {
        let (isFinished, error) = withState { state in
            if !state.isFinished { state.watches[ObjectIdentifier(watch), default: (watch, 0)].count += 1 }
            return (state.isFinished, state.error)
        }
        if isFinished { watch.taskEnded(error) }
    }

    final func remove(_ watch: TaskWatch) {
        withState { _ = $0.watches.removeValue(forKey: ObjectIdentifier(watch)) }
    }

    private static func takeLost(_ state: inout State) -> (any Error)? {
        guard state.isFinished, state.isAbandoned, !state.isReceived, let error = state.error else { return nil }
        state.isReceived = true
        return error
    }

    private func report(_ error: any Error) {
        var report = UnhandledError(
            message:
                "Task \(name.map { "“\($0)”" } ?? "without a name") on event loop “\(loop.name)” ended with an error that nobody received",
            error: error,
            advice: "Await the `value` of its handle, or catch the error inside.",
            loop: loop.name
        )
        report.taskName = name
        report.taskID = creation?.id
        report.creationSite = creation?.site
        loop.report(report)
    }
}

/// A record that keeps the task's value, for threads that ask for it when the task has ended: only asynchronous code can ask the task.
// @unchecked: `value` is set once, before the record says that the task has ended, and looked at only by who has seen that.
@usableFromInline
final class ValueRecord<Success: Sendable>: TaskRecord, @unchecked Sendable {
    @usableFromInline var value: Success?

    @inlinable
    override init(name: String?, loop: EventLoop) { super.init(name: name, loop: loop) }

    @inlinable
    func finished(with value: Success) {
        self.value = value
        finished(nil)
    }

    /// What the task has ended with; when it has, only.
    @inlinable
    func result() throws -> Success {
        let error = receivedEnd()
        if error == nil, let value { return value }
        throw error ?? CancellationError()
    }
}
