@testable import ApusHTTPClient

/// What a run of ``PoolModel`` says of itself.
final class PoolReport {
    private(set) var trace: [String] = []

    func note(_ line: String) { trace.append(line) }
}

/// A pool beside a plain model of it: lists of what is open, in which state, since when, and of who waits. Time is a number.
struct PoolModel {
    private struct Connection {
        var host: HostIndex
        var phase: Phase
        var uses = 0
        var opened = 0
        /// The request that it was begun for, while that one waits.
        var sponsor: WaiterID?
    }

    /// What was wrong first.
    private final class Verdict {
        var text: String?
    }

    private enum Phase { case opening, ending, used, idle }

    private struct Waiter {
        var id: WaiterID
        var host: HostIndex
        var passes = 0
    }

    private var random: SplitMix
    private var pool: PoolState
    private let limits: PoolState.Limits
    private var hosts: [HostIndex] = []
    private var connections: [ConnectionID: Connection] = [:]
    /// Oldest first.
    private var idle: [ConnectionID] = []
    private var waiters: [Waiter] = []
    private var now = 0
    private let verdict = Verdict()
    private let report: PoolReport?

    /// Runs a schedule; returns what was wrong.
    static func run(seed: UInt64, steps: Int = 24, _ report: PoolReport? = nil) -> String? {
        var model = PoolModel(seed: seed, report)
        for _ in 0..<steps where model.failure == nil {
            model.step()
            model.check()
        }
        model.drain()
        return model.failure
    }

    private init(seed: UInt64, _ report: PoolReport?) {
        self.report = report
        random = SplitMix(seed: seed)
        func pick(_ count: UInt64, _ random: inout SplitMix) -> Int { Int(random.next() % count) }
        var limits = PoolState.Limits()
        limits.total = pick(4, &random) + 1
        limits.perHost = pick(3, &random)
        if pick(2, &random) == 0 { limits.uses = pick(3, &random) + 1 }
        if pick(2, &random) == 0 { limits.age = Int64(pick(12, &random) + 1) }
        limits.patience = pick(4, &random)
        pool = PoolState(limits)
        self.limits = pool.limits
        for _ in 0..<(pick(4, &random) + 1) { hosts.append(pool.addHost()) }
        report?.note("\(self.limits), \(hosts.count) hosts")
    }

    private mutating func pick(_ count: Int) -> Int { Int(random.next() % UInt64(count)) }

    private mutating func pick(_ phase: Phase) -> ConnectionID? {
        let ids = connections.filter { $0.value.phase == phase }.keys.sorted()
        return ids.isEmpty ? nil : ids[pick(ids.count)]
    }

    private var failure: String? { verdict.text }

    private func expect(_ condition: Bool, _ message: @autoclosure () -> String) {
        if !condition, verdict.text == nil { verdict.text = message() }
    }

    private func note(_ line: @autoclosure () -> String) {
        if let report { report.note("\(now): \(line())") }
    }

    // MARK: What happens

    private mutating func step() {
        now += pick(3)
        switch pick(16) {
        case 0...4: acquire(hosts[pick(hosts.count)])
        case 5...7: if let id = pick(.used) { release(id, isReusable: pick(4) != 0) }
        case 8, 9: if let id = pick(.opening) { opened(id) }
        case 10: if let id = pick(.opening) { failed(id) }
        case 11: if let id = pick(.ending) { failed(id) }
        case 12, 13: if !waiters.isEmpty { cancel(waiters[pick(waiters.count)].id) }
        case 14: if let id = pick(.idle) { idleClosed(id) }
        default: reserve(hosts[pick(hosts.count)])
        }
    }

    private mutating func acquire(_ host: HostIndex) {
        // What goes first: those of the host that are too old, newest first, down to one that is not.
        let mine = idle.filter { connections[$0]?.host == host }
        let living = mine.lastIndex { !isOld($0) }
        let expired = mine[(living.map { $0 + 1 } ?? 0)...].reversed()
        let mustWait =
            uncovered(host) > 0 || open(host) - expired.count >= limits.perHost
            || (connections.count - expired.count >= limits.total && idle.count == expired.count)
        let acquisition = pool.acquire(host, now: Int64(now))
        note("acquire \(host): \(acquisition)")
        expect(acquisition.expired == Array(expired), "expired \(acquisition.expired), not \(Array(expired))")
        for id in acquisition.expired { close(id) }
        switch acquisition.outcome {
        case .reuse(let id):
            expect(living.map { mine[$0] } == id, "not the newest idle connection of its host")
            idle.removeAll { $0 == id }
            use(id)
        case .connect(let waiter, let id):
            expect(living == nil && !mustWait, "connects instead of waiting, or of taking an idle one")
            if connections.count == limits.total {
                expect(acquisition.evicted == idle.first, "does not evict the oldest idle connection")
                if let victim = acquisition.evicted { close(victim) }
            } else {
                expect(acquisition.evicted == nil, "evicts below the limit")
            }
            waiters.append(Waiter(id: waiter, host: host))
            begin(id, host, sponsor: waiter)
        case .wait(let waiter):
            expect(living == nil && mustWait, "waits although a connection could be had")
            expect(acquisition.evicted == nil, "evicts for nothing")
            waiters.append(Waiter(id: waiter, host: host))
        }
    }

