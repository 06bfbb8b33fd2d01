/// Counters of a session.
public struct SessionStatistics: Sendable, Hashable {
    /// Requests begun, redirects included.
    public var requests = 0
    /// Connections opened; by all its sessions, if the pool is shared.
    public var connectionsOpened: Int { pool.connectionsOpened }
    /// Requests that found an idle connection, or were given one that had come back.
    public var reuses = 0
    /// Requests sent again because a reused connection died before the first byte of a response.
    public var resends = 0
    /// Requests that came from another thread than the session's loop: each costs a hop there and back.
    public var hops = 0
    /// Connections open now, or being opened.
    public var open: Int { pool.open }
    /// Of these, unused.
    public var idle: Int { pool.idle }
    /// Requests that wait for a connection now.
    public var waiting: Int { pool.waiting }
    /// The session's pool, which it may share with others.
    public var pool = PoolStatistics()

    public init() {}
}

/// Counters of a session for one host: see ``ClientSession/hostStatistics``.
public struct HostStatistics: Sendable, Hashable {
    /// Requests begun, redirects to the host included.
    public var requests = 0
    /// Requests that found an idle connection, or were given one that had come back.
    public var reuses = 0
    /// Requests sent again because a reused connection died before the first byte of a response.
    public var resends = 0
    /// The host's part of the pool.
    public var pool = PoolStatistics()
}
