import ApusRuntime
import ApusWire
import HTTPTypes

/// What a ``ClientResponse`` and its ``ResponseBody`` share: one allocation per response.
// @unchecked: everything is immutable but `history` and what middlewares note, which is set before anyone else can see the response.
final class ResponseStorage: @unchecked Sendable {
    let head: HTTP1ResponseHead
    let exchange: Exchange
    /// The body, if it came with the head.
    let complete: [UInt8]
    let completeTrailers: HTTPFields?
    /// How `complete` is to be decoded, if it is.
    let plan: ContentPlan?
    /// The body, if it is still on its way.
    let stream: LoopBound<BodyStream>?
    var history: [ClientResponse.Hop] = []
    /// How often the last hop's request was sent by a retry policy; 0 without one.
    var attempts = 0
    var cacheStatus: ClientResponse.CacheStatus?

    init(
        _ head: HTTP1ResponseHead,
        _ exchange: Exchange,
        complete: [UInt8],
        trailers: HTTPFields?,
        _ plan: ContentPlan?
    ) {
        self.head = head
        self.exchange = exchange
        self.complete = complete
        completeTrailers = trailers
        self.plan = plan
        stream = nil
    }

    init(_ head: HTTP1ResponseHead, _ exchange: Exchange, stream: BodyStream) {
        self.head = head
        self.exchange = exchange
        complete = []
        completeTrailers = nil
        plan = nil
        self.stream = LoopBound(stream, on: exchange.core.loop)
    }

    deinit {
        // On the loop, where the connection lives; by then the rest may have been read.
        stream?.perform { $0.abandon() }
    }

    /// Gives the connection up, if the body is not at its end.
    func release() { stream?.perform { $0.abandon() } }

    // MARK: Reading

    /// Everything, if it is there as it is: nothing is waited for, and an asynchronous call costs more than this.
    @inline(__always)
    func whole(limit: Int?) throws -> [UInt8]? {
        guard stream == nil, plan == nil else { return nil }
        let limit = limit ?? exchange.core.configuration.bodyLimit
        guard complete.count <= limit else { throw tooLarge(limit) }
        return complete
    }

    /// Everything at once.
    func collect(limit: Int?) async throws -> [UInt8] {
        if let whole = try whole(limit: limit) { return whole }
        let limit = limit ?? exchange.core.configuration.bodyLimit
        if let plan { return try await decodeComplete(plan, limit) }
        guard let stream else { return complete }
        let bytes =
            stream.loop.runsCurrentTask
            ? try await collect(stream.value, limit)
            : try await stream.loop.hop { try await self.collect(stream.value, limit) }
        guard let bytes else { throw tooLarge(limit) }
        return bytes
    }

    private func collect(_ stream: BodyStream, _ limit: Int) async throws -> [UInt8]? {
        if let collected = stream.collected { return collected.count <= limit ? collected : nil }
        guard !stream.isStarted else {
            throw exchange.error(.bodyConsumed, "The body was read as a stream already, and is gone.")
        }
        guard let bytes = try await stream.collect(limit: limit, length: head.contentLength) else { return nil }
        stream.collected = bytes
        return bytes
    }

    /// Each time anew: it takes less memory than keeping both.
    private func decodeComplete(_ plan: ContentPlan, _ limit: Int) async throws -> [UInt8] {
        let decoding = ContentDecoding(plan)
        decoding.feed(complete)
        var hint = plan == .decode([.gzip]) ? complete.withUnsafeBytes { GzipDecoder.statedLength($0) } : 0
        var bytes: [UInt8] = []
        while let piece = try exchange.nextPiece(of: decoding, hint: hint) {
            hint = 0
            guard bytes.count + piece.count <= limit else { throw tooLarge(limit) }
            if bytes.isEmpty { bytes = piece } else { bytes.append(contentsOf: piece) }
            if exchange.core.loop.runsCurrentTask { await exchange.core.loop.yieldIfSliceIsOver() }
        }
        try exchange.finish(decoding)
        return bytes
    }

    /// An error that holds the status, and the beginning of the body if that is there.
    func statusError(_ code: ClientError.Code, _ message: String) -> ClientError {
        var error = exchange.error(code, message)
        error.status = head.status
        if let plan {
            let decoding = ContentDecoding(plan)
            decoding.feed(complete)
            error.bodyPrefix = Array((try? decoding.next(hint: Self.prefixSize))?.prefix(Self.prefixSize) ?? [])
        } else {
            error.bodyPrefix = Array(complete.prefix(Self.prefixSize))
        }
        return error
    }

    private static let prefixSize = 4096

    private func tooLarge(_ limit: Int) -> ClientError {
        exchange.error(
            .bodyTooLarge,
            "The body is larger than \(limit) bytes. Pass a higher `limit:`, or read it piece by piece: "
                + "`try await session.get(url) { r in for try await chunk in r.body { … } }`."
        )
    }
}
