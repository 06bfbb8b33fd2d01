import CApus
import Glibc
import Synchronization

/// A ``BlockingOutcome`` of whatever type.
@usableFromInline
protocol BlockedThreads: AnyObject, Sendable {
    /// - Parameter outcome: a `Result` of the task's type.
    func fill(with outcome: some Sendable)
}

/// The end of a task as threads wait for it.
///
/// Why a condition variable of pthread's and not `Mutex`: the wait has a deadline.
// @unchecked: `outcome` is guarded by `mutex`, which Swift's checker cannot see.
@usableFromInline
final class BlockingOutcome<Success: Sendable>: BlockedThreads, @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var outcome: Result<Success, any Error>?
    /// Threads in the wait for `condition`.
    private var sleepers = 0
    /// Whether `outcome` is there: lets a thread look without the lock.
    private let isFilled = Atomic(false)
    private let spin: SharedSpin?

    /// - Parameter spin: nil for a wait that may be long.
    init(_ spin: SharedSpin? = nil) {
        self.spin = spin
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
        isFilled.store(true, ordering: .releasing)
        let hasSleepers = sleepers > 0
        pthread_mutex_unlock(mutex)
        // After the lock is free: the thread that wakes takes it at once.
        if hasSleepers { pthread_cond_broadcast(condition) }
    }

    @usableFromInline
    func fill(with outcome: some Sendable) {
        if let outcome = outcome as? Result<Success, any Error> { fill(outcome) }
    }

    /// Blocks the thread. Nil when the time has passed.
    func wait(timeout: Duration?) -> Result<Success, any Error>? {
        var deadline = timespec()
        clock_gettime(CLOCK_MONOTONIC, &deadline)
        let now = Int64(deadline.tv_sec) &* 1_000_000_000 &+ Int64(deadline.tv_nsec)
        let end = timeout.map { now.addingClamped(max(0, $0.clampedNanoseconds)) } ?? .max
        deadline.tv_sec = Int(end / 1_000_000_000)
        deadline.tv_nsec = Int(end % 1_000_000_000)
        if !isFilled.load(ordering: .acquiring) { spin?.spin(until: end) { isFilled.load(ordering: .acquiring) } }
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        sleepers += 1
        defer { sleepers -= 1 }
        while outcome == nil {
            if pthread_cond_timedwait(condition, mutex, &deadline) == ETIMEDOUT { break }
        }
        return outcome
    }
}
