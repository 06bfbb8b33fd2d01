// Bytes from the peer: storing them, and handing out pieces of bodies.
extension HTTP1Connection {
    /// Memory to receive into, at least `minimum` bytes, behind what is already stored.
    ///
    /// The first call takes 16 KiB; the buffer moves its content to the front before it grows.
    public mutating func prepareInput(minimum: Int) -> UnsafeMutableRawBufferPointer {
        input.space(minimum)
    }

    /// Counts bytes that were received into the memory of `prepareInput(minimum:)`.
    public mutating func commitInput(_ count: Int) {
        input.commit(count)
    }

    /// Stores a copy of received bytes.
    public mutating func receive(_ bytes: UnsafeRawBufferPointer) {
        input.append(bytes)
    }

    /// Stores a copy of received bytes.
    public mutating func receive(_ bytes: [UInt8]) {
        input.append(bytes)
    }

    /// The peer has closed its sending side: nothing more will be received.
    public mutating func receiveEOF() {
        hasEOF = true
    }

    /// The bytes stored and not yet handed out as events.
    public var bufferedInputCount: Int { mutating get { input.count } }

    /// Whether `next()` has something to look at: bytes, or the peer's end.
    public var hasInput: Bool { mutating get { input.count > 0 || hasEOF } }

    /// After `.upgraded`: what has arrived behind the HTTP messages, handed over once.
    public mutating func takeRemainingInput() -> [UInt8] {
        let rest = [UInt8](input.bytes)
        input.consume(input.count)
        return rest
    }

    // MARK: - Pieces of bodies

    /// The bytes of a piece, in place. Valid until the next mutating call.
    public mutating func bytes(of data: HTTP1Data) -> UnsafeRawBufferPointer {
        guard let base = input.base, data.offset >= 0, data.count >= 0, data.offset <= input.head - data.count else {
            preconditionFailure("an HTTP1Data was used after the connection had moved on")
        }
        return UnsafeRawBufferPointer(start: base + data.offset, count: data.count)
    }

    /// Calls `body` with the bytes of a piece, in place.
    @inlinable
    public mutating func withData<Result, Failure: Error>(
        _ data: HTTP1Data,
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(bytes(of: data))
    }

    /// A copy of a piece.
    public mutating func copy(_ data: HTTP1Data) -> [UInt8] {
        [UInt8](bytes(of: data))
    }

    /// A copy of a piece and of what is stored behind it, so that a peer that sends a chunk per byte does not cost an array per byte.
    ///
    /// - Parameter limit: where to stop, in bytes.
    /// - Returns: the bytes, and the event that ended them; nil if there is nothing more now, or `next()` throws: it will again.
    public mutating func copyWithFollowing(_ data: HTTP1Data, limit: Int) -> (bytes: [UInt8], event: HTTP1Event?) {
        var bytes = copy(data)
        let event = bytes.count < limit ? appendFollowing(to: &bytes, upTo: limit) : nil
        return (bytes, event)
    }

    /// Appends what is stored behind the last piece, as ``copyWithFollowing(_:limit:)`` does.
    ///
    /// - Parameter end: how many bytes the array has at most when another piece is taken.
    /// - Returns: the event that ended them; nil if there is nothing more now, or `next()` throws: it will again.
    public mutating func appendFollowing(to array: inout [UInt8], upTo end: Int) -> HTTP1Event? {
        while array.count < end {
            guard let event = try? next() else { return nil }
            switch event {
            case .data(let more): append(more, to: &array)
            case .needData: return nil
            default: return event
            }
        }
        return nil
    }

    /// Appends a piece to an array.
    public mutating func append(_ data: HTTP1Data, to array: inout [UInt8]) {
        array.append(contentsOf: bytes(of: data))
    }

    /// The bytes of a Content-Length body still to be received, beyond those stored; nil for other bodies.
    ///
    /// With `bufferedInputCount == 0` the driver may receive up to this many straight into the user's memory and count
    /// them with `consumeDirectBody(_:)`.
    public var remainingBodyLength: Int? {
        mutating get {
            guard remoteState == .sendingBody, incoming == .length else { return nil }
            return max(0, incomingRemaining - input.count)
        }
    }

    /// Counts body bytes that were received past the buffer.
    ///
    /// - Throws: `wrongState` if bytes are still stored, or these are more than the body has left.
    public mutating func consumeDirectBody(_ count: Int) throws(HTTP1Error) {
        guard let remaining = remainingBodyLength, input.count == 0, count >= 0, count <= remaining else {
            throw HTTP1Error(
                .wrongState,
                "\(count) body bytes cannot be counted here: take stored bytes with next() first,"
                    + " and receive no more than remainingBodyLength"
            )
        }
        incomingRemaining -= count
    }
}
