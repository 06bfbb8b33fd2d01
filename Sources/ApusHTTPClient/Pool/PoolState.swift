import HeapModule

/// Names a host of a pool: an index into its table.
typealias HostIndex = Int
/// Names a connection, open or being opened.
typealias ConnectionID = Int

/// Names a request that waits for a connection.
struct WaiterID: Hashable {
    var slot: Int
    /// The order of arrival, over all hosts. No two waiters share one.
    var sequence: UInt64
}

/// Who may use which connection: a pure value that holds numbers only, and performs nothing.
///
/// Rules: the newest idle connection first, so that the others grow old and close; requests wait in the order in which they came,
/// host by host; whatever connection comes free or is opened goes to the oldest waiter of its host, whoever it was opened for; a freed
/// connection goes to a waiter of its own host, unless another host's oldest waiter has been passed over ``Limits/patience`` times already; an
/// idle connection of another host is closed when the limit leaves no place.
///
/// A waiter is *covered* while a connection is being opened that will be its, if nothing comes free before. As many waiters of a host
/// are covered as connections to it are being opened, the oldest ones; the others need a place.
///
/// Each step takes as long with ten thousand hosts, waiters and idle connections as with one, but for the logarithm of the hosts that
/// wait: everything is linked, nothing is searched.
struct PoolState {
    struct Limits: Hashable {
        /// Connections to all hosts, and to one.
        var total = 100
        var perHost = Int.max
        /// Exchanges of one connection.
        var uses = Int.max
        /// Nanoseconds from the opening of a connection to the last exchange that may begin on it.
        var age = Int64.max
        /// How often a freed connection may go to a younger waiter of its own host before the oldest waiter of all gets the place.
        var patience = 32
    }

    /// What a request is told.
    enum Outcome: Hashable {
        /// This idle connection is its.
        case reuse(ConnectionID)
        /// It waits, and has a place: open a connection there. It may get another one before.
        case connect(WaiterID, ConnectionID)
        case wait(WaiterID)
    }

    struct Acquisition: Hashable {
        var outcome: Outcome
        /// Idle connections that have to go first: too old, or in the way.
        var expired: [ConnectionID] = []
        var evicted: ConnectionID?
    }

    /// What to do with a connection that came back, or with its place.
    enum Release: Hashable {
        /// Keep it idle and watch it.
        case keep
        /// Close it.
        case close
        /// It is `waiter`'s now, who waits no more.
        case handOver(WaiterID)
        /// Close it; open another in this place for `waiter`, who goes on waiting.
        case closeAndOpen(WaiterID, ConnectionID)
    }

    /// What a place holds.
    enum Phase: UInt8 {
        /// Nothing: it is free.
        case none
        /// A connection that is being opened, and covers a waiter if there is one.
        case opening
        case used
        case idle
    }

    static let nobody = -1

    struct Host {
        var newestIdle = nobody
        var idle = 0
        var open = 0
        var opening = 0
        var waiting = 0
        var covered = 0
        var firstWaiter = nobody
        var lastWaiter = nobody
        /// The first waiter who needs a place: those before it are covered.
        var firstUncovered = nobody
        /// The waiter by whom the host stands among the candidates; 0 for none.
        var nominated: UInt64 = 0
    }

    struct Entry {
        var host: HostIndex = nobody
        var phase = Phase.none
        var uses = 0
        var expires = Int64.max
        // Neighbours among the idle ones: of the host, and of all.
        var newerOfHost = nobody
        var olderOfHost = nobody
        var newer = nobody
        var older = nobody
    }

    struct Waiter {
        var host: HostIndex = nobody
        /// 0 if the slot is free.
        var sequence: UInt64 = 0
        var passedOver = 0
        var isCovered = false
        var next = nobody
        var previous = nobody
    }

    /// A host whose oldest uncovered waiter could use a place. It counts only while both are still true.
    struct Candidate: Comparable {
        var sequence: UInt64
        var host: HostIndex

        static func < (left: Candidate, right: Candidate) -> Bool { left.sequence < right.sequence }
    }

    let limits: Limits
    var hosts = ContiguousArray<Host>()
    var freeHosts = ContiguousArray<HostIndex>()
    var entries = ContiguousArray<Entry>()
    var freeEntries = ContiguousArray<ConnectionID>()
    var waiters = ContiguousArray<Waiter>()
    var freeWaiters = ContiguousArray<Int>()
    var lastSequence: UInt64 = 0
    /// Hosts with waiters and room for a connection, by their oldest uncovered waiter. What is no longer true is dropped when it comes
    /// to the top.
    var candidates = Heap<Candidate>()
    var newestIdle = nobody
    var oldestIdle = nobody
    private(set) var open = 0
    private(set) var idle = 0
    var waiting = 0
    #if DEBUG
    /// Rounds of all loops in here: what a request costs beyond the constant.
    private(set) var steps = 0
    #endif

    init(_ limits: Limits) {
        self.limits = Limits(
            total: max(1, limits.total),
            perHost: limits.perHost <= 0 ? .max : limits.perHost,
            uses: limits.uses <= 0 ? .max : limits.uses,
            age: limits.age,
            patience: limits.patience
        )
    }

