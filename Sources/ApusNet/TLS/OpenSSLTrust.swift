#if TLS
import COpenSSL
import Glibc

/// Fills a context's store of trusted certificates.
enum OpenSSLTrust {
    /// The machine's store.
    static func system(_ context: OpaquePointer) throws(TLSError) {
        let file = environment("SSL_CERT_FILE") ?? String(cString: X509_get_default_cert_file())
        let directory = environment("SSL_CERT_DIR") ?? String(cString: X509_get_default_cert_dir())
        SSL_CTX_set_default_verify_paths(context)
        ERR_clear_error()
        // What a folder holds is looked up when it is needed; what a file holds is in the store now.
        guard isFilled(context) || hasEntries(directory) else {
            throw TLSError(
                .noTrustStore,
                "This machine has no trust store: there are certificates neither in the file \(file) nor in \(directory). "
                    + "Install ca-certificates, set SSL_CERT_FILE, or name the roots to trust."
            )
        }
    }

    /// The certificates in PEM texts.
    static func only(_ texts: [String], _ context: OpaquePointer) throws(TLSError) {
        let store = SSL_CTX_get_cert_store(context)
        for text in texts {
            for certificate in try OpenSSLIdentity.certificates(text, what: "trusted roots") {
                X509_STORE_add_cert(store, certificate)
                X509_free(certificate)
            }
        }
        // What somebody names is trusted, root or not: as curl and Go do.
        X509_STORE_set_flags(store, UInt(X509_V_FLAG_PARTIAL_CHAIN))
        ERR_clear_error()
    }

    /// As OpenSSL itself reads the environment: not in programs that run with other rights than their caller's.
    private static func environment(_ name: String) -> String? {
        apus_environment(name).map { String(cString: $0) }
    }

    private static func isFilled(_ context: OpaquePointer) -> Bool {
        apus_store_count(SSL_CTX_get_cert_store(context)) > 0
    }

    private static func hasEntries(_ directory: String) -> Bool {
        guard let stream = opendir(directory) else { return false }
        defer { closedir(stream) }
        while let entry = readdir(stream) {
            if withUnsafeBytes(of: &entry.pointee.d_name, { $0[0] != 46 }) { return true }
        }
        return false
    }
}
#endif
