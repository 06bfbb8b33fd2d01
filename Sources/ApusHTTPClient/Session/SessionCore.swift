import ApusNet
import ApusRuntime
import ApusWire
import HTTPTypes
import Logging

/// The loop's side of a session: its hosts, its requests, its counters. Connections are its pool's. Loop thread only.
// @unchecked: reached through the session, which goes to the loop's thread first.
@usableFromInline
final class SessionCore: @unchecked Sendable {
    unowned(unsafe) let loop: EventLoop
    let configuration: ClientSession.Configuration
    let defaultLimits: StageLimits
    let cookieJar: CookieJar
    let hasMiddleware: Bool
    /// Whether requests may have credentials that cannot be sent as they are, or have to be looked up.
    let authenticates: Bool
    var digests = DigestStore()
    /// After the first look.
    var netrc: NetrcFile.Contents?
    let tracing: RequestTracing?
    /// Whether somebody wants to know about its requests.
    let isObserved: Bool
    let pool: PoolCore
    private let ownsPool: Bool
    private let isReplaced: Bool
    private let givenProfile: ConnectionProfile
    private lazy var profile = pool.intern(givenProfile)
    private let routes: RouteTable
    private var hosts: [HostKey: HostRecord] = [:]
    private static let firstHostSweep = 1024
    private var hostSweep = firstHostSweep
    @exclusivity(unchecked) private var lastHost: HostRecord?
    @exclusivity(unchecked) private(set) var isClosed = false
    /// Of hosts that were forgotten.
    private var pastCounters = RequestCounters()
    var hops = 0
    /// Of all retry policies of the session that have none of their own; nil before the first.
    private(set) var knownRetryBudget: RetryBudget?

    init(
        loop: EventLoop,
        configuration: ClientSession.Configuration,
        cookieJar: CookieJar,
        connector: ConnectionProfile.Connect? = nil
    ) {
        self.cookieJar = cookieJar
        self.configuration = configuration
        defaultLimits = StageLimits(configuration.timeouts)
        authenticates = configuration.netrc != nil || configuration.auth?.digest != nil
        hasMiddleware = !configuration.middleware.isEmpty || configuration.retry != nil
        tracing = RequestTracing(configuration)
        isObserved = !configuration.observers.isEmpty || tracing != nil
        givenProfile = ConnectionProfile(configuration, replacement: connector)
        isReplaced = connector != nil
        routes = RouteTable(configuration)
        if let shared = configuration.sharedPool {
            pool = shared.core()
            ownsPool = false
        } else {
            pool = PoolCore(loop: loop, configuration.pool)
            ownsPool = true
        }
        self.loop = pool.loop
    }

    deinit {
        // Only a session for one request is not closed by now, and it may have gone without reading the response.
        guard ownsPool, !isClosed else { return }
        let pool = pool
        loop.perform { pool.close() }
    }

    /// Whether there was a request.
    var isUsed: Bool { !hosts.isEmpty }

    var retryBudget: RetryBudget {
        if let knownRetryBudget { return knownRetryBudget }
        let made = RetryBudget()
        knownRetryBudget = made
        return made
    }

    /// Whether the running task is one of the session's loop.
    @usableFromInline var runsCurrentTask: Bool { loop.runsCurrentTask }

    // MARK: Counters

    var statistics: SessionStatistics {
        var result = SessionStatistics()
        var counters = pastCounters
        for record in hosts.values { counters.add(record.counters) }
        result.requests = counters.requests
        result.reuses = counters.reuses
        result.resends = counters.resends
        result.hops = hops
        result.pool = pool.statistics
        return result
    }

    var hostStatistics: [Origin: HostStatistics] {
        var result: [Origin: HostStatistics] = [:]
        for record in hosts.values {
            result[record.pooled.key.origin, default: HostStatistics()].add(
                HostStatistics(
                    requests: record.counters.requests,
                    reuses: record.counters.reuses,
                    resends: record.counters.resends,
                    pool: pool.statistics(of: record.pooled)
                )
            )
        }
        return result
    }

    // MARK: Hosts

    /// - Throws: ``ClientError`` `.unsupportedScheme`, and what is wrong with the configuration.
    func host(of exchange: Exchange) throws -> HostRecord {
        // The host of the last request, most often: comparing is cheaper than hashing.
        if let lastHost, exchange.options?.hasProxy != true, lastHost.uri.hasSameServer(as: exchange.uri) {
            return lastHost
        }
        return try otherHost(of: exchange)
    }

    private func otherHost(of exchange: Exchange) throws -> HostRecord {
        let uri = exchange.uri
        let origin = uri.origin
        let requested = exchange.options?.options.proxy
        let key = HostKey(origin: origin, proxy: requested)
        if let known = hosts[key] {
            if requested == nil { lastHost = known }
            return known
        }
        try Self.checkScheme(exchange)
        if let (code, message) = configuration.mistake { throw exchange.error(code, message) }
        if hosts.count >= hostSweep { forgetUnusedHosts() }
        let route: Route
        do {
            route = isReplaced ? .direct : try routes.route(for: uri, requested)
        } catch let failure as ProxyFailure {
            throw failure.clientError(exchange)
        }
        let pooled = pool.addReference(PoolKey(origin: origin, profile: profile, route: route))
        let isTrusted = configuration.trusts(origin)
        let record = HostRecord(pooled, uri: uri, configuration: configuration, isTrusted: isTrusted)
        hosts[key] = record
        if requested == nil { lastHost = record }
        return record
    }

