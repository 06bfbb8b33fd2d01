import ApusNet
import ApusRuntime
import ApusWire
import HTTPTypes
import Logging

/// The loop's side of a session: connections, waiting requests, counters. Loop thread only.
// @unchecked: reached through the session, which goes to the loop's thread first.
final class SessionCore: @unchecked Sendable {
    unowned(unsafe) let loop: EventLoop
    let configuration: ClientSession.Configuration
    let defaultLimits: StageLimits
    private let idleNanoseconds: Int64
    private let connector: Connecting?
    @exclusivity(unchecked) private var pool: ConnectionPool
    /// By id: a dictionary would hash three times per request.
    @exclusivity(unchecked) private var connections = ContiguousArray<ClientConnection?>()
    private var hosts: [Origin: HostRecord] = [:]
    private static let firstHostSweep = 1024
    private var hostSweep = firstHostSweep
    @exclusivity(unchecked) private var lastHost: HostRecord?
    private var waiters: [WaiterID: UnsafeContinuation<Place, Never>] = [:]
    /// Requests that open a connection now.
    private var connecting: [ConnectionID: Exchange] = [:]
    @exclusivity(unchecked) private(set) var isClosed = false
    @exclusivity(unchecked) var statistics = SessionStatistics()

    /// Makes the connections of a session that has no network: a test's.
    typealias Connecting =
        @Sendable (_ host: String, _ port: Int, _ isSecure: Bool, _ loop: EventLoop) async throws -> any Transport

    /// What a waiting request is given.
    enum Place {
        case granted(ConnectionPool.Grant)
        case none(WaitOutcome)
    }

    init(
        loop: EventLoop,
        configuration: ClientSession.Configuration,
        connector: Connecting? = nil
    ) {
        self.loop = loop
        self.configuration = configuration
        self.connector = connector
        defaultLimits = StageLimits(configuration.timeouts)
        idleNanoseconds = max(0, configuration.pool.idleTimeout.clampedNanoseconds)
        pool = ConnectionPool(limit: configuration.pool.limit, limitPerHost: configuration.pool.limitPerHost)
    }

    var currentStatistics: SessionStatistics {
        var result = statistics
        result.open = pool.open
        result.idle = pool.idle
        result.waiting = pool.waiting
        return result
    }

    // MARK: Hosts

    /// - Throws: ``ClientError`` `.unsupportedScheme`.
    func host(of exchange: Exchange) throws -> HostRecord {
        let uri = exchange.uri
        // The host of the last request, most often: comparing is cheaper than hashing.
        if let lastHost, lastHost.uri.hasSameServer(as: uri) { return lastHost }
        let origin = uri.origin
        if let known = hosts[origin] {
            lastHost = known
            return known
        }
        try Self.checkScheme(exchange)
        if hosts.count >= hostSweep { forgetUnusedHosts() }
        let record = HostRecord(index: pool.addHost(), uri: uri, configuration: configuration)
        hosts[origin] = record
        lastHost = record
        return record
    }

    /// A crawl of a million hosts must not keep a million records. Sweeping when the table has doubled costs each host once.
    private func forgetUnusedHosts() {
        lastHost = nil
        hosts = hosts.filter { $0.value.users > 0 || !pool.removeHost($0.value.index) }
        hostSweep = max(Self.firstHostSweep, 2 * hosts.count)
    }

    private static func checkScheme(_ exchange: Exchange) throws {
        switch exchange.uri.scheme {
        case "http", "https": return
        default:
            throw exchange.error(
                .unsupportedScheme,
                "The scheme “\(exchange.uri.scheme)” is not one that a session speaks: use http or https."
            )
        }
    }

    // MARK: Connections

    /// An idle connection, if there is one: the common case, without waiting.
    func idleConnection(to host: HostRecord) -> ClientConnection? {
        guard let id = pool.acquireIdle(host.index), let connection = connections[id] else { return nil }
        connection.unpark()
        statistics.reuses &+= 1
        return connection
    }

