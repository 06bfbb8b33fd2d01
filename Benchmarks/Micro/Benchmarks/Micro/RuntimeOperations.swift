import Apus
import Benchmark

let runtimeOperations: [(String, Operation)] = [
    ("spawn a task and await it", { for _ in $0 { try await EventLoop.spawn {}.value } }),
    (
        "async let, awaited",
        {
            for number in $0 {
                async let child = identity(number)
                blackHole(await child)
            }
        }
    ),
    ("Task.yield()", { for _ in $0 { await Task.yield() } }),
    ("sleep for a nanosecond", { for _ in $0 { try await sleep(for: .nanoseconds(1)) } }),
    ("withTimeout around a yield", { for _ in $0 { try await withTimeout(.seconds(60)) { await Task.yield() } } }),
    (
        "schedule a call, and cancel it",
        { count in
            guard let loop = EventLoop.current else { return }
            for _ in count { loop.schedule(after: .seconds(60)) {}.cancel() }
        }
    ),
    (
        "schedule a call, until it has run",
        { count in
            guard let loop = EventLoop.current else { return }
            for _ in count {
                loop.schedule {}
                await Task.yield()
            }
        }
    ),
    ("gather, one of its children", { count in _ = try await gather(count) { _ in } }),
    (
        "AsyncQueue: put and get",
        { count in
            let queue = try AsyncQueue<Int>(limit: 1)
            for number in count {
                try await queue.put(number)
                blackHole(try await queue.get())
            }
        }
    ),
    (
        "AsyncSemaphore: a free permit",
        { count in
            let semaphore = try AsyncSemaphore(8)
            for _ in count { try await semaphore.withPermit {} }
        }
    ),
    (
        "AsyncLock: a free lock",
        { count in
            let lock = AsyncLock()
            for _ in count { try await lock.withLock {} }
        }
    ),
    ("offload: to a thread and back", { for number in $0 { blackHole(try await offload { number }) } }),
]

@inline(never) private func identity(_ number: Int) async -> Int { number }
