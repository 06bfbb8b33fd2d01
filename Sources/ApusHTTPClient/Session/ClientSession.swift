package import ApusNet
package import ApusRuntime
public import ApusWire
public import HTTPTypes
import Logging
import Synchronization

/// An HTTP client that keeps connections, limits and defaults: aiohttp's `ClientSession`.
///
/// ```swift
/// try await ClientSession.with { session in
///     let page = try await session.get("http://localhost:8080/").text()
///     print(page)
/// }
/// ```
///
/// Make one session for all requests of a program, or of a part of it. A session belongs to a loop: to the one on which it is
/// made, or else to the one of its first request, or else to ``EventLoop/shared``. It may be used from anywhere: a request from
/// elsewhere costs one hop there and back, counted in ``SessionStatistics/hops``.
///
/// ``close()`` is good manners and not more: dropping the session closes its connections too, which is logged (in debug mode with the
/// place where the session was made), because whoever waits for a response then gets an error.
public final class ClientSession: Sendable {
    /// How the session behaves.
    public let configuration: Configuration
    /// The session's cookies: its configuration's jar, or its own.
    public let cookieJar: CookieJar
    /// The loop's side, retained once it is there. `AtomicLazyReference` does the same in 680 instructions per look.
    private let bound = Atomic<Unmanaged<SessionCore>?>(nil)
    private let isClosed = Atomic<Bool>(false)
    private let origin: Creation
    /// Cheaper to ask than the optional itself, which would be copied.
    private let hasBaseURL: Bool

    /// Where a session was made, and for how long.
    private enum Creation {
        case at(file: StaticString, line: UInt)
        /// For one request: its response keeps what it needs.
        case forOneRequest
    }

    /// A session on the loop of the caller, if it is on one; on that of its pool, if it shares one.
    ///
    /// - Parameters:
    ///   - file: named, with `line`, if the session is dropped without being closed.
    ///   - line: see `file`.
    public init(
        _ configuration: Configuration = Configuration(),
        file: StaticString = #fileID,
        line: UInt = #line
    ) {
        self.configuration = configuration
        cookieJar = configuration.cookieJar ?? CookieJar()
        hasBaseURL = configuration.baseURL != nil
        origin = .at(file: file, line: line)
        if EventLoop.current != nil { _ = core() }
    }

    /// A session that nobody has to close: what its one request leaves goes with the response.
    init(forOneRequest configuration: Configuration) {
        self.configuration = configuration
        cookieJar = configuration.cookieJar ?? CookieJar()
        hasBaseURL = configuration.baseURL != nil
        origin = .forOneRequest
    }

    /// A session whose connections come from `connector`.
    package convenience init(
        _ configuration: Configuration,
        file: StaticString = #fileID,
        line: UInt = #line,
        connector: @escaping @Sendable (_ host: String, _ port: Int, _ loop: EventLoop) async throws -> any Transport
    ) {
        self.init(configuration, file: file, line: line) { host, port, _, loop in
            try await connector(host, port, loop)
        }
    }

    /// A session whose connections come from `connector`, which is also told whether https is wanted.
    package init(
        _ configuration: Configuration,
        file: StaticString = #fileID,
        line: UInt = #line,
        connector:
            @escaping @Sendable (_ host: String, _ port: Int, _ isSecure: Bool, _ loop: EventLoop) async throws ->
            any Transport
    ) {
        self.configuration = configuration
        cookieJar = configuration.cookieJar ?? CookieJar()
        hasBaseURL = configuration.baseURL != nil
        origin = .at(file: file, line: line)
        let loop = EventLoop.current ?? .shared
        _ = bind(SessionCore(loop: loop, configuration: configuration, cookieJar: cookieJar, connector: connector))
    }

    deinit {
        guard let core = bound.load(ordering: .acquiring)?.takeRetainedValue() else { return }
        guard case .at(let file, let line) = origin else { return }
        let wasClosed = isClosed.load(ordering: .acquiring)
        core.loop.perform {
            if !wasClosed, !core.isClosed, core.isUsed { Self.logUnclosed(core, file, line) }
            core.close()
        }
    }

    /// Once for the process, or in debug mode for each session.
    private static func logUnclosed(_ core: SessionCore, _ file: StaticString, _ line: UInt) {
        let advice = "Await `close()`, or use `ClientSession.with`."
        if core.loop.options.debug {
            core.configuration.logger.warning(
                "The session made at \(file):\(line) was dropped without being closed. \(advice)"
            )
        } else if !hasLoggedUnclosed.exchange(true, ordering: .relaxed) {
            core.configuration.logger.notice(
                "A session was dropped without being closed. \(advice) Debug mode (APUS_DEBUG=1) says where such sessions are made."
            )
        }
    }

    private static let hasLoggedUnclosed = Atomic<Bool>(false)

    /// Makes a session, runs `body` with it, and closes it, whether `body` returns, throws or is cancelled.
    ///
    /// - Throws: what `body` throws.
    ///
    /// Cancel safety: as `body`'s; the session is closed in any case.
    public static func with<Success>(
        _ configuration: Configuration = Configuration(),
        file: StaticString = #fileID,
        line: UInt = #line,
        _ body: nonisolated(nonsending) (ClientSession) async throws -> Success
    ) async throws -> Success {
        let session = ClientSession(configuration, file: file, line: line)
        do {
            let result = try await body(session)
            await session.close()
            return result
        } catch {
            await session.close()
            throw error
        }
    }

