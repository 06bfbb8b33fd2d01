/// A version of TLS that may be spoken. Older ones are not offered (RFC 8996).
public enum TLSVersion: Sendable, Hashable, Comparable {
    /// RFC 5246.
    case tls12
    /// RFC 8446.
    case tls13
}

/// How a client checks and speaks TLS. Every value that can be built is safe, but for one that says so in its name.
///
/// Whether a certificate was revoked is not looked up (neither OCSP nor revocation lists): let certificates be short-lived, or pin keys.
public struct TLSConfiguration: Sendable, Hashable {
    /// Whom to trust.
    public enum Trust: Sendable, Hashable {
        /// The machine's store; `SSL_CERT_FILE` and `SSL_CERT_DIR` in the environment replace it.
        case system
        /// Only the certificates in these PEM texts, roots or not.
        case roots([String])
        /// The machine's store, and the certificates in these PEM texts.
        case systemAndRoots([String])
    }

    /// A certificate chain and its key, to prove who one is. Its description shows neither key nor password.
    public struct Identity: Sendable, Hashable {
        /// PEM: the certificate, then those that lead to its root.
        public var certificateChain: String
        /// PEM, PKCS #8 or traditional, encrypted or not.
        public var privateKey: String
        /// For an encrypted key. Nobody is ever asked for one.
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
    /// The oldest version to speak.
    public var minimumVersion = TLSVersion.tls12
    /// A file to which the connections' secrets are appended, for Wireshark and its like; it is made for this user's eyes only (mode 0600).
    ///
    /// Whoever has the file can read the connections. The environment alone turns nothing on: to do as browsers and curl do, pass the
    /// value of `SSLKEYLOGFILE`. Writing blocks the loop for the moment that it takes.
    public var keyLogFile: String?
    private(set) var isVerifying = true
    /// For tests that need the older one.
    package var maximumVersion = TLSVersion.tls13

    public init() {}

    /// A configuration that accepts **any** certificate: whoever is on the way can read and change everything. For experiments.
    public static func insecureWithoutVerification() -> TLSConfiguration {
        var configuration = TLSConfiguration()
        configuration.isVerifying = false
        return configuration
    }
}

extension TLSConfiguration.Identity: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String {
        "Identity(\(certificateChain.utf8.count) bytes of certificates, private key not shown)"
    }

    public var debugDescription: String { description }

    /// Without the secrets: dumps and failed expectations show what is in here.
    public var customMirror: Mirror { Mirror(self, children: ["certificateChain": certificateChain]) }
}