    /// A connection, opened or waited for.
    ///
    /// - Throws: ``ClientError`` (`.acquireTimeout`, `.sessionClosed`), ``NetError``, `CancellationError`.
    func acquire(_ host: HostRecord, _ exchange: Exchange) async throws -> ClientConnection {
        guard !isClosed else { throw sessionClosed(exchange) }
        defer { exchange.waiting = .nothing }
        switch try await place(for: host, exchange) {
        case .reuse(let id):
            guard let connection = connection(id) else { throw sessionClosed(exchange) }
            connection.unpark()
            statistics.reuses &+= 1
            return connection
        case .connect(let id):
            return try await open(host, id: id, exchange)
        }
    }

    /// A new connection in the place of one that turned out to be dead: the request keeps its place.
    func replace(_ dead: ClientConnection, _ host: HostRecord, _ exchange: Exchange) async throws -> ClientConnection {
        guard connection(dead.id) === dead else { throw sessionClosed(exchange) }
        removeConnection(dead.id)?.close()
        return try await open(host, id: dead.id, exchange)
    }

    /// Opens a connection in the place `id`, which is given back if that fails.
    private func open(_ host: HostRecord, id: ConnectionID, _ exchange: Exchange) async throws -> ClientConnection {
        connecting[id] = exchange
        defer {
            connecting[id] = nil
            exchange.waiting = .nothing
        }
        do {
            return try await connect(host, id: id, exchange)
        } catch {
            perform(pool.release(id, isReusable: false), of: id)
            guard let error = error as? NetError, error.isTimeout, !isClosed else { throw error }
            let code = exchange.code(.connectTimeout)
            throw exchange.error(code, "\(Self.explain(code, exchange.timeouts)) \(error)", cause: error)
        }
    }

    private func place(
        for host: HostRecord,
        _ exchange: Exchange
    ) async throws -> ConnectionPool.Grant {
        let deadline = exchange.deadline(exchange.limits.acquire)
        var timer: ScheduledCall?
        let place: Place = await withUnsafeContinuation { continuation in
            // Asked inside: between here and the wait nothing else can run, so no grant can be missed.
            if Task.isCancelled { return continuation.resume(returning: .none(.cancelled)) }
            if isClosed { return continuation.resume(returning: .none(.closed)) }
            switch pool.acquire(host.index) {
            case .granted(let grant): continuation.resume(returning: .granted(grant))
            case .connect(let id, let victim):
                removeConnection(victim)?.close()
                continuation.resume(returning: .granted(.connect(id)))
            case .wait(let waiter):
                exchange.waiting = .pool(waiter)
                waiters[waiter] = continuation
                if deadline != .max {
                    timer = loop.schedule(at: LoopClock.Instant(nanoseconds: deadline)) {
                        self.stopWaiting(waiter, with: .timedOut)
                    }
                }
            }
        }
        timer?.cancel()
        exchange.waiting = .nothing
        switch place {
        case .granted(let grant): return grant
        case .none(.timedOut):
            throw exchange.error(
                exchange.code(.acquireTimeout),
                "No connection came free in time: \(pool.open) of at most \(pool.limit) are in use, and \(pool.waiting) requests "
                    + "wait. Raise `pool.limit`, or start fewer requests at a time."
            )
        case .none(.closed): throw sessionClosed(exchange)
        case .none: throw CancellationError()
        }
    }

    func stopWaiting(_ waiter: WaiterID, with outcome: WaitOutcome) {
        guard let continuation = waiters.removeValue(forKey: waiter) else { return }
        pool.cancel(waiter)
        continuation.resume(returning: .none(outcome))
    }

    private func connect(
        _ host: HostRecord,
        id: ConnectionID,
        _ exchange: Exchange
    ) async throws -> ClientConnection {
        guard !isClosed else { throw sessionClosed(exchange) }
        let deadline = exchange.deadline(exchange.limits.connect)
        let loop = loop
        let transport: any Transport
        if let connector {
            let (name, port, isSecure) = (host.host, host.port, host.isSecure)
            transport = try await supervise(exchange, deadline: deadline, "Connecting to “\(name)”") {
                LoopBound(try await connector(name, port, isSecure, loop), on: loop)
            }.value
        } else {
            // As a task of its own: looking a name up, racing its addresses and shaking hands wait by means of their own.
            let (configuration, name, port, isSecure) = (self.configuration, host.host, host.port, host.isSecure)
            transport = try await supervise(exchange, deadline: deadline, "Connecting to “\(name)”") {
                let addresses = try await configuration.resolver.addresses(of: name, port: port)
                let plain = try await Connector.connect(toAny: addresses, host: name, on: loop, deadline: .max)
                guard isSecure else { return LoopBound(plain, on: loop) }
                var tls = configuration.tls
                if tls.applicationProtocols.isEmpty { tls.applicationProtocols = ["http/1.1"] }
                let secure = try await TLSTransport.connect(over: plain, host: name, configuration: tls, deadline: .max)
                return LoopBound(secure, on: loop)
            }.value
        }
        guard !isClosed else {
            transport.close()
            throw sessionClosed(exchange)
        }
        statistics.connectionsOpened += 1
        let connection = ClientConnection(id: id, transport: transport, core: self)
        while connections.count <= id { connections.append(nil) }
        connections[id] = connection
        return connection
    }

