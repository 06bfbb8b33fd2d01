/// One event of an event stream (WHATWG HTML §9.2).
public struct ServerSentEvent: Sendable, Hashable {
    /// Its type: `message` unless the server names another.
    public var event: String
    /// Its data. Several `data` lines are joined by line feeds.
    public var data: String
    /// The last event ID as of this event: that of an earlier event if it has none itself. Empty: none.
    public var id: String
    /// The reconnection time, if the server set it since the event before.
    public var retry: Duration?

    /// An event with these properties.
    public init(event: String = "message", data: String, id: String = "", retry: Duration? = nil) {
        self.event = event
        self.data = data
        self.id = id
        self.retry = retry
    }
}