    @inline(__always)
    mutating func step() {
        #if DEBUG
        steps += 1
        #endif
    }

    mutating func addHost() -> HostIndex {
        if let index = freeHosts.popLast() { return index }
        hosts.append(Host())
        return hosts.count - 1
    }

    /// Whether nothing is open to a host, and nobody waits for it.
    func isUnused(_ host: HostIndex) -> Bool { hosts[host].open == 0 && hosts[host].waiting == 0 }

    /// Forgets a host to which nothing is open and for which nobody waits. Returns false if there is something.
    mutating func removeHost(_ host: HostIndex) -> Bool {
        guard isUnused(host) else { return false }
        hosts[host] = Host()
        freeHosts.append(host)
        return true
    }

    // MARK: Requests

    /// The newest idle connection of `host`, for a request that begins now. Nil also if it is too old: ``acquire(_:now:)`` sees to it.
    mutating func acquireIdle(_ host: HostIndex, now: Int64) -> ConnectionID? {
        let id = hosts[host].newestIdle
        guard id != Self.nobody, entries[id].expires > now else { return nil }
        unlinkIdle(id)
        use(id)
        return id
    }

    /// A request to `host` begins.
    mutating func acquire(_ host: HostIndex, now: Int64) -> Acquisition {
        var expired: [ConnectionID] = []
        // Nobody waits for a host with an idle connection, nor could anybody else use its place: those who wait are at their own limit.
        while hosts[host].newestIdle != Self.nobody {
            step()
            if let id = acquireIdle(host, now: now) { return Acquisition(outcome: .reuse(id), expired: expired) }
            let old = hosts[host].newestIdle
            unlinkIdle(old)
            drop(old)
            expired.append(old)
        }
        // Waiters of the same host go first, even if a place has just come free.
        let mayOpen =
            hosts[host].firstUncovered == Self.nobody && hosts[host].open < limits.perHost
            && (open < limits.total || idle > 0)
        let waiter = append(to: host, isCovered: mayOpen)
        guard mayOpen else {
            // A connection may be on its way whose request has gone.
            rebalance(host)
            return Acquisition(outcome: .wait(waiter), expired: expired)
        }
        var evicted: ConnectionID?
        if open >= limits.total {
            let victim = oldestIdle
            unlinkIdle(victim)
            drop(victim)
            evicted = victim
        }
        return Acquisition(outcome: .connect(waiter, take(for: host)), expired: expired, evicted: evicted)
    }

    /// A place for a connection that is opened in advance, if there is one that nobody needs.
    mutating func reserve(_ host: HostIndex) -> ConnectionID? {
        guard open < limits.total, hosts[host].open < limits.perHost, hosts[host].firstUncovered == Self.nobody,
            oldestCandidate() == nil
        else { return nil }
        return take(for: host)
    }

    /// A request stops waiting.
    ///
    /// - Returns: whether a connection is being opened now that no waiter of its host needs.
    mutating func cancel(_ waiter: WaiterID) -> Bool {
        guard isWaiting(waiter) else { return false }
        let (host, wasCovered) = (waiters[waiter.slot].host, waiters[waiter.slot].isCovered)
        remove(waiter.slot)
        rebalance(host)
        return wasCovered && hosts[host].opening > hosts[host].covered
    }

    func isWaiting(_ waiter: WaiterID) -> Bool {
        waiter.slot < waiters.count && waiters[waiter.slot].sequence == waiter.sequence
    }

    // MARK: Connections

    /// A connection was opened.
    mutating func opened(_ id: ConnectionID, now: Int64) -> Release {
        guard isTaken(id), entries[id].phase == .opening else { return .close }
        let host = entries[id].host
        hosts[host].opening -= 1
        entries[id].phase = .used
        entries[id].expires = expiry(now)
        if let waiter = takeFirst(of: host) {
            use(id)
            return .handOver(waiter)
        }
        return keepOrGrant(id)
    }

    /// Its place has a new connection, still its request's.
    mutating func renewed(_ id: ConnectionID, now: Int64) {
        guard isTaken(id) else { return }
        entries[id].uses = 1
        entries[id].expires = expiry(now)
    }

    /// The connection that is being opened will not be: it covers nobody any more, and keeps its place until it is released.
    mutating func abandon(_ id: ConnectionID) {
        guard isTaken(id), entries[id].phase == .opening else { return }
        let host = entries[id].host
        hosts[host].opening -= 1
        entries[id].phase = .used
        rebalance(host)
    }

    /// A request is done with its connection, which can (or cannot) carry another; or a connection could not be opened.
    mutating func release(_ id: ConnectionID, isReusable: Bool, now: Int64) -> Release {
        guard isTaken(id), entries[id].phase != .idle else { return .close }
        let host = entries[id].host
        if entries[id].phase == .opening {
            hosts[host].opening -= 1
        } else if isReusable, entries[id].uses < limits.uses, entries[id].expires > now,
            waiting == 0 || !oldestIsOutOfPatience(besides: host)
        {
            if waiting == 0 {
                linkIdle(id)
                return .keep
            }
            guard let waiter = takeFirst(of: host) else { return keepOrGrant(id) }
            passOver(youngerThan: waiter)
            use(id)
            return .handOver(waiter)
        }
        drop(id)
        rebalance(host)
        return grantFreePlace()
    }

