import ApusNet
import ApusRuntime
import ApusWire
import HTTPTypes

/// The rest of a response's body, on its connection. Loop thread only.
final class BodyStream {
    private var connection: ClientConnection?
    private var first: [UInt8]
    private let core: SessionCore
    private let exchange: Exchange
    private var failure: (any Error)?
    private var isReading = false
    private let decoding: ContentDecoding?
    private var idleLimit: Int64
    private(set) var trailers: HTTPFields?
    /// What ``ResponseBody`` has collected, so that asking twice works.
    var collected: [UInt8]?
    /// Whether pieces were given out that nobody can get again.
    private(set) var isStarted = false
    /// Copies what is read, for a cache.
    var recorder: BodyRecorder?
    /// Let go when the connection is free: places that the request has in limits of the user's.
    private var held: [AnyObject] = []

    /// The largest piece that is read at once.
    private static let pieceSize = 256 * 1024
    /// Small pieces that have come together are given out together, up to about this.
    private static let mergedSize = 16 * 1024

    init(connection: ClientConnection, first: [UInt8], _ exchange: Exchange, _ plan: ContentPlan?) {
        self.connection = connection
        self.first = first
        self.exchange = exchange
        core = exchange.core
        idleLimit = exchange.limits.idle
        decoding = plan.map { ContentDecoding($0) }
        exchange.progress = .body
    }

    /// The next piece, nil at the end. Every piece but an empty body's has at least one byte.
    ///
    /// Cancel safety: the connection is closed, and the body cannot be read further.
    func next() async throws -> [UInt8]? {
        guard let decoding else {
            let piece = try await nextReceived()
            if let recorder { recorder.add(piece) }
            return piece
        }
        while true {
            if let failure { throw failure }
            if isReading { throw busy }
            do {
                try Task.checkCancellation()
                if let piece = try exchange.nextPiece(of: decoding) {
                    isStarted = true
                    if let recorder { recorder.add(piece) }
                    await core.loop.yieldIfSliceIsOver()
                    return piece
                }
                guard let received = try await nextReceived() else {
                    try exchange.finish(decoding)
                    if let recorder { recorder.add(nil) }
                    return nil
                }
                decoding.feed(received)
            } catch {
                giveUp(error)
                throw error
            }
        }
    }

    /// Lets the server take its time: event streams are silent for as long as nothing happens.
    func waitsWithoutLimit() { idleLimit = .max }

    /// Waits no longer than this for each further piece.
    func waits(atMost limit: Duration) { idleLimit = min(idleLimit, limit.clampedNanoseconds) }

    /// Whether the pieces are not those that come: lengths in the head mean others.
    var isDecoded: Bool { decoding != nil }

    private var busy: ClientError { exchange.error(.bodyConsumed, "Another task is reading this body.") }

    /// The next piece as it comes.
    private func nextReceived() async throws -> [UInt8]? {
        if let failure { throw failure }
        guard !isReading else {
            throw busy
        }
        isStarted = true
        if !first.isEmpty {
            defer { first = [] }
            exchange.tell { $0.responseBodyReceived($1, byteCount: first.count) }
            return first
        }
        guard let connection else { return nil }
        isReading = true
        defer { isReading = false }
        exchange.waiting = .descriptor(connection.descriptor.token)
        defer { exchange.waiting = .nothing }
        do {
            return try await withCancellationTarget(exchange) {
                try await read(connection)
            }
        } catch {
            let described = core.describe(error, exchange)
            failure = described
            leave()
            core.finished(connection, isReusable: false)
            throw described
        }
    }

    private func read(_ connection: ClientConnection) async throws -> [UInt8]? {
        let http = connection.http
        // A body that comes faster than it is read never waits, and so never meets its deadlines.
        if exchange.totalDeadline != .max, exchange.totalDeadline <= core.loop.deadline(after: .zero) {
            throw StageTimeout(code: .totalTimeout)
        }
        await core.loop.yieldIfSliceIsOver()
        try Task.checkCancellation()
        // One deadline per piece: bytes that frame it, such as a chunk's size, a byte at a time, must not prolong it.
        var deadline: Int64?
        while true {
            switch try http.pointee.next() {
            case .data(let data):
                let (bytes, event) = http.pointee.copyWithFollowing(data, limit: Self.mergedSize)
                exchange.tell { $0.responseBodyReceived($1, byteCount: bytes.count) }
                if case .end(let trailers)? = event { end(connection, trailers) }
                return bytes
            case .end(let trailers):
                end(connection, trailers)
                return nil
            case .needData:
                // Large bodies of known length go straight into the user's memory.
                if let left = http.pointee.remainingBodyLength, left > 16 * 1024, http.pointee.bufferedInputCount == 0,
                    connection.descriptor.mayRead, let piece = try receiveDirectly(connection, left)
                {
                    exchange.tell { $0.responseBodyReceived($1, byteCount: piece.count) }
                    return piece
                }
                if !connection.descriptor.mayRead {
                    // The server waits for the rest of the request, which will not come. One that takes no more of it, or
                    // breaks off, may still have said all it has to say.
                    if let failure = connection.uploadFailure, !(failure is NetError), !(failure is StageTimeout) {
                        throw failure
                    }
                    let end = deadline ?? exchange.deadline(idleLimit)
                    deadline = end
                    let outcome = await connection.descriptor.waitReadable(deadline: end)
                    try connection.check(outcome, exchange, stage: .idleTimeout)
                    continue
                }
                try connection.receive()
            case .request, .response, .informational, .paused, .closed, .upgraded:
                throw exchange.error(.malformedResponse, "The body ended in another protocol.")
            }
        }
    }

    private func end(_ connection: ClientConnection, _ trailers: HTTPFields?) {
        self.trailers = trailers
        exchange.moments.end = core.loop.now
        self.connection = nil
        held = []
        core.finished(connection, isReusable: true)
    }

    private func receiveDirectly(_ connection: ClientConnection, _ left: Int) throws -> [UInt8]? {
        var received: Int?
        let piece = try [UInt8](unsafeUninitializedCapacity: min(left, Self.pieceSize)) { buffer, count in
            received = try connection.transport.receive(into: UnsafeMutableRawBufferPointer(buffer))
            count = received ?? 0
        }
        guard let received else { return nil }
        guard received > 0 else {
            connection.http.pointee.receiveEOF()
            return nil
        }
        try connection.http.pointee.consumeDirectBody(received)
        return piece
    }

    /// What was received cannot be decoded: nothing that follows can be.
    private func giveUp(_ error: any Error) {
        guard failure == nil, (error as? ClientError)?.code != .bodyConsumed else { return }
        failure = error
        guard let connection else { return }
        leave()
        core.finished(connection, isReusable: false)
    }

    /// Keeps `object` until the connection is free.
    func hold(_ object: AnyObject) {
        if connection != nil { held.append(object) }
    }

    /// Nothing more will be read.
    private func leave() {
        connection = nil
        recorder = nil
        held = []
    }

    /// Gives the connection up: what is left of the body is not wanted. Safe twice.
    func abandon() {
        guard let connection else { return }
        leave()
        if failure == nil {
            failure = exchange.error(.bodyConsumed, "The response was released.")
        }
        core.finished(connection, isReusable: false)
    }
}
