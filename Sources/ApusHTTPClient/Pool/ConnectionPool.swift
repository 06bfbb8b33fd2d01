import ApusRuntime
import Synchronization

/// Connections that several sessions share: aiohttp's connector with `connector_owner=False`.
///
/// ```swift
/// let pool = ConnectionPool()
/// var configuration = ClientSession.Configuration()
/// configuration.sharedPool = pool
/// let one = ClientSession(configuration)
/// configuration.headers = [.accept: "text/csv"]
/// let other = ClientSession(configuration)  // its own headers, the same connections and limits
/// ```
///
/// Its limits hold for all its sessions together. Only sessions that connect alike use each other's connections: with equal TLS
/// settings, the same resolver and address filter, and equal message limits. Closing a session ends that session's requests and
/// leaves the pool; ``close()`` ends everybody's. A pool and its sessions belong to one loop.
///
/// Dropping the pool and its sessions closes the connections too.
public final class ConnectionPool: Sendable {
    /// The limits.
    public let settings: ClientSession.Configuration.Pool
    private let bound = Mutex<PoolCore?>(nil)

    /// A pool on the loop of the caller; off any loop, on that of its first session.
    public init(_ settings: ClientSession.Configuration.Pool = .init()) {
        self.settings = settings
        if EventLoop.current != nil { _ = core() }
    }

    deinit {
        guard let core = bound.withLock({ $0 }) else { return }
        core.loop.perform { core.close() }
    }

    func core() -> PoolCore {
        bound.withLock { bound in
            if let bound { return bound }
            let core = PoolCore(loop: EventLoop.current ?? .shared, settings)
            bound = core
            return core
        }
    }

    /// Closes all connections. Requests of all its sessions fail with ``ClientError`` `.sessionClosed`, and so do new ones. Safe twice.
    public func close() async {
        let core = core()
        if core.loop.isCurrent { return core.close() }
        // It throws only in a forked child, which has no connections.
        try? await core.loop.hop { core.close() }
    }

    /// Counters of all its sessions together, as of now.
    public var statistics: PoolStatistics {
        get async {
            guard let core = bound.withLock({ $0 }) else { return PoolStatistics() }
            if core.loop.isCurrent { return core.statistics }
            return (try? await core.loop.hop { core.statistics }) ?? PoolStatistics()
        }
    }
}