    private mutating func reserve(_ host: HostIndex) {
        let isFree = connections.count < limits.total && open(host) < limits.perHost && uncovered(host) == 0
        let id = pool.reserve(host)
        note("reserve \(host): \(id.map { "\($0)" } ?? "-")")
        if let id {
            expect(isFree, "reserves a place that is not free")
            begin(id, host, sponsor: nil)
        } else {
            expect(!isFree, "does not reserve although there is a place")
        }
    }

    private mutating func release(_ id: ConnectionID, isReusable: Bool) {
        guard let connection = connections[id] else { return }
        let lasts = isReusable && connection.uses < limits.uses && !isOld(id)
        let release = pool.release(id, isReusable: isReusable, now: Int64(now))
        note("release \(id) \(isReusable): \(release)")
        follow(release, id, lasts: lasts)
    }

    private mutating func opened(_ id: ConnectionID) {
        connections[id]?.phase = .used
        connections[id]?.uses = 0
        connections[id]?.opened = now
        connections[id]?.sponsor = nil
        let release = pool.opened(id, now: Int64(now))
        note("opened \(id): \(release)")
        follow(release, id, lasts: true)
    }

    /// The attempt's request, if it still waits for it, gets the error.
    private mutating func failed(_ id: ConnectionID) {
        if let sponsor = connections[id]?.sponsor {
            _ = pool.cancel(sponsor)
            forget(sponsor)
        }
        let release = pool.release(id, isReusable: false, now: Int64(now))
        note("failed \(id): \(release)")
        follow(release, id, lasts: false)
    }

    private mutating func cancel(_ waiter: WaiterID) {
        guard let host = waiters.first(where: { $0.id == waiter })?.host else { return }
        let opening = connections.values.count { $0.host == host && $0.phase == .opening }
        let wasCovered = (waiters.filter { $0.host == host }.firstIndex { $0.id == waiter } ?? 0) < opening
        let own = connections.first { $0.value.sponsor == waiter }?.key
        let isSurplus = pool.cancel(waiter)
        note("cancel \(waiter.sequence): \(isSurplus)")
        forget(waiter)
        let left = waiters.count { $0.host == host }
        expect(isSurplus == (wasCovered && opening > left), "tells wrongly whether an attempt is needed")
        if isSurplus,
            let id = own ?? connections.first(where: { $0.value.host == host && $0.value.phase == .opening })?.key
        {
            note("abandon \(id)")
            pool.abandon(id)
            connections[id]?.phase = .ending
        }
        check()
        _ = pool.cancel(waiter)
    }

    private mutating func idleClosed(_ id: ConnectionID) {
        let release = pool.idleClosed(id)
        note("idle \(id) closed: \(release)")
        idle.removeAll { $0 == id }
        follow(release, id, lasts: false)
    }

    // MARK: What follows

    private mutating func follow(_ release: PoolState.Release, _ id: ConnectionID, lasts: Bool) {
        guard let host = connections[id]?.host else { return }
        switch release {
        case .keep:
            expect(lasts, "keeps what cannot be used")
            expect(!waiters.contains { $0.host == host }, "keeps a connection for which somebody waits")
            connections[id]?.phase = .idle
            idle.append(id)
        case .close: close(id)
        case .handOver(let waiter):
            expect(lasts, "hands over what cannot be used")
            let first = waiters.first { $0.host == host }
            expect(first?.id == waiter, "\(waiter.sequence) was served before \(first?.id.sequence ?? 0) of its host")
            if let oldest = oldestEligible(), waiters[oldest].id.sequence < waiter.sequence {
                // A connection that was just opened goes to its host in any case.
                if connections[id]?.uses != 0 { waiters[oldest].passes += 1 }
                let passes = waiters[oldest].passes
                expect(passes <= limits.patience, "\(waiters[oldest].id.sequence) was passed over \(passes) times")
            }
            forget(waiter)
            use(id)
        case .closeAndOpen(let waiter, let place):
            close(id)
            guard let oldest = oldestEligible() else { return expect(false, "opens for nobody") }
            expect(waiters[oldest].id == waiter, "\(waiter.sequence) gets the place of \(waiters[oldest].id.sequence)")
            begin(place, waiters[oldest].host, sponsor: waiter)
        }
    }

