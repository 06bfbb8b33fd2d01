public import HTTPTypes

// The writing half: from messages to bytes in `output`.
//
// A function that throws leaves output and state as they were, so the caller may send something else instead.
extension HTTP1Connection {
    /// The bytes to be written to the peer. Valid until the next mutating call.
    public var output: UnsafeRawBufferPointer { mutating get { written.bytes } }

    /// Drops bytes that have been written.
    public mutating func consumeOutput(_ count: Int) {
        written.consume(count)
    }

    // MARK: - Heads

    /// Appends a request's head (RFC 9112 §3).
    ///
    /// `Content-Length` or `Transfer-Encoding` are added by `body`, `Connection: close` if this side will close. An
    /// `Upgrade` must be among `fields` (not `prepared`) to be noticed.
    ///
    /// - Parameters:
    ///   - target: the request target as it goes on the wire.
    ///   - prepared: constant field lines, each ending with CRLF, checked by whoever made them; no framing fields.
    ///   - fields: further fields. Together with `prepared` they hold exactly one Host.
    /// - Throws: `wrongState`; `invalidTarget`, `invalidField` if something could be read as more than it is;
    ///   `framingFieldMismatch` if a field contradicts `body`; `unsolicitedResponse` if the server has already spoken.
    public mutating func sendRequest(
        method: HTTPRequest.Method,
        target: [UInt8],
        prepared: [UInt8],
        fields: HTTPFields,
        body: HTTP1BodyLength
    ) throws(HTTP1Error) {
        try checkMayRequest(body)
        let isValid = target.withUnsafeBytes { bytes -> Bool in
            guard let base = bytes.baseAddress, bytes.count > 0 else { return false }
            return HTTP1Grammar.isTarget(base, 0, bytes.count)
        }
        guard isValid else {
            throw HTTP1Error(
                .invalidTarget,
                "the request target is empty or holds other than visible ASCII; percent-encode it (RFC 9112 §3.2)"
            )
        }
        let before = (client: client, count: written.count)
        try move(.client, .request)
        target.withUnsafeBytes { written.appendRequest(method: method.rawValue, target: $0, prepared: prepared) }
        try finishRequest(method, prepared, fields, body, before)
    }

    /// The same, with a URI's path and query as the target.
    public mutating func sendRequest(
        method: HTTPRequest.Method,
        uri: URI,
        prepared: [UInt8],
        fields: HTTPFields,
        body: HTTP1BodyLength
    ) throws(HTTP1Error) {
        try checkMayRequest(body)
        // A URI has nothing that a target may not have, unless it has no path.
        let range = uri.targetRange
        guard !range.isEmpty else {
            throw HTTP1Error(.invalidTarget, "the request target is empty: the URI has no path (RFC 9112 §3.2)")
        }
        let before = (client: client, count: written.count)
        try move(.client, .request)
        URI.withBytes(uri.text) { text in
            let target = UnsafeRawBufferPointer(rebasing: text[range])
            written.appendRequest(method: method.rawValue, target: target, prepared: prepared)
        }
        try finishRequest(method, prepared, fields, body, before)
    }

    @inline(__always)
    private func checkMayRequest(_ body: HTTP1BodyLength) throws(HTTP1Error) {
        guard role == .client else { throw HTTP1Error(.wrongState, "a server sends no requests") }
        // What arrives before the request would be taken for its response.
        if input.count > 0 { throw Self.unsolicited }
        guard body != .untilClose else {
            throw HTTP1Error(.bodyNotAllowed, "a request's body cannot end with the connection; use .chunked")
        }
    }

    /// What follows the request line and the prepared fields.
    @inline(__always)
    private mutating func finishRequest(
        _ method: HTTPRequest.Method,
        _ prepared: [UInt8],
        _ fields: HTTPFields,
        _ body: HTTP1BodyLength,
        _ before: (client: HTTP1State, count: Int)
    ) throws(HTTP1Error) {
        let methodCount = method.rawValue.utf8.count
        let line = UnsafeRawBufferPointer(rebasing: written.bytes[..<(before.count &+ methodCount)])
        let known = HTTP1KnownMethod(line, from: before.count)
        var writer = HTTP1HeadWriter()
        do throws(HTTP1Error) {
            if known == .connect, body != .none {
                throw HTTP1Error(.bodyNotAllowed, "CONNECT cannot have a body (RFC 9110 §9.3.6)")
            }
            if !fields.isEmpty { try writer.append(fields, to: &written) }
            if prepared.isEmpty, !writer.hasHost {
                throw HTTP1Error(.invalidField, "Host is missing, which HTTP/1.1 requires (RFC 9112 §3.2)")
            }
            // RFC 9110 §8.6: a request whose method gives a body a meaning states its length, 0 included.
            try writer.appendFraming(body, impliesLength: known == .withContent, to: &written)
        } catch {
            written.truncate(toCount: before.count)
            client = before.client
            throw error
        }
        if writer.flags.contains(.connectionClose) {
            keepAlive = false
        } else if !keepAlive {
            written.append("Connection: close\r\n")
        }
        written.appendLineEnd()
        isHead = known == .head
        isConnect = known == .connect
        offersUpgrade = writer.flags.contains(.upgrade)
        server = HTTP1StateTable.move(.server, server, .peerRequest) ?? server
        try beginBody(body)
    }

