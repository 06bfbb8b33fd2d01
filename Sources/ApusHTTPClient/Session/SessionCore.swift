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
    private let connector: (@Sendable (HostRecord, EventLoop) async throws -> any Transport)?
    private var pool: ConnectionPool
    private var connections: [ConnectionID: ClientConnection] = [:]
    private var hosts: [Origin: HostRecord] = [:]
    private var lastHost: HostRecord?
    private var waiters: [WaiterID: UnsafeContinuation<Place, Never>] = [:]
    private(set) var isClosed = false
    var statistics = SessionStatistics()

    /// What a waiting request is given.
    enum Place {
        case granted(ConnectionPool.Grant)
        case none(WaitOutcome)
    }

    init(
        loop: EventLoop,
        configuration: ClientSession.Configuration,
        connector: (@Sendable (HostRecord, EventLoop) async throws -> any Transport)? = nil
    ) {
        self.loop = loop
        self.configuration = configuration
        self.connector = connector
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
    func host(of uri: URI, method: HTTPRequest.Method) throws -> HostRecord {
        let port = uri.effectivePort ?? 0
        // The host of the last request, most often: comparing is cheaper than hashing.
        if let lastHost, lastHost.matches(uri, port: port) { return lastHost }
        let origin = uri.origin
        if let known = hosts[origin] {
            lastHost = known
            return known
        }
        try Self.checkScheme(uri, method: method)
        let record = HostRecord(index: pool.addHost(), uri: uri, port: port, configuration: configuration)
        hosts[origin] = record
        lastHost = record
        return record
    }

    static func checkScheme(_ uri: URI, method: HTTPRequest.Method) throws {
        switch uri.scheme {
        case "http": return
        case "https":
            throw ClientError(
                .unsupportedScheme,
                "https is not supported yet: this build of Apus has no TLS. Use an http URL.",
                method: method,
                uri: uri
            )
        default:
            throw ClientError(
                .unsupportedScheme,
                "The scheme “\(uri.scheme)” is not one that a session speaks: use http.",
                method: method,
                uri: uri
            )
        }
    }

    // MARK: Connections

    /// An idle connection, or a new one.
    ///
    /// - Returns: the connection, and whether it carried other exchanges before.
    func acquire(_ host: HostRecord, _ exchange: Exchange, _ request: PreparedRequest) async throws -> ClientConnection {
        guard !isClosed else { throw sessionClosed(request) }
        let grant: ConnectionPool.Grant
        if pool.mustWait(host.index) {
            grant = try await wait(for: host, exchange, request)
        } else {
            grant = acquireNow(host)
        }
        exchange.waiting = .nothing
        switch grant {
        case .reuse(let id):
            guard let connection = connections[id] else { throw sessionClosed(request) }
            connection.unpark()
            statistics.reuses += 1
            return connection
        case .connect(let id):
            do {
                return try await connect(host, id: id, exchange, request)
            } catch {
                perform(pool.release(id, isReusable: false), of: id)
                throw error
            }
        }
    }

    /// Does what ``ConnectionPool/mustWait(_:)`` has promised to be possible.
    private func acquireNow(_ host: HostRecord) -> ConnectionPool.Grant {
        switch pool.acquire(host.index) {
        case .granted(let grant): return grant
        case .connect(let id, let victim):
            connections.removeValue(forKey: victim)?.close()
            return .connect(id)
        case .wait(let waiter):
            // Not reachable after `mustWait` said no; the request then simply waits no more and fails.
            pool.cancel(waiter)
            return .reuse(-1)
        }
    }

    private func wait(
        for host: HostRecord,
        _ exchange: Exchange,
        _ request: PreparedRequest
    ) async throws -> ConnectionPool.Grant {
        let deadline = exchange.deadline(request.timeouts.acquire)
        var timer: ScheduledCall?
        let place: Place = await withUnsafeContinuation { continuation in
            // Here, inside: a place may have come free, and the task may have been cancelled, since `mustWait`.
            if Task.isCancelled { return continuation.resume(returning: .none(.cancelled)) }
            if isClosed { return continuation.resume(returning: .none(.closed)) }
            switch pool.acquire(host.index) {
            case .granted(let grant): continuation.resume(returning: .granted(grant))
            case .connect(let id, let victim):
                connections.removeValue(forKey: victim)?.close()
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
            throw ClientError(
                exchange.code(.acquireTimeout),
                "No connection came free in time: \(pool.open) of at most \(pool.limit) are in use, and \(pool.waiting) requests "
                    + "wait. Raise `pool.limit`, or start fewer requests at a time.",
                method: request.method,
                uri: request.uri
            )
        case .none(.closed): throw sessionClosed(request)
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
        _ exchange: Exchange,
        _ request: PreparedRequest
    ) async throws -> ClientConnection {
        let deadline = exchange.deadline(request.timeouts.connect)
        let transport: any Transport
        if let connector {
            transport = try await connector(host, loop)
        } else {
            let addresses = try await addresses(of: host, deadline: deadline)
            transport = try await Connector.connect(toAny: addresses, host: host.host, on: loop, deadline: deadline) {
                exchange.waiting = .descriptor($0.token)
            }
        }
        guard !isClosed else {
            transport.close()
            throw sessionClosed(request)
        }
        statistics.connectionsOpened += 1
        let connection = ClientConnection(id: id, host: host, transport: transport, core: self)
        connections[id] = connection
        return connection
    }

    private func addresses(of host: HostRecord, deadline: Int64) async throws -> [SocketAddress] {
        if let literal = try? SocketAddress(host.host, port: host.port) { return [literal] }
        guard deadline != .max else { return try await Resolver.addresses(of: host.host, port: host.port) }
        do {
            let left = Duration.nanoseconds(max(0, deadline - loop.now))
            return try await withTimeout(left) { try await Resolver.addresses(of: host.host, port: host.port) }
        } catch is TimeoutError {
            throw NetError(.timedOut, "Looking up “\(host.host)” took longer than was allowed.")
        }
    }

    /// Takes a connection back after its exchange.
    func finished(_ connection: ClientConnection, isReusable: Bool) {
        guard connections[connection.id] === connection else { return connection.close() }
        let isReusable = isReusable && !isClosed && connection.canReuse()
        let release = pool.release(connection.id, isReusable: isReusable)
        if release == .keep { park(connection) }
        perform(release, of: connection.id)
    }

    private func park(_ connection: ClientConnection) {
        var timeout = configuration.pool.idleTimeout
        // One second less than the server says: it must not close while a request is on its way.
        if let hint = connection.keepAliveHint { timeout = min(timeout, max(.zero, hint - .seconds(1))) }
        connection.park(until: loop.now.addingClamped(timeout.clampedNanoseconds))
    }

    /// An idle connection was closed by its server, or grew too old.
    func idleConnectionEnded(_ connection: ClientConnection) {
        guard connections[connection.id] === connection else { return }
        perform(pool.idleClosed(connection.id), of: connection.id)
    }

    private func perform(_ release: ConnectionPool.Release, of id: ConnectionID) {
        switch release {
        case .keep: return
        case .handOver(let waiter):
            guard let continuation = waiters.removeValue(forKey: waiter) else { return }
            continuation.resume(returning: .granted(.reuse(id)))
        case .close:
            connections.removeValue(forKey: id)?.close()
        case .closeAndGrant(let waiter, let place):
            connections.removeValue(forKey: id)?.close()
            guard let continuation = waiters.removeValue(forKey: waiter) else { return }
            continuation.resume(returning: .granted(.connect(place)))
        }
    }

    // MARK: The end

    /// Closes every connection; requests under way fail with `.sessionClosed`. Safe twice, and on a closed loop.
    func close() {
        guard !isClosed else { return }
        isClosed = true
        for connection in connections.values { connection.close() }
        connections = [:]
        let waiting = waiters
        waiters = [:]
        for (waiter, continuation) in waiting {
            pool.cancel(waiter)
            continuation.resume(returning: .none(.closed))
        }
    }

    func sessionClosed(_ request: PreparedRequest) -> ClientError {
        ClientError(.sessionClosed, "The session was closed.", method: request.method, uri: request.uri)
    }
}
