/// How a server speaks TLS.
public struct TLSServerConfiguration: Sendable, Hashable {
    /// Whether clients have to show who they are.
    public enum ClientCertificates: Sendable, Hashable {
        /// They are not asked.
        case none
        /// They are asked, and let in without a certificate too; one that they show must lead to these PEM texts. Whether there was one says
        /// ``TLSInfo/peerCertificate``.
        case requested(roots: [String])
        /// They must have a certificate that leads to one in these PEM texts.
        case required(roots: [String])
    }

    /// Who the server is.
    public var identity: TLSConfiguration.Identity
    /// Whether clients have to show who they are.
    public var clientCertificates = ClientCertificates.none
    /// The protocols to accept, best first (ALPN). A client that offers others only is refused (RFC 7301 §3.2); one that offers none is
    /// not.
    public var applicationProtocols: [String] = []
    /// The oldest version to speak.
    public var minimumVersion = TLSVersion.tls12
    /// A file to which the connections' secrets are appended: as ``TLSConfiguration/keyLogFile``.
    public var keyLogFile: String?
    /// For tests that need the older one.
    package var maximumVersion = TLSVersion.tls13

    public init(identity: TLSConfiguration.Identity) { self.identity = identity }
}
