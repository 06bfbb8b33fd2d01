/// One HTTP/1.0 or HTTP/1.1 connection as a value: bytes in, events out, messages in, bytes out (RFC 9112).
///
/// It owns two buffers and two states, touches no socket and knows no time. The driver moves bytes:
/// - received bytes go straight into the memory of `prepareInput(minimum:)`, then `commitInput(_:)`;
/// - `next()` returns one event at a time. Call it until `.needData` before receiving more: that is what bounds the
///   input buffer by the limit of a head plus one read;
/// - the `send…` functions append to `output`, which the driver writes and then drops with `consumeOutput(_:)`.
///
/// After both messages are complete, `startNextCycle()` begins the next exchange.
///
/// Several properties have a mutating getter although they change nothing: from another module, a plain getter of a value of
/// this size is called with a copy of all of it (64 instructions each, for every look at `output`).
public struct HTTP1Connection: ~Copyable {
    /// Which end this is.
    public let role: HTTP1Role
    /// The bounds of what a peer may send.
    public let limits: HTTP1Limits

    var input = HTTP1Buffer(initialCapacity: 16 * 1024)
    var written = HTTP1Buffer(initialCapacity: 4 * 1024)
    var parser = HTTP1HeadParser()
    var chunks = HTTP1ChunkReader()

    /// The states of the two sides; which one is local depends on the role.
    var client = HTTP1State.idle
    var server = HTTP1State.idle

    /// Whether both sides still agree to reuse the connection (RFC 9112 §9.3).
    var keepAlive = true
    var hasEOF = false
    /// What the request of this cycle was: it decides how the response is read and written (RFC 9112 §6.3).
    var isHead = false
    var isConnect = false
    var offersUpgrade = false
    /// Server: the client's minor version, and whether it asked to keep a 1.0 connection.
    var peerMinor: UInt8 = 1
    var peerAskedToKeep = false

    var incoming = Framing.none
    var incomingRemaining = 0
    var incomingTotal = 0
    var outgoing = Framing.none
    var outgoingRemaining = 0
    /// Bytes announced by `beginData` and not yet ended.
    var isInData = false
    var interimCount = 0
    /// The error that ended the remote side; every later `next()` throws it again.
    var failure: HTTP1Error?

    /// How the end of a body is found.
    enum Framing: UInt8 {
        case none, length, chunked, untilClose
        /// Outgoing only: the head describes a body that is not sent (HEAD, 304).
        case discarded
    }

    /// A connection on which nothing has happened yet.
    public init(role: HTTP1Role, limits: HTTP1Limits = HTTP1Limits()) {
        self.role = role
        self.limits = limits
    }

    // MARK: - State

    /// Where this side stands.
    public var localState: HTTP1State { mutating get { role == .client ? client : server } }

    /// Where the peer stands.
    public var remoteState: HTTP1State { mutating get { role == .client ? server : client } }

    /// Whether another exchange can follow: both messages complete, nobody wants to close, the peer has not closed, and
    /// on a client nothing has arrived behind the response.
    public var canReuse: Bool {
        mutating get { client == .done && server == .done && !hasEOF && (role == .server || input.count == 0) }
    }

    /// Whether neither side has said that it will close, and the peer has not.
    public var mayStay: Bool { mutating get { keepAlive && !hasEOF } }

    /// Begins the next exchange on a connection whose both messages are complete. Pipelined input is kept.
    ///
    /// - Throws: `wrongState` if a message is incomplete or the connection must close; `unsolicitedResponse` on a client
    ///   if bytes follow the response, since nobody can tell what they answer.
    public mutating func startNextCycle() throws(HTTP1Error) {
        guard client == .done, server == .done else {
            throw HTTP1Error(
                .wrongState,
                "the next exchange cannot begin: the request is \(client) and the response is \(server); both must be done"
            )
        }
        if role == .client, input.count > 0 { throw Self.unsolicited }
        client = .idle
        server = .idle
        isHead = false
        isConnect = false
        offersUpgrade = false
        peerMinor = 1
        peerAskedToKeep = false
        incoming = .none
        outgoing = .none
        interimCount = 0
        parser.reset()
    }

    /// This side will close after the current message: its head says so with `Connection: close` if it is still to be
    /// sent (RFC 9112 §9.6), and the connection is not reused in any case.
    public mutating func closeAfterThisMessage() {
        keepAlive = false
        settle()
    }

    /// Makes a move of the state table, or throws.
    @inline(__always)
    mutating func move(_ side: HTTP1Role, _ action: HTTP1Action) throws(HTTP1Error) {
        if side == .client {
            guard let next = HTTP1StateTable.move(.client, client, action) else { throw refused(side, action) }
            client = next
        } else {
            guard let next = HTTP1StateTable.move(.server, server, action) else { throw refused(side, action) }
            server = next
        }
    }

    @inline(__always)
    mutating func settle() {
        HTTP1StateTable.settle(
            client: &client,
            server: &server,
            keepAlive: keepAlive,
            switchOffered: offersUpgrade || isConnect
        )
    }

    @inline(never)
    private func refused(_ side: HTTP1Role, _ action: HTTP1Action) -> HTTP1Error {
        let state = side == .client ? client : server
        return HTTP1Error(.wrongState, "\(action) does not fit here: the \(side) side is \(state)")
    }

    static var unsolicited: HTTP1Error {
        HTTP1Error(
            .unsolicitedResponse,
            "the server sent bytes while no request was outstanding; close the connection"
        )
    }

    /// Whether the request of this cycle is CONNECT (RFC 9110 §9.3.6), and not yet answered.
    public var wantsTunnel: Bool { mutating get { isConnect } }

    // MARK: - Memory

    /// Receives into `memory` from now on, which is the caller's, unless bytes are stored: for one piece of memory that many connections
    /// use in turn. It has to stay valid until ``giveBackInput()``.
    ///
    /// - Returns: whether it is used.
    public mutating func borrowInput(_ memory: UnsafeMutableRawBufferPointer) -> Bool { input.borrow(memory) }

    /// Puts what is sent into `memory` from now on, unless there is output: as ``borrowInput(_:)``.
    public mutating func borrowOutput(_ memory: UnsafeMutableRawBufferPointer) -> Bool { written.borrow(memory) }

    /// Ends the use of memory that was lent for input: what is stored there moves to the connection's own.
    public mutating func giveBackInput() { input.giveBack() }

    /// Ends the use of memory that was lent for output.
    public mutating func giveBackOutput() { written.giveBack() }

    /// Gives back the memory of each buffer that holds nothing: for a connection that may stay idle for long.
    public mutating func releaseIdleBuffers() {
        input.release()
        written.release()
        // With bytes stored, a head or a trailer section may be half parsed, and the table in use.
        if input.count == 0 { parser.release() }
    }
}
