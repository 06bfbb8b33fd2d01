import ApusRuntime
import Synchronization
import Testing

/// Locks, events, conditions, barriers and queues: each rule by itself. Random schedules are in the model tests.
@Suite("Locks and queues")
struct SyncTests {
    private func syncError<Success>(_ body: () async throws -> Success) async -> SyncError.Code? {
        do {
            _ = try await body()
        } catch let error as SyncError {
            #expect(!error.isTimeout)
            #expect(!error.description.isEmpty)
            return error.code
        } catch {
            Issue.record("not a SyncError: \(error)")
        }
        return nil
    }

    // MARK: Misuse

    @Test("limits and counts that have no meaning are refused")
    func invalidArguments() async {
        #expect(await syncError { try AsyncSemaphore(-1) } == .invalidArgument)
        #expect(await syncError { try CapacityLimiter(0) } == .invalidArgument)
        #expect(await syncError { try CapacityLimiter(1).setTotal(0) } == .invalidArgument)
        #expect(await syncError { try AsyncBarrier(parties: 0) } == .invalidArgument)
        #expect(await syncError { try AsyncQueue<Int>(limit: 0) } == .invalidArgument)
    }

    @Test("releasing what nobody holds is an error, and changes nothing")
    func overRelease() async throws {
        try await onCleanLoop {
            let lock = AsyncLock()
            let unlocked = await syncError { try lock.release() }
            #expect(unlocked == .notHeld)
            #expect(lock.tryAcquire())
            #expect(!lock.tryAcquire())
            try lock.release()
            let bounded = try AsyncSemaphore(1, isBounded: true)
            let over = await syncError { try bounded.release() }
            #expect(over == .notHeld)
            let growing = try AsyncSemaphore(0)
            try growing.release()
            #expect(growing.available == 1)
            let limiter = try CapacityLimiter(1)
            let free = await syncError { try limiter.release() }
            #expect(free == .notHeld)
            let queue = try AsyncQueue<Int>(limit: 1)
            let done = await syncError { try queue.taskDone() }
            #expect(done == .notHeld)
            let condition = AsyncCondition()
            let notified = await syncError { try condition.notify() }
            #expect(notified == .notHeld)
            let waited = await syncError { try await condition.wait() }
            #expect(waited == .notHeld)
        }
    }

    @Test("a task that is cancelled already gets nothing, although it could")
    func cancelledBefore() async throws {
        try await onCleanLoop {
            let (lock, event, queue) = (AsyncLock(), AsyncEvent(), try AsyncQueue<Int>(limit: 1))
            let barrier = try AsyncBarrier(parties: 1)
            event.set()
            let task = EventLoop.spawn {
                withUnsafeCurrentTask { $0?.cancel() }
                var refused = 0
                let bodies: [() async throws -> Void] = [
                    { try await lock.acquire() }, { try await lock.withLock {} }, { try await event.wait() },
                    { try await queue.put(1) }, { _ = try await queue.get() }, { _ = try await barrier.wait() },
                    { try await queue.join() },
                ]
                for body in bodies {
                    do { try await body() } catch is CancellationError { refused += 1 }
                }
                return (refused, bodies.count)
            }
            let (refused, count) = try await task.value
            #expect(refused == count)
            #expect(!lock.isLocked)
            #expect(queue.isEmpty)
            #expect(!barrier.isBroken)
        }
    }

    // MARK: Each by itself

    @Test("A120: a lock is given back when its body throws or is cancelled")
    func lockEnds() async throws {
        try await onCleanLoop {
            let lock = AsyncLock()
            await #expect(throws: Oops.self) { try await lock.withLock { throw Oops() } }
            #expect(!lock.isLocked)
            let task = EventLoop.spawn { try await lock.withLock { try await untilCancelled() } }
            await turns()
            #expect(lock.isLocked)
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            #expect(!lock.isLocked)
        }
    }

    @Test("A121: clearing an event takes nothing from those whom it has woken")
    func eventClears() async throws {
        try await onCleanLoop {
            let event = AsyncEvent()
            let waiters = (0..<3).map { _ in EventLoop.spawn { try await event.wait() } }
            await turns()
            event.set()
            event.clear()
            for waiter in waiters { try await waiter.value }
            let later = EventLoop.spawn { try await event.wait() }
            await turns()
            #expect(!event.isSet)
            later.cancel()
            await #expect(throws: CancellationError.self) { try await later.value }
        }
    }

