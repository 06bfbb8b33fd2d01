public import ApusNet

/// Opens a session's connections in place of resolver and sockets: bring your own stream.
///
/// ```swift
/// configuration.connector = StreamConnector { target in
///     try await MyTransport.dial(target.host, target.port)  // any ByteStream
/// }
/// ```
///
/// Everything above the stream is the session's: the pool, TLS for https, proxies (which it is asked for then, in place of the server).
public struct StreamConnector: Sendable, Hashable {
    /// What is to be connected to.
    public struct Target: Sendable, Hashable {
        /// A name, or an address in figures without brackets; of the proxy, if there is one.
        public var host: String
        public var port: Int
    }

    private final class Function: Sendable {
        let connect: @Sendable (Target) async throws -> any ByteStream

        init(_ connect: @escaping @Sendable (Target) async throws -> any ByteStream) { self.connect = connect }
    }

    private let function: Function

    /// A connector of one's own. Two made by two calls are different, even of the same closure, and share no connections.
    ///
    /// - Parameter connect: opens a stream, in plain text. It runs on the session's loop, and must not block it. It is cancelled when
    ///   ``Timeouts/connect`` is over or nobody wants the connection any more. The stream is the session's from then on, and closed by it.
    ///   What it throws fails the request, as the cause of ``ClientError`` `.connectionFailed`.
    public init(_ connect: @escaping @Sendable (_ target: Target) async throws -> any ByteStream) {
        function = Function(connect)
    }

    func connect(_ host: String, _ port: Int) async throws -> any ByteStream {
        try await function.connect(Target(host: host, port: port))
    }

    public static func == (left: StreamConnector, right: StreamConnector) -> Bool { left.function === right.function }

    public func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(function)) }
}
