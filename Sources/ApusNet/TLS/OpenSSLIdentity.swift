#if TLS
import COpenSSL

/// Reads certificates and keys, and gives them to a context.
enum OpenSSLIdentity {
    static func use(_ identity: TLSConfiguration.Identity, _ context: OpaquePointer) throws(TLSError) {
        let chain = try certificates(identity.certificateChain, what: "the certificate chain")
        defer { for certificate in chain { X509_free(certificate) } }
        guard SSL_CTX_use_certificate(context, chain[0]) == 1 else {
            throw TLSError(.badCertificateFile, "OpenSSL refuses the certificate: \(OpenSSLErrors.take())")
        }
        for certificate in chain.dropFirst() where apus_ctx_add_chain_certificate(context, certificate) != 1 {
            throw TLSError(
                .badCertificateFile,
                "OpenSSL refuses a certificate of the chain: \(OpenSSLErrors.take())"
            )
        }
        let key = try privateKey(identity)
        defer { EVP_PKEY_free(key) }
        guard SSL_CTX_use_PrivateKey(context, key) == 1, SSL_CTX_check_private_key(context) == 1 else {
            throw TLSError(.badKeyFile, "The private key does not belong to the certificate: \(OpenSSLErrors.take())")
        }
    }

    /// The certificates in a PEM text, at least one. The caller frees them.
    static func certificates(_ text: String, what: String) throws(TLSError) -> [OpaquePointer] {
        let (found, error): ([OpaquePointer], UInt) = withMemoryBIO(text) { bio in
            var found: [OpaquePointer] = []
            while let certificate = PEM_read_bio_X509(bio, nil, nil, nil) { found.append(certificate) }
            return (found, ERR_peek_last_error())
        }
        ERR_clear_error()
        // That no further one begins is how the text ends. Anything else would be a chain, or a trust, with a hole.
        let isWhole = apus_error_library(error) == ERR_LIB_PEM && apus_error_reason(error) == PEM_R_NO_START_LINE
        guard !found.isEmpty, isWhole else {
            for certificate in found { X509_free(certificate) }
            throw TLSError(
                .badCertificateFile,
                found.isEmpty && isWhole
                    ? "There is no PEM certificate in what should hold \(what)."
                    : "Certificate \(found.count + 1) in what should hold \(what) is damaged: \(OpenSSLErrors.describe(error))."
            )
        }
        return found
    }

    /// The peer's own certificate, as PEM.
    static func peerCertificate(_ ssl: OpaquePointer) -> String? {
        guard let certificate = SSL_get1_peer_certificate(ssl) else { return nil }
        defer { X509_free(certificate) }
        let bio = BIO_new(BIO_s_mem())
        defer { BIO_free(bio) }
        guard PEM_write_bio_X509(bio, certificate) == 1 else { return nil }
        var contents: UnsafeMutablePointer<CChar>?
        let count = apus_bio_memory_contents(bio, &contents)
        return String(decoding: UnsafeRawBufferPointer(start: contents, count: max(0, count)), as: UTF8.self)
    }

    /// SHA-256 of the peer's SubjectPublicKeyInfo.
    static func peerKeyDigest(_ ssl: OpaquePointer) -> [UInt8]? {
        guard let certificate = SSL_get1_peer_certificate(ssl) else { return nil }
        defer { X509_free(certificate) }
        var encoded: UnsafeMutablePointer<UInt8>?
        let count = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &encoded)
        guard count > 0, let encoded else { return nil }
        defer { CRYPTO_free(encoded, #file, #line) }
        var digest = [UInt8](repeating: 0, count: 32)
        guard EVP_Digest(encoded, Int(count), &digest, nil, EVP_sha256(), nil) == 1 else { return nil }
        return digest
    }

    private static func privateKey(_ identity: TLSConfiguration.Identity) throws(TLSError) -> OpaquePointer {
        let key = withMemoryBIO(identity.privateKey) { bio -> OpaquePointer? in
            // Without a callback OpenSSL would ask on the terminal.
            guard let password = identity.password else {
                return PEM_read_bio_PrivateKey(bio, nil, { _, _, _, _ in -1 }, nil)
            }
            var bytes = Array(password.utf8CString)
            return bytes.withUnsafeMutableBytes { buffer in
                defer { OPENSSL_cleanse(buffer.baseAddress, buffer.count) }
                return PEM_read_bio_PrivateKey(bio, nil, nil, buffer.baseAddress)
            }
        }
        guard let key else {
            let reason = OpenSSLErrors.take()
            guard identity.privateKey.contains("PRIVATE KEY-----") else {
                throw TLSError(.badKeyFile, "There is no PEM private key in what should hold one.")
            }
            throw TLSError(
                .badKeyFile,
                identity.password == nil
                    ? "The private key cannot be read; is it encrypted, and without a password? (\(reason))"
                    : "The private key cannot be read with this password (\(reason))."
            )
        }
        ERR_clear_error()
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
}
#endif