    /// A crawl of a million hosts must not keep a million records. Sweeping when the table has doubled costs each host once.
    private func forgetUnusedHosts() {
        lastHost = nil
        hosts = hosts.filter { _, record in
            if record.users > 0 || !pool.isUnused(record.pooled) { return true }
            pastCounters.add(record.counters)
            pool.removeReference(record.pooled)
            return false
        }
        hostSweep = max(Self.firstHostSweep, 2 * hosts.count)
    }

    private static func checkScheme(_ exchange: Exchange) throws {
        switch exchange.uri.scheme {
        case "http", "https", URI.unixScheme: return
        default:
            throw exchange.error(
                .unsupportedScheme,
                "The scheme “\(exchange.uri.scheme)” is not one that a session speaks: use http, https or http+unix."
            )
        }
    }

    // MARK: Connections

    /// A connection, opened or waited for.
    ///
    /// - Throws: ``ClientError`` (`.acquireTimeout`, `.sessionClosed`), ``NetError``, `CancellationError`.
    func acquire(_ host: HostRecord, _ exchange: Exchange) async throws -> ClientConnection {
        guard !isClosed else { throw sessionClosed(exchange) }
        switch await pool.connection(to: host, exchange) {
        case .connection(let connection):
            guard !connection.isClosed else { throw sessionClosed(exchange) }
            if connection.uses > 0 {
                host.counters.reuses &+= 1
                exchange.tell { $0.connectionReused($1) }
            }
            return connection
        case .failed(let error): throw connectError(error, exchange)
        case .left(.timedOut):
            let numbers = pool.statistics
            throw exchange.error(
                exchange.code(.acquireTimeout),
                "No connection came free in time: \(numbers.open) of at most \(pool.limit) are in use, and \(numbers.waiting) requests "
                    + "wait. Raise `pool.limit`, or start fewer requests at a time."
            )
        case .left(.closed): throw sessionClosed(exchange)
        case .left: throw CancellationError()
        }
    }

    /// A new connection in the place of one that turned out to be dead: the request keeps its place.
    func replace(_ dead: ClientConnection, _ exchange: Exchange) async throws -> ClientConnection {
        do {
            return try await pool.replace(dead, exchange)
        } catch is CancellationError where !Task.isCancelled {
            throw sessionClosed(exchange)
        } catch {
            throw connectError(error, exchange)
        }
    }

    private func connectError(_ error: any Error, _ exchange: Exchange) -> any Error {
        guard let error = error as? NetError, error.isTimeout, !isClosed else { return error }
        let code = exchange.code(.connectTimeout)
        return exchange.error(code, "\(Self.explain(code, exchange.timeouts)) \(error)", cause: error)
    }

    /// Takes a connection back after its exchange.
    func finished(_ connection: ClientConnection, isReusable: Bool) {
        pool.finished(connection, isReusable: isReusable)
    }

    /// Opens connections to the exchange's host until there are `count`, as far as there are places that nobody needs.
    ///
    /// - Returns: how many there are then.
    /// - Throws: the first error, when all attempts are over.
    func warm(_ exchange: Exchange, _ count: Int) async throws -> Int {
        if isClosed { throw sessionClosed(exchange) }
        let host = try host(of: exchange)
        host.users &+= 1
        defer { host.users &-= 1 }
        let begun = pool.warm(host, upTo: count, deadline: exchange.deadline(exchange.limits.connect))
        let bound = LoopBound(begun, on: loop)
        await withTaskCancellationHandler {
            for attempt in begun { await attempt.ended() }
        } onCancel: {
            bound.loop.perform { self.pool.abandonUnneeded(bound.value) }
        }
        try Task.checkCancellation()
        if isClosed { throw sessionClosed(exchange) }
        for case let error? in begun.lazy.map(\.failure) { throw describe(connectError(error, exchange), exchange) }
        return pool.statistics(of: host.pooled).open
    }

    // MARK: The end

    /// Ends the session's requests, which fail with `.sessionClosed`, and closes its connections, unless they are a shared pool's.
    /// Safe twice, and on a closed loop.
    func close() {
        guard !isClosed else { return }
        isClosed = true
        if ownsPool { pool.close() } else { pool.leave(self) }
        lastHost = nil
        for record in hosts.values {
            pastCounters.add(record.counters)
            pool.removeReference(record.pooled)
        }
        hosts = [:]
    }

    func sessionClosed(_ exchange: Exchange) -> ClientError {
        exchange.error(
            .sessionClosed,
            isClosed ? "The session was closed." : "The connection pool that the session shares was closed."
        )
    }
}

/// What a session knows a host by: a request with a proxy of its own takes another way there.
private struct HostKey: Hashable {
    var origin: Origin
    var proxy: Proxy?
}

extension HostStatistics {
    /// The same host by another way.
    fileprivate mutating func add(_ other: HostStatistics) {
        requests += other.requests
        reuses += other.reuses
        resends += other.resends
        pool.add(other.pool)
    }
}

extension RequestCounters {
    mutating func add(_ other: RequestCounters) {
        requests += other.requests
        reuses += other.reuses
        resends += other.resends
    }
}