    /// Closes all connections, unless they are a shared pool's. Requests under way fail with ``ClientError`` `.sessionClosed`, and so do
    /// new ones. Safe twice.
    public func close() async {
        isClosed.store(true, ordering: .releasing)
        guard let core = boundCore else { return }
        if core.loop.isCurrent { return core.close() }
        // It throws only in a forked child, which has no connections.
        try? await core.loop.hop { core.close() }
    }

    /// Counters, as of now.
    public var statistics: SessionStatistics {
        get async {
            guard let core = boundCore else { return SessionStatistics() }
            if core.loop.isCurrent { return core.statistics }
            return (try? await core.loop.hop { core.statistics }) ?? SessionStatistics()
        }
    }

    /// Counters for each host, as of now. Hosts to which nothing is open are forgotten when there are thousands.
    public var hostStatistics: [Origin: HostStatistics] {
        get async {
            guard let core = boundCore else { return [:] }
            if core.loop.isCurrent { return core.hostStatistics }
            return (try? await core.loop.hop { core.hostStatistics }) ?? [:]
        }
    }

    /// Opens connections in advance, so that the first requests need not wait for lookup, TCP and TLS.
    ///
    /// - Parameters:
    ///   - url: any URL of the host.
    ///   - connections: how many there shall be, those that are open already included. Fewer are opened where the pool's limits leave
    ///     fewer places: no idle connection of another host is closed for it.
    /// - Returns: how many are open to the host then.
    /// - Throws: ``ClientError`` of the first attempt that failed, when all are over; `CancellationError`.
    ///
    /// Cancel safety: attempts for which no request waits are given up.
    @discardableResult
    public func warm(_ url: some RequestURL, connections: Int = 1) async throws -> Int {
        let exchange = try exchange(.get, url, [:], NoFields(), nil, nil, nil, nil, nil, nil)
        let core = exchange.core
        if core.loop.runsCurrentTask { return try await core.warm(exchange, connections) }
        return try await core.loop.hop { try await core.warm(exchange, connections) }
    }

    private func core() -> SessionCore {
        if let boundCore { return boundCore }
        let loop = EventLoop.current ?? .shared
        return bind(SessionCore(loop: loop, configuration: configuration, cookieJar: cookieJar))
    }

    private var boundCore: SessionCore? {
        bound.load(ordering: .acquiring)?.takeUnretainedValue()
    }

    /// Binds the session to `core`, unless another thread was first: returns the one that counts.
    private func bind(_ core: SessionCore) -> SessionCore {
        let (exchanged, first) = bound.compareExchange(
            expected: nil,
            desired: Unmanaged.passRetained(core),
            ordering: .acquiringAndReleasing
        )
        guard !exchanged, let first else { return core }
        Unmanaged.passUnretained(core).release()
        return first.takeUnretainedValue()
    }

    /// Puts a request together.
    ///
    /// - Throws: ``ClientError`` (`.invalidURL`, `.invalidRequest`, `.sessionClosed`).
    @usableFromInline
    func exchange(
        _ method: HTTPRequest.Method,
        _ url: some RequestURL,
        _ params: KeyValuePairs<String, String>,
        _ headers: some RequestFields,
        _ cookies: RequestCookies?,
        _ body: consuming RequestBody?,
        _ auth: Authentication?,
        _ timeouts: Timeouts?,
        _ redirects: RedirectPolicy?,
        _ options: RequestOptions?
    ) throws -> Exchange {
        let core = core()
        var uri = try self.uri(of: method, url, params)
        var fields = try headers.httpFields()
        var authentication: ExchangeAuthentication?
        if auth != nil || uri.hasUserinfo {
            authentication = try applyCredentials(auth, &uri, &fields, method)
        }
        let exchange = Exchange(
            core: core,
            method: method,
            uri: consume uri,
            fields: consume fields,
            body: consume body,
            // Asked first: copying an optional of such a size costs as much as some of the rest, even if it is nil.
            timeouts: timeouts == nil ? nil : timeouts.map { TimeoutsBox($0) },
            redirects: redirects,
            options: cookies == nil && options == nil ? nil : RequestOptionsBox.of(options, cookies)
        )
        if let authentication { exchange.authentication = authentication }
        if isClosed.load(ordering: .relaxed) { throw core.sessionClosed(exchange) }
        return exchange
    }

    @inline(__always)
    private func uri(
        of method: HTTPRequest.Method,
        _ url: some RequestURL,
        _ params: KeyValuePairs<String, String>
    ) throws -> URI {
        do {
            let uri = hasBaseURL ? try url.uri(relativeTo: configuration.baseURL) : try url.uri()
            return params.isEmpty ? uri : try uri.appendingQuery(params.map { ($0.key, $0.value) })
        } catch {
            throw ClientError(.invalidURL, "The URL cannot be used: \(error)", cause: error, method: method)
        }
    }

    /// Sends a request from a task that does not run on the session's loop: one hop there and back for all of it.
    @usableFromInline
    func sendFromElsewhere(_ exchange: Exchange) async throws -> ClientResponse {
        let core = exchange.core
        return try await core.loop.hop {
            core.hops += 1
            if core.hops == 1, core.loop.options.debug {
                core.configuration.logger.warning(
                    "A session of event loop “\(core.loop.name)” is used from elsewhere: each request hops there and back."
                )
            }
            return try await core.perform(exchange)
        }
    }
}
