// The reading half: from stored bytes to events.
extension HTTP1Connection {
    /// Parses what is stored and returns the next event, in the order of the bytes.
    ///
    /// - Throws: `HTTP1Error` when the peer breaks RFC 9112 or a limit, or has closed where it must not. The connection
    ///   cannot be read any further then; a server can still answer with the error's `statusHint`.
    public mutating func next() throws(HTTP1Error) -> HTTP1Event {
        do throws(HTTP1Error) {
            switch remoteState {
            case .sendingBody: return try nextBody()
            case .responding: return try nextResponse()
            case .idle:
                guard role == .server else { return try nextIdle() }
                if let head = try nextRequest() { return .request(head) }
                return try needMoreHead()
            case .done, .mightSwitch: return .paused
            case .mustClose:
                guard hasEOF else { return .paused }
                try move(role == .client ? .server : .client, .eof)
                return .closed
            case .switched: return .upgraded
            case .closed: return .closed
            case .error:
                throw failure ?? HTTP1Error(.wrongState, "the connection has failed before")
            }
        } catch {
            fail(error)
            throw error
        }
    }

    private mutating func fail(_ error: HTTP1Error) {
        failure = error
        keepAlive = false
        if role == .client { server = .error } else { client = .error }
        settle()
    }

    /// Client: no request is outstanding, so the server has nothing to say.
    private mutating func nextIdle() throws(HTTP1Error) -> HTTP1Event {
        if input.count > 0 { throw Self.unsolicited }
        guard hasEOF else { return .needData }
        try move(.server, .eof)
        return .closed
    }

    // MARK: - Heads

    /// Server: the head of the next request, if it is complete; nil if `next()` has something else to say.
    ///
    /// The usual road, without an event around the head: such an enum is copied and destroyed by a walk over its cases.
    public mutating func nextRequestHead() throws(HTTP1Error) -> HTTP1RequestHead? {
        guard role == .server, client == .idle else { return nil }
        do throws(HTTP1Error) {
            return try nextRequest()
        } catch {
            fail(error)
            throw error
        }
    }

    @inline(__always)
    private mutating func nextRequest() throws(HTTP1Error) -> HTTP1RequestHead? {
        guard let base = input.bytes.baseAddress, try parser.parse(base, input.count, .request, limits) else {
            return nil
        }
        let facts = parser.facts
        let head = HTTP1RequestHead(
            block: takeBlock(base),
            facts: facts,
            methodStart: parser.methodStart,
            methodCount: parser.methodCount,
            targetStart: parser.partStart,
            targetCount: parser.partCount
        )
        let method = UnsafeRawBufferPointer(start: base + head.methodStart, count: head.methodCount)
        let known = HTTP1KnownMethod(method)
        isHead = known == .head
        isConnect = known == .connect
        offersUpgrade = facts.wantsUpgrade
        peerMinor = facts.versionMinor
        peerAskedToKeep = facts.flags.contains(.connectionKeepAlive)
        if !facts.keepAlive { keepAlive = false }
        try move(.client, .request)
        if server == .idle { try move(.server, .peerRequest) }
        // RFC 9112 §6.3: rule 4, chunked; rule 6, Content-Length; rule 7, a request with neither has no body.
        // RFC 9110 §9.3.6: CONNECT has no body; a length there would be read as tunnel data by others.
        if isConnect, facts.contentLength > 0 || facts.flags.contains(.chunked) {
            throw HTTP1Error(.conflictingFraming, "CONNECT announces a body, which it cannot have (RFC 9110 §9.3.6)")
        }
        if facts.flags.contains(.chunked) {
            incoming = .chunked
            chunks = HTTP1ChunkReader()
        } else {
            expectLength(max(facts.contentLength, 0))
        }
        return head
    }

    private mutating func nextResponse() throws(HTTP1Error) -> HTTP1Event {
        guard let base = input.bytes.baseAddress, try parser.parse(base, input.count, .status, limits) else {
            return try needMoreHead()
        }
        let facts = parser.facts
        let status = parser.status
        let head = HTTP1ResponseHead(
            block: takeBlock(base),
            facts: facts,
            statusCode: status,
            reasonStart: parser.partStart,
            reasonCount: parser.partCount
        )
        if status < 200 {
            // RFC 9110 §15.2: any number of interim responses may precede the final one; 101 is final in effect.
            if status == 101 { return try switchProtocols(head) }
            parser.reset()
            interimCount &+= 1
            guard interimCount <= limits.interimResponses else {
                throw HTTP1Error(
                    .tooManyInterimResponses,
                    "more than \(limits.interimResponses) interim responses (HTTP1Limits.interimResponses)"
                )
            }
            try move(.server, .informational)
            return .informational(head)
        }
        // RFC 9110 §9.3.6: a 2xx to CONNECT makes the connection a tunnel; framing fields in it are ignored.
        if isConnect, status < 300, client == .mightSwitch {
            try move(.server, .switchProtocol)
            try move(.client, .switchProtocol)
            return .response(head)
        }
        // Any other answer declines the change.
        offersUpgrade = false
        isConnect = false
        if !facts.keepAlive { keepAlive = false }
        try move(.server, .response)
        settle()
        // RFC 9112 §6.3: how the body's end is found, first rule that fits.
        if isHead || status == 204 || status == 304 {
            expectLength(0)  // rule 1
        } else if facts.flags.contains(.chunked) {
            incoming = .chunked  // rule 4
            chunks = HTTP1ChunkReader()
        } else if facts.contentLength >= 0 {
            expectLength(facts.contentLength)  // rule 6
        } else {
            incoming = .untilClose  // rule 8
            keepAlive = false
        }
        return .response(head)
    }