    @Test("A122: a cancelled wait holds the lock again when it throws")
    func conditionReacquires() async throws {
        try await onCleanLoop {
            let condition = AsyncCondition()
            let heldAfterwards = Mutex(false)
            let task = EventLoop.spawn {
                try await condition.withLock {
                    do {
                        try await condition.wait()
                    } catch {
                        heldAfterwards.withLock { $0 = condition.lock.isLocked }
                        throw error
                    }
                }
            }
            await turns()
            #expect(!condition.lock.isLocked)
            // Held by another at the moment of the cancellation: the wait ends only when it has the lock.
            try await condition.lock.acquire()
            task.cancel()
            await turns()
            #expect(!heldAfterwards.withLock { $0 })
            try condition.lock.release()
            await #expect(throws: CancellationError.self) { try await task.value }
            #expect(heldAfterwards.withLock { $0 })
            #expect(!condition.lock.isLocked)
        }
    }

    @Test("A122: notify wakes as many as it says, in their order")
    func notifyCount() async throws {
        try await onCleanLoop {
            let condition = AsyncCondition()
            let woken = Recorder<Int>()
            let tasks = (0..<5).map { number in
                EventLoop.spawn {
                    try await condition.withLock {
                        try await condition.wait()
                        woken.note(number)
                    }
                }
            }
            await turns()
            try await condition.withLock { try condition.notify(2) }
            await turns()
            #expect(woken.all == [0, 1])
            try await condition.withLock { try condition.notify(0) }
            await turns()
            #expect(woken.count == 2)
            try await condition.withLock { try condition.notifyAll() }
            for task in tasks { try await task.value }
            #expect(woken.all == [0, 1, 2, 3, 4])
        }
    }

    @Test("A124: a barrier can be aborted, and is whole again after reset")
    func barrierEnds() async throws {
        try await onCleanLoop {
            let barrier = try AsyncBarrier(parties: 2)
            let first = EventLoop.spawn { try await barrier.wait() }
            await turns()
            #expect(barrier.waiting == 1)
            barrier.abort()
            let broken = await syncError { try await first.value }
            #expect(broken == .broken)
            let later = await syncError { try await barrier.wait() }
            #expect(later == .broken)
            barrier.reset()
            let places = try await gather(0..<2) { _ in try await barrier.wait() }
            #expect(places.sorted() == [0, 1])
        }
    }

    @Test("A125: full and empty are errors for those who do not wait, and waits for the others")
    func queueBounds() async throws {
        try await onCleanLoop {
            let queue = try AsyncQueue<String>(limit: 2)
            let empty = await syncError { try queue.getNow() }
            #expect(empty == .empty)
            try queue.putNow("a")
            try await queue.put("b")
            #expect(queue.isFull)
            let full = await syncError { try queue.putNow("c") }
            #expect(full == .full)
            let putting = EventLoop.spawn { try await queue.put("c") }
            await turns()
            #expect(queue.count == 2)
            let first = try await queue.get()
            try await putting.value
            let rest = [try queue.getNow(), try queue.getNow()]
            #expect([first] + rest == ["a", "b", "c"])
            let getting = EventLoop.spawn { try await queue.get() }
            await turns()
            try queue.putNow("d")
            let handed = try await getting.value
            #expect(handed == "d")
        }
    }

    @Test("A125: a cancelled put takes its element along, a cancelled get takes none")
    func queueCancel() async throws {
        try await onCleanLoop {
            let queue = try AsyncQueue<Int>(limit: 1)
            try queue.putNow(1)
            let putting = EventLoop.spawn { try await queue.put(2) }
            await turns()
            putting.cancel()
            await #expect(throws: CancellationError.self) { try await putting.value }
            #expect(try queue.getNow() == 1)
            #expect(queue.isEmpty)
            let getting = EventLoop.spawn { try await queue.get() }
            await turns()
            getting.cancel()
            await #expect(throws: CancellationError.self) { try await getting.value }
            try queue.putNow(3)
            #expect(try queue.getNow() == 3)
            #expect(queue.unfinished == 2)
        }
    }

    @Test("A125: join waits until everything that was put in is done with")
    func join() async throws {
        try await onCleanLoop {
            let queue = try AsyncQueue<Int>(limit: 10)
            try await queue.join()
            for number in 0..<3 { try queue.putNow(number) }
            let hasJoined = Recorder<Bool>()
            let joining = EventLoop.spawn {
                try await queue.join()
                hasJoined.note(true)
            }
            for _ in 0..<3 {
                await turns()
                #expect(hasJoined.count == 0)
                _ = try queue.getNow()
                try queue.taskDone()
            }
            try await joining.value
        }
    }