    /// Appends a response's head (RFC 9112 §4); 1xx ones, with body `.none`, before the final one.
    ///
    /// To an HTTP/1.0 client `.chunked` becomes `.untilClose`, and interim responses are left out (RFC 9110 §15.2).
    ///
    /// - Throws: `wrongState`; `invalidReason`, `invalidField`; `framingFieldMismatch` if a field contradicts `body`;
    ///   `bodyNotAllowed` if the status cannot have this body.
    public mutating func sendResponse(
        status: HTTPResponse.Status,
        prepared: [UInt8],
        fields: HTTPFields,
        body: HTTP1BodyLength
    ) throws(HTTP1Error) {
        guard role == .server else { throw HTTP1Error(.wrongState, "a client sends no responses") }
        guard (100...999).contains(status.code) else {
            throw HTTP1Error(.invalidReason, "status \(status.code) has not three digits (RFC 9110 §15)")
        }
        let isInterim = status.code < 200
        let switches = status.code == 101 && offersUpgrade && client == .mightSwitch
        let tunnels = isConnect && (200..<300).contains(status.code) && client == .mightSwitch
        if status.code == 101, !switches {
            throw HTTP1Error(.wrongState, "101 answers only a complete request that offers an upgrade (RFC 9110 §7.8)")
        }
        // RFC 9112 §6.3 rules 1 and 2: these have no body, whatever their fields say.
        let isBodiless = isInterim || tunnels || status.code == 204
        if isBodiless, body != .none, body != .length(0) {
            throw HTTP1Error(.bodyNotAllowed, "status \(status.code) cannot have a body here (RFC 9112 §6.3)")
        }
        if isInterim, !switches, peerMinor == 0 { return }

        let action: HTTP1Action =
            switches || tunnels ? .switchProtocol : isInterim ? .informational : .response
        let before = (server: server, count: written.count)
        let answersNothing = server == .idle
        try move(.server, action)
        // RFC 9112 §6.1: no transfer coding for a peer that may not know it.
        let framing: HTTP1BodyLength = body == .chunked && peerMinor == 0 ? .untilClose : body
        let discards = isHead || status.code == 304
        var writer = HTTP1HeadWriter()
        do throws(HTTP1Error) {
            try writer.appendStatusLine(status, to: &written)
            written.append(prepared)
            if !fields.isEmpty { try writer.append(fields, to: &written) }
            if isBodiless {
                // RFC 9110 §8.6, RFC 9112 §6.1: neither field in 1xx, 204 and 2xx to CONNECT.
                try writer.refuseFraming(status.code)
            } else if discards, body == .none {
                // RFC 9110 §9.3.2, §15.4.5: the fields may describe what GET would send.
            } else {
                try writer.appendFraming(framing, impliesLength: framing == .none, to: &written)
            }
        } catch {
            written.truncate(toCount: before.count)
            server = before.server
            throw error
        }
        if isInterim || tunnels {
            written.appendLineEnd()
            if switches || tunnels { try move(.client, .switchProtocol) }
            return
        }
        offersUpgrade = false
        isConnect = false
        if answersNothing || (framing == .untilClose && !discards) { keepAlive = false }
        appendConnection(writer)
        written.appendLineEnd()
        settle()
        if discards, body != .none {
            outgoing = .discarded
        } else if discards || isBodiless {
            outgoing = .none
            try finish()
        } else {
            try beginBody(framing)
        }
    }

    /// Appends a whole response with status 200, if it is one of those that most are: to a request of HTTP/1.1 other than HEAD, on a
    /// connection that stays. The same bytes as by `sendResponse`, `sendData` and `sendEnd`, in one go.
    ///
    /// - Parameters:
    ///   - prepared: all of its fields but Content-Length, each with its line end.
    ///   - body: the whole body.
    /// - Returns: whether it is one; if not, nothing has been done.
    public mutating func sendUsualResponse(prepared: [UInt8], body: UnsafeRawBufferPointer) -> Bool {
        // Of the table of moves this takes two rows at once: a response may begin, and then end.
        guard server == .responding, keepAlive, peerMinor == 1, !isHead, !isConnect, !offersUpgrade else {
            return false
        }
        written.appendOK(prepared: prepared, body: body)
        server = .done
        outgoing = .length
        outgoingRemaining = 0
        isInData = false
        return true
    }

    // RFC 9112 §9.6: who will close says so. §9.3: to an HTTP/1.0 client, staying must be said.
    private mutating func appendConnection(_ writer: HTTP1HeadWriter) {
        if writer.flags.contains(.connectionClose) {
            keepAlive = false
        } else if !keepAlive {
            written.append("Connection: close\r\n")
        } else if peerMinor == 0, peerAskedToKeep {
            written.append("Connection: keep-alive\r\n")
        }
    }

