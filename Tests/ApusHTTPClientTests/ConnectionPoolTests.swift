import Testing

@testable import ApusHTTPClient

@Suite("Connection pool, as a value")
struct ConnectionPoolTests {
    @Test("random schedules keep every limit, lose no place, and serve a host's waiters in order")
    func randomSchedules() throws {
        // Another seed: change this number. It is printed with every failure.
        let first: UInt64 = 20_260_000
        for seed in first..<first + 20_000 {
            guard PoolRun.run(seed: seed) != nil else { continue }
            // Once more, and this time it says what it does.
            let report = PoolReport()
            let failure = PoolRun.run(seed: seed, report) ?? "not the second time"
            Issue.record("seed \(seed): \(failure)\n\(report.trace.suffix(40).joined(separator: "\n"))")
            return
        }
    }

    @Test("the newest idle connection goes first")
    func newestFirst() {
        var pool = ConnectionPool(limit: 4, limitPerHost: 0)
        let host = pool.addHost()
        let ids = (0..<3).map { _ in pool.acquire(host).place }
        let releases = ids.map { pool.release($0, isReusable: true) }
        #expect(releases == [.keep, .keep, .keep])
        let (first, second) = (pool.acquire(host), pool.acquireIdle(host))
        #expect(first == .granted(.reuse(ids[2])))
        #expect(second == ids[1])
    }

    @Test("at the limit, the oldest idle connection of another host makes room")
    func eviction() {
        var pool = ConnectionPool(limit: 2, limitPerHost: 0)
        let (one, two) = (pool.addHost(), pool.addHost())
        let (old, new) = (pool.acquire(one).place, pool.acquire(one).place)
        let releases = [pool.release(old, isReusable: true), pool.release(new, isReusable: true)]
        #expect(releases == [.keep, .keep])
        guard case .connect(_, let evicted) = pool.acquire(two) else {
            Issue.record("there was an idle connection to give up")
            return
        }
        #expect(evicted == old)
        #expect((pool.open, pool.idle) == (2, 1))
    }

    @Test("a waiter of another host is passed over a bounded number of times")
    func patience() {
        var pool = ConnectionPool(limit: 1, limitPerHost: 0)
        let (busy, quiet) = (pool.addHost(), pool.addHost())
        let id = pool.acquire(busy).place
        let waiting = pool.acquire(quiet).waiter
        var turns = 0
        while turns < 1_000 {
            _ = pool.acquire(busy)
            let release = pool.release(id, isReusable: true)
            if case .closeAndGrant(let waiter, _) = release, waiter == waiting { break }
            turns += 1
        }
        #expect(turns == ConnectionPool.patience)
    }

    @Test("a waiter whose host is at its own limit does not hide the ones behind it")
    func hiddenWaiter() {
        var pool = ConnectionPool(limit: 2, limitPerHost: 1)
        let (stuck, busy, quiet) = (pool.addHost(), pool.addHost(), pool.addHost())
        // `stuck` holds its one connection for ever, and has a waiter: the oldest of all, whom nobody can serve.
        _ = pool.acquire(stuck)
        _ = pool.acquire(stuck)
        let id = pool.acquire(busy).place
        let waiting = pool.acquire(quiet).waiter
        var turns = 0
        while turns < 1_000 {
            _ = pool.acquire(busy)
            let release = pool.release(id, isReusable: true)
            if case .closeAndGrant(let waiter, _) = release, waiter == waiting { break }
            turns += 1
        }
        #expect(turns == ConnectionPool.patience)
    }

    @Test("a million uses of one connection leave a bounded table")
    func bounded() {
        var pool = ConnectionPool(limit: 2, limitPerHost: 0)
        let host = pool.addHost()
        let id = pool.acquire(host).place
        for _ in 0..<100_000 {
            _ = pool.release(id, isReusable: true)
            _ = pool.acquire(host)
        }
        #expect((pool.open, pool.idle, pool.waiting) == (1, 0, 0))
    }

