import ApusNet
import ApusRuntime
import ApusWire

/// The loop's side of a pool: does what ``PoolState`` says. Loop thread only.
// @unchecked: reached through a session or a ``ConnectionPool``, which go to the loop's thread first.
final class PoolCore: @unchecked Sendable {
    /// How a request's wait for a connection ended.
    // @unchecked: it goes from the loop's thread to the loop's thread.
    enum Served: @unchecked Sendable {
        case connection(ClientConnection)
        case failed(any Error)
        case left(WaitOutcome)
    }

    private struct Waiting {
        var waiter: WaiterID
        var continuation: UnsafeContinuation<Served, Never>
        var exchange: Exchange
        var record: HostRecord
        /// The attempt that was begun for it; -1 if none was.
        var attempt: ConnectionID = -1
        var timer: ScheduledCall?
    }

    unowned(unsafe) let loop: EventLoop
    let buffers = LentBuffers()
    private let idleNanoseconds: Int64
    private let hasWearLimits: Bool
    @exclusivity(unchecked) private(set) var state: PoolState
    /// By id: a dictionary would hash three times per request.
    @exclusivity(unchecked) private var connections = ContiguousArray<ClientConnection?>()
    /// By slot of their waiter.
    private var waiting = ContiguousArray<Waiting?>()
    private var attempts: [ConnectionID: ConnectionAttempt] = [:]
    /// Requests that replace their dead connection now, in its place.
    private var replacing: [ConnectionID: Exchange] = [:]
    private var hosts: [PoolKey: PooledHost] = [:]
    private static let firstHostSweep = 1024
    private var hostSweep = firstHostSweep
    private var profiles: [WeakProfile] = []
    private var counters = PoolCounters()
    @exclusivity(unchecked) private(set) var isClosed = false

    private struct WeakProfile {
        weak var profile: ConnectionProfile?
    }

    init(loop: EventLoop, _ settings: ClientSession.Configuration.Pool) {
        self.loop = loop
        idleNanoseconds = max(0, settings.idleTimeout.clampedNanoseconds)
        state = PoolState(
            PoolState.Limits(
                total: settings.limit,
                perHost: settings.limitPerHost,
                uses: settings.maximumUses,
                age: settings.maximumAge.map { max(1, $0.clampedNanoseconds) } ?? .max
            )
        )
        hasWearLimits = state.limits.uses != .max || state.limits.age != .max
    }

    var limit: Int { state.limits.total }

    var statistics: PoolStatistics {
        var result = PoolStatistics(counters)
        result.open = state.open
        result.idle = state.idle
        result.connecting = attempts.count + replacing.count
        result.waiting = state.waiting
        return result
    }

    func statistics(of host: PooledHost) -> PoolStatistics {
        var result = PoolStatistics(host.counters)
        let numbers = state.hosts[host.index]
        result.open = numbers.open
        result.idle = numbers.idle
        result.connecting = attempts.values.count { $0.host === host }
        result.waiting = numbers.waiting
        return result
    }

    private func count(_ host: PooledHost, _ counter: WritableKeyPath<PoolCounters, Int>) {
        counters[keyPath: counter] += 1
        host.counters[keyPath: counter] += 1
    }

    // MARK: Hosts

    /// The one profile of this pool that is like `profile`.
    func intern(_ profile: ConnectionProfile) -> ConnectionProfile {
        profiles.removeAll { $0.profile == nil }
        for case let known? in profiles.lazy.map(\.profile) where known.isLike(profile) { return known }
        profiles.append(WeakProfile(profile: profile))
        return profile
    }

    /// The host of that key, for one more session.
    func addReference(_ key: PoolKey) -> PooledHost {
        if let known = hosts[key] {
            known.references += 1
            return known
        }
        // Those that were in use when their last session went.
        if hosts.count >= hostSweep {
            hosts = hosts.filter { $0.value.references > 0 || !state.removeHost($0.value.index) }
            hostSweep = max(Self.firstHostSweep, 2 * hosts.count)
        }
        let host = PooledHost(key: key, index: state.addHost())
        host.references = 1
        hosts[key] = host
        return host
    }

    func removeReference(_ host: PooledHost) {
        host.references -= 1
        if host.references == 0, state.removeHost(host.index) { hosts[host.key] = nil }
    }

    func isUnused(_ host: PooledHost) -> Bool { state.isUnused(host.index) }

    // MARK: Requests

    /// An idle connection, if there is one: the common case, without waiting.
    func idleConnection(_ index: HostIndex, for session: SessionCore) -> ClientConnection? {
        guard let id = state.acquireIdle(index, now: loop.now), let connection = connections[id] else { return nil }
        connection.unpark()
        connection.user = ObjectIdentifier(session)
        return connection
    }

