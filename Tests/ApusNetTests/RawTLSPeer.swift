#if TLS
import ApusNet
import ApusTesting
import COpenSSL

/// OpenSSL without our rules, for peers that do what ours never would: weak certificates, old versions, renegotiation.
// @unchecked: used by one task at a time.
final class RawTLSPeer: @unchecked Sendable {
    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    private let context: OpaquePointer
    private let ssl: OpaquePointer
    private let input: OpaquePointer?
    private let output: OpaquePointer?
    private let stream: TCPStream

    /// - Parameter identity: makes it a server; nil is a client that trusts everybody.
    init(_ identity: TLSConfiguration.Identity?, over stream: TCPStream, version: Int32? = nil) throws {
        guard let context = SSL_CTX_new(identity == nil ? TLS_client_method() : TLS_server_method()),
            let ssl = SSL_new(context)
        else { throw Failure(description: "OpenSSL makes no context") }
        self.context = context
        self.ssl = ssl
        self.stream = stream
        input = BIO_new(BIO_s_mem())
        output = BIO_new(BIO_s_mem())
        SSL_set_bio(ssl, input, output)
        SSL_set_security_level(ssl, 0)
        if let version {
            _ = apus_ssl_set_versions(ssl, version)
        }
        guard let identity else {
            SSL_set_connect_state(ssl)
            return
        }
        SSL_set_accept_state(ssl)
        var certificates: [OpaquePointer] = []
        Self.withBIO(identity.certificateChain) { bio in
            while let certificate = PEM_read_bio_X509(bio, nil, nil, nil) { certificates.append(certificate) }
        }
        let key = Self.withBIO(identity.privateKey) { PEM_read_bio_PrivateKey($0, nil, nil, nil) }
        defer {
            for certificate in certificates { X509_free(certificate) }
            EVP_PKEY_free(key)
        }
        guard let first = certificates.first, SSL_use_certificate(ssl, first) == 1, SSL_use_PrivateKey(ssl, key) == 1
        else { throw Failure(description: "OpenSSL refuses the certificate: \(Self.reason())") }
        for certificate in certificates.dropFirst() { _ = apus_ssl_add_chain_certificate(ssl, certificate) }
    }

    deinit {
        SSL_free(ssl)
        SSL_CTX_free(context)
    }

    func handshake() async throws { try await run { SSL_do_handshake($0) } }

    func write(_ text: String) async throws {
        let bytes = Array(text.utf8)
        try await run { SSL_write($0, bytes, Int32(bytes.count)) }
    }

    func read(upTo count: Int) async throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let result = try await run { ssl in bytes.withUnsafeMutableBytes { SSL_read(ssl, $0.baseAddress, Int32(count)) }
        }
        return Array(bytes[..<Int(result)])
    }

    /// Asks to renegotiate (TLS 1.2), with the whole handshake.
    func renegotiate() async throws {
        guard SSL_renegotiate(ssl) == 1 else { throw Failure(description: Self.reason()) }
        try await handshake()
    }

    /// Makes the peer change its keys, and tell us of it (TLS 1.3).
    func updateKeys() async throws {
        guard SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED) == 1 else { throw Failure(description: Self.reason()) }
        try await handshake()
    }

    /// Records that change the keys of what this side sends, one after another (TLS 1.3).
    func keyUpdates(_ count: Int) throws -> [UInt8] {
        for _ in 0..<count {
            guard SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED) == 1, SSL_do_handshake(ssl) == 1 else {
                throw Failure(description: Self.reason())
            }
        }
        return takeOutput()
    }

    func closeNotify() async throws {
        SSL_shutdown(ssl)
        try await sendOutput()
    }

    /// One record of application data, as it would be sent.
    func record(_ text: String) -> [UInt8] {
        let bytes = Array(text.utf8)
        SSL_write(ssl, bytes, Int32(bytes.count))
        return takeOutput()
    }

    /// How many authorities the peer has named whose certificates it would take.
    var namedAuthorities: Int { Int(OPENSSL_sk_num(SSL_get0_peer_CA_list(ssl))) }

    /// SHA-256 of the SubjectPublicKeyInfo: what is pinned.
    static func keyDigest(of identity: TLSConfiguration.Identity) -> [UInt8] {
        guard let certificate = withBIO(identity.certificateChain, { PEM_read_bio_X509($0, nil, nil, nil) }) else {
            return []
        }
        defer { X509_free(certificate) }
        var digest = [UInt8](repeating: 0, count: 32)
        var encoded: UnsafeMutablePointer<UInt8>?
        let count = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &encoded)
        EVP_Digest(encoded, Int(count), &digest, nil, EVP_sha256(), nil)
        CRYPTO_free(encoded, #file, #line)
        return digest
    }

    // MARK: Moving bytes

    @discardableResult
    private func run(_ step: (OpaquePointer) -> Int32) async throws -> Int32 {
        while true {
            ERR_clear_error()
            let result = step(ssl)
            let code = SSL_get_error(ssl, result)
            let reason = code == SSL_ERROR_SSL ? Self.reason() : "\(code)"
            try await sendOutput()
            if result > 0 { return result }
            guard code == SSL_ERROR_WANT_READ else { throw Failure(description: reason) }
            let bytes = try await stream.read()
            if bytes.isEmpty { throw Failure(description: "the connection ended") }
            BIO_write(input, bytes, Int32(bytes.count))
        }
    }

    private func sendOutput() async throws {
        let bytes = takeOutput()
        if !bytes.isEmpty { try await stream.write(bytes) }
    }

    private func takeOutput() -> [UInt8] {
        var contents: UnsafeMutablePointer<CChar>?
        let count = apus_bio_memory_contents(output, &contents)
        guard count > 0 else { return [] }
        var bytes = [UInt8](repeating: 0, count: count)
        BIO_read(output, &bytes, Int32(count))
        return bytes
    }

    private static func reason() -> String {
        let code = ERR_get_error()
        return ERR_reason_error_string(code).map { String(cString: $0) } ?? "error \(code)"
    }

    @discardableResult
    private static func withBIO<Success>(_ text: String, _ body: (OpaquePointer?) -> Success) -> Success {
        let bytes = Array(text.utf8)
        return bytes.withUnsafeBytes { buffer in
            let bio = BIO_new_mem_buf(buffer.baseAddress, Int32(clamping: buffer.count))
            defer { BIO_free(bio) }
            return body(bio)
        }
    }
}
#endif
