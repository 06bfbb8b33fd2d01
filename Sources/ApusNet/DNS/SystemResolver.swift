import ApusRuntime
import CApus
import Logging

/// The machine's own resolver, getaddrinfo(3), with what it lacks: a cache, one query for all who ask for the same name, and threads
/// of its own, so that a slow name server delays no file or database, nor the reverse.
///
/// `/etc/hosts` and `nsswitch.conf` are respected. Figures need no lookup.
public final class SystemResolver: Resolver {
    /// The resolver that sessions and streams use unless told otherwise.
    public static let shared = SystemResolver()

    /// Counters of a resolver.
    public struct Statistics: Sendable, Hashable {
        /// Queries to the system.
        public var lookups = 0
        /// Answers from the cache.
        public var hits = 0
        /// Questions that joined a query under way.
        public var joined = 0
        /// Queries that run now and are waited for.
        public var running = 0
        /// Names that wait for a query to end.
        public var queued = 0
    }

    /// Queries at a time. One that nobody waits for any more gives up its slot, and keeps only its thread.
    private static let slots = 8
    /// Threads: beyond the slots, for queries that hang in a name server's silence.
    private static let pool = OffloadPool(name: "dns", maximumThreads: 64, maximumQueue: 10_000)
    /// Names that are remembered at most.
    private static let cacheLimit = 1_000

    private typealias Outcome = Result<[SocketAddress], any Error>

    private struct Cached {
        var outcome: Result<[SocketAddress], NetError>
        var expires: Int64
        /// How often the answer was given: each time another address comes first.
        var rotation = 0
    }

    private struct Lookup {
        var id: UInt64
        var waiters: [UInt64: UnsafeContinuation<Outcome, Never>]
    }

    private struct State {
        var cache: [String: Cached] = [:]
        var lookups: [String: Lookup] = [:]
        var queue: [String] = []
        var nextID: UInt64 = 0
        var statistics = Statistics()
    }

    private let state = ForkSafeLock(State())
    private let timeToLive: Int64
    private let negativeTimeToLive: Int64
    private let query: @Sendable (String) throws(NetError) -> [SocketAddress]

    /// - Parameters:
    ///   - timeToLive: how long an answer is kept; getaddrinfo does not say how long the name server would allow.
    ///   - negativeTimeToLive: how long it is remembered that a name does not exist.
    public convenience init(timeToLive: Duration = .seconds(10), negativeTimeToLive: Duration = .seconds(1)) {
        self.init(timeToLive: timeToLive, negativeTimeToLive: negativeTimeToLive, query: SystemQuery.addresses)
    }

    package init(
        timeToLive: Duration,
        negativeTimeToLive: Duration,
        query: @escaping @Sendable (String) throws(NetError) -> [SocketAddress]
    ) {
        self.timeToLive = max(0, timeToLive.clampedNanoseconds)
        self.negativeTimeToLive = max(0, negativeTimeToLive.clampedNanoseconds)
        self.query = query
    }

    /// Counters, as of now.
    public var statistics: Statistics {
        state.withLock { state in
            var result = state.statistics
            result.queued = state.queue.count
            return result
        }
    }

    /// The addresses of `host`, each time beginning with another one.
    ///
    /// - Throws: ``NetError`` `.unknownHost`, `.nameLookupFailed`, `.invalidAddress`; `CancellationError`.
    ///
    /// Cancel safety: ends the wait at once; the query itself cannot be stopped and ends on its thread.
    public func addresses(of host: String, port: Int) async throws -> [SocketAddress] {
        if let literal = try? SocketAddress(host, port: port) { return [literal] }
        guard UInt16(exactly: port) != nil else { throw NetError(.invalidAddress, "Port \(port) is not in 0...65535.") }
        guard !host.isEmpty, host.utf8.count <= 255, !host.utf8.contains(0) else {
            throw NetError(
                .invalidAddress,
                "“\(host.prefix(64))” cannot be a host name: it must have 1 to 255 bytes and no NUL."
            )
        }
        let name = host.lowercased()
        let loop = EventLoop.current
        loop?.beginExternalWork()
        defer { loop?.endExternalWork() }
        let beginning = loop?.options.debug == true ? apus_monotonic_now() : nil
        defer { if let loop, let beginning { Self.noteSlowness(of: name, since: beginning, on: loop) } }
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        let outcome = await withTaskCancellationHandler {
            await withUnsafeContinuation { wait(for: name, id, $0) }
        } onCancel: {
            stopWaiting(for: name, id)
        }
        return try outcome.get().map { $0.with(port: port) }
    }

    /// In debug mode, from this many nanoseconds on a look-up is worth a line: asyncio's limit.
    private static let slowness: Int64 = 100_000_000

    private static func noteSlowness(of name: String, since beginning: Int64, on loop: EventLoop) {
        let length = apus_monotonic_now() &- beginning
        guard length >= slowness else { return }
        loop.options.logger.info("Looking up “\(name)” took \(length / 1_000_000) ms.")
    }

