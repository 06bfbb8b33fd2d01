import Apus
import Glibc

/// The lines as a user of Apus writes them.
let apusLines: [String: Line] = [
    // asyncio's create_task and await.
    "spawn": { count in
        for _ in 0..<count { try await EventLoop.spawn {}.value }
    },
    // The structured form, which needs no registry.
    "child": { count in
        for _ in 0..<count {
            async let child: Void = nothing()
            await child
        }
    },
    "yield": { count in
        for _ in 0..<count { await Task.yield() }
    },
    // Both directions count: N messages there, N back.
    "pingpong": { count in
        let (there, back) = (try AsyncQueue<Int>(limit: 1), try AsyncQueue<Int>(limit: 1))
        _ = try await gather(
            {
                for number in 0..<count {
                    try await there.put(number)
                    _ = try await back.get()
                }
            },
            {
                for _ in 0..<count { try await back.put(try await there.get()) }
            }
        )
    },
    "queue": { count in
        let queue = try AsyncQueue<Int>(limit: 64)
        _ = try await gather(
            { for number in 0..<count { try await queue.put(number) } },
            { for _ in 0..<count { _ = try await queue.get() } }
        )
    },
    "timer": { count in
        guard let loop = EventLoop.current else { return }
        for _ in 0..<count { loop.schedule(after: .seconds(60)) {}.cancel() }
    },
    "sleepers": { count in
        let (before, start, clock) = (residentMemory(), ContinuousClock.now, EventLoop.current?.clock)
        guard let clock else { return }
        let end = clock.now.advanced(by: Sleepers.delay(count))
        _ = try await gather(0..<count) { index in
            if index == count - 1 { Sleepers.shared.allAsleep(count, before: before, since: start) }
            try await sleep(until: end)
        }
    },
    // Eight permits, a hundred tasks, which hold one for a turn.
    "semaphore": { count in
        let semaphore = try AsyncSemaphore(8)
        _ = try await gather(0..<100) { _ in
            for _ in 0..<max(1, count / 100) { try await semaphore.withPermit { await Task.yield() } }
        }
    },
    "offload": { count in
        for _ in 0..<count { try await offload { _ = time(nil) } }
    },
    // A thread has a function run on the loop, and waits until it has.
    "schedule": { count in
        guard let loop = EventLoop.current else { return }
        await onThread {
            let gate = Gate()
            for _ in 0..<count {
                loop.schedule { gate.open() }
                gate.pass()
            }
        }
    },
    // The same without waiting for each.
    "flood": { count in
        guard let loop = EventLoop.current else { return }
        await onThread {
            let gate = Gate()
            for _ in 1..<max(2, count) { loop.schedule {} }
            loop.schedule { gate.open() }
            gate.pass()
        }
    },
    // A thread hands the loop an async function, and waits for its value.
    "submit": { count in
        guard let loop = EventLoop.current else { return }
        await onThread {
            for number in 0..<count { _ = try? loop.spawn { number }.wait() }
        }
    },
    // A task of the global pool does.
    "call": { count in
        guard let loop = EventLoop.current else { return }
        try await Task.detached {
            for number in 0..<count { _ = try await loop.call { number } }
        }.value
    },
]

/// Not empty, or the optimiser may leave it out.
@inline(never) func nothing() async { _ = time(nil) }
