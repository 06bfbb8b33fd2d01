import CApus
import DequeModule
import Glibc
import Logging
import Synchronization

/// Threads that appear when there is work and leave when there is none, as a task executor.
///
/// A thread without work sits in a seat of its own and is called by name, the one that sat down last first: its caches are warm, and those
/// below it may leave when nobody has needed them for a while. It is given its job there, so that it need not come to the queue for it.
// @unchecked: everything mutable is guarded by `mutex`, which Swift's checker cannot see. A seat's job is its caller's until the call, and
// its thread's afterwards.
final class ThreadPool: TaskExecutor, @unchecked Sendable {
    struct QueuedJob {
        var job: UnownedJob
        /// Since when it waits.
        var since: Int64
    }

    typealias Seat = UnsafeMutablePointer<apus_seat>

    let name: String
    let maximumThreads: Int
    let maximumQueue: Int
    /// Nobody can shut it down.
    let isProcessWide: Bool
    let logger: Logger?
    /// How long a call waits behind busy threads before that is told, and how often it is told.
    let saturationInterval: Int64
    /// How long a thread stays without work.
    private let idleNanoseconds: Int64
    /// Calls that were given up may fill the queue as far as this, at least: each keeps some hundred bytes until a thread comes to it.
    private static let minimumGivenUp = 1024

    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    /// Empty as long as a thread is idle.
    var queue = Deque<QueuedJob>()
    var threads = 0
    /// The idle threads, in the order in which they sat down.
    private(set) var seats: [Seat] = []
    /// One more that is idle, and looks at its seat before it sleeps there.
    private var looking: Seat?
    /// Threads in the middle of a call.
    private var busy = 0
    /// Calls admitted that have not begun and were not given up. For a moment less than it should be when a thread takes a call that was
    /// given up, and has not noticed yet.
    var waiting = 0
    /// Jobs in the queue whose call was given up: they have no place in `waiting` any more.
    var givenUp = 0
    /// Jobs that threads have taken.
    var taken = 0
    /// How many of them have ended. Counted before anybody hears of it, unlike `busy`.
    private let ended = Atomic(0)
    /// How many of those had been given up.
    private var endedUnbegun = 0
    private var rejected = 0
    private var longestWait: Int64 = 0
    /// Whether a thread looks out for saturation.
    var isWatched = false
    /// Takes no new calls.
    var isShutDown = false
    /// Runs no more calls, not even those that wait.
    private let over = Atomic(false)
    var drains: [PoolDrain] = []
    /// Loops that have the pool in their options.
    var owners = 0
    /// The fork after which the pool's threads are there: a child process has none of its parent's.
    private let forkEpoch = Atomic(apus_fork_epoch())
    private static let forkLock = ForkSafeLock(())

    init(
        name: String,
        maximumThreads: Int,
        maximumQueue: Int,
        logger: Logger? = nil,
        isProcessWide: Bool = false,
        saturationInterval: Duration = .seconds(10),
        idleTime: Duration = .seconds(10)
    ) {
        self.name = name
        // Clamped, so that sums of them do not overflow: `.max` is how people write "no limit".
        self.maximumThreads = min(max(1, maximumThreads), 1 << 20)
        self.maximumQueue = min(max(1, maximumQueue), 1 << 40)
        self.logger = logger
        self.isProcessWide = isProcessWide
        self.saturationInterval = saturationInterval.clampedNanoseconds
        idleNanoseconds = idleTime.clampedNanoseconds
        pthread_mutex_init(mutex, nil)
        // Tasks hold their executor unowned, and its threads may be anywhere: pools live as long as the process.
        _ = Unmanaged.passRetained(self)
    }

    func withLock<Success>(_ body: () throws -> Success) rethrows -> Success {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body()
    }

    // MARK: Taking calls