    /// Whether a connection can carry no further exchange, by the limits on uses and age.
    func isWornOut(_ id: ConnectionID, now: Int64) -> Bool {
        isTaken(id) && (entries[id].uses >= limits.uses || entries[id].expires <= now)
    }

    /// An idle connection was closed by its server, or grew too old. Its place may go to a waiter.
    mutating func idleClosed(_ id: ConnectionID) -> Release {
        guard isIdle(id) else { return .close }
        unlinkIdle(id)
        drop(id)
        return grantFreePlace()
    }

    /// A connection was closed from this side, and nobody waits: its place is free.
    mutating func discard(_ id: ConnectionID) {
        guard isTaken(id) else { return }
        let host = entries[id].host
        if entries[id].phase == .idle { unlinkIdle(id) }
        if entries[id].phase == .opening { hosts[host].opening -= 1 }
        drop(id)
        rebalance(host)
    }

    func isIdle(_ id: ConnectionID) -> Bool { isTaken(id) && entries[id].phase == .idle }

    /// When a connection must not be used any more, in nanoseconds of the loop's clock.
    func expiry(of id: ConnectionID) -> Int64 { entries[id].expires }

    // MARK: Places

    private func isTaken(_ id: ConnectionID) -> Bool {
        id >= 0 && id < entries.count && entries[id].phase != .none
    }

    private func expiry(_ now: Int64) -> Int64 {
        let (sum, overflow) = now.addingReportingOverflow(limits.age)
        return overflow ? .max : sum
    }

    private mutating func use(_ id: ConnectionID) {
        entries[id].phase = .used
        entries[id].uses &+= 1
    }

    private mutating func take(for host: HostIndex) -> ConnectionID {
        open += 1
        hosts[host].open += 1
        hosts[host].opening += 1
        let entry = Entry(host: host, phase: .opening)
        if let id = freeEntries.popLast() {
            entries[id] = entry
            return id
        }
        entries.append(entry)
        return entries.count - 1
    }

    private mutating func drop(_ id: ConnectionID) {
        let host = entries[id].host
        open -= 1
        hosts[host].open -= 1
        entries[id].phase = .none
        freeEntries.append(id)
        // It may have been at its own limit until now.
        nominate(host)
    }

    private mutating func keepOrGrant(_ id: ConnectionID) -> Release {
        if waiting > 0, open >= limits.total, oldestCandidate() != nil {
            drop(id)
            return grantFreePlace()
        }
        linkIdle(id)
        return .keep
    }

    private mutating func grantFreePlace() -> Release {
        guard open < limits.total, let next = oldestCandidate() else { return .close }
        let slot = hosts[next.host].firstUncovered
        coverFirst(of: next.host)
        return .closeAndOpen(WaiterID(slot: slot, sequence: next.sequence), take(for: next.host))
    }

    // MARK: Idle connections

    // One look at the table for all of it: a request does both.
    private mutating func linkIdle(_ id: ConnectionID) {
        let (previous, host) = (newestIdle, entries[id].host)
        let next = hosts[host].newestIdle
        hosts[host].newestIdle = id
        hosts[host].idle += 1
        entries.withUnsafeMutableBufferPointer { entries in
            entries[id].phase = .idle
            entries[id].newerOfHost = Self.nobody
            entries[id].olderOfHost = next
            if next != Self.nobody { entries[next].newerOfHost = id }
            entries[id].newer = Self.nobody
            entries[id].older = previous
            if previous != Self.nobody { entries[previous].newer = id }
        }
        if previous == Self.nobody { oldestIdle = id }
        newestIdle = id
        idle += 1
    }

    private mutating func unlinkIdle(_ id: ConnectionID) {
        let (newest, oldest, newestOfHost, host) = entries.withUnsafeMutableBufferPointer { entries in
            entries[id].phase = .used
            let (newer, older) = (entries[id].newer, entries[id].older)
            let (newerOfHost, olderOfHost) = (entries[id].newerOfHost, entries[id].olderOfHost)
            if newerOfHost != Self.nobody { entries[newerOfHost].olderOfHost = olderOfHost }
            if olderOfHost != Self.nobody { entries[olderOfHost].newerOfHost = newerOfHost }
            if newer != Self.nobody { entries[newer].older = older }
            if older != Self.nobody { entries[older].newer = newer }
            return (newer == Self.nobody, older == Self.nobody, newerOfHost == Self.nobody, entries[id].host)
        }
        if newestOfHost { hosts[host].newestIdle = entries[id].olderOfHost }
        hosts[host].idle -= 1
        if newest { newestIdle = entries[id].older }
        if oldest { oldestIdle = entries[id].newer }
        idle -= 1
    }
}
