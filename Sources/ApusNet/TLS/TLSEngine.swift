/// What an engine needs next.
enum TLSProgress {
    case done
    case wantsRead
    case wantsWrite
}

/// One TLS connection as calls that never wait, over a ``Transport`` that never waits either.
protocol TLSEngine: AnyObject {
    /// Goes on with the handshake.
    func handshake() throws(TLSError) -> TLSProgress

    /// Nil: nothing now, or no data in what was looked at: see ``hasStoppedShort``; 0: the peer has said that nothing more comes.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws(TLSError) -> Int?

    /// Nil: the transport is full now; the same bytes must come first next time, or ``abandonWrite()`` before others.
    func write(_ bytes: UnsafeRawBufferPointer) throws(TLSError) -> Int?

    /// Tells that the bytes of a write that returned nil do not come again. They may have been taken all the same.
    func abandonWrite()

    /// Says that nothing more comes. Safe twice.
    func closeNotify()

    /// Tries to send what is encrypted already. Returns whether nothing is left of it.
    func flush() -> Bool

    /// Whether a read would find something that has left the transport already.
    var hasPending: Bool { get }

    /// Whether the last read found nothing because it gave up, and not because there is nothing.
    var hasStoppedShort: Bool { get }

    /// Whether TLS itself is over, by an error: nothing is worth waiting for.
    var hasFailed: Bool { get }

    /// The transport's own error, where that is what the last one came from.
    var transportError: NetError? { get }

    /// What was agreed on.
    var info: TLSInfo { get }
}
