import ApusRuntime
import ApusWire
import HTTPTypes

/// What a ``ClientResponse`` and its ``ResponseBody`` share: one allocation per response.
// @unchecked: everything is immutable but `history`, which is set before anyone else can see the response.
final class ResponseStorage: @unchecked Sendable {
    let head: HTTP1ResponseHead
    let exchange: Exchange
    /// The body, if it came with the head.
    let complete: [UInt8]
    let completeTrailers: HTTPFields?
    /// The body, if it is still on its way.
    let stream: LoopBound<BodyStream>?
    var history: [ClientResponse.Hop] = []

    init(_ head: HTTP1ResponseHead, _ exchange: Exchange, complete: [UInt8], trailers: HTTPFields?) {
        self.head = head
        self.exchange = exchange
        self.complete = complete
        completeTrailers = trailers
        stream = nil
    }

    init(_ head: HTTP1ResponseHead, _ exchange: Exchange, stream: BodyStream) {
        self.head = head
        self.exchange = exchange
        complete = []
        completeTrailers = nil
        self.stream = LoopBound(stream, on: exchange.core.loop)
    }

    deinit {
        // On the loop, where the connection lives; by then the rest may have been read.
        stream?.perform { $0.abandon() }
    }

    /// Gives the connection up, if the body is not at its end.
    func release() { stream?.perform { $0.abandon() } }

    // MARK: Reading

    /// Everything at once.
    func collect(limit: Int?) async throws -> [UInt8] {
        let limit = limit ?? exchange.core.configuration.bodyLimit
        guard let stream else {
            guard complete.count <= limit else { throw tooLarge(limit) }
            return complete
        }
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
        // The head tells it: nothing has to be read to know.
        if let length = head.contentLength, length > limit {
            stream.abandon()
            return nil
        }
        var bytes: [UInt8] = []
        while let piece = try await stream.next() {
            guard bytes.count + piece.count <= limit else {
                stream.abandon()
                return nil
            }
            if bytes.isEmpty, head.contentLength == piece.count {
                bytes = piece
            } else {
                // What the head promises is trusted up to 16 MiB at a time: memory is for bytes that came.
                if bytes.isEmpty, let length = head.contentLength {
                    bytes.reserveCapacity(min(length, 16 * 1024 * 1024))
                }
                bytes.append(contentsOf: piece)
            }
        }
        stream.collected = bytes
        return bytes
    }

    private func tooLarge(_ limit: Int) -> ClientError {
        exchange.error(
            .bodyTooLarge,
            "The body is larger than \(limit) bytes. Pass a higher `limit:`, or read it piece by piece: "
                + "`try await session.get(url) { r in for try await chunk in r.body { … } }`."
        )
    }
}
