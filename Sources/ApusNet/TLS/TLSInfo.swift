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
    /// The peer's own certificate, as PEM; nil if it showed none. It was checked, unless verification is off.
    public var peerCertificate: String?
}
