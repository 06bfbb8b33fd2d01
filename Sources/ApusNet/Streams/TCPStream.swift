public import ApusRuntime

/// A TCP connection, in plain text or with TLS.
///
/// ```swift
/// let stream = try await TCPStream.connect(host: "localhost", port: 7)
/// try await stream.write("hello\n")
/// let answer = try await stream.read()
/// await stream.close()
/// ```
///
/// A stream belongs to the loop on which it was made, or to ``EventLoop/shared`` if there was none. It may be used from anywhere:
/// elsewhere each operation costs a hop there and back. One task may read while another writes; two that read (or write) at
/// once are an error. Dropping the last reference closes the connection.
public final class TCPStream: ByteStream {
    package let handle: StreamHandle
    /// The other end, if it is still known.
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

    /// Connects to the first address of `host` that answers (RFC 8305), and shakes hands if `tls` says so.
    ///
    /// - Parameters:
    ///   - host: a name or an address in figures.
    ///   - port: 1...65535.
    ///   - tls: how to check the server and speak TLS with it; nil for plain text.
    ///   - timeout: bounds the whole: name lookup, connecting, TLS handshake. Nil waits as long as the system does.
    ///   - options: of the socket.
    /// - Throws: ``NetError``, ``TLSError``, `CancellationError`, ``LoopError`` `.loopClosed`.
    ///
    /// Cancel safety: leaves no socket behind.
    public static func connect(
        host: String,
        port: Int,
        tls: TLSConfiguration? = nil,
        timeout: Duration? = .seconds(10),
        options: SocketOptions = SocketOptions()
    ) async throws -> TCPStream {
        try await onLoop { loop in
            let deadline = loop.deadline(after: timeout)
            let addresses = try await resolve(host, port, options.resolver, timeout)
            return try await open(addresses, host: host, tls, on: loop, deadline, options)
        }
    }

    /// Connects to `address`.
    ///
    /// - Parameters:
    ///   - tls: how to check the server and speak TLS with it; nil for plain text. Without a ``TLSConfiguration/serverName`` the
    ///     certificate must be for the address itself.
    ///   - timeout: nil waits as long as the system does.
    ///   - options: of the socket.
    /// - Throws: ``NetError`` (`.invalidAddress` for a Unix socket's: see ``UnixStream``), ``TLSError``, `CancellationError`,
    ///   ``LoopError`` `.loopClosed`.
    ///
    /// Cancel safety: leaves no socket behind.
    public static func connect(
        to address: SocketAddress,
        tls: TLSConfiguration? = nil,
        timeout: Duration? = .seconds(10),
        options: SocketOptions = SocketOptions()
    ) async throws -> TCPStream {
        guard address.port != nil else {
            throw NetError(.invalidAddress, "\(address) is a Unix socket: connect to it with UnixStream.")
        }
        return try await onLoop { loop in
            try await open([address], host: address.host, tls, on: loop, loop.deadline(after: timeout), options)
        }
    }

    /// Takes over a connected socket that was made elsewhere: by a parent process, a library, systemd.
    ///
    /// - Parameter fd: a connected stream socket over IPv4 or IPv6. It is the stream's from now on, and closed on an error too; its flags become
    ///   non-blocking and close-on-exec.
    /// - Throws: ``NetError`` `.invalidArgument` if it is something else; ``LoopError``.
    ///
    /// Cancel safety: the stream is made in any case.
    public static func adopt(fd: Int32) async throws -> TCPStream {
        try await onLoop { loop in
            TCPStream(try SocketTransport.adopt(fd, families: .internet, on: loop), on: loop)
        }
    }

    private static func open(
        _ addresses: [SocketAddress],
        host: String,
        _ tls: TLSConfiguration?,
        on loop: EventLoop,
        _ deadline: Int64,
        _ options: SocketOptions
    ) async throws -> TCPStream {
        try loop.checkOpen()
        let plain = try await Connector.connect(
            toAny: addresses,
            host: host,
            on: loop,
            deadline: deadline,
            options: options
        )
        guard let tls else { return TCPStream(plain, on: loop) }
        let transport = try await TLSTransport.connect(over: plain, host: host, configuration: tls, deadline: deadline)
        return TCPStream(transport, on: loop)
    }

    /// The addresses of `host`, looked up within `timeout`.
    static func resolve(
        _ host: String,
        _ port: Int,
        _ resolver: any Resolver,
        _ timeout: Duration?
    ) async throws -> [SocketAddress] {
        guard (1...65_535).contains(port) else {
            throw NetError(.invalidAddress, "Port \(port) of “\(host)” cannot be connected to: it must be 1...65535.")
        }
        guard let timeout else { return try await resolver.addresses(of: host, port: port) }
        do {
            return try await withTimeout(timeout) { try await resolver.addresses(of: host, port: port) }
        } catch is TimeoutError {
            throw NetError(.timedOut, "Looking up “\(host)” took longer than \(timeout).")
        }
    }

    static func onLoop<Success: Sendable>(_ body: @escaping @Sendable (EventLoop) async throws -> Success) async throws
        -> Success
    {
        let loop = EventLoop.current ?? .shared
        if loop.runsCurrentTask { return try await body(loop) }
        return try await loop.hop { try await body(loop) }
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
