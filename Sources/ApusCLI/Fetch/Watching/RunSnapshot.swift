/// What a run has done by some moment.
struct RunSnapshot: Sendable {
    struct Failure: Sendable, Equatable {
        var code: String
        var count: Int
        /// The first such failure's words, and whose they were; not yet made harmless.
        var example: String
        var host: String?
    }

    struct HostRow: Sendable, Equatable {
        /// `host:port`; not yet made harmless.
        var name: String
        var figures: HostTable.Host
        /// How long it has kept us waiting, or does on average.
        var slowness: Duration
    }

    var elapsed: Duration = .zero
    var phase = RunPhase.fetching
    /// How many items there are, if somebody knows, or can judge by what has been read.
    var total: Int?
    var isTotalExact = true

    var fetched = 0
    var unchanged = 0
    var failed = 0
    /// By an earlier run.
    var skipped = 0
    var inFlight = 0
    var retries = 0
    /// Of bodies, as they came.
    var bytes = 0
    var withoutCredentials = 0

    /// By status, the lowest first.
    var statuses: [(status: Int, count: Int)] = []
    /// The most frequent first.
    var failures: [Failure] = []
    var latency = LatencyDistribution()
    var series = ThroughputSeries()
    /// The slowest first.
    var slowest: [HostRow] = []
    /// How many hosts are known; there may be more.
    var hostCount = 0
    /// What the hosts did that are not among the slowest; nil if there are no others.
    var otherHosts: HostTable.Host?

    /// What this run has done.
    var done: Int { fetched + unchanged + failed }

    /// How many items are left.
    var left: (count: Int, isExact: Bool)? { total.map { (max(0, $0 - skipped - done), isTotalExact) } }

    /// From 0 to 1, what was skipped included.
    var fraction: Double? {
        guard let left else { return nil }
        let all = skipped + done + left.count
        return all == 0 ? 1 : Double(skipped + done) / Double(all)
    }
}

/// What a run is about.
enum RunPhase: Sendable {
    case fetching
    /// It was asked to end: nothing new begins.
    case finishing
}
