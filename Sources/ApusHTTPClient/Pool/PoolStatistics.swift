/// What has happened in a pool, or to one host of it.
struct PoolCounters {
    var opened = 0
    var failures = 0
    var evictions = 0
    var idleEnds = 0
    var retirements = 0
    var waits = 0
}

/// Counters of a ``ConnectionPool``, or of what it holds of one host.
public struct PoolStatistics: Sendable, Hashable {
    /// Connections that take a place now: those being opened among them.
    public var open = 0
    /// Of these, unused.
    public var idle = 0
    /// Of these, being opened.
    public var connecting = 0
    /// Requests that wait for a connection now, one that is opened for them included.
    public var waiting = 0
    /// Connections opened.
    public var connectionsOpened = 0
    /// Connections that could not be opened, or that nobody wanted any more before they were.
    public var connectFailures = 0
    /// Idle connections closed because a request to another host needed the place.
    public var evictions = 0
    /// Idle connections that their server closed, or that were unused for too long.
    public var idleEnds = 0
    /// Connections closed because of `maximumUses` or `maximumAge`.
    public var retirements = 0
    /// Requests that found no place, and had to wait for one.
    public var waits = 0

    init(_ counters: PoolCounters = PoolCounters()) {
        connectionsOpened = counters.opened
        connectFailures = counters.failures
        evictions = counters.evictions
        idleEnds = counters.idleEnds
        retirements = counters.retirements
        waits = counters.waits
    }

    mutating func add(_ other: PoolStatistics) {
        open += other.open
        idle += other.idle
        connecting += other.connecting
        waiting += other.waiting
        connectionsOpened += other.connectionsOpened
        connectFailures += other.connectFailures
        evictions += other.evictions
        idleEnds += other.idleEnds
        retirements += other.retirements
        waits += other.waits
    }
}