    @Test("cancelling a waiter twice, and releasing an unknown connection, do nothing")
    func twice() {
        var pool = ConnectionPool(limit: 1, limitPerHost: 0)
        let host = pool.addHost()
        let id = pool.acquire(host).place
        let waiter = pool.acquire(host).waiter
        pool.cancel(waiter)
        pool.cancel(waiter)
        #expect(pool.waiting == 0)
        let releases = [
            pool.release(id, isReusable: false), pool.release(id, isReusable: false), pool.idleClosed(id),
        ]
        #expect(releases == [.close, .close, .close])
        #expect(pool.open == 0)
    }

    @Test("a host that is in use is not forgotten")
    func removal() {
        var pool = ConnectionPool(limit: 1, limitPerHost: 0)
        let (one, two) = (pool.addHost(), pool.addHost())
        let id = pool.acquire(one).place
        let waiter = pool.acquire(two).waiter
        let early = [pool.removeHost(one), pool.removeHost(two)]
        #expect(early == [false, false])
        pool.cancel(waiter)
        let isRemoved = pool.removeHost(two)
        #expect(isRemoved)
        let again = pool.addHost()
        #expect(again == two)
        _ = pool.release(id, isReusable: false)
        let isGone = pool.removeHost(one)
        #expect(isGone)
    }
}

extension ConnectionPool.Acquisition {
    /// The connection or place that was given; -1 if none was.
    fileprivate var place: ConnectionID {
        switch self {
        case .granted(.reuse(let id)), .granted(.connect(let id)), .connect(let id, _): id
        case .wait: -1
        }
    }

    fileprivate var waiter: WaiterID {
        if case .wait(let waiter) = self { waiter } else { 0 }
    }
}

/// What a run says of itself.
private final class PoolReport {
    private(set) var trace: [String] = []

    func note(_ line: String) { trace.append(line) }
}

/// A pool beside a plain model of it: what is used, what is idle, who waits.
private struct PoolRun {
    private var random: SplitMix
    private var pool: ConnectionPool
    private let limit: Int
    private let limitPerHost: Int
    private var hosts: [HostIndex] = []
    private var used: [ConnectionID: HostIndex] = [:]
    private var idle: [(id: ConnectionID, host: HostIndex)] = []
    private var waiting: [(waiter: WaiterID, host: HostIndex)] = []
    private let failure = Failure()
    private let report: PoolReport?

    private final class Failure {
        var text: String?
    }

    /// Runs a schedule; returns what was wrong.
    static func run(seed: UInt64, _ report: PoolReport? = nil) -> String? {
        var run = PoolRun(seed: seed, report)
        for _ in 0..<40 { run.step() }
        run.drain()
        return run.failure.text
    }

    private init(seed: UInt64, _ report: PoolReport?) {
        self.report = report
        random = SplitMix(seed: seed)
        limit = Int(random.next() % 4) + 1
        limitPerHost = Int(random.next() % 3)
        pool = ConnectionPool(limit: limit, limitPerHost: limitPerHost)
        for _ in 0..<(Int(random.next() % 4) + 1) { hosts.append(pool.addHost()) }
        report?.note("limit \(limit), per host \(limitPerHost), \(hosts.count) hosts")
    }

    private func pick(_ count: Int, _ random: inout SplitMix) -> Int { Int(random.next() % UInt64(count)) }

    private func expect(_ condition: Bool, _ message: @autoclosure () -> String) {
        if !condition, failure.text == nil { failure.text = message() }
    }

    mutating func step() {
        guard failure.text == nil else { return }
        switch random.next() % 10 {
        case 0...3: acquire(hosts[pick(hosts.count, &random)])
        case 4...6:
            guard !used.isEmpty else { return }
            release(used.keys.sorted()[pick(used.count, &random)], isReusable: random.next() % 4 != 0)
        case 7:
            guard !waiting.isEmpty else { return }
            let index = pick(waiting.count, &random)
            report?.note("cancel \(waiting[index].waiter)")
            pool.cancel(waiting[index].waiter)
            waiting.remove(at: index)
        default:
            guard !idle.isEmpty else { return }
            let index = pick(idle.count, &random)
            let (id, _) = idle.remove(at: index)
            report?.note("idle \(id) closed")
            granted(pool.idleClosed(id), id)
        }
        check()
    }

