import ApusRuntime
import CApus
import Synchronization
import Testing

/// The moments between a task's first look and its wait, which schedules on one thread never meet.
@Suite("Waits that other threads cancel")
struct WaitCancellationTests {
    /// One of each, none of which lets anybody through.
    private struct Closed {
        let lock = AsyncLock()
        let event = AsyncEvent()
        let condition = AsyncCondition()
        let semaphore = try? AsyncSemaphore(0)
        let barrier = try? AsyncBarrier(parties: 2)
        let full = try? AsyncQueue<Int>(limit: 1)
        let empty = try? AsyncQueue<Int>(limit: 1)
        let future = AsyncFuture<Int>()

        init() throws {
            try full?.putNow(1)
            #expect(lock.tryAcquire())
        }

        func wait(_ which: Int) async throws {
            switch which {
            case 0: try await lock.acquire()
            case 1: try await event.wait()
            case 2: try await condition.withLock { try await condition.wait() }
            case 3: try await semaphore?.acquire()
            case 4: try await full?.put(2)
            case 5: _ = try await empty?.get()
            case 6: try await full?.join()
            case 7: _ = try await future.value
            default: _ = try await barrier?.wait()
            }
        }

        /// Lets all through, so that a test that has failed ends.
        func open() async throws {
            try lock.release()
            event.set()
            try await condition.withLock { try condition.notifyAll() }
            try semaphore?.release()
            full?.shutDown(immediate: true)
            empty?.shutDown(immediate: true)
            future.resolve(returning: 0)
            barrier?.abort()
        }
    }

    @Test("a wait that another thread cancels ends, whatever the moment", arguments: 0..<9)
    func cancelledElsewhere(which: Int) async throws {
        let closed = try Closed()
        let victim = Mutex<LoopTask<Void>?>(nil)
        let isOver = Mutex(false)
        try await onCleanLoop(.monotonic) {
            async let canceller: Void = offload {
                var random = SplitMix(seed: UInt64(which))
                while !isOver.withLock({ $0 }) {
                    guard let task = victim.withLock({ $0.take() }) else { continue }
                    // Between the task's beginning and some time in its wait.
                    for _ in 0..<Int.random(in: 0..<400, using: &random) { apus_spin_pause() }
                    task.cancel()
                }
            }
            for round in 0..<2_000 {
                let task = EventLoop.spawn { try await closed.wait(which) }
                victim.withLock { $0 = task }
                let (done, _) = try await ApusRuntime.wait([task], timeout: .seconds(30))
                guard done.count == 1 else {
                    Issue.record("round \(round) waits for ever")
                    break
                }
                await #expect(throws: CancellationError.self) { try await task.value }
                closed.barrier?.reset()
            }
            isOver.withLock { $0 = true }
            try await canceller
            #expect(closed.full?.count == 1 && closed.semaphore?.available == 0 && !closed.condition.lock.isLocked)
            try await closed.open()
        }
    }
}
