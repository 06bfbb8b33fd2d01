import Apus
import Synchronization

/// How a run ends before its input does: nothing more is begun, and what is under way has as long as there is.
final class RunEnd: Sendable {
    enum Cause {
        /// Somebody wants it to end.
        case signal
        /// What concerns all URLs, such as standard output that takes no more.
        case error(any Error)
    }

    private let queue: FetchQueue
    private let known = Mutex<Cause?>(nil)
    private let event = AsyncEvent()

    init(_ queue: FetchQueue) { self.queue = queue }

    /// The first cause.
    var cause: Cause? { known.withLock { $0 } }

    var error: (any Error)? { if case .error(let error) = cause { error } else { nil } }

    /// From any thread, any number of times.
    func begin(_ cause: Cause) {
        known.withLock { if $0 == nil { $0 = cause } }
        queue.stop()
        event.set()
    }

    /// Waits for the first cause.
    ///
    /// Cancel safety: ends the wait at once.
    func wait() async throws { try await event.wait() }
}
