package import ApusNet
package import ApusRuntime
import ApusWire
import HTTPTypes
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
/// ``close()`` is good manners and not more: dropping the session closes its connections too.
public final class ClientSession: Sendable {
    /// How the session behaves.
    public let configuration: Configuration
    /// The loop's side, retained once it is there. `AtomicLazyReference` does the same in 680 instructions per look.
    private let bound = Atomic<Unmanaged<SessionCore>?>(nil)
    private let isClosed = Atomic<Bool>(false)

    /// A session on the loop of the caller, if it is on one.
    public init(_ configuration: Configuration = Configuration()) {
        self.configuration = configuration
        if EventLoop.current != nil { _ = core() }
    }

    /// A session whose connections come from `connector`.
    package convenience init(
        _ configuration: Configuration,
        connector: @escaping @Sendable (_ host: String, _ port: Int, _ loop: EventLoop) async throws -> any Transport
    ) {
        self.init(configuration) { host, port, _, loop in try await connector(host, port, loop) }
    }

    /// A session whose connections come from `connector`, which is also told whether https is wanted.
    package init(
        _ configuration: Configuration,
        connector:
            @escaping @Sendable (_ host: String, _ port: Int, _ isSecure: Bool, _ loop: EventLoop) async throws ->
            any Transport
    ) {
        self.configuration = configuration
        let loop = EventLoop.current ?? .shared
        _ = bind(SessionCore(loop: loop, configuration: configuration, connector: connector))
    }

    deinit {
        guard let core = bound.load(ordering: .acquiring)?.takeRetainedValue() else { return }
        core.loop.perform { core.close() }
    }

    /// Makes a session, runs `body` with it, and closes it, whether `body` returns, throws or is cancelled.
    ///
    /// - Throws: what `body` throws.
    ///
    /// Cancel safety: as `body`'s; the session is closed in any case.
    public static func with<Success>(
        _ configuration: Configuration = Configuration(),
        _ body: nonisolated(nonsending) (ClientSession) async throws -> Success
    ) async throws -> Success {
        let session = ClientSession(configuration)
        do {
            let result = try await body(session)
            await session.close()
            return result
        } catch {
            await session.close()
            throw error
        }
    }

    /// Closes all connections. Requests under way fail with ``ClientError`` `.sessionClosed`, and so do new ones. Safe twice.
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
            if core.loop.isCurrent { return core.currentStatistics }
            return (try? await core.loop.hop { core.currentStatistics }) ?? SessionStatistics()
        }
    }

    private func core() -> SessionCore {
        boundCore ?? bind(SessionCore(loop: EventLoop.current ?? .shared, configuration: configuration))
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
    func exchange(
        _ method: HTTPRequest.Method,
        _ url: some RequestURL,
        _ params: KeyValuePairs<String, String>,
        _ headers: some RequestFields,
        _ body: RequestBody?,
        _ timeouts: Timeouts?,
        _ redirects: RedirectPolicy?,
        _ options: RequestOptions?
    ) throws -> Exchange {
        let uri: URI
        do {
            let base = try url.uri()
            uri = params.isEmpty ? base : try base.appendingQuery(params.map { ($0.key, $0.value) })
        } catch {
            throw ClientError(.invalidURL, "The URL cannot be used: \(error)", cause: error, method: method)
        }
        let core = core()
        let exchange = Exchange(
            core: core,
            method: method,
            uri: uri,
            fields: try headers.httpFields(),
            body: body,
            timeouts: timeouts,
            redirects: redirects,
            options: options.map { RequestOptionsBox($0) }
        )
        if isClosed.load(ordering: .relaxed) { throw core.sessionClosed(exchange) }
        return exchange
    }

    /// Sends a request from a task that does not run on the session's loop: one hop there and back for all of it.
    func sendFromElsewhere(_ exchange: Exchange) async throws -> ClientResponse {
        let core = exchange.core
        return try await core.loop.hop {
            core.statistics.hops += 1
            if core.statistics.hops == 1, core.loop.options.debug {
                core.configuration.logger.warning(
                    "A session of event loop “\(core.loop.name)” is used from elsewhere: each request hops there and back."
                )
            }
            return try await core.perform(exchange)
        }
    }
}
