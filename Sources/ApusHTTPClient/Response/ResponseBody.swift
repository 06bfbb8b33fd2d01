import ApusRuntime

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
///
/// A body in gzip, deflate, br or zstd is decoded, in pieces of at most 256 KiB, unless ``RequestOptions/decompress`` says otherwise.
/// The head stays as it came: Content-Length counts coded bytes. What is damaged (``ClientError/Code/corruptContent``) or ends too
/// early (``ClientError/Code/truncatedContent``) is an error behind the good bytes; a bomb is
/// ``ClientError/Code/decompressionLimit``. With a coding that is not known here, and as a part (206), the body is left as it came.
public struct ResponseBody: AsyncSequence, Sendable {
    public typealias Element = [UInt8]

    let storage: ResponseStorage

    /// Reads a body piece by piece.
    public struct Iterator: AsyncIteratorProtocol {
        private let storage: ResponseStorage
        @usableFromInline var isAtEnd = false
        /// Whether the body came with its head, as it is.
        private let isComplete: Bool
        /// Of a body that came with its head: each iteration decodes it anew.
        private var decoding: ContentDecoding?

        init(_ storage: ResponseStorage) {
            self.storage = storage
            isComplete = storage.stream == nil && storage.plan == nil
            guard let plan = storage.plan else { return }
            let decoding = ContentDecoding(plan)
            decoding.feed(storage.complete)
            self.decoding = decoding
        }

        /// The next piece: at least one byte, or nil at the end.
        ///
        /// - Throws: ``ClientError`` (`.closedInBody`, `.idleTimeout`, `.malformedResponse`…), `CancellationError`.
        ///
        /// Cancel safety: closes the connection; the rest of the body is lost.
        // Inlined, since a small body has come with its head: an asynchronous call, and the way back from it, cost more than to give it out.
        @inlinable
        @inline(__always)
        public mutating func next() async throws -> [UInt8]? {
            if let piece = takeComplete() { return piece }
            if isAtEnd { return nil }
            return try await nextToCome(isolation: #isolation)
        }

        public mutating func next(isolation actor: isolated (any Actor)?) async throws -> [UInt8]? {
            if let piece = takeComplete() { return piece }
            if isAtEnd { return nil }
            return try await nextToCome(isolation: actor)
        }

        /// What is there without a wait.
        @usableFromInline
        mutating func takeComplete() -> [UInt8]? {
            guard isComplete, !isAtEnd else { return nil }
            isAtEnd = true
            return storage.complete.isEmpty ? nil : storage.complete
        }

        @usableFromInline
        mutating func nextToCome(isolation actor: isolated (any Actor)?) async throws -> [UInt8]? {
            if let decoding {
                let exchange = storage.exchange
                if let piece = try exchange.nextPiece(of: decoding) { return piece }
                try exchange.finish(decoding)
                isAtEnd = true
                return nil
            }
            guard let stream = storage.stream else { return nil }
            let piece =
                stream.loop.runsCurrentTask
                ? try await stream.value.next() : try await stream.loop.hop { try await stream.value.next() }
            isAtEnd = piece == nil
            return piece
        }
    }

    public func makeAsyncIterator() -> Iterator { Iterator(storage) }
}
