import ApusRuntime

extension TCPStream {
    /// What the TLS handshake has agreed on; nil in plain text.
    ///
    /// Cancel safety: nothing to leave behind.
    public var tlsInfo: TLSInfo? {
        get async { await handle.tlsInfo() }
    }

    /// Goes on with TLS, as the client: STARTTLS of SMTP, IMAP, PostgreSQL and others. Over TLS it makes TLS inside TLS.
    ///
    /// - Parameters:
    ///   - host: the name that the server's certificate must be for.
    ///   - configuration: how to check the server.
    ///   - readAhead: what was read from the stream after the last plain message: pass ``BufferedReader/takeBuffered()``. It
    ///     goes to TLS as the beginning of the handshake, so that plain text which somebody slipped in behind it breaks the handshake and is never
    ///     taken for an answer (CVE-2021-23222 and its like).
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
    /// - Throws: ``TLSError``; ``NetError``; `CancellationError`. The connection is closed then, except after `.busy`, which is thrown
    ///   at once while a task reads or writes: nothing has been sent.
    ///
    /// Cancel safety: closes the connection, once the handshake has begun.
    public func startTLS(
        server configuration: TLSServerConfiguration,
        readAhead: [UInt8] = [],
        timeout: Duration? = .seconds(10)
    ) async throws {
        try await handle.startTLS(.configuration(configuration), readAhead, timeout)
    }

    /// Goes on with TLS, as the server, with the certificate that is in force now: see
    /// ``startTLS(server:readAhead:timeout:)-(TLSServerConfiguration,_,_)``.
    ///
    /// - Parameters:
    ///   - context: who the server is.
    ///   - readAhead: what was read from the stream after the last plain message: pass ``BufferedReader/takeBuffered()``.
    ///   - timeout: of the handshake.
    /// - Throws: ``TLSError``; ``NetError``; `CancellationError`. The connection is closed then, except after `.busy`, which is thrown
    ///   at once while a task reads or writes: nothing has been sent.
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

extension StreamHandle {
    func tlsInfo() async -> TLSInfo? {
        if loop.isCurrent { return (core.transport as? TLSTransport)?.info }
        return try? await loop.hop { (self.core.transport as? TLSTransport)?.info }
    }

    func startTLS(
        _ host: String,
        _ configuration: TLSConfiguration,
        _ readAhead: [UInt8],
        _ timeout: Duration?
    ) async throws {
        try await startTLS(readAhead, timeout) { lower, deadline in
            try await TLSTransport.connect(over: lower, host: host, configuration: configuration, deadline: deadline)
        }
    }

    func startTLS(_ settings: TLSServerSettings, _ readAhead: [UInt8], _ timeout: Duration?) async throws {
        try await startTLS(readAhead, timeout) { lower, deadline in
            try await TLSTransport.accept(over: lower, settings, deadline: deadline)
        }
    }

    private func startTLS(
        _ readAhead: [UInt8],
        _ timeout: Duration?,
        _ shakeHands: @escaping @Sendable (any Transport, Int64) async throws -> TLSTransport
    ) async throws {
        let body: @Sendable () async throws -> Void = {
            let deadline = self.loop.deadline(after: timeout)
            try await self.core.replaceTransport { plain in
                let lower = readAhead.isEmpty ? plain : ReadAheadTransport(readAhead, before: plain)
                return try await shakeHands(lower, deadline)
            }
        }
        if loop.runsCurrentTask { return try await body() }
        try await loop.hop(body)
    }
}
