/// How long each stage of a request may take. Nil is for ever.
public struct Timeouts: Sendable, Hashable {
    /// Name lookup, connection, proxy and TLS, over all addresses of one attempt.
    public var connect: Duration? = .seconds(10)
    /// From the request's last byte to the end of the response's head. One timer for all of it: a server that sends a byte now
    /// and then does not prolong it.
    public var head: Duration? = .seconds(60)
    /// Between two pieces of the body, and for the server to take the next piece of the request.
    public var idle: Duration? = .seconds(60)
    /// Waiting for a place among the connections.
    public var acquire: Duration?
    /// From the call to the end of the body, redirects included.
    public var total: Duration?

    public init() {}

    /// The default timeouts with a bound on the whole request.
    public static func total(_ duration: Duration) -> Timeouts {
        var timeouts = Timeouts()
        timeouts.total = duration
        return timeouts
    }
}

/// Timeouts behind a reference: most requests have none of their own, and an exchange should not be larger for the others.
final class TimeoutsBox: Sendable {
    let timeouts: Timeouts

    init(_ timeouts: Timeouts) { self.timeouts = timeouts }
}
