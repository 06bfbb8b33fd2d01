public import ApusRuntime

/// A connection over a Unix socket.
///
/// ```swift
/// let stream = try await UnixStream.connect(path: "/run/docker.sock")
/// ```
///
/// It belongs to a loop, and may be used from anywhere, as a ``TCPStream``.
public final class UnixStream: ByteStream {
    /// Who is at the other end (unix(7), SO_PEERCRED): what it was when it connected, or began to listen. The system vouches for it.
    public struct PeerCredentials: Sendable, Hashable {
        /// The process; 0 if it is of another PID namespace.
        public var processID: Int32
        /// Its effective user.
        public var userID: UInt32
        /// Its effective group.
        public var groupID: UInt32
    }

    package let handle: StreamHandle
    /// The other end: the listener's address; without a name for a client that has none.
    public let remoteAddress: SocketAddress?
    /// This end.
    public let localAddress: SocketAddress?

    /// The loop that the stream belongs to.
    public var eventLoop: EventLoop { handle.loop }

    package convenience init(_ transport: any Transport, on loop: EventLoop) {
        self.init(StreamHandle(StreamCore(transport, on: loop), on: loop))
    }

    /// Loop thread only.
    init(_ handle: StreamHandle) {
        self.handle = handle
        let transport = handle.core.transport
        remoteAddress = transport.remoteAddress
        localAddress = transport.localAddress
    }

    deinit { handle.dropped() }

    // MARK: Making

    /// Connects to the socket at `path`.
    ///
    /// - Parameters:
    ///   - path: 1 to 107 bytes.
    ///   - timeout: how long to wait for a place in the listener's backlog; nil for ever.
    /// - Throws: ``NetError``: `.connectionRefused` if nobody listens there any more, `.system` with ENOENT if there is no such file,
    ///   `.permissionDenied`, `.invalidAddress`, `.timedOut`; `CancellationError`; ``LoopError`` `.loopClosed`.
    ///
    /// Cancel safety: leaves no socket behind.
    public static func connect(path: String, timeout: Duration? = .seconds(10)) async throws -> UnixStream {
        try await connect(to: try SocketAddress(unixPath: path), timeout: timeout)
    }

    /// Connects to a Unix socket: see ``connect(path:timeout:)``.
    ///
    /// - Parameter address: `.invalidAddress` is thrown for one that is no Unix socket's.
    ///
    /// Cancel safety: leaves no socket behind.
    public static func connect(to address: SocketAddress, timeout: Duration? = .seconds(10)) async throws -> UnixStream
    {
        guard address.port == nil else {
            throw NetError(.invalidAddress, "\(address) is not a Unix socket: connect to it with TCPStream.")
        }
        return try await TCPStream.onLoop { loop in
            try loop.checkOpen()
            let deadline = loop.deadline(after: timeout)
            return UnixStream(try await Connector.connect(to: address, on: loop, deadline: deadline), on: loop)
        }
    }

    /// Two streams that are connected to each other (socketpair(2)).
    ///
    /// - Throws: ``NetError`` `.tooManyDescriptors`; ``LoopError``.
    ///
    /// Cancel safety: the streams are made in any case.
    public static func pair() async throws -> (UnixStream, UnixStream) {
        try await TCPStream.onLoop { loop in
            let (left, right) = try Socket.pair()
            let first: SocketTransport
            do {
                first = try SocketTransport(adopting: left, peer: nil, isUnix: true, on: loop)
            } catch {
                Socket.close(right)
                throw error
            }
            let second = try SocketTransport(adopting: right, peer: nil, isUnix: true, on: loop)
            return (UnixStream(first, on: loop), UnixStream(second, on: loop))
        }
    }

    /// Takes over a connected Unix socket that was made elsewhere.
    ///
    /// - Parameter fd: a connected stream socket. It is the stream's from now on, and closed on an error too; its flags become non-blocking and
    ///   close-on-exec.
    /// - Throws: ``NetError`` `.invalidArgument` if it is something else; ``LoopError``.
    ///
    /// Cancel safety: the stream is made in any case.
    public static func adopt(fd: Int32) async throws -> UnixStream {
        try await TCPStream.onLoop { loop in
            UnixStream(try SocketTransport.adopt(fd, families: .unix, on: loop), on: loop)
        }
    }

    /// Who is at the other end.
    ///
    /// - Throws: ``NetError`` `.closed`.
    ///
    /// Cancel safety: nothing to leave behind.
    public func peerCredentials() async throws -> PeerCredentials {
        let handle = handle
        let body: @Sendable () throws -> PeerCredentials = {
            guard let socket = Self.socket(below: handle.core.transport) else {
                throw NetError(.invalidArgument, "A stream in memory has no peer process.")
            }
            return try socket.peerCredentials()
        }
        if eventLoop.isCurrent { return try body() }
        return try await eventLoop.hop { try body() }
    }

    private static func socket(below transport: any Transport) -> SocketTransport? {
        switch transport {
        case let tls as TLSTransport: socket(below: tls.lower)
        case let ahead as ReadAheadTransport: socket(below: ahead.lower)
        default: transport as? SocketTransport
        }
    }

    // MARK: ByteStream

    public func read(into buffer: inout [UInt8], startingAt offset: Int, timeout: Duration?) async throws -> Int {
        try await handle.read(into: &buffer, startingAt: offset, timeout: timeout)
    }

    public func read(upTo count: Int, timeout: Duration?) async throws -> [UInt8] {
        try await handle.read(upTo: count, timeout: timeout)
    }

    public func write(_ bytes: ArraySlice<UInt8>, timeout: Duration?) async throws {
        try await handle.write(bytes, timeout: timeout)
    }

    public func write(vector pieces: [[UInt8]], timeout: Duration?) async throws {
        try await handle.write(vector: pieces, timeout: timeout)
    }

    public func sendFile(_ path: String, range: Range<Int64>?, timeout: Duration?) async throws -> Int64 {
        try await handle.sendFile(path, range: range, timeout: timeout)
    }

    public func finishWriting() async { await handle.finishWriting() }

    public func close() async { await handle.close() }

    public func abort() async { await handle.abort() }
}
