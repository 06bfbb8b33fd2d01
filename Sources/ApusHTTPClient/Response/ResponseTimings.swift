/// How long the parts of an exchange took, by the loop's clock. A part that the exchange did not have is nil: one on a kept
/// connection has neither lookup nor handshake.
///
/// The clock is that of the loop's passes, read when it wakes: the figures are as exact as the loop is punctual.
public struct ResponseTimings: Sendable, Hashable {
    /// From wanting a connection to having one, the name lookup and handshakes of a new one included. Nil if one was idle.
    public var acquire: Duration?
    /// Looking the name up. Of new connections only, as the next two.
    public var lookup: Duration?
    /// Connecting, over all addresses that were tried.
    public var connect: Duration?
    /// The TLS handshake.
    public var handshake: Duration?
    /// From the request's last byte to the end of the response's head: the server's time, and one round trip.
    public var firstByte: Duration
    /// From the call to the end of the body, redirects included; nil until the body has been read to its end.
    public var total: Duration?

    init(_ moments: ExchangeMoments, _ facts: ConnectionFacts?, isComplete: Bool) {
        func duration(_ nanoseconds: Int64) -> Duration { .nanoseconds(max(0, nanoseconds)) }
        if moments.isFirst, let facts {
            lookup = facts.lookup.map(duration)
            connect = facts.connect.map(duration)
            handshake = facts.handshake.map(duration)
        }
        if moments.acquired > 0 { acquire = duration(moments.acquired - moments.queued) }
        firstByte = duration(moments.head - moments.sent)
        let end = isComplete ? moments.head : moments.end
        if end > 0 { total = duration(end - moments.called) }
    }
}
