/// Where one side of the connection stands within the current exchange.
public enum HTTP1State: UInt8, Sendable, Hashable, CaseIterable {
    /// Nothing sent yet in this cycle.
    case idle
    /// Server side only: a request has arrived, the final response has not begun.
    case responding
    /// The head has been sent, the message is not complete.
    case sendingBody
    /// The message is complete and the connection can serve another.
    case done
    /// Client side only: the request is complete and asked to change protocols; the answer decides.
    case mightSwitch
    /// The bytes are no longer HTTP.
    case switched
    /// The message is complete and this side must close after it.
    case mustClose
    /// This side has closed.
    case closed
    /// This side broke the protocol; only the other can still be used, to say so.
    case error
}

/// Something one side did.
enum HTTP1Action: UInt8, CaseIterable {
    case request, informational, response, data, end, eof
    /// A 101 to a request that offered it, or a 2xx to CONNECT.
    case switchProtocol
    /// Server side: the peer's request began.
    case peerRequest
}

/// The one table of moves, for both sides and therefore for both roles.
///
/// Rules for editors:
/// - A row says what a side may do in a state, and the state it is in afterwards. What has no row is an error; never
///   test a state anywhere else to allow or forbid an action.
/// - Moves that follow from facts rather than from an action (keep-alive lost, protocol change offered or declined)
///   are in `settle`, and only there.
/// - A role is not a side: a client connection's local side is `.client` and its remote side is `.server`.
enum HTTP1StateTable {
    private typealias Row = (state: HTTP1State, action: HTTP1Action, then: HTTP1State)

    private static let client: [Row] = [
        (.idle, .request, .sendingBody),
        (.idle, .eof, .closed),
        (.sendingBody, .data, .sendingBody),
        (.sendingBody, .end, .done),
        (.mightSwitch, .switchProtocol, .switched),
        (.done, .eof, .closed),
        (.mustClose, .eof, .closed),
        (.closed, .eof, .closed),
    ]

    private static let server: [Row] = [
        (.idle, .peerRequest, .responding),
        // A server may answer what it could not even parse.
        (.idle, .response, .sendingBody),
        (.idle, .eof, .closed),
        (.responding, .informational, .responding),
        (.responding, .response, .sendingBody),
        (.responding, .switchProtocol, .switched),
        (.sendingBody, .data, .sendingBody),
        (.sendingBody, .end, .done),
        (.done, .eof, .closed),
        (.mustClose, .eof, .closed),
        (.closed, .eof, .closed),
    ]

    // The rows spread out, so that a move is one load: [side][state][action].
    private static let dense: [HTTP1State?] = {
        let states = HTTP1State.allCases.count
        let actions = HTTP1Action.allCases.count
        var table = [HTTP1State?](repeating: nil, count: 2 * states * actions)
        for (side, rows) in [client, server].enumerated() {
            for row in rows {
                table[(side * states + Int(row.state.rawValue)) * actions + Int(row.action.rawValue)] = row.then
            }
        }
        return table
    }()

    /// The state of `side` after `action`, or nil if it may not do that.
    @inline(__always)
    static func move(_ side: HTTP1Role, _ state: HTTP1State, _ action: HTTP1Action) -> HTTP1State? {
        let row = (side == .client ? 0 : 9) &+ Int(state.rawValue)
        return dense[row &* 8 &+ Int(action.rawValue)]
    }

    /// The moves that follow from facts. Applied after every action.
    @inline(__always)
    static func settle(
        client: inout HTTP1State,
        server: inout HTTP1State,
        keepAlive: Bool,
        switchOffered: Bool
    ) {
        // RFC 9110 §7.8: the protocol changes only after the request is complete and the server has agreed.
        if client == .done, switchOffered, server == .responding || server == .idle { client = .mightSwitch }
        if client == .mightSwitch, !switchOffered { client = .done }
        // RFC 9112 §9.6: after the last message of a connection, each side closes.
        if !keepAlive {
            if client == .done { client = .mustClose }
            if server == .done { server = .mustClose }
        }
    }
}
