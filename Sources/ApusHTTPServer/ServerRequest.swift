public import ApusNet
import ApusRuntime
import ApusWire
public import HTTPTypes

/// What a client asks for.
public struct ServerRequest: Sendable {
    private let head: HTTP1RequestHead
    /// The request's body, piece by piece.
    public let body: ServerRequestBody
    /// The client's address, if it is known.
    public var remoteAddress: SocketAddress? { body.remoteAddress }

    init(_ head: consuming HTTP1RequestHead, body: ServerRequestBody) {
        self.head = head
        self.body = body
    }

    /// The method, such as GET.
    public var method: HTTPRequest.Method { head.method }

    /// The request target as it came, query included.
    public var target: String { head.target }

    /// The target's path, percent-encoded as it came.
    ///
    /// A client may send a whole URI as its target (RFC 9112 §3.2.2), and then this is its path: what routes by path must not be
    /// passed by in this way.
    public var path: String {
        // From the bytes: making the whole target's text and looking through its characters costs some thousand instructions.
        let path = head.withTarget { target -> String? in
            guard target.first == UInt8(ascii: "/") else { return nil }
            let end = target.firstIndex(of: UInt8(ascii: "?")) ?? target.endIndex
            return String(decoding: UnsafeRawBufferPointer(rebasing: target[..<end]), as: UTF8.self)
        }
        if let path { return path }
        let target = target
        if let uri = try? URI(target) { return uri.path }
        return String(target.prefix { $0 != "?" })
    }

    /// The target's query, percent-encoded as it came; nil if there is none.
    public var query: String? {
        head.withTarget { target in
            target.firstIndex(of: UInt8(ascii: "?")).map {
                String(decoding: UnsafeRawBufferPointer(rebasing: target[($0 + 1)...]), as: UTF8.self)
            }
        }
    }

    /// The header fields, made from the received bytes at each call.
    public var headers: HTTPFields { head.fields }
}

/// A request's body: a sequence of byte arrays, read as fast as they are asked for, once.
public struct ServerRequestBody: AsyncSequence, Sendable {
    public typealias Element = [UInt8]

    private let connection: LoopBound<ServerConnection>?
    private let cycle: Int

    init(_ connection: LoopBound<ServerConnection>, cycle: Int) {
        self.connection = connection
        self.cycle = cycle
    }

    // The connection has it, so that not each request pays for a copy. It never changes: any thread may read it.
    fileprivate var remoteAddress: SocketAddress? { connection?.assumedValue.remoteAddress }

    /// Reads a body piece by piece.
    public struct Iterator: AsyncIteratorProtocol {
        private let body: ServerRequestBody

        init(_ body: ServerRequestBody) { self.body = body }

        /// The next piece: at least one byte, or nil at the end.
        ///
        /// - Throws: ``ServerError``, `CancellationError`.
        ///
        /// Cancel safety: the rest of the body is lost, and the connection closes.
        public mutating func next() async throws -> [UInt8]? { try await body.next() }

        public mutating func next(isolation actor: isolated (any Actor)?) async throws -> [UInt8]? {
            try await body.next()
        }
    }

    public func makeAsyncIterator() -> Iterator { Iterator(self) }

    fileprivate func next() async throws -> [UInt8]? {
        guard let connection else { return nil }
        let cycle = cycle
        if connection.loop.runsCurrentTask { return try await connection.value.nextPiece(cycle) }
        return try await connection.loop.hop { try await connection.value.nextPiece(cycle) }
    }

    /// Collects the body.
    ///
    /// - Parameter limit: the most bytes to collect.
    /// - Throws: ``ServerError`` `.bodyTooLarge` past the limit (the client gets status 413), and as the iterator does.
    ///
    /// Cancel safety: the rest of the body is lost, and the connection closes.
    public func bytes(limit: Int = 16 * 1024 * 1024) async throws -> [UInt8] {
        var result: [UInt8] = []
        while let piece = try await next() {
            guard result.count + piece.count <= limit else {
                throw ServerError(.bodyTooLarge, "The request's body is larger than \(limit) bytes.")
            }
            if result.isEmpty { result = piece } else { result.append(contentsOf: piece) }
        }
        return result
    }

    /// Collects the body as text in UTF-8: see ``bytes(limit:)``.
    public func text(limit: Int = 16 * 1024 * 1024) async throws -> String {
        String(decoding: try await bytes(limit: limit), as: UTF8.self)
    }
}
