#if TLS
import COpenSSL
import Glibc
import Synchronization

/// An `SSL_CTX`, made once per configuration and shared: reading the system's trust store takes some 20 ms.
// @unchecked: OpenSSL's contexts are reference-counted and locked inside; nothing is changed after `init`.
final class OpenSSLContext: @unchecked Sendable {
    let pointer: OpaquePointer
    let pins: [[UInt8]]
    let protocols: [UInt8]
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
        pointer = try Self.make(TLS_client_method())
        guard !configuration.pins.contains(where: { $0.count != 32 }) else {
            throw TLSError(
                .badConfiguration,
                "A pin is not 32 bytes long: pins are SHA-256 digests of SubjectPublicKeyInfo."
            )
        }
        if configuration.isVerifying {
            SSL_CTX_set_verify(pointer, SSL_VERIFY_PEER, OpenSSLEngine.noteRefusedCertificate)
            switch configuration.trust {
            case .system: try trustSystem()
            case .roots(let texts): try trust(texts)
            case .systemAndRoots(let texts):
                try trustSystem()
                try trust(texts)
            }
        } else {
            SSL_CTX_set_verify(pointer, SSL_VERIFY_NONE, nil)
        }
        if let identity = configuration.identity { try use(identity) }
        apus_ctx_keep_client_sessions(pointer, OpenSSLEngine.keepSession)
    }

    private init(_ configuration: TLSServerConfiguration) throws(TLSError) {
        pins = []
        protocols = try Self.wireFormat(configuration.applicationProtocols)
        pointer = try Self.make(TLS_server_method())
        try use(configuration.identity)
        if !configuration.clientRoots.isEmpty {
            SSL_CTX_set_verify(
                pointer,
                SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                OpenSSLEngine.noteRefusedCertificate
            )
            try trust(configuration.clientRoots)
        }
        if !protocols.isEmpty {
            // The argument lives as long as the context that holds it.
            SSL_CTX_set_alpn_select_cb(pointer, Self.selectProtocol, Unmanaged.passUnretained(self).toOpaque())
        }
    }

    deinit { SSL_CTX_free(pointer) }

    private static func make(_ method: OpaquePointer?) throws(TLSError) -> OpaquePointer {
        guard let context = SSL_CTX_new(method) else {
            throw TLSError(.badConfiguration, "OpenSSL cannot make a context: \(OpenSSLErrors.take())")
        }
        // RFC 8996: nothing below 1.2.
        _ = apus_ctx_set_minimum_version(context, TLS1_2_VERSION)
        apus_ctx_refuse_compression_and_renegotiation(context)
        _ = apus_ctx_set_mode(
            context,
            Int(SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS)
        )
        // A record's header and body in one system call instead of two.
        apus_ctx_set_read_ahead(context)
        return context
    }

    private func trustSystem() throws(TLSError) {
        let file = Self.environment("SSL_CERT_FILE") ?? String(cString: X509_get_default_cert_file())
        let directory = Self.environment("SSL_CERT_DIR") ?? String(cString: X509_get_default_cert_dir())
        guard access(file, R_OK) == 0 || Self.hasEntries(directory) else {
            throw TLSError(
                .noTrustStore,
                "This machine has no trust store: neither the file \(file) nor certificates in \(directory). "
                    + "Install ca-certificates, set SSL_CERT_FILE, or name the roots to trust."
            )
        }
        SSL_CTX_set_default_verify_paths(pointer)
        ERR_clear_error()
    }

    private static func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

    private static func hasEntries(_ directory: String) -> Bool {
        guard let stream = opendir(directory) else { return false }
        defer { closedir(stream) }
        while let entry = readdir(stream) {
            if withUnsafeBytes(of: &entry.pointee.d_name, { $0[0] != 46 }) { return true }
        }
        return false
    }

    private func trust(_ texts: [String]) throws(TLSError) {
        let store = SSL_CTX_get_cert_store(pointer)
        for text in texts {
            for certificate in try Self.certificates(text, what: "trusted roots") {
                X509_STORE_add_cert(store, certificate)
                X509_free(certificate)
            }
        }
        ERR_clear_error()
    }

    private func use(_ identity: TLSConfiguration.Identity) throws(TLSError) {
        let chain = try Self.certificates(identity.certificateChain, what: "the certificate chain")
        defer { for certificate in chain { X509_free(certificate) } }
        guard SSL_CTX_use_certificate(pointer, chain[0]) == 1 else {
            throw TLSError(.badCertificateFile, "OpenSSL refuses the certificate: \(OpenSSLErrors.take())")
        }
        for certificate in chain.dropFirst() { _ = apus_ctx_add_chain_certificate(pointer, certificate) }
        let key = try Self.privateKey(identity)
        defer { EVP_PKEY_free(key) }
        guard SSL_CTX_use_PrivateKey(pointer, key) == 1, SSL_CTX_check_private_key(pointer) == 1 else {
            throw TLSError(.badKeyFile, "The private key does not belong to the certificate: \(OpenSSLErrors.take())")
        }
    }

    private static func certificates(_ text: String, what: String) throws(TLSError) -> [OpaquePointer] {
        let result: [OpaquePointer] = withMemoryBIO(text) { bio in
            var found: [OpaquePointer] = []
            while let certificate = PEM_read_bio_X509(bio, nil, nil, nil) { found.append(certificate) }
            return found
        }
        ERR_clear_error()
        guard !result.isEmpty else {
            throw TLSError(.badCertificateFile, "There is no PEM certificate in what should hold \(what).")
        }
        return result
    }

    private static func privateKey(_ identity: TLSConfiguration.Identity) throws(TLSError) -> OpaquePointer {
        let key = withMemoryBIO(identity.privateKey) { bio -> OpaquePointer? in
            // Without a callback OpenSSL would ask on the terminal.
            guard let password = identity.password else {
                return PEM_read_bio_PrivateKey(bio, nil, { _, _, _, _ in -1 }, nil)
            }
            var bytes = Array(password.utf8CString)
            return bytes.withUnsafeMutableBytes { PEM_read_bio_PrivateKey(bio, nil, nil, $0.baseAddress) }
        }
        guard let key else {
            let reason = OpenSSLErrors.take()
            throw TLSError(
                .badKeyFile,
                identity.password == nil
                    ? "The private key cannot be read; is it encrypted, and without a password? \(reason)"
                    : "The private key cannot be read with this password. \(reason)"
            )
        }
        return key
    }

    private static func withMemoryBIO<Result>(_ text: String, _ body: (OpaquePointer?) -> Result) -> Result {
        let bytes = Array(text.utf8)
        return bytes.withUnsafeBytes { buffer in
            let bio = BIO_new_mem_buf(buffer.baseAddress, Int32(clamping: buffer.count))
            defer { BIO_free(bio) }
            return body(bio)
        }
    }

    // MARK: ALPN

    /// RFC 7301 §3.1: each name behind its length.
    private static func wireFormat(_ names: [String]) throws(TLSError) -> [UInt8] {
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

    private static let selectProtocol: SSL_CTX_alpn_select_cb_func = {
        _,
        chosen,
        chosenCount,
        offered,
        offeredCount,
        argument in
        guard let argument else { return SSL_TLSEXT_ERR_NOACK }
        let context = Unmanaged<OpenSSLContext>.fromOpaque(argument).takeUnretainedValue()
        return context.protocols.withUnsafeBufferPointer { ours in
            var selected: UnsafeMutablePointer<UInt8>?
            let found = SSL_select_next_proto(
                &selected,
                chosenCount,
                ours.baseAddress,
                UInt32(ours.count),
                offered,
                offeredCount
            )
            guard found == OPENSSL_NPN_NEGOTIATED, let selected else { return SSL_TLSEXT_ERR_NOACK }
            chosen?.pointee = UnsafePointer(selected)
            return SSL_TLSEXT_ERR_OK
        }
    }
}

/// OpenSSL's error queue, which belongs to the thread.
enum OpenSSLErrors {
    /// The oldest error as text; empties the queue.
    static func take() -> String {
        let code = ERR_get_error()
        ERR_clear_error()
        return describe(code)
    }

    static func describe(_ code: UInt) -> String {
        guard code != 0 else { return "no reason given" }
        if let reason = ERR_reason_error_string(code) { return String(cString: reason) }
        return "error \(code)"
    }
}
#endif
