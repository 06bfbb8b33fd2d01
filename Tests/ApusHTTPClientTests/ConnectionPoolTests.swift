import Testing

@testable import ApusHTTPClient

@Suite("Connection pool, as a value")
struct ConnectionPoolTests {
    /// Another run: another number. Printed with every run's failure.
    private static let firstSeed: UInt64 = 20_260_000
    private static let parts: UInt64 = 4
    private static let schedulesPerPart: UInt64 = 26_000

    @Test(
        "C60, C70: random schedules keep every limit, lose no place, serve a host's waiters in order and starve nobody",
        arguments: 0..<parts
    )
    func randomSchedules(part: UInt64) throws {
        let first = Self.firstSeed + part * Self.schedulesPerPart
        print("pool schedules: seeds \(first)..<\(first + Self.schedulesPerPart)")
        for seed in first..<first + Self.schedulesPerPart {
            guard PoolModel.run(seed: seed) != nil else { continue }
            // Once more, and this time it says what it does.
            let report = PoolReport()
            let failure = PoolModel.run(seed: seed, report) ?? "not the second time"
            Issue.record("seed \(seed): \(failure)\n\(report.trace.joined(separator: "\n"))")
            return
        }
    }

    @Test("the schedules are a hundred thousand at least, and some are long")
    func longSchedules() {
        #expect(Self.parts * Self.schedulesPerPart >= 100_000)
        for seed in Self.firstSeed..<Self.firstSeed + 200 {
            let failure = PoolModel.run(seed: seed, steps: 1_000)
            #expect(failure == nil, "seed \(seed), 1,000 steps")
        }
    }

    private func pool(_ total: Int, perHost: Int = 0, uses: Int = 0, age: Int64 = .max) -> PoolState {
        PoolState(PoolState.Limits(total: total, perHost: perHost, uses: uses, age: age))
    }

    @Test("C61: the newest idle connection goes first")
    func newestFirst() {
        var pool = pool(4)
        let host = pool.addHost()
        let ids = (0..<3).map { _ in pool.open(host) }
        let releases = ids.map { pool.release($0, isReusable: true, now: 0) }
        #expect(releases == [.keep, .keep, .keep])
        let (first, second) = (pool.acquire(host, now: 0).outcome, pool.acquireIdle(host, now: 0))
        #expect(first == .reuse(ids[2]))
        #expect(second == ids[1])
    }

    @Test("C60: at the limit, the oldest idle connection of another host makes room")
    func eviction() {
        var pool = pool(2)
        let (one, two) = (pool.addHost(), pool.addHost())
        let (old, new) = (pool.open(one), pool.open(one))
        let releases = [old, new].map { pool.release($0, isReusable: true, now: 0) }
        #expect(releases == [.keep, .keep])
        let acquisition = pool.acquire(two, now: 0)
        #expect(acquisition.evicted == old)
        #expect((pool.open, pool.idle) == (2, 1))
    }

    @Test(
        "C60: a waiter of another host is passed over a bounded number of times, even behind one whom nobody can serve",
        arguments: [1, 2]
    )
    func patience(total: Int) {
        var pool = pool(total, perHost: total - 1)
        let (stuck, busy, quiet) = (pool.addHost(), pool.addHost(), pool.addHost())
        // It holds its one connection for ever, and has the oldest waiter of all.
        if total == 2 { for _ in 0..<2 { _ = pool.acquire(stuck, now: 0) } }
        let id = pool.open(busy)
        _ = pool.acquire(quiet, now: 0)
        var turns = 0
        while turns < 1_000 {
            _ = pool.acquire(busy, now: 0)
            if case .closeAndOpen = pool.release(id, isReusable: true, now: 0) { break }
            turns += 1
        }
        #expect(turns == pool.limits.patience)
    }

    @Test(
        "whoever waits longest gets what comes first: the connection that comes back, and the younger one the connection that is opened"
    )
    func whoeverIsFirst() {
        var pool = pool(3)
        let host = pool.addHost()
        let used = pool.open(host)
        let (first, second) = (pool.acquire(host, now: 0), pool.acquire(host, now: 0))
        guard case .connect(let one, let mine) = first.outcome, case .connect(let two, let other) = second.outcome
        else {
            Issue.record("there was a place")
            return
        }
        let back = pool.release(used, isReusable: true, now: 0)
        let opened = pool.opened(mine, now: 0)
        let late = pool.opened(other, now: 0)
        #expect([back, opened, late] == [.handOver(one), .handOver(two), .keep])
    }

