import CApus
import Glibc

/// The end of a task as threads wait for it.
///
/// Why a condition variable of pthread's and not `Mutex`: the wait has a deadline.
// @unchecked: `outcome` is guarded by `mutex`, which Swift's checker cannot see.
final class BlockingOutcome<Success: Sendable>: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var outcome: Result<Success, any Error>?

    init() {
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    func fill(_ outcome: Result<Success, any Error>) {
        pthread_mutex_lock(mutex)
        self.outcome = outcome
        pthread_cond_broadcast(condition)
        pthread_mutex_unlock(mutex)
    }

    /// Blocks the thread. Nil when the time has passed.
    func wait(timeout: Duration?) -> Result<Success, any Error>? {
        var deadline = timespec()
        clock_gettime(CLOCK_MONOTONIC, &deadline)
        let now = Int64(deadline.tv_sec) &* 1_000_000_000 &+ Int64(deadline.tv_nsec)
        let end = timeout.map { now.addingClamped(max(0, $0.clampedNanoseconds)) } ?? .max
        deadline.tv_sec = Int(end / 1_000_000_000)
        deadline.tv_nsec = Int(end % 1_000_000_000)
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while outcome == nil {
            if pthread_cond_timedwait(condition, mutex, &deadline) == ETIMEDOUT { break }
        }
        return outcome
    }
}
