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
final class TaskRecord: Sendable {
    private struct State {
        var cancel: (@Sendable () -> Void)?
        var error: (any Error)?
        var isCancelled = false
        var isFinished = false
        /// The error was given to somebody, or nobody can ask for it any more and it was reported.
        var isReceived = false
        var isAbandoned = false
        var waiters: [UnsafeContinuation<Void, Never>] = []
        /// Who else wants to see the end, and how often.
        var watches: [ObjectIdentifier: (watch: TaskWatch, count: Int)] = [:]
    }

    let name: String?
    let loop: EventLoop
    private let state = Mutex(State())

    init(name: String?, loop: EventLoop) {
        self.name = name
        self.loop = loop
    }

    /// Gives the record the means to cancel its task, which it may have been asked to do before.
    func started(cancel: @escaping @Sendable () -> Void) {
        let isCancelled = state.withLock { state in
            if !state.isFinished { state.cancel = cancel }
            return state.isCancelled
        }
        if isCancelled { cancel() }
    }

    func cancel() {
        let cancel = state.withLock { state in
            state.isCancelled = true
            return state.cancel
        }
        cancel?()
    }

    func finished(_ error: (any Error)?) {
        let (waiters, watches, lost) = state.withLock { state in
            state.isFinished = true
            state.cancel = nil
            state.error = error
            defer {
                state.waiters = []
                state.watches = [:]
            }
            return (state.waiters, state.watches, Self.takeLost(&state))
        }
        for waiter in waiters { waiter.resume() }
        for (watch, count) in watches.values {
            for _ in 0..<count { watch.taskEnded(error) }
        }
        if let lost { report(lost) }
    }

    /// Somebody has the error, or will.
    func received() {
        state.withLock { $0.isReceived = true }
    }

    /// The handle is gone: from now on nobody can ask.
    func abandoned() {
        let lost = state.withLock { state in
            state.isAbandoned = true
            return Self.takeLost(&state)
        }
        if let lost { report(lost) }
    }

    func waitUntilFinished() async {
        await withUnsafeContinuation { continuation in
            let isFinished = state.withLock { state in
                if !state.isFinished { state.waiters.append(continuation) }
                return state.isFinished
            }
            if isFinished { continuation.resume() }
        }
    }

    var isFinished: Bool { state.withLock { $0.isFinished } }

    /// Tells `watch` when the task has ended, at once if it has.
    func add(_ watch: TaskWatch) {
        let (isFinished, error) = state.withLock { state in
            if !state.isFinished { state.watches[ObjectIdentifier(watch), default: (watch, 0)].count += 1 }
            return (state.isFinished, state.error)
        }
        if isFinished { watch.taskEnded(error) }
    }

    func remove(_ watch: TaskWatch) {
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