    private mutating func acquire(_ host: HostIndex) {
        let acquisition = pool.acquire(host)
        report?.note("acquire \(host): \(acquisition)")
        switch acquisition {
        case .granted(.reuse(let id)):
            guard let newest = idle.lastIndex(where: { $0.host == host }) else { return fail("reuse of nothing") }
            expect(idle[newest].id == id, "not the newest idle connection of its host")
            idle.remove(at: newest)
            used[id] = host
        case .granted(.connect(let id)):
            expect(!idle.contains { $0.host == host }, "connects although a connection is idle")
            expect(used[id] == nil, "place \(id) is taken")
            used[id] = host
        case .connect(let id, let victim):
            expect(used.count + idle.count == limit, "evicts below the limit")
            expect(idle.first?.id == victim, "does not evict the oldest idle connection")
            idle.removeAll { $0.id == victim }
            expect(used[id] == nil, "place \(id) is taken")
            used[id] = host
        case .wait(let waiter):
            expect(!idle.contains { $0.host == host }, "waits although a connection is idle")
            waiting.append((waiter, host))
        }
    }

    private mutating func release(_ id: ConnectionID, isReusable: Bool) {
        guard let host = used.removeValue(forKey: id) else { return }
        let release = pool.release(id, isReusable: isReusable)
        report?.note("release \(id) \(isReusable): \(release)")
        if release == .keep {
            expect(isReusable, "keeps what cannot be used")
            idle.append((id, host))
        } else if case .handOver(let waiter) = release {
            expect(isReusable, "hands over what cannot be used")
            serve(waiter, host: host, id: id)
        } else {
            granted(release, id)
        }
    }

    private mutating func granted(_ release: ConnectionPool.Release, _ id: ConnectionID) {
        switch release {
        case .close: break
        case .closeAndGrant(let waiter, let place):
            guard let host = waiting.first(where: { $0.waiter == waiter })?.host else {
                return fail("grants to nobody")
            }
            expect(used[place] == nil, "place \(place) is taken")
            serve(waiter, host: host, id: place)
        case .keep, .handOver: fail("\(release) of a connection that is gone")
        }
    }

    private mutating func serve(_ waiter: WaiterID, host: HostIndex, id: ConnectionID) {
        let first = waiting.first { $0.host == host }
        expect(first?.waiter == waiter, "waiter \(waiter) was served before \(first?.waiter ?? 0) of its host")
        waiting.removeAll { $0.waiter == waiter }
        used[id] = host
    }

    private func fail(_ message: String) { expect(false, message) }

    private func open(_ host: HostIndex) -> Int {
        used.values.count { $0 == host } + idle.count { $0.host == host }
    }

    private func check() {
        let total = used.count + idle.count
        expect(pool.open == total, "open is \(pool.open), not \(total)")
        expect(pool.idle == idle.count, "idle is \(pool.idle), not \(idle.count)")
        expect(pool.waiting == waiting.count, "waiting is \(pool.waiting), not \(waiting.count)")
        expect(total <= limit, "\(total) connections, limit \(limit)")
        let perHost = limitPerHost == 0 ? Int.max : limitPerHost
        for host in hosts { expect(open(host) <= perHost, "host \(host) has \(open(host)) of \(perHost)") }
        // Nobody waits while a place could be had.
        for (waiter, host) in waiting where open(host) < perHost {
            expect(total == limit && idle.isEmpty, "waiter \(waiter) starves: \(total) of \(limit), \(idle.count) idle")
        }
    }

    /// Everything comes back, and everybody who waits is served.
    mutating func drain() {
        var rounds = 0
        while failure.text == nil, let id = used.keys.sorted().first {
            release(id, isReusable: rounds % 3 != 0)
            check()
            rounds += 1
            if rounds > 10_000 { return fail("does not end") }
        }
        expect(waiting.isEmpty, "\(waiting.count) waiters were never served")
        while failure.text == nil, let (id, _) = idle.popLast() {
            granted(pool.idleClosed(id), id)
            check()
        }
        expect(pool.open == 0 && pool.idle == 0 && pool.waiting == 0, "something is left at the end")
    }
}