    private mutating func begin(_ id: ConnectionID, _ host: HostIndex, sponsor: WaiterID?) {
        expect(connections[id] == nil, "place \(id) is taken")
        connections[id] = Connection(host: host, phase: .opening, sponsor: sponsor)
    }

    private mutating func use(_ id: ConnectionID) {
        connections[id]?.phase = .used
        connections[id]?.uses += 1
        expect((connections[id]?.uses ?? 0) <= limits.uses, "\(id) is used too often")
        expect(!isOld(id), "\(id) is too old to be used")
    }

    private mutating func close(_ id: ConnectionID) {
        connections[id] = nil
        idle.removeAll { $0 == id }
    }

    private mutating func forget(_ waiter: WaiterID) {
        waiters.removeAll { $0.id == waiter }
        for (id, connection) in connections where connection.sponsor == waiter { connections[id]?.sponsor = nil }
    }

    // MARK: What is so

    private func isOld(_ id: ConnectionID) -> Bool {
        guard limits.age != .max, let connection = connections[id] else { return false }
        return now >= connection.opened + Int(limits.age)
    }

    // Loops, not closures: these are asked millions of times, in a build that is not optimised.
    private func open(_ host: HostIndex) -> Int {
        var count = 0
        for connection in connections.values where connection.host == host { count += 1 }
        return count
    }

    /// Waiters of a host beyond the connections that are being opened to it.
    private func uncovered(_ host: HostIndex) -> Int {
        if waiters.isEmpty { return 0 }
        var count = 0
        for waiter in waiters where waiter.host == host { count += 1 }
        if count == 0 { return 0 }
        for connection in connections.values where connection.host == host && connection.phase == .opening {
            count -= 1
        }
        return max(0, count)
    }

    /// The oldest waiter that needs a place, and whose host has room.
    private func oldestEligible() -> Int? {
        if waiters.isEmpty { return nil }
        var covered: [HostIndex: Int] = [:]
        for connection in connections.values where connection.phase == .opening {
            covered[connection.host, default: 0] += 1
        }
        return waiters.indices.first { index in
            let host = waiters[index].host
            if let count = covered[host], count > 0 {
                covered[host] = count - 1
                return false
            }
            return open(host) < limits.perHost
        }
    }

    private func check() {
        let total = connections.count
        expect(pool.open == total, "open is \(pool.open), not \(total)")
        expect(pool.idle == idle.count, "idle is \(pool.idle), not \(idle.count)")
        expect(pool.waiting == waiters.count, "waiting is \(pool.waiting), not \(waiters.count)")
        expect(total <= limits.total, "\(total) connections, limit \(limits.total)")
        for host in hosts {
            let numbers = pool.hosts[host]
            let open = open(host)
            expect(numbers.open == open, "host \(host) has \(open), says \(numbers.open)")
            expect(numbers.open <= limits.perHost, "host \(host) has \(numbers.open) of \(limits.perHost)")
            expect(numbers.waiting - numbers.covered == uncovered(host), "host \(host) covers wrongly")
        }
        for waiter in waiters where !idle.isEmpty && idle.contains(where: { connections[$0]?.host == waiter.host }) {
            expect(false, "\(waiter.id.sequence) waits beside an idle connection")
        }
        if total < limits.total || !idle.isEmpty, let oldest = oldestEligible() {
            expect(false, "\(waiters[oldest].id.sequence) starves: \(total) open, \(idle.count) idle")
        }
    }

    /// Everything comes back, and everybody who waits is served.
    private mutating func drain() {
        var rounds = 0
        while failure == nil, let id = connections.filter({ $0.value.phase != .idle }).keys.min(),
            let phase = connections[id]?.phase
        {
            now += 1
            switch phase {
            case .opening: opened(id)
            case .ending: failed(id)
            default: release(id, isReusable: rounds % 3 != 0)
            }
            check()
            rounds += 1
            if rounds > 10_000 { return expect(false, "does not end") }
        }
        expect(waiters.isEmpty, "\(waiters.count) waiters were never served")
        while failure == nil, let id = idle.last {
            idleClosed(id)
            check()
        }
        expect(pool.open == 0 && pool.idle == 0 && pool.waiting == 0, "something is left at the end")
        for host in hosts {
            let isRemoved = pool.removeHost(host)
            expect(isRemoved, "host \(host) is not free")
        }
    }
}
