import DequeModule

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
        var waiters = Deque<WaiterID>()
        var open = 0
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
    /// Every waiter in the order of arrival; those that have left are dropped when they come to the front.
    private var order = Deque<WaiterID>()
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
        guard hosts[host].open == 0, hosts[host].waiters.isEmpty else { return false }
        freeHosts.append(host)
        return true
    }

    /// Whether ``acquire(_:)`` would have to wait.
    private func mustWait(_ host: HostIndex) -> Bool {
        if !hosts[host].idle.isEmpty { return false }
        // Waiters of the same host go first, even if a place has just come free.
        if !hosts[host].waiters.isEmpty || hosts[host].open >= limitPerHost { return true }
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
            hosts[host].waiters.append(nextWaiter)
            order.append(nextWaiter)
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
        hosts[record.host].waiters.removeAll { $0 == waiter }
        trimOrder()
    }

    /// A request is done with its connection, which can (or cannot) carry another.
    mutating func release(_ id: ConnectionID, isReusable: Bool) -> Release {
        guard let entry = entries[id] else { return .close }
        let host = entry.host
        if isReusable, !oldestIsOutOfPatience(besides: host) {
            if let waiter = hosts[host].waiters.popFirst() {
                passOver(youngerThan: waiter)
                forget(waiter)
                return .handOver(waiter)
            }
            if waiters.isEmpty || !anotherCanUseThePlace(of: host) {
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
        guard let waiter = nextEligible() else { return .close }
        let waiterHost = waiters[waiter]?.host ?? host
        // The oldest of all that may go is the oldest of its host.
        if hosts[waiterHost].waiters.first == waiter { hosts[waiterHost].waiters.removeFirst() }
        forget(waiter)
        return .closeAndGrant(waiter, take(for: waiterHost))
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

    private mutating func forget(_ waiter: WaiterID) {
        waiters[waiter] = nil
        trimOrder()
    }

    private mutating func trimOrder() {
        while let first = order.first, waiters[first] == nil { order.removeFirst() }
    }

    /// `waiter` gets a connection of its host. An older one that could have used the place has been passed over; those whose
    /// hosts are at their own limit have not, or one of them would hide the others.
    private mutating func passOver(youngerThan waiter: WaiterID) {
        guard let first = order.first, first < waiter, let oldest = oldestEligible(), oldest < waiter else { return }
        waiters[oldest]?.passedOver += 1
    }

    private func oldestIsOutOfPatience(besides host: HostIndex) -> Bool {
        // Nobody can be out of patience unless somebody older than the host's own next waits.
        guard let first = order.first, first != hosts[host].waiters.first, let oldest = oldestEligible(),
            let record = waiters[oldest], record.host != host
        else { return false }
        return record.passedOver >= Self.patience
    }

    private func anotherCanUseThePlace(of host: HostIndex) -> Bool {
        open >= limit && oldestEligible() != nil
    }

    /// The oldest waiter whose host may open one more connection, if there is a place for it.
    private func nextEligible() -> WaiterID? { open < limit ? oldestEligible() : nil }

    private func oldestEligible() -> WaiterID? {
        order.first { waiters[$0].map { hosts[$0.host].open < limitPerHost } ?? false }
    }
}