    @inline(__always)
    private mutating func beginBody(_ body: HTTP1BodyLength) throws(HTTP1Error) {
        isInData = false
        switch body {
        case .none:
            outgoing = .none
            try finish()
        case .length(let length):
            outgoing = .length
            outgoingRemaining = length
        case .chunked: outgoing = .chunked
        case .untilClose: outgoing = .untilClose
        }
    }

    @inline(__always)
    private mutating func finish() throws(HTTP1Error) {
        try move(role, .end)
        settle()
    }

    // MARK: - Bodies

    /// Whether the current message's body is not sent at all (a response to HEAD, or 304): `sendData` drops it, and
    /// `beginData` refuses it.
    public var discardsBody: Bool { outgoing == .discarded }

    /// Appends a piece of the body, framed as the head announced. Bytes for a discarded body are dropped.
    ///
    /// - Throws: `wrongState`; `bodyTooLong` if the body would exceed its declared length.
    public mutating func sendData(_ bytes: UnsafeRawBufferPointer) throws(HTTP1Error) {
        if outgoing == .discarded, localState == .sendingBody { return }
        try beginData(count: bytes.count)
        written.append(bytes)
        try endData()
    }

    /// Appends a piece of the body, framed as the head announced.
    public mutating func sendData(_ bytes: [UInt8]) throws(HTTP1Error) {
        if outgoing == .discarded, localState == .sendingBody { return }
        try beginData(count: bytes.count)
        written.append(bytes)
        try endData()
    }

    /// Appends only what goes before `count` bytes of body. The driver writes `output`, then those bytes itself, then
    /// calls `endData()`.
    ///
    /// - Throws: `wrongState`; `bodyTooLong`; `bodyNotAllowed` if `discardsBody`.
    public mutating func beginData(count: Int) throws(HTTP1Error) {
        guard !isInData, count >= 0 else {
            throw HTTP1Error(.wrongState, "beginData(count:) before endData() of the piece before, or a negative count")
        }
        guard outgoing != .discarded else {
            throw HTTP1Error(.bodyNotAllowed, "this response has no body on the wire; look at discardsBody first")
        }
        if outgoing == .length, count > outgoingRemaining, localState == .sendingBody {
            throw HTTP1Error(
                .bodyTooLong,
                "a piece of \(count) bytes for a body that has \(outgoingRemaining) left of its Content-Length"
            )
        }
        try move(role, .data)
        isInData = true
        switch outgoing {
        case .length: outgoingRemaining &-= count
        case .chunked:
            // RFC 9112 §7.1: a chunk of size zero would end the body.
            if count > 0 {
                written.append(hex: count)
                written.appendLineEnd()
                outgoingRemaining = count
            } else {
                outgoingRemaining = 0
            }
        case .none, .untilClose, .discarded: break
        }
    }

    /// Appends what goes behind the bytes that `beginData(count:)` announced.
    public mutating func endData() throws(HTTP1Error) {
        guard isInData else { throw HTTP1Error(.wrongState, "endData() without beginData(count:)") }
        isInData = false
        if outgoing == .chunked, outgoingRemaining > 0 { written.appendLineEnd() }
    }

    /// Completes the message. After a head with body `.none` this does nothing.
    ///
    /// - Parameter trailers: fields behind a chunked body (RFC 9112 §7.1.2). An HTTP/1.0 peer does not get them.
    /// - Throws: `wrongState`; `bodyTooShort` if less was sent than declared; `bodyNotAllowed` for trailers behind a
    ///   body that is not chunked; `invalidField`.
    public mutating func sendEnd(trailers: HTTPFields? = nil) throws(HTTP1Error) {
        let hasTrailers = trailers.map { !$0.isEmpty } ?? false
        if outgoing == .none, localState != .sendingBody, localState != .idle, localState != .responding, !hasTrailers {
            return
        }
        guard localState == .sendingBody, !isInData else {
            throw HTTP1Error(.wrongState, "sendEnd() does not fit here: this side is \(localState)")
        }
        if outgoing == .length, outgoingRemaining > 0 {
            throw HTTP1Error(
                .bodyTooShort,
                "the body ends with \(outgoingRemaining) bytes of its Content-Length missing; close the connection"
            )
        }
        if hasTrailers, outgoing == .length || outgoing == .none {
            throw HTTP1Error(.bodyNotAllowed, "trailers need a chunked body (RFC 9112 §7.1.2)")
        }
        if outgoing == .chunked {
            let before = written.count
            written.append("0\r\n")
            if let trailers, hasTrailers {
                var writer = HTTP1HeadWriter()
                do throws(HTTP1Error) {
                    try writer.append(trailers, to: &written)
                    try writer.refuseTrailers()
                } catch {
                    written.truncate(toCount: before)
                    throw error
                }
            }
            written.appendLineEnd()
        }
        try finish()
    }
}
