#if TLS
import COpenSSL
import Synchronization

/// An `SSL_CTX`, made once per configuration and shared: reading the system's trust store takes some 20 ms.
// @unchecked: OpenSSL's contexts are reference-counted and locked inside; nothing is changed after `init`.
final class OpenSSLContext: @unchecked Sendable {
    let pointer: OpaquePointer
    let pins: [[UInt8]]
    /// ALPN's names in their wire format.
    let protocols: [UInt8]
    let keyLog: TLSKeyLog?
    /// Tickets by server: they live and die with the configuration under which they were given.
    let sessions = TLSSessionCache()

    // MARK: Cache

    private static let clients = Mutex<[TLSConfiguration: OpenSSLContext]>([:])
    private static let servers = Mutex<[TLSServerConfiguration: OpenSSLContext]>([:])
    /// Configurations are few; a program that makes them up per request must not fill the memory.
    private static let cacheLimit = 64

    static func client(_ configuration: TLSConfiguration) throws(TLSError) -> OpenSSLContext {
        if let known = clients.withLock({ $0[configuration] }) { return known }
        let made = try OpenSSLContext(configuration)
        clients.withLock { cache in
            if cache.count >= cacheLimit { cache = [:] }
            cache[configuration] = made
        }
        return made
    }

    static func server(_ configuration: TLSServerConfiguration) throws(TLSError) -> OpenSSLContext {
        if let known = servers.withLock({ $0[configuration] }) { return known }
        let made = try OpenSSLContext(configuration)
        servers.withLock { cache in
            if cache.count >= cacheLimit { cache = [:] }
            cache[configuration] = made
        }
        return made
    }

    // MARK: Making

    private init(_ configuration: TLSConfiguration) throws(TLSError) {
        pins = configuration.pins
        protocols = try Self.wireFormat(configuration.applicationProtocols)
        keyLog = try configuration.keyLogFile.map { path throws(TLSError) in try TLSKeyLog(path: path) }
        pointer = try Self.make(TLS_client_method(), configuration.minimumVersion...configuration.maximumVersion)
        logKeys()
        guard !configuration.pins.contains(where: { $0.count != 32 }) else {
            throw TLSError(
                .badConfiguration,
                "A pin is not 32 bytes long: pins are SHA-256 digests of SubjectPublicKeyInfo."
            )
        }
        if configuration.isVerifying {
            SSL_CTX_set_verify(pointer, SSL_VERIFY_PEER, OpenSSLEngine.noteRefusedCertificate)
            switch configuration.trust {
            case .system: try OpenSSLTrust.system(pointer)
            case .roots(let texts): try OpenSSLTrust.only(texts, pointer)
            case .systemAndRoots(let texts):
                try OpenSSLTrust.system(pointer)
                try OpenSSLTrust.only(texts, pointer)
            }
        } else {
            SSL_CTX_set_verify(pointer, SSL_VERIFY_NONE, nil)
        }
        if let identity = configuration.identity { try OpenSSLIdentity.use(identity, pointer) }
        apus_ctx_keep_client_sessions(pointer, OpenSSLEngine.keepSession)
    }

    /// Without the cache: for who keeps the context himself.
    init(_ configuration: TLSServerConfiguration) throws(TLSError) {
        pins = []
        protocols = try Self.wireFormat(configuration.applicationProtocols)
        keyLog = try configuration.keyLogFile.map { path throws(TLSError) in try TLSKeyLog(path: path) }
        pointer = try Self.make(TLS_server_method(), configuration.minimumVersion...configuration.maximumVersion)
        logKeys()
        try OpenSSLIdentity.use(configuration.identity, pointer)
        switch configuration.clientCertificates {
        case .none: break
        case .requested(let roots): try verifyClients(roots, SSL_VERIFY_PEER)
        case .required(let roots): try verifyClients(roots, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT)
        }
        SSL_CTX_set_alpn_select_cb(pointer, OpenSSLEngine.selectProtocol, nil)
        // Sessions live in tickets, whose keys are the context's own: clients cannot make it keep anything.
        apus_ctx_keep_no_server_sessions(pointer)
        // Without a name for whom sessions are valid, OpenSSL breaks off connections that resume one with a client certificate.
        SSL_CTX_set_session_id_context(pointer, "apus", 4)
    }

    deinit { SSL_CTX_free(pointer) }

    private func verifyClients(_ roots: [String], _ mode: Int32) throws(TLSError) {
        guard !roots.isEmpty else {
            throw TLSError(
                .badConfiguration,
                "Client certificates are asked for, and no roots are named that they should lead to."
            )
        }
        SSL_CTX_set_verify(pointer, mode, OpenSSLEngine.noteRefusedCertificate)
        try OpenSSLTrust.only(roots, pointer)
        // Their names are what a client with several certificates chooses by (RFC 8446 §4.2.4).
        for text in roots {
            for certificate in try OpenSSLIdentity.certificates(text, what: "trusted roots") {
                SSL_CTX_add_client_CA(pointer, certificate)
                X509_free(certificate)
            }
        }
    }

    private static func make(_ method: OpaquePointer?, _ versions: ClosedRange<TLSVersion>) throws(TLSError)
        -> OpaquePointer
    {
        guard let context = SSL_CTX_new(method) else {
            throw TLSError(.badConfiguration, "OpenSSL cannot make a context: \(OpenSSLErrors.take())")
        }
        _ = apus_ctx_set_minimum_version(context, number(versions.lowerBound))
        _ = apus_ctx_set_maximum_version(context, number(versions.upperBound))
        // RSA below 2048 bits, elliptic curves below 224, and signatures with SHA-1 are refused, also where the system is built to
        // allow them.
        if SSL_CTX_get_security_level(context) < 2 { SSL_CTX_set_security_level(context, 2) }
        apus_ctx_refuse_compression_and_renegotiation(context)
        _ = apus_ctx_set_mode(
            context,
            Int(SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS)
        )
        // A record's header and body in one system call instead of two.
        apus_ctx_set_read_ahead(context)
        return context
    }

    private static func number(_ version: TLSVersion) -> Int32 {
        switch version {
        case .tls12: TLS1_2_VERSION
        case .tls13: TLS1_3_VERSION
        }
    }

    private func logKeys() {
        if keyLog != nil { SSL_CTX_set_keylog_callback(pointer, OpenSSLEngine.logKey) }
    }

    /// ALPN's wire format (RFC 7301 §3.1): each name behind its length.
    static func wireFormat(_ names: [String]) throws(TLSError) -> [UInt8] {
        var result: [UInt8] = []
        for name in names {
            guard (1...255).contains(name.utf8.count) else {
                throw TLSError(.badConfiguration, "An application protocol's name has 1 to 255 bytes.")
            }
            result.append(UInt8(name.utf8.count))
            result.append(contentsOf: name.utf8)
        }
        return result
    }
}
#endif
