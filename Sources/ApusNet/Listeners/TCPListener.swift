public import ApusRuntime

/// Sockets that accept TCP connections: on one address, or on all those of a name.
///
/// ```swift
/// let listener = try await TCPListener.bind(host: "127.0.0.1", port: 7)
/// try await listener.serve { stream in
///     var buffer = [UInt8](repeating: 0, count: 65_536)
///     while case let count = try await stream.read(into: &buffer), count > 0 {
///         try await stream.write(buffer[..<count])
///     }
/// }
/// ```
///
/// A listener belongs to the loop on which it was made, or to ``EventLoop/shared`` if there was none. Dropping the last reference stops
/// listening.
public final class TCPListener: Sendable {
    package let handle: ListenerHandle
    /// Where it listens, with the ports that the system chose if 0 was asked for; at least one.
    public let addresses: [SocketAddress]

    /// The loop that the listener belongs to.
    public var eventLoop: EventLoop { handle.loop }
    /// The first of ``addresses``.
    public var address: SocketAddress { addresses[0] }

    private init(_ fds: [Int32], _ addresses: [SocketAddress], options: ListenerOptions, on loop: EventLoop) throws {
        let core = try ListenerCore(adopting: fds, name: addresses.map(\.description).joined(separator: ", "), on: loop)
        {
            Socket.apply(noDelay: options.noDelay, keepAlive: options.keepAlive, to: $0)
        }
        handle = ListenerHandle(core, on: loop)
        self.addresses = addresses
    }

    // MARK: Making

    /// Listens on every address of `host` that this machine has: `localhost` is two, for example.
    ///
    /// - Parameters:
    ///   - host: a name or an address in figures; `0.0.0.0` for every IPv4 address of the machine, `::` for every IPv6 one; nil for both.
    ///   - port: 0 for one that is free: the same one on all addresses.
    ///   - options: of the listener and of the connections that it accepts.
    /// - Throws: ``NetError`` (`.addressInUse`, `.permissionDenied`, `.addressNotAvailable`, `.unknownHost`…).
    ///
    /// Cancel safety: leaves no socket behind.
    public static func bind(
        host: String?,
        port: Int,
        options: ListenerOptions = ListenerOptions()
    ) async throws -> TCPListener {
        try await TCPStream.onLoop { loop in
            guard let host else {
                let all = [try SocketAddress("::", port: port), try SocketAddress("0.0.0.0", port: port)]
                return try listen(all, options, on: loop)
            }
            let addresses = try await options.resolver.addresses(of: host, port: port)
            guard !addresses.isEmpty else { throw NetError(.unknownHost, "“\(host)” has no addresses.") }
            return try listen(addresses, options, on: loop)
        }
    }

    /// Listens on addresses of this machine.
    ///
    /// - Parameters:
    ///   - addresses: at least one; with port 0 for one that is free. Those that the machine does not have are left out, if others remain.
    ///   - options: of the listener and of the connections that it accepts.
    /// - Throws: ``NetError`` (`.addressInUse`, `.permissionDenied`, `.addressNotAvailable`; `.invalidAddress` for a Unix socket's: see
    ///   ``UnixListener``).
    ///
    /// Cancel safety: leaves no socket behind.
    public static func bind(
        to addresses: SocketAddress...,
        options: ListenerOptions = ListenerOptions()
    ) async throws -> TCPListener {
        try await TCPStream.onLoop { loop in try listen(addresses, options, on: loop) }
    }

    /// Takes over a listening socket that was made elsewhere: by systemd's socket activation, a parent process.
    ///
    /// - Parameters:
    ///   - fd: a listening stream socket over IPv4 or IPv6. It is the listener's from now on, and closed on an error too; its flags become non-blocking and
    ///     close-on-exec.
    ///   - options: those of the connections count.
    /// - Throws: ``NetError`` `.invalidArgument` if it is something else; ``LoopError``.
    ///
    /// Cancel safety: the listener is made in any case.
    public static func adopt(fd: Int32, options: ListenerOptions = ListenerOptions()) async throws -> TCPListener {
        try await TCPStream.onLoop { loop in
            let address = try Socket.adoptListening(fd, families: .internet)
            return try TCPListener([fd], [address], options: options, on: loop)
        }
    }

    private static func listen(
        _ addresses: [SocketAddress],
        _ options: ListenerOptions,
        on loop: EventLoop
    ) throws -> TCPListener {
        try loop.checkOpen()
        if let path = addresses.first(where: { $0.port == nil }) {
            throw NetError(.invalidAddress, "\(path) is a Unix socket: listen there with UnixListener.")
        }
        let (fds, bound) = try BoundSockets.open(addresses, options)
        return try TCPListener(fds, bound, options: options, on: loop)
    }

    // MARK: Connections

    /// Waits for the next connection, which is in plain text: ``TCPStream/startTLS(server:readAhead:timeout:)-(TLSServerConfiguration,_,_)`` goes on
    /// with TLS.
    ///
    /// When the process or the system has no descriptors or memory left, the listener pauses for a second, says so in the log, and
    /// goes on: connections wait in the backlog meanwhile.
    ///
    /// - Parameter timeout: how long to wait; nil for ever.
    /// - Throws: ``NetError`` `.timedOut`, `.closed` once the listener is closed, `.busy` if another task accepts;
    ///   `CancellationError`.
    ///
    /// Cancel safety: no connection is lost.
    public func accept(timeout: Duration? = nil) async throws -> TCPStream {
        let loop = eventLoop
        return try await handle.accept(timeout: timeout) { TCPStream($0, on: loop) }
    }

    /// Accepts connections and gives each to `handler`, in a child task of its own, until the listener is closed; then awaits
    /// what is under way, and returns.
    ///
    /// A connection is closed when its handler returns. An error of a handler ends its connection only: it is logged, as an error unless it
    /// says that the peer went away.
    ///
    /// - Parameters:
    ///   - connectionLimit: connections at a time; further ones wait in the system's backlog. At least 1.
    ///   - handler: runs on the listener's loop.
    /// - Throws: `CancellationError`; ``NetError``, if the listener fails or another task accepts.
    ///
    /// Cancel safety: cancels the handlers, and awaits them. The listener still listens.
    public func serve(
        connectionLimit: Int = 100_000,
        _ handler: @escaping @Sendable (TCPStream) async throws -> Void
    ) async throws {
        try await handle.serve(limit: connectionLimit) { try await handler(TCPStream($0)) }
    }

    /// Connections that ``serve(connectionLimit:_:)`` looks after now.
    ///
    /// Cancel safety: nothing to leave behind.
    public var connectionCount: Int {
        get async { await handle.connectionCount() }
    }

    /// Stops listening, lets the handlers of ``serve(connectionLimit:_:)`` end, and returns when all have. Safe twice.
    ///
    /// A handler that calls it waits for itself: give a `grace` there, or start it as a task of its own.
    ///
    /// - Parameter grace: how long they may take; then they are cancelled and their connections broken off (RST). Nil: for ever.
    ///
    /// Cancel safety: returns early; the shutdown goes on.
    public func shutdown(grace: Duration? = nil) async { await handle.shutdown(grace: grace) }

    /// Stops listening, and ends ``accept(timeout:)`` with ``NetError`` `.closed`. Accepted connections go on. Safe twice.
    ///
    /// Cancel safety: takes effect in any case.
    public func close() async { await handle.close() }
}
