import CApus
import DequeModule
import Glibc
import Synchronization

/// Threads that appear when there is work and leave when there is none, as a task executor.
///
/// Why a condition variable of pthread's and not `Mutex`: idle threads wait with a deadline.
// @unchecked: everything mutable is guarded by `mutex`, which Swift's checker cannot see.
final class ThreadPool: TaskExecutor, @unchecked Sendable {
    let name: String
    let maximumThreads: Int
    let maximumQueue: Int
    private let idleNanoseconds: Int64 = 10_000_000_000

    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var queue = Deque<UnownedJob>()
    private var threads = 0
    private var idle = 0
    /// Threads in the middle of a call.
    private var busy = 0
    /// One of the idle threads, no more, looks at `hasWork` before it sleeps.
    private var isSpinning = false
    /// Whether the queue holds something: lets a thread look without the lock.
    private let hasWork = Atomic(false)
    /// Calls admitted whose job has not begun.
    private var waiting = 0
    /// The fork after which the pool's threads are there: a child process has none of its parent's.
    private let forkEpoch = Atomic(apus_fork_epoch())
    private static let forkLock = Mutex(())

    init(name: String, maximumThreads: Int, maximumQueue: Int) {
        self.name = name
        // Clamped, so that sums of them do not overflow: `.max` is how people write "no limit".
        self.maximumThreads = min(max(1, maximumThreads), 1 << 20)
        self.maximumQueue = min(max(1, maximumQueue), 1 << 40)
        initializeLocks()
        // Tasks hold their executor unowned, and its threads may be anywhere: pools live as long as the process.
        _ = Unmanaged.passRetained(self)
    }

    /// Makes place for one call, and a thread for it if none is idle and the bound allows one.
    ///
    /// - Throws: ``OffloadError`` if the queue is full, or there is no thread and the system gives none.
    func admit() throws {
        if forkEpoch.load(ordering: .acquiring) != apus_fork_epoch() { startAfresh() }
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        // A call for which there is, or may be, a free thread does not wait.
        guard waiting < maximumQueue + (maximumThreads - busy) else {
            throw OffloadError(.queueFull, pool: name, bound: maximumQueue)
        }
        waiting += 1
        guard waiting > idle, threads < maximumThreads else { return }
        do {
            try startThread(name: "apus-\(name)") { self.work() }
            threads += 1
        } catch {
            // Fewer threads than allowed will do, but none will not.
            guard threads == 0 else { return }
            waiting -= 1
            throw OffloadError(.noThread, pool: name, cause: error)
        }
    }

    private func initializeLocks() {
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    /// In the child of a fork: the threads are gone, and one of them may have held the lock.
    private func startAfresh() {
        Self.forkLock.withLock { _ in
            guard forkEpoch.load(ordering: .acquiring) != apus_fork_epoch() else { return }
            initializeLocks()
            queue = []
            (threads, idle, busy, waiting) = (0, 0, 0, 0)
            isSpinning = false
            hasWork.store(false, ordering: .relaxed)
            forkEpoch.store(apus_fork_epoch(), ordering: .releasing)
        }
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        pthread_mutex_lock(mutex)
        queue.append(job)
        // The one that looks around takes one call without being woken.
        let looking = isSpinning ? 1 : 0
        let wakes = idle > looking && queue.count > looking
        hasWork.store(true, ordering: .releasing)
        pthread_mutex_unlock(mutex)
        // After the lock is free: the thread that wakes takes it at once.
        if wakes { pthread_cond_signal(condition) }
    }

    private func work() {
        let executor = asUnownedTaskExecutor()
        var spin = SpinWindow()
        pthread_mutex_lock(mutex)
        while true {
            if let job = queue.popFirst() {
                hasWork.store(!queue.isEmpty, ordering: .relaxed)
                waiting = max(0, waiting - 1)
                busy += 1
                pthread_mutex_unlock(mutex)
                job.runSynchronously(on: executor)
                pthread_mutex_lock(mutex)
                busy -= 1
                spin.open(at: apus_monotonic_now())
                continue
            }
            idle += 1
            if !isSpinning, spin.isOpen {
                isSpinning = true
                pthread_mutex_unlock(mutex)
                let hasFound = spin.spin { hasWork.load(ordering: .acquiring) }
                pthread_mutex_lock(mutex)
                isSpinning = false
                if hasFound || !queue.isEmpty {
                    idle -= 1
                    continue
                }
            }
            var deadline = timespec()
            clock_gettime(CLOCK_MONOTONIC, &deadline)
            deadline.tv_sec += Int(idleNanoseconds / 1_000_000_000)
            let error = pthread_cond_timedwait(condition, mutex, &deadline)
            idle -= 1
            // Whoever was admitted counts on the threads that were there.
            if error == ETIMEDOUT, queue.isEmpty, waiting <= idle { break }
        }
        threads -= 1
        pthread_mutex_unlock(mutex)
    }

    var statistics: OffloadStatistics {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return OffloadStatistics(threads: threads, idleThreads: idle, queued: waiting)
    }
}
