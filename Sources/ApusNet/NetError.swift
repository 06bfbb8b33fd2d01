import Glibc

// The network's errors, by who has to act:
//
//   you        invalidAddress, invalidArgument, busy, closed, messageTooLarge
//   the peer   connectionRefused, connectionReset, brokenPipe, unexpectedEnd
//   the world  unknownHost, nameLookupFailed, addressRefused, hostUnreachable, networkUnreachable, timedOut, addressInUse,
//              addressNotAvailable, permissionDenied, tooManyDescriptors, file, system

/// What went wrong on a socket, or on the way to one.
public struct NetError: Error, Sendable, CustomStringConvertible {
    /// The kind of a ``NetError``.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        private enum Kind: String, Sendable {
            case invalidAddress, invalidArgument, busy, closed, messageTooLarge
            case connectionRefused, connectionReset, brokenPipe, unexpectedEnd
            case unknownHost, nameLookupFailed, addressRefused, hostUnreachable, networkUnreachable, timedOut
            case addressInUse, addressNotAvailable, permissionDenied, tooManyDescriptors, file, system
        }

        private var kind: Kind

        /// A host, port or path that cannot name a socket.
        public static let invalidAddress = Code(kind: .invalidAddress)
        /// An argument that has no meaning there, such as a limit below 1 or a descriptor that is no socket.
        public static let invalidArgument = Code(kind: .invalidArgument)
        /// Another task is reading (or writing) the same stream.
        public static let busy = Code(kind: .busy)
        /// The stream or listener was closed on this side.
        public static let closed = Code(kind: .closed)
        /// More bytes than one datagram carries (EMSGSIZE).
        public static let messageTooLarge = Code(kind: .messageTooLarge)
        /// Nobody listens there (ECONNREFUSED).
        public static let connectionRefused = Code(kind: .connectionRefused)
        /// The peer broke the connection off (ECONNRESET).
        public static let connectionReset = Code(kind: .connectionReset)
        /// The peer reads no more (EPIPE).
        public static let brokenPipe = Code(kind: .brokenPipe)
        /// The peer closed before all that was asked for had come.
        public static let unexpectedEnd = Code(kind: .unexpectedEnd)
        /// The name is not known to the resolver.
        public static let unknownHost = Code(kind: .unknownHost)
        /// The resolver could not answer; it may be able to later.
        public static let nameLookupFailed = Code(kind: .nameLookupFailed)
        /// An ``AddressFilter`` refused every address of the host.
        public static let addressRefused = Code(kind: .addressRefused)
        /// No route to the host.
        public static let hostUnreachable = Code(kind: .hostUnreachable)
        /// No route to the network.
        public static let networkUnreachable = Code(kind: .networkUnreachable)
        /// The operation's deadline passed, or the system gave up (ETIMEDOUT).
        public static let timedOut = Code(kind: .timedOut)
        /// Another socket listens on the address.
        public static let addressInUse = Code(kind: .addressInUse)
        /// This machine has no such address.
        public static let addressNotAvailable = Code(kind: .addressNotAvailable)
        /// The system forbids it; ports below 1024 need a privilege.
        public static let permissionDenied = Code(kind: .permissionDenied)
        /// The process or the system has no descriptors left.
        public static let tooManyDescriptors = Code(kind: .tooManyDescriptors)
        /// A file that was to be sent could not be opened or read, or became shorter meanwhile.
        public static let file = Code(kind: .file)
        /// Another error of the system: see ``NetError/errno``.
        public static let system = Code(kind: .system)

        public var description: String { kind.rawValue }

        private init(kind: Kind) { self.kind = kind }

        init(errno: Int32) {
            switch errno {
            case ECONNREFUSED: self = .connectionRefused
            case ECONNRESET, ECONNABORTED: self = .connectionReset
            case EPIPE: self = .brokenPipe
            case EHOSTUNREACH: self = .hostUnreachable
            case ENETUNREACH: self = .networkUnreachable
            case ETIMEDOUT: self = .timedOut
            case EADDRINUSE: self = .addressInUse
            case EADDRNOTAVAIL: self = .addressNotAvailable
            case EACCES, EPERM: self = .permissionDenied
            case EMFILE, ENFILE: self = .tooManyDescriptors
            case EMSGSIZE: self = .messageTooLarge
            default: self = .system
            }
        }
    }

    /// What kind of error this is.
    public var code: Code
    /// The system's error number, where there is one.
    public var errno: Int32?
    /// The error below, such as the ``TLSError`` that ended a connection over TLS.
    public var cause: (any Error)?
    private var message: String

    package init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.cause = cause
        self.message = message
    }

    /// - Parameter address: what was to be bound or connected to: there is advice for that.
    package init(errno: Int32, while action: String, at address: SocketAddress? = nil) {
        self.init(Code(errno: errno), errno: errno, while: action, at: address)
    }

    package init(_ code: Code, errno: Int32, while action: String, at address: SocketAddress? = nil) {
        self.code = code
        self.errno = errno
        message = "\(action): \(String(cString: strerror(errno)))\(Self.advice(code, address))"
    }

    /// The same error, with what it happened in.
    func during(_ action: String) -> NetError {
        var result = self
        result.message = "\(action): \(message)"
        return result
    }

    /// Whether a deadline caused this.
    public var isTimeout: Bool { code == .timedOut }

    public var description: String { message }

    private static func advice(_ code: Code, _ address: SocketAddress?) -> String {
        if code == .tooManyDescriptors { return ". Raise the limit (`ulimit -n`), or open fewer at a time." }
        guard let address else { return "" }
        switch (code, address.port) {
        case (.connectionRefused, nil): return ". Nobody listens there any more: is the server running?"
        case (.connectionRefused, _): return ". Nobody listens there: is the server running, and is this its port?"
        case (.addressInUse, nil): return ". Another process listens there: stop it, or use another name."
        case (.addressInUse, _): return ". Another socket listens there: stop it, or bind port 0 for a free one."
        case (.permissionDenied, nil): return ". The permissions of the file or its folder forbid it."
        case (.permissionDenied, let port?) where port < 1024:
            return ". Ports below 1024 need a privilege (CAP_NET_BIND_SERVICE)."
        default: return ""
        }
    }
}
