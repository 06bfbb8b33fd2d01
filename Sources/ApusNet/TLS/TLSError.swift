// TLS's errors, by who has to act:
//
//   you        badCertificateFile, badKeyFile, badConfiguration, unavailable (built without TLS)
//   the peer   certificateExpired, certificateNotYetValid, hostMismatch, untrustedCertificate, pinMismatch, weakCertificate,
//              wrongPurpose, certificateRequired, notTLS, protocolError, alert, truncated
//   the world  noTrustStore, timedOut

/// Why a TLS connection did not come about, or broke.
public struct TLSError: Error, Sendable, CustomStringConvertible {
    /// The kind of a ``TLSError``.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        private enum Kind: String, Sendable {
            case badCertificateFile, badKeyFile, badConfiguration, unavailable
            case certificateExpired, certificateNotYetValid, hostMismatch, untrustedCertificate, pinMismatch
            case weakCertificate, wrongPurpose, certificateRequired, notTLS, protocolError, alert, truncated
            case noTrustStore, timedOut
        }

        private var kind: Kind

        /// A file or text that should hold certificates does not.
        public static let badCertificateFile = Code(kind: .badCertificateFile)
        /// A file or text that should hold a private key does not, or its password is wrong, or it belongs to another certificate.
        public static let badKeyFile = Code(kind: .badKeyFile)
        /// A configuration that OpenSSL refuses.
        public static let badConfiguration = Code(kind: .badConfiguration)
        /// This build of Apus has no TLS.
        public static let unavailable = Code(kind: .unavailable)
        /// The peer's certificate is over.
        public static let certificateExpired = Code(kind: .certificateExpired)
        /// The peer's certificate has not begun, or this machine's clock is wrong.
        public static let certificateNotYetValid = Code(kind: .certificateNotYetValid)
        /// The peer's certificate is for other names.
        public static let hostMismatch = Code(kind: .hostMismatch)
        /// No chain from the peer's certificate to one that is trusted.
        public static let untrustedCertificate = Code(kind: .untrustedCertificate)
        /// The peer's key is none of those that were pinned.
        public static let pinMismatch = Code(kind: .pinMismatch)
        /// The peer's certificate has a key or a signature that is too weak.
        public static let weakCertificate = Code(kind: .weakCertificate)
        /// The peer's certificate is not one for servers (or clients).
        public static let wrongPurpose = Code(kind: .wrongPurpose)
        /// The client has shown no certificate, and the server requires one.
        public static let certificateRequired = Code(kind: .certificateRequired)
        /// What answers does not speak TLS.
        public static let notTLS = Code(kind: .notTLS)
        /// The peer broke the protocol, or the two have no version or cipher in common.
        public static let protocolError = Code(kind: .protocolError)
        /// The peer refused with an alert.
        public static let alert = Code(kind: .alert)
        /// The connection ended without TLS's own end: something may be missing.
        public static let truncated = Code(kind: .truncated)
        /// This machine has no trust store.
        public static let noTrustStore = Code(kind: .noTrustStore)
        /// The handshake took longer than was allowed.
        public static let timedOut = Code(kind: .timedOut)

        public var description: String { kind.rawValue }
    }

    /// What kind of error this is.
    public var code: Code
    private var message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// Whether a deadline caused this.
    public var isTimeout: Bool { code == .timedOut }

    public var description: String { message }
}