    /// Waits for a connection: an idle one, one that comes back, or one that is opened.
    func connection(to record: HostRecord, _ exchange: Exchange) async -> Served {
        let deadline = exchange.deadline(exchange.limits.acquire)
        var isQueued = false
        let served: Served = await withUnsafeContinuation { continuation in
            // Asked inside: between here and the wait nothing else can run, so no grant can be missed.
            if Task.isCancelled { return continuation.resume(returning: .left(.cancelled)) }
            if exchange.core.isClosed || isClosed { return continuation.resume(returning: .left(.closed)) }
            let acquisition = state.acquire(record.pooled.index, now: loop.now)
            for id in acquisition.expired { closeIdle(id, \.retirements) }
            if let victim = acquisition.evicted { closeIdle(victim, \.evictions) }
            switch acquisition.outcome {
            case .reuse(let id):
                guard let connection = connections[id] else { return continuation.resume(returning: .left(.closed)) }
                connection.unpark()
                connection.user = ObjectIdentifier(exchange.core)
                continuation.resume(returning: .connection(connection))
            case .connect(let waiter, let id):
                enter(Waiting(waiter: waiter, continuation: continuation, exchange: exchange, record: record))
                begin(id, for: waiter)
            case .wait(let waiter):
                enter(Waiting(waiter: waiter, continuation: continuation, exchange: exchange, record: record))
                count(record.pooled, \.waits)
                exchange.tell { $0.connectionWaitStarted($1) }
                isQueued = true
                if deadline != .max {
                    waiting[waiter.slot]?.timer = loop.schedule(at: LoopClock.Instant(nanoseconds: deadline)) {
                        self.leave(waiter, .timedOut)
                    }
                }
            }
        }
        exchange.waiting = .nothing
        if isQueued { exchange.tell { $0.connectionWaitEnded($1) } }
        return served
    }

    private func enter(_ entry: Waiting) {
        let slot = entry.waiter.slot
        while waiting.count <= slot { waiting.append(nil) }
        waiting[slot] = entry
        entry.exchange.waiting = .pool(entry.waiter)
    }

    private func takeWaiting(_ waiter: WaiterID) -> Waiting? {
        guard waiter.slot < waiting.count, let entry = waiting[waiter.slot], entry.waiter == waiter else { return nil }
        waiting[waiter.slot] = nil
        entry.timer?.cancel()
        return entry
    }

    /// A request stops waiting. What was being opened for it goes on if another waits for it; otherwise it is given up, and the
    /// request is told when nothing of it is left.
    func leave(_ waiter: WaiterID, _ outcome: WaitOutcome) {
        guard let entry = takeWaiting(waiter) else { return }
        let isSurplus = state.cancel(waiter)
        if let attempt = attempts[entry.attempt], attempt.sponsor == waiter {
            attempt.sponsor = nil
            if isSurplus {
                attempt.leaving = (entry.continuation, .left(outcome))
                return abandon(attempt)
            }
            attempt.host.orphans.insert(attempt.id)
        } else if isSurplus, let orphan = entry.record.pooled.orphans.first, let attempt = attempts[orphan] {
            abandon(attempt)
        }
        entry.continuation.resume(returning: .left(outcome))
    }

    private func serve(_ waiter: WaiterID, _ connection: ClientConnection) {
        guard let entry = takeWaiting(waiter) else { return }
        if let attempt = attempts[entry.attempt], attempt.sponsor == waiter {
            attempt.sponsor = nil
            attempt.host.orphans.insert(attempt.id)
        }
        connection.user = ObjectIdentifier(entry.exchange.core)
        entry.continuation.resume(returning: .connection(connection))
    }

    // MARK: Opening

    /// Opens a connection in the place `id` for a request that waits.
    private func begin(_ id: ConnectionID, for waiter: WaiterID) {
        guard let entry = waiting[waiter.slot] else { return }
        // It has a place now: from here on it is the connection that may take too long.
        entry.timer?.cancel()
        waiting[waiter.slot]?.timer = nil
        waiting[waiter.slot]?.attempt = id
        start(
            id,
            entry.record,
            for: (waiter, entry.exchange),
            deadline: entry.exchange.deadline(entry.exchange.limits.connect)
        )
    }

