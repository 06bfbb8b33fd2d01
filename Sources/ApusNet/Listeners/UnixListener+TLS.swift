extension UnixListener {
    /// Accepts connections, speaks TLS on them, and gives each to `handler`: as
    /// ``TCPListener/serve(tls:handshakeTimeout:connectionLimit:_:)-(TLSServerConfiguration,_,_,_)``.
    ///
    /// - Parameters:
    ///   - tls: who the server is.
    ///   - handshakeTimeout: how long a client may take for the handshake.
    ///   - connectionLimit: connections at a time, in the handshake or after it. At least 1.
    ///   - handler: runs on the listener's loop.
    /// - Throws: ``TLSError`` at once, before anybody connects, if `tls` cannot be used; then as ``serve(connectionLimit:_:)``.
    ///
    /// Cancel safety: cancels the handlers, and awaits them. The listener still listens.
    public func serve(
        tls: TLSServerConfiguration,
        handshakeTimeout: Duration = .seconds(15),
        connectionLimit: Int = 100_000,
        _ handler: @escaping @Sendable (UnixStream) async throws -> Void
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
    /// ``TCPListener/serve(tls:handshakeTimeout:connectionLimit:_:)-(TLSServerContext,_,_,_)``.
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
        _ handler: @escaping @Sendable (UnixStream) async throws -> Void
    ) async throws {
        try await handle.serve(tls: context, handshakeTimeout, limit: connectionLimit) {
            try await handler(UnixStream($0))
        }
    }
}