    @Test("A126: a priority queue gives the smallest first and equal ones as they came, a LIFO queue the last")
    func orders() async throws {
        struct Job: Comparable, Sendable {
            var priority: Int
            var name: String
            static func < (left: Job, right: Job) -> Bool { left.priority < right.priority }
            static func == (left: Job, right: Job) -> Bool { left.priority == right.priority }
        }
        let jobs = try AsyncQueue<Job>(limit: 10, order: .priority)
        for (priority, name) in [(2, "a"), (1, "b"), (2, "c"), (1, "d"), (0, "e")] {
            try jobs.putNow(Job(priority: priority, name: name))
        }
        var names = ""
        while let job = try? jobs.getNow() { names += job.name }
        #expect(names == "ebdac")
        let stack = try AsyncQueue<Int>(limit: 10, order: .lifo)
        for number in 0..<3 { try stack.putNow(number) }
        #expect(try [stack.getNow(), stack.getNow(), stack.getNow()] == [2, 1, 0])
    }

    @Test("A127: after shutdown putting is an error, getting goes on to the end, and iterations end")
    func shutdown() async throws {
        try await onCleanLoop {
            let queue = try AsyncQueue<Int>(limit: 2)
            try queue.putNow(1)
            try queue.putNow(2)
            let putting = EventLoop.spawn { try await queue.put(3) }
            await turns()
            queue.shutDown()
            queue.shutDown()
            let refused = await syncError { try await putting.value }
            #expect(refused == .shutDown)
            let later = await syncError { try queue.putNow(4) }
            #expect(later == .shutDown)
            var rest: [Int] = []
            for try await element in queue { rest.append(element) }
            #expect(rest == [1, 2])
            let end = await syncError { try await queue.get() }
            #expect(end == .shutDown)
        }
    }

    @Test("A127: an immediate shutdown empties the queue, ends joins and every get")
    func immediateShutdown() async throws {
        try await onCleanLoop {
            let queue = try AsyncQueue<Int>(limit: 2)
            try queue.putNow(1)
            let joining = EventLoop.spawn { try await queue.join() }
            await turns()
            queue.shutDown(immediate: true)
            try await joining.value
            #expect(queue.isEmpty)
            let other = try AsyncQueue<Int>(limit: 2)
            let getters = (0..<3).map { _ in EventLoop.spawn { try await other.get() } }
            await turns()
            other.shutDown(immediate: true)
            for getter in getters {
                let end = await syncError { try await getter.value }
                #expect(end == .shutDown)
            }
        }
    }

    @Test("A127: what was said to be done before it was taken out does not count twice")
    func doneBeforeShutdown() async throws {
        try await onCleanLoop {
            let queue = try AsyncQueue<Int>(limit: 2)
            try queue.putNow(1)
            try queue.taskDone()
            queue.shutDown(immediate: true)
            #expect(queue.unfinished == 0)
            try await queue.join()
        }
    }

    @Test("a semaphore without a limit can be released")
    func hugeSemaphore() async throws {
        let semaphore = try AsyncSemaphore(.max)
        try semaphore.release()
        #expect(semaphore.available == .max)
    }

    @Test("A123: a permit that was added while another's receiver was being cancelled is one more all the same")
    func addedPermit() async throws {
        try await onCleanLoop {
            let events = try AsyncSemaphore(0)
            let waiting = EventLoop.spawn { try await events.acquire() }
            await turns()
            // The first goes to the one who waits, and is passed on since that one is cancelled before its turn.
            try events.release()
            waiting.cancel()
            try events.release()
            await #expect(throws: CancellationError.self) { try await waiting.value }
            #expect(events.available == 2)
        }
    }

    /// Asks its queue when its end comes.
    private final class Asking: Sendable, Comparable {
        private let queue: AsyncQueue<Asking>
        private let asked: Recorder<Int>

        init(_ queue: AsyncQueue<Asking>, _ asked: Recorder<Int>) {
            self.queue = queue
            self.asked = asked
        }

        deinit { asked.note(queue.count) }

        static func == (left: Asking, right: Asking) -> Bool { left === right }
        static func < (left: Asking, right: Asking) -> Bool { false }
    }

