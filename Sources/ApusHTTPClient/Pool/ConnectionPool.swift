import DequeModule
import HeapModule

/// Names a host of a pool: an index into its table.
typealias HostIndex = Int
/// Names a connection, open or being opened.
typealias ConnectionID = Int
/// Names a request that waits for a connection.
typealias WaiterID = UInt64

/// Who may use which connection: a pure value that holds numbers only, and performs nothing.
///
/// Rules: the newest idle connection first, so that the others grow old and close; requests wait in the order in which they came,
/// host by host; a freed connection goes to a waiter of its own host, unless another host's oldest waiter has been passed over
/// `patience` times already; an idle connection of another host is closed when the limit leaves no place.
struct ConnectionPool {
    /// What a request gets.
    enum Grant: Hashable {
        /// This idle connection.
        case reuse(ConnectionID)
        /// A place, under this number: connect.
        case connect(ConnectionID)
    }

    /// What a request is told.
    enum Acquisition: Hashable {
        case granted(Grant)
        /// A place; first close the idle connection `evicting`, which had it.
        case connect(ConnectionID, evicting: ConnectionID)
        case wait(WaiterID)
    }

    /// What to do with a connection that came back, or with its place.
    enum Release: Hashable {
        /// Keep it idle and watch it.
        case keep
        /// Close it.
        case close
        /// It is `waiter`'s now.
        case handOver(WaiterID)
        /// Close it; `waiter` gets the place, and connects.
        case closeAndGrant(WaiterID, ConnectionID)
    }

    private struct Host {
        var idle = ContiguousArray<ConnectionID>()
        /// In the order of arrival; those that have left stay until they come to the front, or are too many.
        var queue = Deque<WaiterID>()
        /// Of these, how many still wait.
        var waiting = 0
        var open = 0
    }

    /// A host whose oldest waiter could use a place. It counts only while both are still true.
    private struct Candidate: Comparable {
        var waiter: WaiterID
        var host: HostIndex

        static func < (left: Candidate, right: Candidate) -> Bool { left.waiter < right.waiter }
    }

    private struct Waiter {
        var host: HostIndex
        var passedOver = 0
    }

    private struct Entry {
        var host: HostIndex
        /// When the connection became idle, in the order of such moments; nil while it is used.
        var idleSince: UInt64?
    }

    /// How often a freed connection may go to a younger waiter of its own host before the oldest waiter of all gets the place.
    static let patience = 32

    let limit: Int
    let limitPerHost: Int
    private var hosts = ContiguousArray<Host>()
    private var freeHosts = ContiguousArray<HostIndex>()
    private var entries = ContiguousArray<Entry?>()
    private var freeEntries = ContiguousArray<ConnectionID>()
    private var waiters: [WaiterID: Waiter] = [:]
    /// Hosts with waiters and room for a connection, by their oldest waiter. What is no longer true is dropped when it comes to the
    /// top: finding the oldest waiter that may go takes as long with ten thousand hosts as with one.
    private var candidates = Heap<Candidate>()
    /// Idle connections, oldest first; stale entries are dropped when they come to the front.
    private var idleOrder = Deque<(id: ConnectionID, since: UInt64)>()
    private var idleClock: UInt64 = 0
    private var nextWaiter: WaiterID = 0
    private(set) var open = 0
    private(set) var idle = 0

    init(limit: Int, limitPerHost: Int) {
        self.limit = max(1, limit)
        self.limitPerHost = limitPerHost <= 0 ? .max : limitPerHost
    }

    var waiting: Int { waiters.count }

    mutating func addHost() -> HostIndex {
        if let index = freeHosts.popLast() { return index }
        hosts.append(Host())
        return hosts.count - 1
    }

    /// Forgets a host to which nothing is open and for which nobody waits. Returns false if there is something.
    mutating func removeHost(_ host: HostIndex) -> Bool {
        guard hosts[host].open == 0, hosts[host].waiting == 0 else { return false }
        hosts[host] = Host()
        freeHosts.append(host)
        return true
    }

    /// Whether ``acquire(_:)`` would have to wait.
    private func mustWait(_ host: HostIndex) -> Bool {
        if !hosts[host].idle.isEmpty { return false }
        // Waiters of the same host go first, even if a place has just come free.
        if hosts[host].waiting > 0 || hosts[host].open >= limitPerHost { return true }
        return open >= limit && idle == 0
    }

    /// The newest idle connection of `host`, if a request that begins now may have it.
    mutating func acquireIdle(_ host: HostIndex) -> ConnectionID? {
        guard let id = hosts[host].idle.popLast() else { return nil }
        entries[id]?.idleSince = nil
        idle -= 1
        return id
    }

    /// A request to `host` begins.
    mutating func acquire(_ host: HostIndex) -> Acquisition {
        if let id = acquireIdle(host) { return .granted(.reuse(id)) }
        if mustWait(host) {
            nextWaiter += 1
            waiters[nextWaiter] = Waiter(host: host)
            hosts[host].queue.append(nextWaiter)
            hosts[host].waiting += 1
            if hosts[host].waiting == 1 { nominate(host) }
            return .wait(nextWaiter)
        }
        guard open >= limit, let victim = oldestIdle() else { return .granted(.connect(take(for: host))) }
        removeIdle(victim)
        drop(victim)
        return .connect(take(for: host), evicting: victim)
    }

    /// A request stops waiting.
    mutating func cancel(_ waiter: WaiterID) {
        guard let record = waiters.removeValue(forKey: waiter) else { return }
        let host = record.host
        hosts[host].waiting -= 1
        if hosts[host].queue.first == waiter {
            nominate(host)
        } else if hosts[host].queue.count > 64, hosts[host].queue.count > 2 * hosts[host].waiting {
            // Half of them have left: ten thousand cancellations must not each search ten thousand places.
            hosts[host].queue.removeAll { waiters[$0] == nil }
        }
    }

