import Synchronization

/// The tasks that a loop has started and that have not ended: owned strongly here, so that no task is lost because nobody
/// kept its handle, and cancelled and awaited when the loop ends.
struct TaskRegistry: ~Copyable, Sendable {
    struct Tables {
        var records: [UInt64: TaskRecord] = [:]
        var next: UInt64 = 0
        /// Debug mode only: names by the runtime's task id, for the watchdog.
        var names: [UInt64: String] = [:]
    }

    private let tables = Mutex(Tables())

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

    func setName(_ name: String?, of taskID: UInt64) {
        tables.withLock { $0.names[taskID] = name }
    }

    func name(of taskID: UInt64) -> String? {
        tables.withLock { $0.names[taskID] }
    }
}

/// One started task, as its handle, its loop and itself share it.
// @unchecked: for ``ValueRecord`` only; all that is here is locked.
@usableFromInline
class TaskRecord: @unchecked Sendable {
    private struct State {
        var cancel: (@Sendable () -> Void)?
        var error: (any Error)?
        var isCancelled = false
        var isFinished = false
        /// The error was given to somebody, or nobody can ask for it any more and it was reported.
        var isReceived = false
        var isAbandoned = false
        var waiters: [UnsafeContinuation<Void, Never>] = []
        /// Where threads wait for the value.
        var blocked: (any BlockedThreads)?
        /// Who else wants to see the end, and how often.
        var watches: [ObjectIdentifier: (watch: TaskWatch, count: Int)] = [:]
    }

    let name: String?
    let loop: EventLoop
    private let state = Mutex(State())

    @usableFromInline
    init(name: String?, loop: EventLoop) {
        self.name = name
        self.loop = loop
    }

    /// Gives the record the means to cancel its task, which it may have been asked to do before.
    @usableFromInline
    final func started(cancel: @escaping @Sendable () -> Void) {
        let isCancelled = state.withLock { state in
            if !state.isFinished { state.cancel = cancel }
            return state.isCancelled
        }
        if isCancelled { cancel() }
    }

    final func cancel() {
        let cancel = state.withLock { state in
            state.isCancelled = true
            return state.cancel
        }
        cancel?()
    }

    /// - Returns: where threads wait: the caller, who has the value, fills it.
    @discardableResult
    @usableFromInline
    final func finished(_ error: (any Error)?) -> (any BlockedThreads)? {
        let (waiters, watches, lost, blocked) = state.withLock { state in
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
        for waiter in waiters { waiter.resume() }
        for (watch, count) in watches.values {
            for _ in 0..<count { watch.taskEnded(error) }
        }
        if let lost { report(lost) }
        return blocked
    }

    /// Whether the task has ended, and what it threw.
    final var end: (error: (any Error)?, isFinished: Bool) { state.withLock { ($0.error, $0.isFinished) } }

    /// Has `blocked` given to who calls ``finished(_:)``. Returns false if that has been called.
    final func add(_ blocked: any BlockedThreads) -> Bool {
        state.withLock { state in
            if !state.isFinished { state.blocked = blocked }
            return !state.isFinished
        }
    }

    /// Somebody has the error, or will.
    @usableFromInline
    final func received() {
        state.withLock { $0.isReceived = true }
    }

    /// The handle is gone: from now on nobody can ask.
    final func abandoned() {
        let lost = state.withLock { state in
            state.isAbandoned = true
            return Self.takeLost(&state)
        }
        if let lost { report(lost) }
    }

    final func waitUntilFinished() async {
        await withUnsafeContinuation { continuation in
            let isFinished = state.withLock { state in
                if !state.isFinished { state.waiters.append(continuation) }
                return state.isFinished
            }
            if isFinished { continuation.resume() }
        }
    }

    final var isFinished: Bool { state.withLock { $0.isFinished } }

    /// Tells `watch` when the task has ended, at once if it has.
    final func add(_ watch: TaskWatch) {
        let (isFinished, error) = state.withLock { state in
            if !state.isFinished { state.watches[ObjectIdentifier(watch), default: (watch, 0)].count += 1 }
            return (state.isFinished, state.error)
        }
        if isFinished { watch.taskEnded(error) }
    }

    final func remove(_ watch: TaskWatch) {
        state.withLock { _ = $0.watches.removeValue(forKey: ObjectIdentifier(watch)) }
    }

    private static func takeLost(_ state: inout State) -> (any Error)? {
        guard state.isFinished, state.isAbandoned, !state.isReceived, let error = state.error else { return nil }
        state.isReceived = true
        return error
    }

    private func report(_ error: any Error) {
        EventLoop.reportUnhandled(error, of: name, on: loop)
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
        if let blocked = finished(nil) { blocked.fill(with: Result<Success, any Error>.success(value)) }
    }

    @inlinable
    func failed(with error: any Error) {
        if let blocked = finished(error) { blocked.fill(with: Result<Success, any Error>.failure(error)) }
    }

    /// What the task has ended with, if it has.
    var outcome: Result<Success, any Error>? {
        let end = end
        guard end.isFinished else { return nil }
        if let error = end.error { return .failure(error) }
        return value.map { .success($0) }
    }
}
