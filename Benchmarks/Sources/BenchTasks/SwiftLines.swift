import Dispatch
import Glibc
import Synchronization

/// The same in plain Swift, on its global pool. Where Swift has no such thing, what comes nearest or a user would write.
let swiftLines: [String: Line] = [
    "spawn": { count in
        for _ in 0..<count { await Task {}.value }
    },
    "child": { count in
        for _ in 0..<count {
            async let child: Void = concurrentNothing()
            await child
        }
    },
    "yield": { count in
        for _ in 0..<count { await Task.yield() }
    },
    // No channels: streams, whose buffer has no limit.
    "pingpong": { count in
        let (there, thereEnd) = AsyncStream.makeStream(of: Int.self)
        let (back, backEnd) = AsyncStream.makeStream(of: Int.self)
        await withTaskGroup { group in
            group.addTask {
                var answers = back.makeAsyncIterator()
                for number in 0..<count {
                    thereEnd.yield(number)
                    _ = await answers.next()
                }
                thereEnd.finish()
            }
            group.addTask { for await number in there { backEnd.yield(number) } }
        }
    },
    "queue": { count in
        let (stream, end) = AsyncStream.makeStream(of: Int.self)
        await withTaskGroup { group in
            group.addTask {
                for number in 0..<count { end.yield(number) }
                end.finish()
            }
            group.addTask { for await _ in stream {} }
        }
    },
    // No timers without tasks.
    "timer": { count in
        for _ in 0..<count { Task { try await Task.sleep(for: .seconds(60)) }.cancel() }
    },
    // Unstructured: a group of a million is quadratic when its children end in another order.
    "sleepers": { count in
        let (before, start) = (residentMemory(), ContinuousClock.now)
        let end = start.advanced(by: Sleepers.delay(count))
        let begun = Tally()
        var tasks: [Task<Void, any Error>] = []
        tasks.reserveCapacity(count)
        for _ in 0..<count {
            tasks.append(
                Task {
                    if begun.add() == count {
                        Sleepers.shared.allAsleep(count, before: before, since: start)
                    }
                    try await Task.sleep(until: end, clock: .continuous)
                }
            )
        }
        for task in tasks { try await task.value }
    },
    "semaphore": { count in
        let semaphore = PoolSemaphore(8)
        await withTaskGroup { group in
            for _ in 0..<100 {
                group.addTask {
                    for _ in 0..<max(1, count / 100) {
                        await semaphore.acquire()
                        await Task.yield()
                        await semaphore.release()
                    }
                }
            }
        }
    },
    // `measureOffload` does it, on the main actor.
    "offload": { _ in },
    "schedule": { count in
        await onThread {
            let gate = Gate()
            for _ in 0..<count {
                Task { gate.open() }
                gate.pass()
            }
        }
    },
    "flood": { count in
        await onThread {
            let gate = Gate()
            let ended = Tally()
            for _ in 0..<count {
                Task { if ended.add() == count { gate.open() } }
            }
            gate.pass()
        }
    },
    "submit": { count in
        await onThread {
            let gate = Gate()
            for number in 0..<count {
                let value = Mutex(0)
                Task {
                    value.withLock { $0 = number }
                    gate.open()
                }
                gate.pass()
            }
        }
    },
    // To the main actor, which has a thread of its own, and back.
    "call": { count in
        for number in 0..<count { _ = await echoOnMain(number) }
    },
]

@MainActor func echoOnMain(_ number: Int) -> Int { number }

/// Not empty, or the optimiser leaves out the way there and back.
@concurrent @inline(never) func concurrentNothing() async { _ = time(nil) }

/// From the main actor to the pool and back.
@MainActor
func measureOffload(_ who: String, _ name: String, _ count: Int) async throws {
    for _ in 0..<max(1, count / 10) { await concurrentNothing() }
    let (cpu, start) = (cpuSeconds(), ContinuousClock.now)
    for _ in 0..<count { await concurrentNothing() }
    report(who, name, count, wall: start.duration(to: .now) / .seconds(1), cpu: cpuSeconds() - cpu)
}

private final class Tally: Sendable {
    private let count = Atomic(0)
    func add() -> Int { count.wrappingAdd(1, ordering: .relaxed).newValue }
}

/// As users write it: an actor with continuations.
actor PoolSemaphore {
    private var permits: Int
    private var waiters: [CheckedContinuation<Void, Never>] = []
    private var first = 0

    init(_ permits: Int) { self.permits = permits }

    func acquire() async {
        if permits > 0 {
            permits -= 1
            return
        }
        await withCheckedContinuation { waiters.append($0) }
    }

    func release() {
        guard first < waiters.count else {
            permits += 1
            return
        }
        let next = waiters[first]
        first += 1
        if first == waiters.count || first > 1_000 {
            waiters.removeFirst(first)
            first = 0
        }
        next.resume()
    }
}