    /// A request is done with its connection, which can (or cannot) carry another.
    mutating func release(_ id: ConnectionID, isReusable: Bool) -> Release {
        guard let entry = entries[id] else { return .close }
        let host = entry.host
        if isReusable, !oldestIsOutOfPatience(besides: host) {
            if let waiter = takeOldestWaiter(of: host) {
                passOver(youngerThan: waiter)
                return .handOver(waiter)
            }
            if waiters.isEmpty || !anotherCanUseThePlace() {
                idleClock += 1
                entries[id]?.idleSince = idleClock
                hosts[host].idle.append(id)
                idleOrder.append((id, idleClock))
                idle += 1
                compactIdleOrder()
                return .keep
            }
        }
        drop(id)
        guard open < limit, let next = oldestCandidate(), let waiter = takeOldestWaiter(of: next.host) else {
            return .close
        }
        return .closeAndGrant(waiter, take(for: next.host))
    }

    /// An idle connection was closed by its server, or grew too old. Its place may go to a waiter.
    mutating func idleClosed(_ id: ConnectionID) -> Release {
        guard entries[id]?.idleSince != nil else { return .close }
        removeIdle(id)
        return release(id, isReusable: false)
    }

    /// A connection was closed from this side, and nobody waits: its place is free.
    mutating func discard(_ id: ConnectionID) {
        removeIdle(id)
        drop(id)
    }

    // MARK: Places

    private mutating func take(for host: HostIndex) -> ConnectionID {
        open += 1
        hosts[host].open += 1
        if let id = freeEntries.popLast() {
            entries[id] = Entry(host: host)
            return id
        }
        entries.append(Entry(host: host))
        return entries.count - 1
    }

    private mutating func drop(_ id: ConnectionID) {
        guard let entry = entries[id] else { return }
        open -= 1
        hosts[entry.host].open -= 1
        entries[id] = nil
        freeEntries.append(id)
        // It may have been at its own limit until now.
        if hosts[entry.host].waiting > 0 { nominate(entry.host) }
    }

    private mutating func removeIdle(_ id: ConnectionID) {
        guard let host = entries[id]?.host else { return }
        // The oldest ones are at the front, and these are the ones that close.
        if let position = hosts[host].idle.firstIndex(of: id) {
            hosts[host].idle.remove(at: position)
            entries[id]?.idleSince = nil
            idle -= 1
        }
    }

    private mutating func oldestIdle() -> ConnectionID? {
        while let (id, since) = idleOrder.popFirst() {
            if entries[id]?.idleSince == since { return id }
        }
        return nil
    }

    /// A connection that is used and released a million times must not leave a million entries.
    private mutating func compactIdleOrder() {
        guard idleOrder.count > 64, idleOrder.count > 4 * idle else { return }
        idleOrder.removeAll { entries[$0.id]?.idleSince != $0.since }
    }

    // MARK: Waiters

    /// Takes the oldest waiter out of its host's queue, and lets the next one stand for the host.
    private mutating func takeOldestWaiter(of host: HostIndex) -> WaiterID? {
        dropThoseWhoLeft(host)
        guard let waiter = hosts[host].queue.popFirst() else { return nil }
        waiters[waiter] = nil
        hosts[host].waiting -= 1
        if hosts[host].waiting > 0 { nominate(host) }
        return waiter
    }

    private mutating func dropThoseWhoLeft(_ host: HostIndex) {
        while let first = hosts[host].queue.first, waiters[first] == nil { hosts[host].queue.removeFirst() }
    }

    /// Enters the host's oldest waiter among the candidates, if there is room for it.
    private mutating func nominate(_ host: HostIndex) {
        dropThoseWhoLeft(host)
        guard let first = hosts[host].queue.first, hosts[host].open < limitPerHost else { return }
        candidates.insert(Candidate(waiter: first, host: host))
        // Entries that are no longer true must not pile up below one that stays on top.
        if candidates.count > 64, candidates.count > 4 * waiters.count {
            candidates = Heap(
                Set(candidates.unordered.filter { isTrue($0) }.map(\.waiter)).compactMap { waiter in
                    waiters[waiter].map { Candidate(waiter: waiter, host: $0.host) }
                }
            )
        }
    }

    private func isTrue(_ candidate: Candidate) -> Bool {
        hosts[candidate.host].queue.first == candidate.waiter && waiters[candidate.waiter] != nil
            && hosts[candidate.host].open < limitPerHost
    }

    /// The oldest waiter whose host may open one more connection.
    private mutating func oldestCandidate() -> Candidate? {
        while let candidate = candidates.min {
            if isTrue(candidate) { return candidate }
            candidates.removeMin()
        }
        return nil
    }

    /// `waiter` gets a connection of its host. An older one that could have used the place has been passed over; those whose
    /// hosts are at their own limit have not, or one of them would hide the others.
    private mutating func passOver(youngerThan waiter: WaiterID) {
        guard let oldest = oldestCandidate()?.waiter, oldest < waiter else { return }
        waiters[oldest]?.passedOver += 1
    }

    private mutating func oldestIsOutOfPatience(besides host: HostIndex) -> Bool {
        guard let oldest = oldestCandidate(), oldest.host != host else { return false }
        return (waiters[oldest.waiter]?.passedOver ?? 0) >= Self.patience
    }

    private mutating func anotherCanUseThePlace() -> Bool { open >= limit && oldestCandidate() != nil }
}