    @discardableResult
    private func start(
        _ id: ConnectionID,
        _ record: HostRecord,
        for sponsor: (waiter: WaiterID, exchange: Exchange)?,
        deadline: Int64
    ) -> ConnectionAttempt {
        let attempt = ConnectionAttempt(id: id, record: record, sponsor: sponsor?.waiter)
        attempts[id] = attempt
        let host = attempt.host
        let phases = ConnectPhases(on: loop, for: sponsor?.exchange)
        phases.began()
        let (profile, target, loop) = (host.key.profile, host.target, loop)
        attempt.task = loop.spawn {
            let outcome: Result<LoopBound<any Transport>, any Error>
            do {
                try Task.checkCancellation()
                outcome = .success(try await profile.connect(to: target, on: loop, phases))
            } catch {
                outcome = .failure(error)
            }
            self.ended(attempt, outcome, phases)
        }
        if deadline != .max {
            attempt.timer = loop.schedule(at: LoopClock.Instant(nanoseconds: deadline)) {
                attempt.hasTimedOut = true
                attempt.task?.cancel()
            }
        }
        return attempt
    }

    private func ended(
        _ attempt: ConnectionAttempt,
        _ outcome: Result<LoopBound<any Transport>, any Error>,
        _ phases: ConnectPhases
    ) {
        let id = attempt.id
        attempts[id] = nil
        attempt.host.orphans.remove(id)
        switch outcome {
        case .success(let bound) where !attempt.isAbandoned:
            count(attempt.host, \.opened)
            let connection = ClientConnection(id: id, transport: bound.value, phases, host: attempt.host, pool: self)
            store(connection)
            phases.ended(nil)
            attempt.end(nil)
            perform(state.opened(id, now: loop.now), of: id)
        case .success(let bound):
            bound.value.close()
            failed(attempt, CancellationError(), phases)
        case .failure(let error):
            let isDeadline = attempt.hasTimedOut && error is CancellationError
            failed(attempt, isDeadline ? Self.timeout(attempt.host) : error, phases)
        }
    }

    private func failed(_ attempt: ConnectionAttempt, _ error: any Error, _ phases: ConnectPhases) {
        phases.ended(error)
        count(attempt.host, \.failures)
        let entry = attempt.sponsor.flatMap { takeWaiting($0) }
        if let entry { _ = state.cancel(entry.waiter) }
        perform(state.release(attempt.id, isReusable: false, now: loop.now), of: attempt.id)
        attempt.end(error)
        entry?.continuation.resume(returning: .failed(error))
    }

    private static func timeout(_ host: PooledHost) -> NetError {
        NetError(.timedOut, "Connecting to \(host.described) took longer than was allowed.")
    }

    private func abandon(_ attempt: ConnectionAttempt) {
        attempt.host.orphans.remove(attempt.id)
        state.abandon(attempt.id)
        attempt.abandon()
    }

    /// Opens connections in advance, up to `count` in all, as far as there are places that nobody needs.
    func warm(_ record: HostRecord, upTo count: Int, deadline: Int64) -> [ConnectionAttempt] {
        var begun: [ConnectionAttempt] = []
        while !isClosed, state.hosts[record.pooled.index].open < count, let id = state.reserve(record.pooled.index) {
            begun.append(start(id, record, for: nil, deadline: deadline))
        }
        return begun
    }

    /// Gives up what was begun in advance, unless somebody waits for it now.
    func abandonUnneeded(_ begun: [ConnectionAttempt]) {
        for attempt in begun where !attempt.isOver && !attempt.isAbandoned {
            let numbers = state.hosts[attempt.host.index]
            if numbers.opening > numbers.covered { abandon(attempt) }
        }
    }

    /// A new connection in the place of one that turned out to be dead: the request keeps its place, and waits for no other.
    ///
    /// - Throws: what connecting throws; `CancellationError`, also if ``close()`` or ``leave(_:)`` ended it.
    func replace(_ dead: ClientConnection, _ exchange: Exchange) async throws -> ClientConnection {
        guard connection(dead.id) === dead else { throw CancellationError() }
        let (id, host) = (dead.id, dead.host)
        removeConnection(id)?.close()
        replacing[id] = exchange
        do {
            try Task.checkCancellation()
            let phases = ConnectPhases(on: loop, for: exchange)
            phases.began()
            let transport: any Transport
            do {
                transport = try await supervise(host, exchange, phases)
                phases.ended(nil)
            } catch {
                phases.ended(error)
                throw error
            }
            replacing[id] = nil
            guard !isClosed, !exchange.core.isClosed else {
                transport.close()
                throw CancellationError()
            }
            count(host, \.opened)
            let fresh = ClientConnection(id: id, transport: transport, phases, host: host, pool: self)
            fresh.user = ObjectIdentifier(exchange.core)
            store(fresh)
            state.renewed(id, now: loop.now)
            return fresh
        } catch {
            replacing[id] = nil
            count(host, \.failures)
            perform(state.release(id, isReusable: false, now: loop.now), of: id)
            throw error
        }
    }

