import Apus
import Glibc
import Synchronization

/// The ``TransferSchedule`` of a run, shared by the task that reads the input and the workers, on however many loops.
final class FetchQueue: Sendable {
    private struct State {
        var schedule: TransferSchedule
        /// Workers without work, the latest last: it is the one to go on with.
        var idle: [UnsafeContinuation<Transfer?, Never>] = []
        /// The reader, if it waits for room.
        var reader: UnsafeContinuation<Bool, Never>?
        var isAtEnd = false
        var isStopped = false
        /// When the loop will look next.
        var alarm: Int64 = .max

        var isOver: Bool { isStopped || isAtEnd && schedule.isEmpty }
    }

    private let state: Mutex<State>
    private let loop: EventLoop

    /// - Parameter loop: its clock wakes the queue.
    init(_ limits: TransferSchedule.Limits, on loop: EventLoop) {
        state = Mutex(State(schedule: TransferSchedule(limits)))
        self.loop = loop
    }

    // MARK: The reader

    /// Adds what was read.
    func add(_ transfers: [Transfer]) {
        let now = MonotonicTime.now()
        change(at: now) { state in
            for transfer in transfers { state.schedule.add(transfer, at: now) }
        }
    }

    /// Waits until there is room for more.
    ///
    /// - Returns: false if the queue was stopped, and nothing more is wanted.
    ///
    /// Cancel safety: does not look at it: whoever cancels the run has to ``stop()`` the queue.
    func waitForRoom() async -> Bool {
        if let answer = state.withLock({ Self.room($0) }) { return answer }
        return await withUnsafeContinuation { continuation in
            let answer = state.withLock { state in
                let answer = Self.room(state)
                if answer == nil { state.reader = continuation }
                return answer
            }
            if let answer { continuation.resume(returning: answer) }
        }
    }

    private static func room(_ state: State) -> Bool? {
        if state.isStopped { return false }
        return state.schedule.hasRoom ? true : nil
    }

    /// The input is at its end.
    func finish() { change(at: MonotonicTime.now()) { $0.isAtEnd = true } }

    // MARK: The workers

    /// Ends an attempt, and gives the next transfer to begin if there is one by now. Most often there is, and a call that may have to wait
    /// costs more than this.
    ///
    /// - Parameters:
    ///   - now: ``MonotonicTime``.
    ///   - isOver: becomes true if there will be none; else, if there is none yet, ``wait()`` gives it.
    func take(after end: AttemptEnd?, at now: Int64, isOver: inout Bool) -> Transfer? {
        var transfer: Transfer?
        change(at: now) { state in
            if let end { state.schedule.end(end, at: now) }
            isOver = state.isOver
            if !isOver { transfer = state.schedule.take(at: now) }
        }
        return transfer
    }

    /// Gives the next transfer to begin, as soon as there is one; nil if the run is over or was stopped.
    ///
    /// Cancel safety: as ``waitForRoom()``.
    func wait() async -> Transfer? {
        await withUnsafeContinuation { continuation in
            change(at: MonotonicTime.now()) { $0.idle.append(continuation) }
        }
    }

    /// The host of a probe has answered.
    func answered(_ transfer: Transfer) {
        let now = MonotonicTime.now()
        change(at: now) { $0.schedule.answered(transfer.lane, at: now) }
    }

    /// Gives out nothing more: workers end with what they have. From any thread, any number of times.
    func stop() { change(at: MonotonicTime.now()) { $0.isStopped = true } }

    /// Whether ``stop()`` was called.
    var isStopped: Bool { state.withLock { $0.isStopped } }

    // MARK: What follows

    /// Changes the state, and wakes whoever has waited for it.
    private func change(at now: Int64, _ body: (inout State) -> Void) {
        var given: [(UnsafeContinuation<Transfer?, Never>, Transfer?)] = []
        var reader: (UnsafeContinuation<Bool, Never>, Bool)?
        var alarm: Int64?
        state.withLock { state in
            body(&state)
            // With all places taken, which is how it is for most of the time, there is nothing to look for.
            giving: while !state.idle.isEmpty, state.isOver || state.schedule.mayGive(at: now) {
                if state.isOver {
                    given += state.idle.map { ($0, nil) }
                    state.idle = []
                } else if let transfer = state.schedule.take(at: now) {
                    given.append((state.idle.removeLast(), transfer))
                } else {
                    break giving
                }
            }
            // Somebody has nothing to do until then, and nobody else will look.
            if !state.idle.isEmpty, let moment = state.schedule.nextMoment(after: now), moment < state.alarm {
                state.alarm = moment
                alarm = moment
            }
            if let waiting = state.reader, let answer = Self.room(state) {
                reader = (waiting, answer)
                state.reader = nil
            }
        }
        for (worker, transfer) in given { worker.resume(returning: transfer) }
        if let (continuation, answer) = reader { continuation.resume(returning: answer) }
        if let alarm { loop.schedule(after: .nanoseconds(max(0, alarm - now))) { self.ring(alarm) } }
    }

    private func ring(_ alarm: Int64) {
        change(at: max(alarm, MonotonicTime.now())) { state in
            if state.alarm == alarm { state.alarm = .max }
        }
    }
}

/// CLOCK_MONOTONIC in nanoseconds: the same on all loops, and a third of the price of `ContinuousClock`.
enum MonotonicTime {
    static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
    }
}

/// CLOCK_REALTIME in seconds.
enum WallTime {
    static func now() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return time.tv_sec
    }
}