    /// Whether the next to ask for `host` will be answered from the cache.
    package func remembers(_ host: String) -> Bool {
        let now = apus_monotonic_now()
        return state.withLock { ($0.cache[host.lowercased()]?.expires ?? .min) > now }
    }

    // MARK: Waiting

    private func wait(for name: String, _ id: UInt64, _ continuation: UnsafeContinuation<Outcome, Never>) {
        let now = apus_monotonic_now()
        let (outcome, isStarting): (Outcome?, Bool) = state.withLock { state in
            if Task.isCancelled { return (.failure(CancellationError()), false) }
            if let answer = Self.cachedAnswer(&state, name, now) { return (answer, false) }
            if state.lookups[name] != nil {
                state.lookups[name]?.waiters[id] = continuation
                state.statistics.joined += 1
                return (nil, false)
            }
            state.lookups[name] = Lookup(id: id, waiters: [id: continuation])
            if state.statistics.running < Self.slots {
                state.statistics.running += 1
                return (nil, true)
            }
            state.queue.append(name)
            return (nil, false)
        }
        if let outcome { continuation.resume(returning: outcome) }
        if isStarting { start(name, id) }
    }

    private static func cachedAnswer(_ state: inout State, _ name: String, _ now: Int64) -> Outcome? {
        guard let cached = state.cache[name], cached.expires > now else { return nil }
        state.statistics.hits += 1
        state.cache[name]?.rotation += 1
        switch cached.outcome {
        case .failure(let error): return .failure(error)
        case .success(let addresses):
            let first = cached.rotation % addresses.count
            return .success(Array(addresses[first...] + addresses[..<first]))
        }
    }

    private func stopWaiting(for name: String, _ id: UInt64) {
        let (waiter, next) = state.withLock { state -> (UnsafeContinuation<Outcome, Never>?, (String, UInt64)?) in
            guard let waiter = state.lookups[name]?.waiters.removeValue(forKey: id) else { return (nil, nil) }
            guard state.lookups[name]?.waiters.isEmpty == true else { return (waiter, nil) }
            state.lookups[name] = nil
            if let position = state.queue.firstIndex(of: name) {
                state.queue.remove(at: position)
                return (waiter, nil)
            }
            return (waiter, Self.freeSlot(&state))
        }
        waiter?.resume(returning: .failure(CancellationError()))
        if let (name, id) = next { start(name, id) }
    }

    /// Gives a slot back, or on to the next name in the queue.
    private static func freeSlot(_ state: inout State) -> (String, UInt64)? {
        while !state.queue.isEmpty {
            let name = state.queue.removeFirst()
            if let lookup = state.lookups[name] { return (name, lookup.id) }
        }
        state.statistics.running -= 1
        return nil
    }

    // MARK: Asking

    private func start(_ name: String, _ id: UInt64) {
        state.withLock { $0.statistics.lookups += 1 }
        do {
            // Nobody shuts this pool down.
            try Self.pool.submit {
                do throws(NetError) {
                    self.finished(name, id, .success(try self.query(name)))
                } catch {
                    self.finished(name, id, .failure(error))
                }
            } orElse: { _ in
            }
        } catch {
            finished(name, id, .failure(NetError(.nameLookupFailed, "Looking up “\(name)”: \(error)")))
        }
    }

    private func finished(_ name: String, _ id: UInt64, _ outcome: Result<[SocketAddress], NetError>) {
        let now = apus_monotonic_now()
        let (waiters, next) = state.withLock { state -> ([UnsafeContinuation<Outcome, Never>], (String, UInt64)?) in
            remember(&state, name, outcome, now)
            // Another number: everybody gave this query up, and its slot is somebody else's.
            guard let lookup = state.lookups[name], lookup.id == id else { return ([], nil) }
            state.lookups[name] = nil
            return (Array(lookup.waiters.values), Self.freeSlot(&state))
        }
        for waiter in waiters { waiter.resume(returning: outcome.mapError { $0 as any Error }) }
        if let (name, id) = next { start(name, id) }
    }

    private func remember(
        _ state: inout State,
        _ name: String,
        _ outcome: Result<[SocketAddress], NetError>,
        _ now: Int64
    ) {
        let lifetime: Int64
        switch outcome {
        case .success(let addresses): lifetime = addresses.isEmpty ? 0 : timeToLive
        // A name server that is silent now may answer the next time: only "no such name" is remembered.
        case .failure(let error): lifetime = error.code == .unknownHost ? negativeTimeToLive : 0
        }
        guard lifetime > 0 else { return }
        if state.cache.count >= Self.cacheLimit {
            state.cache = state.cache.filter { $0.value.expires > now }
            if state.cache.count >= Self.cacheLimit { state.cache = [:] }
        }
        // The first to ask gets the system's order; the next one begins with the second address.
        state.cache[name] = Cached(outcome: outcome, expires: now.addingClamped(lifetime), rotation: 1)
    }
}
