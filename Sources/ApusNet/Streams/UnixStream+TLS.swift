import ApusRuntime

extension UnixStream {
    /// What the TLS handshake has agreed on; nil in plain text.
    ///
    /// Cancel safety: nothing to leave behind.
    public var tlsInfo: TLSInfo? {
        get async { await handle.tlsInfo() }
    }

    /// Goes on with TLS, as the client: as ``TCPStream/startTLS(host:configuration:readAhead:timeout:)``.
    ///
    /// - Parameters:
    ///   - host: the name that the server's certificate must be for: a socket's path is none.
    ///   - configuration: how to check the server.
    ///   - readAhead: what was read from the stream after the last plain message: pass ``BufferedReader/takeBuffered()``.
    ///   - timeout: of the handshake.
    /// - Throws: ``TLSError``; ``NetError``; `CancellationError`. The connection is closed then, except after `.busy`, which is thrown
    ///   at once while a task reads or writes: nothing has been sent.
    ///
    /// Cancel safety: closes the connection, once the handshake has begun.
    public func startTLS(
        host: String,
        configuration: TLSConfiguration = TLSConfiguration(),
        readAhead: [UInt8] = [],
        timeout: Duration? = .seconds(10)
    ) async throws {
        try await handle.startTLS(host, configuration, readAhead, timeout)
    }

    /// Goes on with TLS, as the server: see ``startTLS(host:configuration:readAhead:timeout:)``.
    ///
    /// - Parameters:
    ///   - configuration: who the server is.
    ///   - readAhead: what was read from the stream after the last plain message: pass ``BufferedReader/takeBuffered()``.
    ///   - timeout: of the handshake.
    /// - Throws: as ``startTLS(host:configuration:readAhead:timeout:)``.
    ///
    /// Cancel safety: closes the connection, once the handshake has begun.
    public func startTLS(
        server configuration: TLSServerConfiguration,
        readAhead: [UInt8] = [],
        timeout: Duration? = .seconds(10)
    ) async throws {
        try await handle.startTLS(.configuration(configuration), readAhead, timeout)
    }

    /// Goes on with TLS, as the server, with the certificate that is in force now.
    ///
    /// - Parameters:
    ///   - context: who the server is.
    ///   - readAhead: what was read from the stream after the last plain message: pass ``BufferedReader/takeBuffered()``.
    ///   - timeout: of the handshake.
    /// - Throws: as ``startTLS(host:configuration:readAhead:timeout:)``.
    ///
    /// Cancel safety: closes the connection, once the handshake has begun.
    public func startTLS(
        server context: TLSServerContext,
        readAhead: [UInt8] = [],
        timeout: Duration? = .seconds(10)
    ) async throws {
        try await handle.startTLS(.context(context), readAhead, timeout)
    }
}
