public import HTTPTypes

/// Which end of the connection this side is.
public enum HTTP1Role: Sendable, Hashable {
    /// Sends requests, receives responses.
    case client
    /// Receives requests, sends responses.
    case server
}

/// How the end of an outgoing body is marked (RFC 9112 §6).
public enum HTTP1BodyLength: Sendable, Equatable {
    /// No body: the message is complete with its head, and `sendEnd()` after it does nothing.
    ///
    /// The encoder adds `Content-Length: 0` where a reader would otherwise have to guess: requests with POST, PUT or
    /// PATCH, and responses that could have had a body.
    case none
    /// Exactly this many bytes, as `Content-Length`. In a response to HEAD, or with status 304, only the field is sent.
    case length(Int)
    /// `Transfer-Encoding: chunked`. To a peer that speaks HTTP/1.0 this becomes `untilClose`.
    case chunked
    /// The body ends where the connection ends. Responses only.
    case untilClose
}

/// What `HTTP1Connection.next()` found.
public enum HTTP1Event: Sendable {
    /// Nothing complete is stored: receive more, then ask again.
    case needData
    /// The message is complete, and `startNextCycle()` comes before the next one (or, on a server, the answer to a
    /// request to change protocols is outstanding).
    case paused
    /// Server: a request's head.
    case request(HTTP1RequestHead)
    /// Client: an interim response (1xx other than 101); the final one is still to come.
    case informational(HTTP1ResponseHead)
    /// Client: the final response's head. A 101 arrives here too, since no other head follows on this connection.
    case response(HTTP1ResponseHead)
    /// The next piece of the body: as many bytes as are stored in one piece.
    case data(HTTP1Data)
    /// The message is complete. `trailers` is nil unless a chunked body carried some.
    case end(trailers: HTTPFields?)
    /// The peer closed the connection between messages.
    case closed
    /// After 101, or 2xx to CONNECT: what follows is not HTTP; take it with `takeRemainingInput()`.
    case upgraded
}

/// A piece of a body inside the connection's input buffer, valid until the next mutating call on the connection.
public struct HTTP1Data: Sendable, Hashable {
    let offset: Int
    /// The number of bytes, at least 1.
    public let count: Int
}
