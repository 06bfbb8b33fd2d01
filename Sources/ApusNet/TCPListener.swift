public import ApusRuntime
import Glibc
import Logging

/// A socket that accepts connections.
///
/// ```swift
/// let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
/// while true {
///     let stream = try await listener.accept()
///     EventLoop.spawn { try await stream.write("hello\n") }
/// }
/// ```
///
/// A listener belongs to the loop on which it was made, or to ``EventLoop/shared`` if there was none.
public final class TCPListener: Sendable {
    private let socket: LoopBound<ListeningSocket>
    /// The loop that the listener belongs to.
    public let eventLoop: EventLoop
    /// Where it listens, with the port that the system chose if 0 was asked for.
    public let address: SocketAddress

    private init(_ socket: ListeningSocket, address: SocketAddress, on loop: EventLoop) {
        self.socket = LoopBound(socket, on: loop)
        self.address = address
        eventLoop = loop
    }

    deinit { socket.perform { $0.close() } }

    /// Listens on the first address of `host`.
    ///
    /// - Parameters:
    ///   - host: a name or an address in figures; `0.0.0.0` for every IPv4 address of the machine, `::` for every IPv6 one.
    ///   - port: 0 for one that is free.
    ///   - backlog: connections that may wait to be accepted; the system may allow fewer (`net.core.somaxconn`).
    ///   - reusePort: lets several listeners share the address (SO_REUSEPORT); the system spreads connections over them.
    /// - Throws: ``NetError`` (`.addressInUse`, `.permissionDenied`, `.addressNotAvailable`, `.unknownHost`…).
    ///
    /// Cancel safety: leaves no socket behind.
    public static func bind(
        host: String,
        port: Int,
        backlog: Int = 1024,
        reusePort: Bool = false
    ) async throws -> TCPListener {
        let loop = EventLoop.current ?? .shared
        let body: @Sendable () async throws -> TCPListener = {
            let addresses = try await SystemResolver.shared.addresses(of: host, port: port)
            return try listen(addresses[0], backlog: backlog, reusePort: reusePort, on: loop)
        }
        if loop.runsCurrentTask { return try await body() }
        return try await loop.hop(body)
    }

    /// Listens on one address: of this machine's, or a Unix socket's path, which must not exist yet.
    ///
    /// - Parameters:
    ///   - address: with port 0 for one that is free.
    ///   - backlog: connections that may wait to be accepted.
    ///   - reusePort: lets several listeners share the address (SO_REUSEPORT).
    /// - Throws: ``NetError`` (`.addressInUse`, `.permissionDenied`, `.addressNotAvailable`…).
    ///
    /// Cancel safety: leaves no socket behind.
    public static func bind(
        to address: SocketAddress,
        backlog: Int = 1024,
        reusePort: Bool = false
    ) async throws -> TCPListener {
        let loop = EventLoop.current ?? .shared
        let body: @Sendable () async throws -> TCPListener = {
            try listen(address, backlog: backlog, reusePort: reusePort, on: loop)
        }
        if loop.runsCurrentTask { return try await body() }
        return try await loop.hop(body)
    }

    private static func listen(
        _ address: SocketAddress,
        backlog: Int,
        reusePort: Bool,
        on loop: EventLoop
    ) throws -> TCPListener {
        try loop.checkOpen()
        let fd = try Socket.listen(address, backlog: Int32(clamping: max(1, backlog)), reusePort: reusePort)
        let socket = try ListeningSocket(adopting: fd, on: loop)
        return TCPListener(socket, address: SocketAddress(of: fd, getsockname) ?? address, on: loop)
    }

    /// Waits for the next connection.
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
        let body: @Sendable () async throws -> TCPStream = {
            let deadline = self.eventLoop.deadline(after: timeout)
            return TCPStream(try await self.acceptTransport(deadline: deadline), on: self.eventLoop)
        }
        if eventLoop.runsCurrentTask { return try await body() }
        return try await eventLoop.hop(body)
    }

    /// ``accept()`` for our own servers. Loop thread only.
    package func acceptTransport(deadline: Int64 = .max) async throws -> any Transport {
        let socket = socket.value
        let loop = eventLoop
        let token = socket.descriptor.token
        while true {
            try Task.checkCancellation()
            guard socket.descriptor.isOpen else { throw Self.closed(address) }
            if socket.descriptor.mayRead {
                switch Socket.accept(socket.fd) {
                case .connection(let fd):
                    Socket.setNoDelay(fd)
                    return try SocketTransport(adopting: fd, peer: nil, on: loop)
                case .wouldBlock:
                    socket.descriptor.readWouldBlock()
                case .exhausted(let code):
                    let error = NetError(errno: code, while: "Accepting on \(address)")
                    loop.options.logger.warning("\(error) The listener pauses for 1 s.")
                    try await sleep(for: .seconds(1))
                    continue
                case .failed(let code):
                    throw NetError(errno: code, while: "Accepting on \(address)")
                }
            }
            let outcome = await withTaskCancellationHandler {
                await socket.descriptor.waitReadable(deadline: deadline)
            } onCancel: {
                loop.perform { loop.endWaits(token, with: .cancelled) }
            }
            switch outcome {
            case .ready, .cancelled: continue
            case .timedOut: throw NetError(.timedOut, "No connection came to \(address) in the time that was allowed.")
            case .closed: throw Self.closed(address)
            case .busy: throw NetError(.busy, "Another task accepts on \(address): one at a time.")
            }
        }
    }

    /// Stops listening, and ends ``accept()`` with ``NetError`` `.closed`. Accepted connections go on. Safe twice.
    public func close() async {
        let socket = socket
        if eventLoop.isCurrent { socket.value.close() } else { try? await eventLoop.hop { socket.value.close() } }
    }

    private static func closed(_ address: SocketAddress) -> NetError {
        NetError(.closed, "The listener on \(address) was closed.")
    }
}

/// A listening descriptor. Loop thread only.
private final class ListeningSocket {
    let fd: Int32
    let descriptor: Descriptor
    private var isOpen = true

    init(adopting fd: Int32, on loop: EventLoop) throws {
        self.fd = fd
        do {
            descriptor = try loop.register(fd)
        } catch {
            Socket.close(fd)
            throw error
        }
    }

    func close() {
        guard isOpen else { return }
        isOpen = false
        descriptor.release()
        Socket.close(fd)
    }
}
