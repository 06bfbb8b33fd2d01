extension TCPListener {
    /// Accepts connections, speaks TLS on them, and gives each to `handler`: see ``serve(connectionLimit:_:)``.
    ///
    /// The handshake is a part of the connection's own task, before the handler, so that a slow client delays nobody. One that fails ends its
    /// connection only, and is logged at debug level: the internet is full of clients that do not mean it.
    ///
    /// - Parameters:
    ///   - tls: who the server is.
    ///   - handshakeTimeout: how long a client may take for the handshake. The default is that of `HTTPServer`; asyncio allows 60 s.
    ///   - connectionLimit: connections at a time, in the handshake or after it; further ones wait in the system's backlog. At least 1.
    ///   - handler: runs on the listener's loop.
    /// - Throws: ``TLSError`` at once, before anybody connects, if `tls` cannot be used; then as ``serve(connectionLimit:_:)``.
    ///
    /// Cancel safety: cancels the handlers, and awaits them. The listener still listens.
    public func serve(
        tls: TLSServerConfiguration,
        handshakeTimeout: Duration = .seconds(15),
        connectionLimit: Int = 100_000,
        _ handler: @escaping @Sendable (TCPStream) async throws -> Void
    ) async throws {
        let context = try TLSServerContext(tls)
        try await serve(
            tls: context,
            handshakeTimeout: handshakeTimeout,
            connectionLimit: connectionLimit,
            handler
        )
    }

    /// Accepts connections and speaks TLS on them with a certificate that can be replaced meanwhile: as
    /// ``serve(tls:handshakeTimeout:connectionLimit:_:)-(TLSServerConfiguration,_,_,_)``.
    ///
    /// - Parameters:
    ///   - tls: who the server is; each handshake takes what is in force when it begins.
    ///   - handshakeTimeout: how long a client may take for the handshake.
    ///   - connectionLimit: connections at a time, in the handshake or after it. At least 1.
    ///   - handler: runs on the listener's loop.
    /// - Throws: as ``serve(connectionLimit:_:)``.
    ///
    /// Cancel safety: cancels the handlers, and awaits them. The listener still listens.
    public func serve(
        tls context: TLSServerContext,
        handshakeTimeout: Duration = .seconds(15),
        connectionLimit: Int = 100_000,
        _ handler: @escaping @Sendable (TCPStream) async throws -> Void
    ) async throws {
        try await handle.serve(tls: context, handshakeTimeout, limit: connectionLimit) {
            try await handler(TCPStream($0))
        }
    }
}

extension ListenerHandle {
    func serve(
        tls context: TLSServerContext,
        _ handshakeTimeout: Duration,
        limit: Int,
        _ handler: @escaping @Sendable (StreamHandle) async throws -> Void
    ) async throws {
        try await serve(limit: limit) { stream in
            do {
                try await stream.startTLS(.context(context), [], handshakeTimeout)
            } catch {
                throw HandshakeFailure(cause: error)
            }
            try await handler(stream)
        }
    }
}

/// A connection whose TLS handshake failed: no error of its handler, which has not begun.
struct HandshakeFailure: Error {
    var cause: any Error
}
