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
    /// The most memory that is made ready because a head says so.
    private static let promisedSize = 16 * 1024 * 1024
    /// Small pieces that have come together are given out together, up to about this.
    private static let mergedSize = 16 * 1024

    /// Once per process, a block of 1 MiB is taken and freed, untouched.
    ///
    /// glibc gives memory at the end of its heap back as soon as that is 128 KiB, and with blocks of 100 KB that is after nearly every
    /// body: each next one then has its pages made anew, which was half of what it cost. After the first free of a larger block glibc
    /// keeps twice the size of that, here 2 MiB; any body of some size does the same in passing. A limit that the program or its
    /// environment has set (mallopt(3)) stays as it is.
    private static let keepsFreedMemory: Void = {
        UnsafeMutableRawPointer.allocate(byteCount: 1024 * 1024, alignment: 16).deallocate()
    }()

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

    private var busy: ClientError { exchange.error(.bodyConsumed, "Another task is reading this body.") }

    /// The next piece as it comes.
    private func nextReceived() async throws -> [UInt8]? {
        try beginReading()
        if let piece = takeFirst() { return piece }
        guard let connection else { return nil }
        var piece: [UInt8] = []
        try await reading(connection) {
            try await read(connection, into: &piece)
        }
        return piece.isEmpty ? nil : piece
    }

    /// Everything that is left, in one array, which the bytes are received into.
    ///
    /// - Parameter length: how many bytes the head promises, if it does.
    /// - Returns: nil if it is more than `limit` bytes. The body is given up then.
    ///
    /// Cancel safety: as ``next()``.
    func collect(limit: Int, length: Int?) async throws -> [UInt8]? {
        // The head tells it: nothing has to be read to know.
        let length = decoding == nil ? length : nil
        var bytes: [UInt8] = []
        if length ?? 0 <= limit {
            guard decoding == nil, recorder == nil else { return try await collectPieces(limit) }
            try beginReading()
            bytes = takeFirst() ?? []
            guard let connection else { return bytes.count <= limit ? bytes : nil }
            // What the head promises is trusted up to 16 MiB: memory is for bytes that came.
            if let length { bytes.reserveCapacity(min(length + 1, Self.promisedSize)) }
            try await reading(connection) {
                while self.connection != nil, bytes.count <= limit { try await read(connection, into: &bytes) }
            }
            if let failure { throw failure }
            if bytes.count <= limit { return bytes }
        }
        abandon()
        return nil
    }

    private func collectPieces(_ limit: Int) async throws -> [UInt8]? {
        var bytes: [UInt8] = []
        while let piece = try await next() {
            guard bytes.count + piece.count <= limit else {
                abandon()
                return nil
            }
            if bytes.isEmpty { bytes = piece } else { bytes.append(contentsOf: piece) }
        }
        return bytes
    }

    private func beginReading() throws {
        if let failure { throw failure }
        guard !isReading else { throw busy }
        isStarted = true
    }

    /// What came with the head.
    private func takeFirst() -> [UInt8]? {
        guard !first.isEmpty else { return nil }
        defer { first = [] }
        exchange.tell { $0.responseBodyReceived($1, byteCount: first.count) }
        return first
    }

    /// Runs `body`, which reads; cancelling the task ends its waits. An error of it is the body's.
    @inline(__always)
    private func reading(
        _ connection: ClientConnection,
        _ body: nonisolated(nonsending) () async throws -> Void
    ) async throws {
        isReading = true
        defer { isReading = false }
        exchange.waiting = .descriptor(connection.descriptor.token)
        defer { exchange.waiting = .nothing }
        do {
            try await withCancellationTarget(exchange, body)
        } catch {
            let described = core.describe(error, exchange)
            failure = described
            leave()
            core.finished(connection, isReusable: false)
            throw described
        }
    }

    /// Appends the next piece; nothing at the end.
    private func read(_ connection: ClientConnection, into bytes: inout [UInt8]) async throws {
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
                let before = bytes.count
                http.pointee.append(data, to: &bytes)
                let event = http.pointee.appendFollowing(to: &bytes, upTo: before + Self.mergedSize)
                exchange.tell { $0.responseBodyReceived($1, byteCount: bytes.count - before) }
                if case .end(let trailers)? = event { end(connection, trailers) }
                return
            case .end(let trailers): return end(connection, trailers)
            case .needData:
                // Large bodies of known length go straight into the user's memory.
                if let left = http.pointee.remainingBodyLength, left > 16 * 1024, http.pointee.bufferedInputCount == 0,
                    connection.descriptor.mayRead
                {
                    let count = try receiveDirectly(connection, left, into: &bytes)
                    if count > 0 { return exchange.tell { $0.responseBodyReceived($1, byteCount: count) } }
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

    /// - Returns: how many bytes were appended: none if there were none yet, or the server has closed.
    private func receiveDirectly(
        _ connection: ClientConnection,
        _ left: Int,
        into bytes: inout [UInt8]
    ) throws -> Int {
        _ = Self.keepsFreedMemory
        var received: Int?
        var extra: UInt8?
        // Room for one byte more than may come: a read that fills less says that nothing is left, and else a system call would have to ask.
        try bytes.append(addingCapacity: min(left + 1, Self.pieceSize)) { room in
            try room.withUnsafeMutableBufferPointer { buffer, count in
                received = try connection.transport.receive(into: UnsafeMutableRawBufferPointer(buffer))
                count = min(received ?? 0, left)
                if let received, received > left { extra = buffer[left] }
            }
        }
        guard let received else { return 0 }
        guard received > 0 else {
            connection.http.pointee.receiveEOF()
            return 0
        }
        try connection.http.pointee.consumeDirectBody(min(received, left))
        // Nobody asked for it: the connection is not used again.
        if let extra { connection.http.pointee.receive([extra]) }
        return min(received, left)
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
