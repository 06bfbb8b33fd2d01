import Apus
import Glibc
import Synchronization

/// What Ctrl-C, SIGTERM and SIGHUP do: the first of them tells whoever works to come to an end, and the second ends the process, at once
/// and whatever the loop is doing.
enum Termination {
    private struct State {
        var begin: (@Sendable () -> Void)?
        var signal: Int32?
        /// ``MonotonicTime`` of the signal.
        var time: Int64 = 0
        /// Nanoseconds.
        var grace: Int64 = 0
    }

    private static let state = Mutex(State())
    /// The handler's end of a pipe. Written before there is a handler, and never again.
    private nonisolated(unsafe) static var writeEnd: Int32 = -1

    /// The exit code of whoever was told to end: 128 + the signal.
    static var exitCode: Int32 { state.withLock { $0.signal.map { 128 + $0 } } ?? ExitStatus.interrupted }

    /// How long what is under way may go on behind the first signal.
    static func setGrace(_ grace: Duration) { state.withLock { $0.grace = grace.inNanoseconds } }

    /// Whether the process was told to end, and its grace is over.
    static var isOverdue: Bool {
        state.withLock { $0.signal != nil && MonotonicTime.now() &- $0.time >= $0.grace }
    }

    /// Calls `handler` at the first of these signals, on a thread of its own; at once if it has come before.
    static func onSignal(_ handler: @escaping @Sendable () -> Void) {
        let signal = state.withLock {
            $0.begin = handler
            return $0.signal
        }
        if signal != nil { handler() }
    }

    /// Runs `body` in a task that these signals cancel.
    ///
    /// Cancel safety: that of `body`.
    static func cancelling(_ body: @escaping @Sendable () async throws -> Void) async throws {
        let task = EventLoop.spawn(name: "job", body)
        onSignal { task.cancel() }
        try await withTaskCancellationHandler {
            try await task.value
        } onCancel: {
            task.cancel()
        }
    }

    /// Once, at the start. If there are no descriptors or threads for it, the signals keep ending the process.
    static func install() {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return }
        writeEnd = ends[1]
        // A thread that waits for the pipe: hardly anything may be done in a handler.
        var thread = pthread_t()
        let readEnd = UnsafeMutableRawPointer(bitPattern: Int(ends[0]) + 1)
        let result = pthread_create(
            &thread,
            nil,
            { argument in
                Termination.listen(Int32(Int(bitPattern: argument) - 1))
                return nil
            },
            readEnd
        )
        guard result == 0 else { return }
        pthread_detach(thread)
        for number in [SIGINT, SIGTERM, SIGHUP] {
            var action = sigaction()
            // Who ignores a signal wants that, as nohup does.
            guard sigaction(number, nil, &action) == 0,
                unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == 0
            else { continue }
            action.__sigaction_handler.sa_handler = { number in
                let saved = errno
                var byte = UInt8(truncatingIfNeeded: number)
                _ = Glibc.write(Termination.writeEnd, &byte, 1)
                errno = saved
            }
            action.sa_flags = SA_RESTART
            sigaction(number, &action, nil)
        }
    }

    private static func listen(_ descriptor: Int32) {
        var byte: UInt8 = 0
        while true {
            let count = Glibc.read(descriptor, &byte, 1)
            if count < 0, errno == EINTR { continue }
            guard count == 1 else { return }
            let number = Int32(byte)
            let (isFirst, begin) = state.withLock { state in
                let isFirst = state.signal == nil
                if isFirst {
                    state.signal = number
                    state.time = MonotonicTime.now()
                }
                return (isFirst, state.begin)
            }
            guard isFirst else { _exit(128 + number) }
            begin?()
        }
    }
}