    // RFC 9110 §15.2.2: 101 follows only a request with Upgrade, and after it was complete.
    private mutating func switchProtocols(_ head: HTTP1ResponseHead) throws(HTTP1Error) -> HTTP1Event {
        guard offersUpgrade, client == .mightSwitch else {
            throw HTTP1Error(
                .unexpectedUpgrade,
                "the server changed protocols (101) although the request did not offer it or is not complete"
            )
        }
        try move(.server, .switchProtocol)
        try move(.client, .switchProtocol)
        return .response(head)
    }

    @inline(__always)
    private mutating func takeBlock(_ base: UnsafeRawPointer) -> HTTP1FieldBlock {
        let count = parser.headCount
        let block = HTTP1FieldBlock(
            head: UnsafeRawBufferPointer(start: base, count: count),
            slices: parser.table,
            count: parser.fieldCount
        )
        input.consume(count)
        return block
    }

    @inline(__always)
    private mutating func expectLength(_ length: Int) {
        incoming = .length
        incomingRemaining = length
        incomingTotal = length
    }

    @inline(never)
    private mutating func needMoreHead() throws(HTTP1Error) -> HTTP1Event {
        guard hasEOF else { return .needData }
        let isPartial = parser.hasBegun || input.count > parser.headCount
        if role == .server {
            // RFC 9112 §8: an incomplete request head.
            if isPartial {
                throw HTTP1Error(
                    .closedInHead,
                    "the client closed in the middle of a request head, after \(input.count) bytes"
                )
            }
            try move(.client, .eof)
            return .closed
        }
        if isPartial {
            throw HTTP1Error(
                .closedInHead,
                "the server closed in the middle of the response head, after \(input.count) bytes (RFC 9112 §8)"
            )
        }
        throw interimCount == 0
            ? HTTP1Error(.closedBeforeResponse, "the server closed without sending a single byte of the response")
            : HTTP1Error(.closedInHead, "the server closed after an interim response, before the final one")
    }

    // MARK: - Bodies

    /// Server: ends a request that has no body, as most have none, where the driver does not wait for its `.end`.
    public mutating func endEmptyBody() {
        guard role == .server, client == .sendingBody, incoming == .length, incomingRemaining == 0 else { return }
        // The table has this move: the default changes nothing.
        client = HTTP1StateTable.move(.client, client, .end) ?? client
        settle()
    }

    private mutating func nextBody() throws(HTTP1Error) -> HTTP1Event {
        switch incoming {
        case .none, .discarded: return try endMessage()
        case .length:
            if incomingRemaining == 0 { return try endMessage() }
            let count = min(incomingRemaining, input.count)
            if count > 0 {
                incomingRemaining &-= count
                return takeData(count)
            }
            guard hasEOF else { return .needData }
            // RFC 9112 §8: fewer bytes than Content-Length is an incomplete message.
            throw HTTP1Error(
                .closedInBody,
                "the \(peerName) closed after \(incomingTotal - incomingRemaining) of \(incomingTotal) body bytes"
            )
        case .chunked: return try nextChunk()
        case .untilClose:
            if input.count > 0 { return takeData(input.count) }
            return hasEOF ? try endMessage() : .needData
        }
    }

    private var peerName: String { role == .client ? "server" : "client" }

    @inline(__always)
    private mutating func takeData(_ count: Int) -> HTTP1Event {
        let data = HTTP1Data(offset: input.head, count: count)
        input.consume(count)
        return .data(data)
    }

    // RFC 9112 §7.1: chunked-body = *chunk last-chunk trailer-section CRLF.
    private mutating func nextChunk() throws(HTTP1Error) -> HTTP1Event {
        while let base = input.bytes.baseAddress {
            switch chunks.phase {
            case .size:
                let used = try chunks.readSize(base, input.count, limits)
                if used == 0 { return try needMoreChunk() }
                input.consume(used)
                if chunks.phase == .trailers { parser.reset() }
            case .data:
                let count = min(chunks.remaining, input.count)
                chunks.remaining &-= count
                if chunks.remaining == 0 { chunks.phase = .dataEnd }
                return takeData(count)
            case .dataEnd:
                guard try chunks.readDataEnd(base, input.count) else { return try needMoreChunk() }
                input.consume(2)
            case .trailers:
                guard try parser.parse(base, input.count, .trailer, limits) else { return try needMoreChunk() }
                guard parser.fieldCount > 0 else {
                    input.consume(parser.headCount)
                    return try endMessage()
                }
                let trailers = takeBlock(base)
                _ = try endMessage()
                return .end(trailers: trailers.fields)
            }
        }
        return try needMoreChunk()
    }

    private func needMoreChunk() throws(HTTP1Error) -> HTTP1Event {
        guard hasEOF else { return .needData }
        let place =
            switch chunks.phase {
            case .size: "before a chunk size"
            case .data: "with \(chunks.remaining) bytes of a chunk outstanding"
            case .dataEnd: "behind a chunk's data"
            case .trailers: "in the trailers"
            }
        // RFC 9112 §8: a chunked body without its zero-sized chunk is incomplete.
        throw HTTP1Error(.closedInBody, "the \(peerName) closed within a chunked body, \(place)")
    }

    @inline(__always)
    private mutating func endMessage() throws(HTTP1Error) -> HTTP1Event {
        try move(role == .client ? .server : .client, .end)
        settle()
        return .end(trailers: nil)
    }
}