    /// Runs what waits by means of its own as a task, which the deadline, a cancellation and ``close()`` end.
    private func supervise<Success: Sendable>(
        _ exchange: Exchange,
        deadline: Int64,
        _ action: String,
        _ body: @escaping @Sendable () async throws -> Success
    ) async throws -> Success {
        try Task.checkCancellation()
        let task = loop.spawn(body)
        exchange.waiting = .task { task.cancel() }
        defer { exchange.waiting = .nothing }
        var timer: ScheduledCall?
        if deadline != .max { timer = loop.schedule(at: LoopClock.Instant(nanoseconds: deadline)) { task.cancel() } }
        defer { timer?.cancel() }
        if Task.isCancelled { task.cancel() }
        do {
            return try await task.value
        } catch is CancellationError where !Task.isCancelled {
            if isClosed { throw sessionClosed(exchange) }
            throw NetError(.timedOut, "\(action) took longer than was allowed.")
        }
    }

    /// Takes a connection back after its exchange.
    func finished(_ connection: ClientConnection, isReusable: Bool) {
        guard self.connection(connection.id) === connection else { return connection.close() }
        if isReusable, connection.upload != nil, connection.waitForUpload() { return }
        let isReusable = isReusable && !isClosed && connection.canReuse()
        let release = pool.release(connection.id, isReusable: isReusable)
        if release == .keep { park(connection) }
        perform(release, of: connection.id)
    }

    private func connection(_ id: ConnectionID) -> ClientConnection? {
        id < connections.count ? connections[id] : nil
    }

    private func removeConnection(_ id: ConnectionID) -> ClientConnection? {
        guard let connection = connection(id) else { return nil }
        connections[id] = nil
        return connection
    }

    private func park(_ connection: ClientConnection) {
        var limit = idleNanoseconds
        // One second less than the server says: it must not close while a request is on its way.
        if let hint = connection.keepAliveHint { limit = min(limit, max(0, (hint - .seconds(1)).clampedNanoseconds)) }
        connection.park(until: loop.now.addingClamped(limit))
    }

    /// An idle connection was closed by its server, or grew too old.
    func idleConnectionEnded(_ connection: ClientConnection) {
        guard self.connection(connection.id) === connection else { return }
        perform(pool.idleClosed(connection.id), of: connection.id)
    }

    private func perform(_ release: ConnectionPool.Release, of id: ConnectionID) {
        switch release {
        case .keep: return
        case .handOver(let waiter):
            guard let continuation = waiters.removeValue(forKey: waiter) else { return }
            continuation.resume(returning: .granted(.reuse(id)))
        case .close:
            removeConnection(id)?.close()
        case .closeAndGrant(let waiter, let place):
            removeConnection(id)?.close()
            guard let continuation = waiters.removeValue(forKey: waiter) else { return }
            continuation.resume(returning: .granted(.connect(place)))
        }
    }

    // MARK: The end

    /// Closes every connection; requests under way fail with `.sessionClosed`. Safe twice, and on a closed loop.
    func close() {
        guard !isClosed else { return }
        isClosed = true
        let waiting = waiters
        waiters = [:]
        for (waiter, continuation) in waiting {
            pool.cancel(waiter)
            continuation.resume(returning: .none(.closed))
        }
        let open = connections
        connections = []
        for case let connection? in open {
            connection.close()
            pool.discard(connection.id)
        }
        // They give their places back themselves.
        for exchange in connecting.values { exchange.endWait(with: .closed) }
    }

    func sessionClosed(_ exchange: Exchange) -> ClientError {
        exchange.error(.sessionClosed, "The session was closed.")
    }
}
