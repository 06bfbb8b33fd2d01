/// How a client checks and speaks TLS. Every value that can be built is safe, but for one that says so in its name.
public struct TLSConfiguration: Sendable, Hashable {
    /// Whom to trust.
    public enum Trust: Sendable, Hashable {
        /// The machine's store; `SSL_CERT_FILE` and `SSL_CERT_DIR` in the environment replace it.
        case system
        /// Only the certificates in these PEM texts.
        case roots([String])
        /// The machine's store, and the certificates in these PEM texts.
        case systemAndRoots([String])
    }

    /// A certificate chain and its key, to prove who one is.
    public struct Identity: Sendable, Hashable {
        /// PEM: the certificate, then those that lead to its root.
        public var certificateChain: String
        /// PEM.
        public var privateKey: String
        /// For an encrypted key.
        public var password: String?

        public init(certificateChain: String, privateKey: String, password: String? = nil) {
            self.certificateChain = certificateChain
            self.privateKey = privateKey
            self.password = password
        }
    }

    /// Whom to trust.
    public var trust = Trust.system
    /// Who this side is, if the peer asks.
    public var identity: Identity?
    /// The name to ask for and to check instead of the host's.
    public var serverName: String?
    /// SHA-256 digests of SubjectPublicKeyInfo, 32 bytes each: the peer's key must be one of them, *besides* all other checks.
    public var pins: [[UInt8]] = []
    /// The protocols to offer, best first (ALPN).
    public var applicationProtocols: [String] = []
    private(set) var isVerifying = true

    public init() {}

    /// A configuration that accepts **any** certificate: whoever is on the way can read and change everything. For experiments.
    public static func insecureWithoutVerification() -> TLSConfiguration {
        var configuration = TLSConfiguration()
        configuration.isVerifying = false
        return configuration
    }
}

/// How a server speaks TLS.
public struct TLSServerConfiguration: Sendable, Hashable {
    /// Who the server is.
    public var identity: TLSConfiguration.Identity
    /// PEM texts: clients must have a certificate that one of these has signed. Empty: no client certificates.
    public var clientRoots: [String] = []
    /// The protocols to accept, best first (ALPN).
    public var applicationProtocols: [String] = []

    public init(identity: TLSConfiguration.Identity) { self.identity = identity }
}

/// What a handshake has agreed on.
public struct TLSInfo: Sendable, Hashable {
    /// Such as `TLSv1.3`.
    public var version: String
    /// Such as `TLS_AES_256_GCM_SHA384`.
    public var cipher: String
    /// The protocol chosen by ALPN, if any.
    public var applicationProtocol: String?
    /// Whether an earlier session was resumed.
    public var isResumed: Bool
}