    @Test(
        "an attempt whose request has gone is the next waiter's; when it fails, that one opens a connection of its own"
    )
    func inheritedAttempt() {
        var pool = pool(1)
        let host = pool.addHost()
        let (first, second) = (pool.acquire(host, now: 0), pool.acquire(host, now: 0))
        guard case .connect(let one, let id) = first.outcome, case .wait(let two) = second.outcome else {
            Issue.record("there was one place")
            return
        }
        let isSurplus = pool.cancel(one)
        #expect(!isSurplus)
        #expect(pool.hosts[host].covered == 1)
        guard case .closeAndOpen(let waiter, let place) = pool.release(id, isReusable: false, now: 0) else {
            Issue.record("the place is free")
            return
        }
        #expect(waiter == two)
        let isNeeded = pool.cancel(two)
        #expect(isNeeded, "nobody needs the attempt any more")
        pool.abandon(place)
        #expect(pool.open == 1, "it keeps its place until it has ended")
        let end = pool.release(place, isReusable: false, now: 0)
        #expect(end == .close)
        #expect(pool.open == 0)
    }

    @Test("C61: a connection is used at most so many times, and not when it is too old")
    func wear() {
        var pool = pool(2, uses: 2, age: 100)
        let host = pool.addHost()
        let id = pool.open(host)
        let first = pool.release(id, isReusable: true, now: 99)
        let again = pool.acquireIdle(host, now: 99)
        let second = pool.release(id, isReusable: true, now: 99)
        #expect((first, again, second) == (.keep, id, .close))
        let young = pool.open(host)
        let third = pool.release(young, isReusable: true, now: 50)
        #expect(third == .keep)
        let idle = pool.acquireIdle(host, now: 100)
        #expect(idle == nil)
        let acquisition = pool.acquire(host, now: 100)
        #expect(acquisition.expired == [young])
        #expect(pool.open == 1)
    }

    @Test("a million uses of one connection leave a bounded table")
    func bounded() {
        var pool = pool(2)
        let host = pool.addHost()
        let id = pool.open(host)
        for _ in 0..<100_000 {
            _ = pool.release(id, isReusable: true, now: 0)
            _ = pool.acquire(host, now: 0)
        }
        #expect((pool.open, pool.idle, pool.waiting) == (1, 0, 0))
        #expect(pool.entries.count == 1)
    }

    @Test("cancelling a waiter twice, and releasing an unknown connection, do nothing")
    func twice() {
        var pool = pool(1)
        let host = pool.addHost()
        let id = pool.open(host)
        guard case .wait(let waiter) = pool.acquire(host, now: 0).outcome else {
            Issue.record("there is no place")
            return
        }
        let surplus = [pool.cancel(waiter), pool.cancel(waiter)]
        #expect(surplus == [false, false])
        #expect(pool.waiting == 0)
        let releases = [
            pool.release(id, isReusable: false, now: 0), pool.release(id, isReusable: false, now: 0),
            pool.idleClosed(id),
            pool.opened(id, now: 0),
        ]
        #expect(releases == [.close, .close, .close, .close])
        #expect(pool.open == 0)
    }

    @Test("a host that is in use is not forgotten")
    func removal() {
        var pool = pool(1)
        let (one, two) = (pool.addHost(), pool.addHost())
        let id = pool.open(one)
        guard case .wait(let waiter) = pool.acquire(two, now: 0).outcome else {
            Issue.record("there is no place")
            return
        }
        let early = [pool.removeHost(one), pool.removeHost(two)]
        #expect(early == [false, false])
        _ = pool.cancel(waiter)
        let isRemoved = pool.removeHost(two)
        #expect(isRemoved)
        let again = pool.addHost()
        #expect(again == two)
        _ = pool.release(id, isReusable: false, now: 0)
        let isGone = pool.removeHost(one)
        #expect(isGone)
    }
}

extension PoolState {
    /// A connection to `host`, opened and used.
    mutating func open(_ host: HostIndex) -> ConnectionID {
        switch acquire(host, now: 0).outcome {
        case .reuse(let id): return id
        case .wait: return -1
        case .connect(_, let id):
            _ = opened(id, now: 0)
            return id
        }
    }
}
