public import ApusNet
import ApusRuntime
public import ApusWire
public import Logging

/// An HTTP/1.1 server.
///
/// ```swift
/// let server = try await HTTPServer.start(port: 8080) { request in
///     .text("You asked for \(request.path)\n")
/// }
/// print("listening on \(server.address)")
/// ```
///
/// A server belongs to the loop on which it is started; its handlers run there, each request's in its connection's task. Work that
/// blocks or computes goes through ``offload(to:_:)``.
public final class HTTPServer: Sendable {
    /// What a handler is: it takes a request and returns its response. An error becomes status 500.
    public typealias Handler = @Sendable (ServerRequest) async throws -> ServerResponse

    /// How a server behaves.
    public struct Configuration: Sendable {
        /// From the first byte of a request to the end of its head. One timer: a byte now and then does not prolong it.
        public var headTimeout: Duration = .seconds(15)
        /// How long a connection may stay without a request.
        public var keepAliveTimeout: Duration = .seconds(75)
        /// Between two pieces of a request's body, and for the client to take the next piece of a response.
        public var bodyTimeout: Duration = .seconds(60)
        /// How long ``HTTPServer/shutdown()`` waits for requests under way before it breaks their connections off.
        public var shutdownTimeout: Duration = .seconds(10)
        /// Connections at a time; more wait in the listener's backlog. At least 1.
        public var connectionLimit = 10_000
        /// Lets servers on several loops share a port (SO_REUSEPORT): the system spreads connections over them. See ``LoopGroup``.
        public var reusePort = false
        /// What is left of a request's body after its response is read up to this many bytes, to keep the connection.
        public var drainLimit = 64 * 1024
        /// Serves https with this identity; nil serves http.
        public var tls: TLSServerConfiguration?
        /// Serves https with a certificate that can be replaced while the server runs; takes the place of ``tls``.
        public var tlsContext: TLSServerContext?
        /// How long a client's TLS handshake may take.
        public var handshakeTimeout: Duration = .seconds(15)
        /// What a client may send.
        public var limits = HTTP1Limits()
        /// Where the server logs; it logs little.
        public var logger = Logger(label: "apus.server")

        public init() {}
    }

    private let core: LoopBound<ServerCore>
    private let task: LoopTask<Void>
    /// Where the server listens.
    public let address: SocketAddress

    private init(core: LoopBound<ServerCore>, task: LoopTask<Void>, address: SocketAddress) {
        self.core = core
        self.task = task
        self.address = address
    }

    /// Listens, and serves in the background until ``shutdown()``, or until the loop ends.
    ///
    /// - Parameters:
    ///   - host: a name or an address in figures; `0.0.0.0` for every IPv4 address of the machine.
    ///   - port: 0 for one that is free: see ``address``.
    /// - Throws: ``NetError`` (`.addressInUse`, `.permissionDenied`…); ``TLSError`` if the certificate cannot be used.
    ///
    /// Cancel safety: leaves no socket behind.
    public static func start(
        host: String = "127.0.0.1",
        port: Int = 0,
        configuration: Configuration = Configuration(),
        handler: @escaping Handler
    ) async throws -> HTTPServer {
        let listener = try await TCPListener.bind(
            host: host,
            port: port,
            options: .init(reusePort: configuration.reusePort)
        )
        let loop = listener.eventLoop
        let core = LoopBound(
            try ServerCore(listener: listener.handle, configuration: configuration, handler: handler),
            on: loop
        )
        let task = loop.spawn(name: "HTTP server \(listener.address)") {
            try await core.value.accept()
        }
        return HTTPServer(core: core, task: task, address: listener.address)
    }

    /// Serves the connections of `listener` until the task is cancelled; then shuts down as ``shutdown()`` does, and throws.
    ///
    /// - Throws: `CancellationError`, or ``NetError`` if the listener fails; ``TLSError`` if the certificate cannot be used.
    ///
    /// Cancel safety: stops listening, and gives requests under way ``Configuration/shutdownTimeout`` to end.
    public static func serve(
        on listener: TCPListener,
        configuration: Configuration = Configuration(),
        handler: @escaping Handler
    ) async throws {
        let loop = listener.eventLoop
        let core = LoopBound(
            try ServerCore(listener: listener.handle, configuration: configuration, handler: handler),
            on: loop
        )
        let task = loop.spawn(name: "HTTP server \(listener.address)") { try await core.value.accept() }
        let result = await withTaskCancellationHandler {
            await task.result
        } onCancel: {
            task.cancel()
        }
        // However accepting has ended. Shielded by being a task of its own: the caller may be cancelled already.
        _ = await loop.spawn { await core.value.shutDown() }.result
        do {
            try result.get()
        } catch let error as NetError where error.code == .closed {
            // Somebody closed the listener: that is an end, not a failure.
        }
        try Task.checkCancellation()
    }

    /// Stops listening, lets requests under way end, closes idle connections, and returns when all are closed. After
    /// ``Configuration/shutdownTimeout`` what is left is broken off. Safe twice.
    ///
    /// Cancel safety: the shutdown goes on.
    public func shutdown() async {
        let core = core
        task.cancel()
        _ = await core.loop.spawn(name: "HTTP server shutdown") { await core.value.shutDown() }.result
        _ = await task.result
    }

    /// Connections open now.
    public var connectionCount: Int {
        get async {
            let core = core
            if core.loop.isCurrent { return core.value.connections.count }
            return (try? await core.loop.hop { core.value.connections.count }) ?? 0
        }
    }
}
