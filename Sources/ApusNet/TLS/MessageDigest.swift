#if TLS
import COpenSSL
#endif

/// A hash over bytes, by OpenSSL: for protocols that need one. One task uses it at a time.
package final class MessageDigest {
    #if TLS
    private let context: OpaquePointer
    #endif

    /// - Parameter name: OpenSSL's, such as `SHA512-256`.
    /// - Throws: ``TLSError`` `.unavailable` if this build has no TLS, or the library does not allow the hash, as in FIPS mode MD5.
    package init(_ name: String) throws(TLSError) {
        #if TLS
        guard let context = EVP_MD_CTX_new() else { throw TLSError(.unavailable, "OpenSSL has no memory left.") }
        self.context = context
        guard let algorithm = EVP_get_digestbyname(name), EVP_DigestInit_ex(context, algorithm, nil) == 1 else {
            ERR_clear_error()
            throw TLSError(.unavailable, "The system's OpenSSL does not offer the hash \(name).")
        }
        #else
        throw TLSEngines.unavailable
        #endif
    }

    deinit {
        #if TLS
        EVP_MD_CTX_free(context)
        #endif
    }

    package func update(_ bytes: some Collection<UInt8>) {
        #if TLS
        // Of an array or its slice it is the memory itself.
        let isDone = bytes.withContiguousStorageIfAvailable { EVP_DigestUpdate(context, $0.baseAddress, $0.count) }
        if isDone == nil { update(Array(bytes)) }
        #endif
    }

    /// The hash of all that came. Nothing can follow.
    package func finish() -> [UInt8] {
        #if TLS
        [UInt8](unsafeUninitializedCapacity: Int(EVP_MAX_MD_SIZE)) { buffer, count in
            var written: UInt32 = 0
            EVP_DigestFinal_ex(context, buffer.baseAddress, &written)
            count = Int(written)
        }
        #else
        []
        #endif
    }
}
