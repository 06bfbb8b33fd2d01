import ApusRuntime
import HTTPTypes

/// A response's body: a sequence of byte arrays, read as fast as they are asked for.
///
/// ```swift
/// try await session.get(url) { response in
///     for try await chunk in response.body { file.write(chunk) }
/// }
/// ```
///
/// Reading applies back-pressure: what is not asked for stays in the network. A small body has arrived with its head already, and
/// can be read any number of times; a streamed one once. A body that is dropped unread closes its connection.
public final class ResponseBody: AsyncSequence, Sendable {
    public typealias Element = [UInt8]

    private let complete: [UInt8]
    private let completeTrailers: HTTPFields?
    private let stream: LoopBound<BodyStream>?
    private let limit: Int

    init(complete: [UInt8], trailers: HTTPFields?, limit: Int) {
        self.complete = complete
        completeTrailers = trailers
        stream = nil
        self.limit = limit
    }

    init(stream: BodyStream, on loop: EventLoop, limit: Int) {
        complete = []
        completeTrailers = nil
        self.stream = LoopBound(stream, on: loop)
        self.limit = limit
    }

    deinit {
        // On the loop, where the connection lives; by then the rest may have been read.
        stream?.perform { $0.abandon() }
    }

    /// Reads a body piece by piece.
    public struct Iterator: AsyncIteratorProtocol {
        private let body: ResponseBody
        private var isAtEnd = false

        init(_ body: ResponseBody) { self.body = body }

        /// The next piece: at least one byte, or nil at the end.
        ///
        /// - Throws: ``ClientError`` (`.closedInBody`, `.idleTimeout`, `.malformedResponse`…), `CancellationError`.
        ///
        /// Cancel safety: closes the connection; the rest of the body is lost.
        public mutating func next() async throws -> [UInt8]? {
            try await next(isolation: #isolation)
        }

        public mutating func next(isolation actor: isolated (any Actor)?) async throws -> [UInt8]? {
            guard !isAtEnd else { return nil }
            guard let piece = try await body.nextPiece(afterComplete: &isAtEnd), !piece.isEmpty else {
                isAtEnd = true
                return nil
            }
            return piece
        }
    }

    public func makeAsyncIterator() -> Iterator { Iterator(self) }

    private func nextPiece(afterComplete isAtEnd: inout Bool) async throws -> [UInt8]? {
        guard let stream else {
            isAtEnd = true
            return complete
        }
        if stream.loop.runsCurrentTask { return try await stream.value.next() }
        return try await stream.loop.hop { try await stream.value.next() }
    }

    /// Everything at once.
    func collect(limit: Int?, _ tooLarge: @Sendable (Int) -> ClientError) async throws -> [UInt8] {
        let limit = limit ?? self.limit
        guard let stream else {
            guard complete.count <= limit else { throw tooLarge(limit) }
            return complete
        }
        let bytes =
            stream.loop.runsCurrentTask
            ? try await Self.collect(stream.value, limit)
            : try await stream.loop.hop { try await Self.collect(stream.value, limit) }
        guard let bytes else { throw tooLarge(limit) }
        return bytes
    }

    private static func collect(_ stream: BodyStream, _ limit: Int) async throws -> [UInt8]? {
        if let collected = stream.collected { return collected.count <= limit ? collected : nil }
        guard !stream.isStarted else {
            throw ClientError(.bodyConsumed, "The body was read as a stream already, and is gone.")
        }
        var bytes: [UInt8] = []
        while let piece = try await stream.next() {
            guard bytes.count + piece.count <= limit else {
                stream.abandon()
                return nil
            }
            if bytes.isEmpty { bytes = piece } else { bytes.append(contentsOf: piece) }
        }
        stream.collected = bytes
        return bytes
    }

    /// Gives the connection up, if the body is not at its end.
    func release() async {
        guard let stream else { return }
        if stream.loop.isCurrent { stream.value.abandon() } else { stream.perform { $0.abandon() } }
    }

    /// The fields behind a chunked body, once it has been read.
    func trailers() async -> HTTPFields? {
        guard let stream else { return completeTrailers }
        if stream.loop.isCurrent { return stream.value.trailers }
        return try? await stream.loop.hop { stream.value.trailers }
    }
}
