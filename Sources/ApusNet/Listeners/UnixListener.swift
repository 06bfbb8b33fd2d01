public import ApusRuntime

/// A Unix socket that accepts connections.
///
/// ```swift
/// let listener = try await UnixListener.bind(path: "/run/user/1000/chat.sock", permissions: 0o600)
/// try await listener.serve { stream in
///     let peer = try await stream.peerCredentials()
///     try await stream.write("hello, user \(peer.userID)\n")
/// }
/// ```
///
/// It belongs to a loop, and may be used from anywhere, as a ``TCPListener``. Closing it removes its file, if that is still its own.
public final class UnixListener: Sendable {
    package let handle: ListenerHandle
    /// Where it listens.
    public let address: SocketAddress

    /// The loop that the listener belongs to.
    public var eventLoop: EventLoop { handle.loop }

    private init(_ fd: Int32, _ address: SocketAddress, _ file: SocketFile?, on loop: EventLoop) throws {
        let core: ListenerCore
        do {
            core = try ListenerCore(adopting: [fd], name: address.description, file: file, on: loop) { _ in }
        } catch {
            file?.remove()
            throw error
        }
        handle = ListenerHandle(core, on: loop)
        self.address = address
    }

    // MARK: Making

    /// Listens at `path`.
    ///
    /// A socket's file stays when its process dies. If there is one at `path` to which nobody listens any more, it is replaced; one that still
    /// has its listener, and any other file, is an error.
    ///
    /// - Parameters:
    ///   - path: 1 to 107 bytes.
    ///   - permissions: of the file, such as 0o600: whoever may write it may connect. Nil leaves them to the umask.
    ///   - backlog: connections that may wait to be accepted.
    /// - Throws: ``NetError`` (`.addressInUse`, `.permissionDenied`, `.invalidAddress`, `.system` with ENOENT if there is no such folder).
    ///
    /// Cancel safety: leaves no socket behind.
    public static func bind(path: String, permissions: Int? = nil, backlog: Int = 1024) async throws -> UnixListener {
        try await bind(to: try SocketAddress(unixPath: path), permissions: permissions, backlog: backlog)
    }

    /// Listens at a path or an abstract name: see ``bind(path:permissions:backlog:)``.
    ///
    /// - Parameter permissions: an abstract name has none.
    ///
    /// Cancel safety: leaves no socket behind.
    public static func bind(
        to address: SocketAddress,
        permissions: Int? = nil,
        backlog: Int = 1024
    ) async throws -> UnixListener {
        guard address.port == nil else {
            throw NetError(.invalidAddress, "\(address) is not a Unix socket: listen there with TCPListener.")
        }
        return try await TCPStream.onLoop { loop in
            try loop.checkOpen()
            let backlog = Int32(clamping: max(1, backlog))
            guard let path = address.path else {
                let fd = try Socket.listen(address, backlog: backlog, reusePort: false)
                return try UnixListener(fd, address, nil, on: loop)
            }
            let (fd, file) = try SocketFile.listen(at: path, address, permissions: permissions, backlog: backlog)
            return try UnixListener(fd, address, file, on: loop)
        }
    }

    /// Takes over a listening Unix socket that was made elsewhere, such as by systemd. Its file is left alone.
    ///
    /// - Parameter fd: a listening stream socket. It is the listener's from now on, and closed on an error too; its flags become non-blocking and
    ///   close-on-exec.
    /// - Throws: ``NetError`` `.invalidArgument` if it is something else; ``LoopError``.
    ///
    /// Cancel safety: the listener is made in any case.
    public static func adopt(fd: Int32) async throws -> UnixListener {
        try await TCPStream.onLoop { loop in
            let address = try Socket.adoptListening(fd, families: .unix)
            return try UnixListener(fd, address, nil, on: loop)
        }
    }

    // MARK: Connections

    /// Waits for the next connection: as ``TCPListener/accept(timeout:)``.
    ///
    /// Cancel safety: no connection is lost.
    public func accept(timeout: Duration? = nil) async throws -> UnixStream {
        let loop = eventLoop
        return try await handle.accept(timeout: timeout) { UnixStream($0, on: loop) }
    }

    /// Accepts connections and gives each to `handler`: as ``TCPListener/serve(connectionLimit:_:)``.
    ///
    /// Cancel safety: cancels the handlers, and awaits them. The listener still listens.
    public func serve(
        connectionLimit: Int = 100_000,
        _ handler: @escaping @Sendable (UnixStream) async throws -> Void
    ) async throws {
        try await handle.serve(limit: connectionLimit) { try await handler(UnixStream($0)) }
    }

    /// Connections that ``serve(connectionLimit:_:)`` looks after now.
    ///
    /// Cancel safety: nothing to leave behind.
    public var connectionCount: Int {
        get async { await handle.connectionCount() }
    }

    /// Stops listening and lets the handlers end: as ``TCPListener/shutdown(grace:)``.
    ///
    /// Cancel safety: returns early; the shutdown goes on.
    public func shutdown(grace: Duration? = nil) async { await handle.shutdown(grace: grace) }

    /// Stops listening, removes the file, and ends ``accept(timeout:)`` with ``NetError`` `.closed`. Accepted connections go on. Safe twice.
    ///
    /// Cancel safety: takes effect in any case.
    public func close() async { await handle.close() }
}
