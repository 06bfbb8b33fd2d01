import CApus
import Glibc

/// The end of something as threads wait for it.
///
/// Why a condition variable of pthread's and not `Mutex`: the wait has a deadline.
// @unchecked: all is guarded by `mutex`, which Swift's checker cannot see.
final class BlockingEnd: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var isThere = false
    /// Threads in the wait for `condition`.
    private var sleepers = 0

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

    func comes() {
        pthread_mutex_lock(mutex)
        isThere = true
        let hasSleepers = sleepers > 0
        pthread_mutex_unlock(mutex)
        // After the lock is free: the thread that wakes takes it at once.
        if hasSleepers { pthread_cond_broadcast(condition) }
    }

    /// Blocks the thread.
    ///
    /// - Parameter end: nanoseconds of CLOCK_MONOTONIC; `.max` for ever.
    /// - Returns: whether it came before.
    func wait(until end: Int64) -> Bool {
        var deadline = timespec()
        deadline.tv_sec = Int(end / 1_000_000_000)
        deadline.tv_nsec = Int(end % 1_000_000_000)
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        sleepers += 1
        defer { sleepers -= 1 }
        while !isThere {
            if pthread_cond_timedwait(condition, mutex, &deadline) == ETIMEDOUT { break }
        }
        return isThere
    }

    func wait(timeout: Duration) -> Bool {
        wait(until: apus_monotonic_now().addingClamped(max(0, timeout.clampedNanoseconds)))
    }
}
