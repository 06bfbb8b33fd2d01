public import ApusRuntime

/// When ``ClientSession/events(_:params:headers:lastEventID:reconnecting:options:)`` connects again, and when it gives up.
public struct EventReconnection: Sendable, Hashable {
    /// The waits before it connects again. The server's `retry`, but at least 100 ms, takes the place of ``ApusRuntime/Backoff/initial``.
    public var backoff: Backoff
    /// How many failures in a row end the sequence with the last one's error; nil for any number. An event that comes begins the count
    /// anew; connections that are refused or broken off before one, and answers 408, 429, 500, 502, 503 and 504, count.
    public var failureLimit: Int?
    /// How long a stream may be silent before it is taken for broken; nil for any time. Servers often send comments in between.
    public var idleTimeout: Duration?

    /// - Parameters:
    ///   - backoff: see ``backoff``; from one second on, twice as long after each failure, to 30 seconds, and half of it by chance.
    ///   - failureLimit: see ``failureLimit``.
    ///   - idleTimeout: see ``idleTimeout``.
    public init(
        backoff: Backoff = Backoff(initial: .seconds(1), maximum: .seconds(30), jitter: .equal),
        failureLimit: Int? = 10,
        idleTimeout: Duration? = nil
    ) {
        self.backoff = backoff
        self.failureLimit = failureLimit
        self.idleTimeout = idleTimeout
    }

    /// What a server's `retry` cannot go below.
    static let shortestDelay = Duration.milliseconds(100)

    /// The wait before the next connection.
    ///
    /// - Parameters:
    ///   - failures: in a row; 0 after a stream that had events and came to its end.
    ///   - stated: the server's reconnection time.
    func delay(failures: Int, stated: Duration?) -> Duration {
        var backoff = backoff
        if let stated {
            // Zero would stay zero after any number of failures, and have us ask without end.
            backoff.initial = max(stated, Self.shortestDelay)
            // The server knows what it asks for; only what failures add to it is bounded.
            backoff.maximum = max(backoff.maximum, stated)
        }
        return backoff.delay(afterFailures: max(1, failures))
    }
}
