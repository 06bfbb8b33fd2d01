import Apus

/// What a case does: with so many things around, so many operations.
typealias GrowthCase = @Sendable (_ meter: Meter, _ size: Int, _ count: Int) async throws -> Void

/// Timers, tasks, locks, cookies and names. They need no server.
let runtimeCases: [String: GrowthCase] = [
    // N timers wait; one more is started and cancelled.
    "timer-cancel": { meter, size, count in
        guard let loop = EventLoop.current else { return }
        var numbers = Numbers()
        let waiting = pendingTimers(size, on: loop, &numbers)
        try await meter.measure(count) { count in
            for _ in 0..<count { loop.schedule(after: delay(&numbers)) {}.cancel() }
        }
        for timer in waiting { timer.cancel() }
    },
    // N timers wait; the oldest of them is cancelled and another takes its place.
    "timer-replace": { meter, size, count in
        guard let loop = EventLoop.current else { return }
        var numbers = Numbers()
        var waiting = pendingTimers(size, on: loop, &numbers)
        var turn = 0
        try await meter.measure(count) { count in
            for _ in 0..<count {
                waiting[turn].cancel()
                waiting[turn] = loop.schedule(after: delay(&numbers)) {}
                turn = turn + 1 == size ? 0 : turn + 1
            }
        }
        for timer in waiting { timer.cancel() }
    },
    // N timers wait; a task sleeps for a moment and wakes.
    "timer-fire": { meter, size, count in
        guard let loop = EventLoop.current else { return }
        var numbers = Numbers()
        let waiting = pendingTimers(size, on: loop, &numbers)
        try await meter.measure(count) { count in
            for _ in 0..<count { try await sleep(for: .nanoseconds(1)) }
        }
        for timer in waiting { timer.cancel() }
    },
    // N tasks sleep; one more is spawned and awaited.
    "task-spawn": { meter, size, count in
        try await besideSleepers(size) {
            try await meter.measure(count) { count in
                for _ in 0..<count { try await EventLoop.spawn {}.value }
            }
        }
    },
    // N tasks sleep; one more begins to sleep, is cancelled and awaited.
    "task-cancel": { meter, size, count in
        try await besideSleepers(size) {
            try await meter.measure(count) { count in
                for _ in 0..<count {
                    let task = EventLoop.spawn { try await sleep(for: .seconds(1_000)) }
                    await Task.yield()
                    task.cancel()
                    _ = await task.result
                }
            }
        }
    },
    // N tasks are started, and all take turns: what a turn costs.
    "task-turns": { meter, size, count in
        let turns = 20
        try await meter.measure(count / turns * turns) { count in
            for _ in 0..<max(1, count / turns / size) {
                _ = try await gather(0..<min(size, max(1, count / turns))) { _ in
                    for _ in 0..<turns { await Task.yield() }
                }
            }
        }
    },
    // N tasks are started by one `gather`, and awaited: what one of them costs.
    "task-gather": { meter, size, count in
        try await meter.measure(rounds: max(1, count / size)) {
            _ = try await gather(0..<size) { _ in }
        }
    },
    // N tasks sleep until one moment, wake and end: what one of them costs.
    "task-sleep": { meter, size, count in
        guard let loop = EventLoop.current else { return }
        try await meter.measure(rounds: max(1, count / size)) {
            let end = loop.clock.now.advanced(by: .milliseconds(1) + .microseconds(size * 4))
            _ = try await gather(0..<size) { _ in try await sleep(until: end) }
        }
    },
    // N tasks wait at one queue; an element goes through it.
    "queue-waiters": { meter, size, count in
        let queue = try AsyncQueue<Int>(limit: 16)
        let readers = EventLoop.spawn {
            _ = try await gather(0..<size) { _ in while try await queue.get() >= 0 {} }
        }
        await Task.yield()
        try await meter.measure(count) { count in
            for number in 0..<count {
                try await queue.put(number)
                await Task.yield()
            }
        }
        readers.cancel()
        _ = await readers.result
    },
    // N tasks want one permit: what a turn costs.
    "semaphore-waiters": { meter, size, count in
        let semaphore = try AsyncSemaphore(1)
        try await meter.measure(rounds: max(1, count / size)) {
            _ = try await gather(0..<size) { _ in
                try await semaphore.withPermit { await Task.yield() }
            }
        }
    },
    // A jar has N cookies, each of another host; one of them is looked for. Names are equally long: one of 15 bytes needs no memory of its own.
    "cookie-find": { meter, size, count in
        let (jar, urls) = (CookieJar(), try (0..<size).map { try URI("http://host\(10_000 + $0).example/") })
        for url in urls { try jar.set(["name": "value"], for: url) }
        var turn = 0
        try await meter.measure(count) { count in
            for _ in 0..<count {
                guard try jar.cookies(for: urls[turn]).count == 1 else { throw CaseError("a cookie is missing") }
                turn = turn + 1 == size ? 0 : turn + 1
            }
        }
    },
    // A jar has N cookies, each of another host; one of them is set anew.
    "cookie-store": { meter, size, count in
        let (jar, urls) = (CookieJar(), try (0..<size).map { try URI("http://host\(10_000 + $0).example/") })
        for url in urls { try jar.store("name=value; Path=/", from: url) }
        var turn = 0
        try await meter.measure(count) { count in
            for _ in 0..<count {
                guard try jar.store("name=value; Path=/", from: urls[turn]) else {
                    throw CaseError("a cookie was refused")
                }
                turn = turn + 1 == size ? 0 : turn + 1
            }
        }
    },
    // N names are in a resolver's cache; one of them is asked for.
    "name-find": { meter, size, count in
        let resolver = SystemResolver(timeToLive: .seconds(1_000))
        // Addresses as one number: no literal to the resolver, and none that needs a name server.
        let names = (0..<size).map { String(0x7F00_0001 + $0) }
        for name in names { _ = try await resolver.addresses(of: name, port: 80) }
        var turn = 0
        try await meter.measure(count) { count in
            for _ in 0..<count {
                _ = try await resolver.addresses(of: names[turn], port: 80)
                turn = turn + 1 == size ? 0 : turn + 1
            }
        }
        guard resolver.statistics.lookups == size else { throw CaseError("\(resolver.statistics.lookups) look-ups") }
    },
]

struct CaseError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// Between one minute and an hour: none of them fires while it is measured.
private func delay(_ numbers: inout Numbers) -> Duration { .milliseconds(60_000 + numbers.next(below: 3_600_000)) }

private func pendingTimers(_ count: Int, on loop: EventLoop, _ numbers: inout Numbers) -> [ScheduledCall] {
    (0..<count).map { _ in loop.schedule(after: delay(&numbers)) {} }
}

private func besideSleepers(_ count: Int, _ body: () async throws -> Void) async throws {
    let sleepers = EventLoop.spawn {
        _ = try await gather(0..<count) { try await sleep(for: .seconds(1_000 + $0 % 100)) }
    }
    // Once round the loop: all of them have fallen asleep then.
    try await sleep(for: .milliseconds(1))
    try await body()
    sleepers.cancel()
    _ = await sleepers.result
}