    /// Makes place for one call, and a thread for it if none is idle and the bound allows one.
    ///
    /// - Throws: ``OffloadError`` if the queue is full, the pool was shut down, or there is no thread and the system gives none.
    func admit() throws {
        if forkEpoch.load(ordering: .acquiring) != apus_fork_epoch() { startAfresh() }
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        // A call for which there is, or may be, a free thread does not wait.
        guard waiting < maximumQueue + (maximumThreads - busy), givenUp < max(maximumQueue, Self.minimumGivenUp),
            !isShutDown
        else {
            rejected += 1
            throw refusal
        }
        waiting += 1
        guard waiting > idle else { return }
        guard threads < maximumThreads else {
            if !isWatched { watch() }
            return
        }
        do {
            try startThread(name: "apus-\(name)") { self.work() }
            threads += 1
        } catch {
            // Fewer threads than allowed will do, but none will not.
            guard threads == 0 else { return }
            waiting -= 1
            rejected += 1
            throw OffloadError(.noThread, pool: name, cause: error)
        }
    }

    private var refusal: OffloadError {
        if isShutDown { return .shutDown(name) }
        if waiting < maximumQueue { return OffloadError(givenUp: givenUp, pool: name, threads: maximumThreads) }
        return OffloadError(.queueFull, pool: name, bound: maximumQueue)
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        pthread_mutex_lock(mutex)
        if isOver {
            // Admitted before the end: it does no more than say so.
            take(1)
            pthread_mutex_unlock(mutex)
            return job.runSynchronously(on: asUnownedTaskExecutor())
        }
        guard let seat = takeSeat() else {
            queue.append(QueuedJob(job: job, since: apus_monotonic_now()))
            pthread_mutex_unlock(mutex)
            return
        }
        take(1)
        busy += 1
        pthread_mutex_unlock(mutex)
        // After the lock is free: the thread that wakes takes it at the end of its job.
        apus_seat_call(seat, unsafeBitCast(job, to: UnsafeMutableRawPointer.self))
    }

    /// The idle thread to call: the one that is awake, or the one that fell asleep last. Under the lock.
    private func takeSeat() -> Seat? {
        guard let awake = looking else { return seats.popLast() }
        looking = nil
        return awake
    }

    /// Threads without work. Under the lock.
    var idle: Int { seats.count + (looking == nil ? 0 : 1) }

    /// A call was cancelled before it began: its place is free. Its job stays in the queue until a thread comes to it, since only the
    /// runtime could take it out.
    func givesUpCall() {
        pthread_mutex_lock(mutex)
        waiting -= 1
        givenUp += 1
        let drained = takeDrains()
        pthread_mutex_unlock(mutex)
        for drain in drained { drain.finish() }
    }

    /// A thread has come to a call that was given up. What the call gave back must not be counted twice.
    func reachedGivenUpCall() {
        withLock {
            waiting += 1
            givenUp -= 1
            endedUnbegun += 1
        }
        callEnded()
    }

    /// A job is about to let its waiter know.
    func callEnded() { ended.wrappingAdd(1, ordering: .releasing) }

    var isOver: Bool { over.load(ordering: .acquiring) }

    /// Notes that somebody has taken so many jobs off the queue, to run them.
    private func take(_ count: Int) {
        taken += count
        waiting -= count
    }

    /// From now on what waits, or comes, is refused by whoever brings it.
    ///
    /// - Returns: what waited, to be run, and how many calls had not ended.
    func end() -> (jobs: [UnownedJob], unfinished: Int) {
        withLock {
            let unfinished = unfinishedCount
            over.store(true, ordering: .releasing)
            let jobs = queue.map(\.job)
            queue = []
            take(jobs.count)
            return (jobs, unfinished)
        }
    }

    /// Has the idle threads look whether they may leave.
    func wakeAll() {
        let idle = withLock {
            defer { seats = [] }
            return seats
        }
        for seat in idle { apus_seat_call(seat, nil) }
    }

    // MARK: Threads

    private func work() {
        let executor = asUnownedTaskExecutor()
        let seat = Seat.allocate(capacity: 1)
        defer { seat.deallocate() }
        var spin = SpinWindow()
        pthread_mutex_lock(mutex)
        while true {
            let job: UnownedJob
            if let next = queue.popFirst() {
                take(1)
                busy += 1
                longestWait = max(longestWait, apus_monotonic_now() &- next.since)
                job = next.job
            } else {
                // Whoever was admitted counts on the threads that were there.
                if isShutDown, waiting <= idle { break }
                guard sitDown(seat, &spin) else {
                    if waiting <= idle { break }
                    continue
                }
                // Nil if it was woken for the pool's end.
                guard let given = seat.pointee.job else { continue }
                job = unsafeBitCast(given, to: UnownedJob.self)
            }
            pthread_mutex_unlock(mutex)
            job.runSynchronously(on: executor)
            pthread_mutex_lock(mutex)
            busy -= 1
            if !drains.isEmpty { tellDrains() }
            spin.open(at: apus_monotonic_now())
        }
        threads -= 1
        pthread_mutex_unlock(mutex)
    }

