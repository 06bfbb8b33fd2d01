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

    /// Nil: nothing now; 0: the peer has said that nothing more comes.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws(TLSError) -> Int?

    /// Nil: nothing fits now. The same bytes must come first next time.
    func write(_ bytes: UnsafeRawBufferPointer) throws(TLSError) -> Int?

    /// Says that nothing more comes, as far as that goes without waiting.
    func closeNotify()

    /// Whether a read would find something that has left the transport already.
    var hasPending: Bool { get }

    /// What was agreed on.
    var info: TLSInfo { get }
}