    /// Connects as a task, which the deadline, a cancellation and the end of the session end.
    private func supervise(
        _ host: PooledHost,
        _ exchange: Exchange,
        _ phases: ConnectPhases
    ) async throws -> any Transport {
        let (profile, target, loop) = (host.key.profile, host.target, loop)
        let task = loop.spawn { try await profile.connect(to: target, on: loop, phases) }
        exchange.waiting = .task { task.cancel() }
        defer { exchange.waiting = .nothing }
        let deadline = exchange.deadline(exchange.limits.connect)
        var timer: ScheduledCall?
        if deadline != .max { timer = loop.schedule(at: LoopClock.Instant(nanoseconds: deadline)) { task.cancel() } }
        defer { timer?.cancel() }
        if Task.isCancelled { task.cancel() }
        do {
            return try await task.value.value
        } catch is CancellationError where !Task.isCancelled && !isClosed && !exchange.core.isClosed {
            throw Self.timeout(host)
        }
    }

    // MARK: Connections

    /// Takes a connection back after its exchange.
    func finished(_ connection: ClientConnection, isReusable: Bool) {
        let id = connection.id
        guard self.connection(id) === connection else { return connection.close() }
        if isReusable, connection.upload != nil, connection.waitForUpload() { return }
        let isReusable = isReusable && !isClosed && connection.canReuse()
        if hasWearLimits, isReusable, state.isWornOut(id, now: loop.now) { count(connection.host, \.retirements) }
        perform(state.release(id, isReusable: isReusable, now: loop.now), of: id)
    }

    private func store(_ connection: ClientConnection) {
        while connections.count <= connection.id { connections.append(nil) }
        connections[connection.id] = connection
    }

    private func connection(_ id: ConnectionID) -> ClientConnection? {
        id < connections.count ? connections[id] : nil
    }

    private func removeConnection(_ id: ConnectionID) -> ClientConnection? {
        guard let connection = connection(id) else { return nil }
        connections[id] = nil
        return connection
    }

    private func closeIdle(_ id: ConnectionID, _ counter: WritableKeyPath<PoolCounters, Int>) {
        guard let connection = removeConnection(id) else { return }
        count(connection.host, counter)
        connection.close()
    }

    private func park(_ connection: ClientConnection) {
        var limit = idleNanoseconds
        // One second less than the server says: it must not close while a request is on its way.
        if let hint = connection.keepAliveHint { limit = min(limit, max(0, (hint - .seconds(1)).clampedNanoseconds)) }
        var deadline = loop.now.addingClamped(limit)
        if hasWearLimits { deadline = min(deadline, state.expiry(of: connection.id)) }
        connection.park(until: deadline)
    }

    /// An idle connection was closed by its server, or grew too old.
    func idleConnectionEnded(_ connection: ClientConnection) {
        let id = connection.id
        guard self.connection(id) === connection else { return }
        count(connection.host, state.isWornOut(id, now: loop.now) ? \.retirements : \.idleEnds)
        perform(state.idleClosed(id), of: id)
    }

    private func perform(_ release: PoolState.Release, of id: ConnectionID) {
        switch release {
        case .keep: if let connection = connections[id] { park(connection) }
        case .handOver(let waiter): if let connection = connections[id] { serve(waiter, connection) }
        case .close: removeConnection(id)?.close()
        case .closeAndOpen(let waiter, let place):
            removeConnection(id)?.close()
            begin(place, for: waiter)
        }
    }

    // MARK: The end

    /// Ends what `session` has under way here; the rest is other sessions'.
    func leave(_ session: SessionCore) {
        for case let entry? in waiting where entry.exchange.core === session { leave(entry.waiter, .closed) }
        let user = ObjectIdentifier(session)
        for case let connection? in connections where connection.user == user && !state.isIdle(connection.id) {
            _ = removeConnection(connection.id)
            connection.close()
            perform(state.release(connection.id, isReusable: false, now: loop.now), of: connection.id)
        }
        // They give their places back themselves.
        for exchange in replacing.values where exchange.core === session { exchange.endWait(with: .closed) }
    }

    /// Closes every connection; requests under way fail. Safe twice, and on a closed loop.
    func close() {
        guard !isClosed else { return }
        isClosed = true
        for case let entry? in waiting { leave(entry.waiter, .closed) }
        let open = connections
        connections = []
        for case let connection? in open {
            connection.close()
            state.discard(connection.id)
        }
        // These give their places back themselves.
        for attempt in attempts.values where !attempt.isAbandoned { abandon(attempt) }
        for exchange in replacing.values { exchange.endWait(with: .closed) }
    }
}