    /// Waits in `seat` until somebody calls, or for the time after which an idle thread leaves. Under the lock, which it leaves meanwhile.
    ///
    /// - Returns: whether it was called. Who calls has taken the seat away, and counted the job that is in it.
    private func sitDown(_ seat: Seat, _ spin: inout SpinWindow) -> Bool {
        apus_seat_take(seat)
        if looking == nil, spin.isOpen {
            looking = seat
            pthread_mutex_unlock(mutex)
            let isCalled = spin.spin { apus_seat_is_called(seat) }
            pthread_mutex_lock(mutex)
            if isCalled { return true }
            if looking == seat {
                looking = nil
                // It may have come while this thread had no seat in which it could be woken.
                if isShutDown { return true }
                seats.append(seat)
            }
        } else {
            seats.append(seat)
        }
        pthread_mutex_unlock(mutex)
        let isCalled = apus_seat_sleep(seat, idleNanoseconds)
        pthread_mutex_lock(mutex)
        if isCalled { return true }
        if let index = seats.lastIndex(of: seat) {
            seats.remove(at: index)
            return false
        }
        // Somebody has just taken the seat, and is about to call.
        pthread_mutex_unlock(mutex)
        while !apus_seat_sleep(seat, idleNanoseconds) {}
        pthread_mutex_lock(mutex)
        return true
    }

    /// Under the lock, which it leaves meanwhile: resuming runs code of the runtime's.
    private func tellDrains() {
        let drained = takeDrains()
        guard !drained.isEmpty else { return }
        pthread_mutex_unlock(mutex)
        for drain in drained { drain.finish() }
        pthread_mutex_lock(mutex)
    }

    /// Starts the thread that tells of saturation.
    private func watch() {
        do {
            try startThread(name: "apus-pool-watch") {
                repeat { self.sleepForInterval() } while self.reportSaturation(at: apus_monotonic_now())
            }
            isWatched = true
        } catch {
            // Nobody tells, then. The next call tries again.
        }
    }

    private func sleepForInterval() {
        var time = timespec()
        time.tv_sec = Int(saturationInterval / 1_000_000_000)
        time.tv_nsec = Int(saturationInterval % 1_000_000_000)
        nanosleep(&time, nil)
    }

    // MARK: Fork

    /// In the child of a fork: the threads are gone, and one of them may have held the lock.
    private func startAfresh() {
        Self.forkLock.withLock { _ in
            guard forkEpoch.load(ordering: .acquiring) != apus_fork_epoch() else { return }
            pthread_mutex_init(mutex, nil)
            queue = []
            (threads, busy, waiting, givenUp) = (0, 0, 0, 0)
            (taken, endedUnbegun, rejected, longestWait, owners) = (0, 0, 0, 0, 0)
            ended.store(0, ordering: .relaxed)
            (seats, looking) = ([], nil)
            isWatched = false
            drains = []
            forkEpoch.store(apus_fork_epoch(), ordering: .releasing)
        }
    }

    // MARK: Looking

    /// Calls that run. Under the lock.
    var runningCount: Int { max(0, taken - ended.load(ordering: .acquiring)) }
    /// Calls that run or wait. Under the lock.
    var unfinishedCount: Int { max(0, runningCount + waiting) }

    var statistics: OffloadStatistics {
        withLock {
            let oldest = queue.first?.since ?? 0
            return OffloadStatistics(
                name: name,
                threads: threads,
                idleThreads: idle,
                running: runningCount,
                queued: max(0, waiting),
                completed: ended.load(ordering: .acquiring) - endedUnbegun,
                rejected: rejected,
                oldestWait: oldest == 0 ? .zero : .nanoseconds(apus_monotonic_now() - oldest),
                longestWait: .nanoseconds(longestWait)
            )
        }
    }
}