    @Test("A127: what is thrown away may use the queue in its last moment", arguments: 0..<3)
    func thrownAway(which: Int) async throws {
        try await onCleanLoop {
            let orders: [AsyncQueue<Asking>.Order] = [.fifo, .lifo, .priority]
            let queue = try AsyncQueue(limit: 2, order: orders[which])
            let asked = Recorder<Int>()
            try queue.putNow(Asking(queue, asked))
            try queue.putNow(Asking(queue, asked))
            let cancelled = EventLoop.spawn { try await queue.put(Asking(queue, asked)) }
            await turns()
            cancelled.cancel()
            await #expect(throws: CancellationError.self) { try await cancelled.value }
            await turns()
            #expect(asked.all == [2])
            let refused = EventLoop.spawn { try await queue.put(Asking(queue, asked)) }
            await turns()
            queue.shutDown(immediate: true)
            let end = await syncError { try await refused.value }
            #expect(end == .shutDown)
            await turns()
            #expect(asked.all == [2, 0, 0, 0])
            #expect(queue.isEmpty && queue.unfinished == 0)
        }
    }

    @Test("a circle around what never waits gives others their turn", arguments: 0..<5)
    func fairness(which: Int) async throws {
        try await onCleanLoop(.monotonic) {
            let (lock, event, queue) = (AsyncLock(), AsyncEvent(), try AsyncQueue<Int>(limit: 1))
            let semaphore = try AsyncSemaphore(1)
            let barrier = try AsyncBarrier(parties: 1)
            event.set()
            let others = Recorder<Int>()
            let other = EventLoop.spawn { others.note(1) }
            // It ends only when the other has run.
            while others.count == 0 {
                switch which {
                case 0: try await lock.withLock {}
                case 1: try await semaphore.withPermit {}
                case 2: try await event.wait()
                case 3: _ = try await barrier.wait()
                default: try await queue.join()
                }
            }
            try await other.value
        }
    }

    @Test("a limiter lets more in when its total is raised, and none until enough are back when it is lowered")
    func limiterTotal() async throws {
        try await onCleanLoop {
            let limiter = try CapacityLimiter(1)
            let release = AsyncEvent()
            let tasks = (0..<4).map { _ in EventLoop.spawn { try await limiter.withToken { try await release.wait() } }
            }
            await turns()
            #expect(limiter.borrowed == 1 && limiter.waiting == 3)
            try limiter.setTotal(3)
            await turns()
            #expect(limiter.borrowed == 3 && limiter.waiting == 1)
            try limiter.setTotal(1)
            #expect(limiter.borrowed == 3 && limiter.available == 0)
            release.set()
            for task in tasks { try await task.value }
            #expect(limiter.borrowed == 0 && limiter.available == 1)
        }
    }

    // MARK: From everywhere

    /// A queue that several threads use, and a sum that a lock guards.
    private final class Exchange: Sendable {
        let queue: AsyncQueue<Int>
        let inside = Gauge()
        private let lock = AsyncLock()
        private let sum = Mutex(0)

        var total: Int { sum.withLock { $0 } }

        init() throws { queue = try AsyncQueue(limit: 8) }

        func produce(_ base: Int) async throws {
            for number in 0..<500 { try await queue.put(base + number) }
        }

        @MainActor
        func produceOnMain(_ base: Int) async throws { try await produce(base) }

        func takeAll() async throws {
            for try await number in queue {
                try await lock.withLock {
                    inside.enter()
                    await Task.yield()
                    sum.withLock { $0 += number }
                    inside.leave()
                }
            }
        }
    }

    @Test("they work between loops, the pool of tasks and the main actor, and lose nothing")
    func acrossLoops() async throws {
        let exchange = try Exchange()
        try await withThrowingTaskGroup(of: Void.self) { consumers in
            consumers.addTask { try await EventLoop.with { try await exchange.takeAll() } }
            consumers.addTask { try await EventLoop.with { try await exchange.takeAll() } }
            consumers.addTask { try await exchange.takeAll() }
            try await withThrowingTaskGroup(of: Void.self) { producers in
                producers.addTask { try await EventLoop.with { try await exchange.produce(0) } }
                producers.addTask { try await exchange.produce(500) }
                producers.addTask { try await exchange.produceOnMain(1_000) }
                try await producers.waitForAll()
            }
            exchange.queue.shutDown()
            try await consumers.waitForAll()
        }
        #expect(exchange.total == (0..<1_500).reduce(0, +))
        #expect(exchange.inside.most == 1)
    }
}
