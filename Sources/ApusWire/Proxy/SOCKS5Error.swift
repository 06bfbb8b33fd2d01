// By who has to act:
//
//   you        badDestination, badCredentials, authenticationRequired
//   the proxy  refused (with its reply), malformed, closed

/// Why a SOCKS proxy makes no connection (RFC 1928, RFC 1929).
public struct SOCKS5Error: Error, Sendable, Hashable, CustomStringConvertible {
    /// The kind of a ``SOCKS5Error``.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        private enum Kind: String, Sendable {
            case badDestination, badCredentials, authenticationRequired, refused, malformed, closed
        }

        private var kind: Kind

        /// A host or port that SOCKS cannot name.
        public static let badDestination = Code(kind: .badDestination)
        /// A user name or password that SOCKS cannot carry.
        public static let badCredentials = Code(kind: .badCredentials)
        /// The proxy wants a user name and password, or others.
        public static let authenticationRequired = Code(kind: .authenticationRequired)
        /// The proxy could not connect, or did not want to: see ``SOCKS5Error/reply``.
        public static let refused = Code(kind: .refused)
        /// What answers does not speak SOCKS 5.
        public static let malformed = Code(kind: .malformed)
        /// The proxy closed the connection before it had answered.
        public static let closed = Code(kind: .closed)

        public var description: String { kind.rawValue }
    }

    /// What kind of error this is.
    public var code: Code
    /// The proxy's reply, 1...255 (RFC 1928 §6), for `.refused`.
    public var reply: UInt8?
    private var message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    init(reply: UInt8) {
        code = .refused
        self.reply = reply
        message = "The SOCKS proxy did not connect (reply \(reply)): \(Self.meaning(of: reply))."
    }

    public var description: String { message }

    // RFC 1928 §6.
    private static func meaning(of reply: UInt8) -> String {
        switch reply {
        case 1: "general failure"
        case 2: "its rules do not allow it"
        case 3: "the network is unreachable"
        case 4: "the host is unreachable, or its name unknown there"
        case 5: "the connection was refused"
        case 6: "it took too long"
        case 7: "it does not know the command CONNECT"
        case 8: "it does not know this type of address"
        default: "a reply without a meaning in RFC 1928"
        }
    }

    /// Whether another address of the same host may do better (RFC 1928 §6: unreachable, refused, unknown type).
    package var concernsAddress: Bool {
        guard let reply else { return false }
        return [1, 3, 4, 5, 6, 8].contains(reply)
    }
}
