import Synchronization

#if TLS
import COpenSSL
#endif

/// The SHA-256 of a body that comes in pieces, by OpenSSL. From any thread.
final class BodyDigest: Sendable {
    /// Whether this build can: it has OpenSSL with the package trait `TLS`.
    static var isAvailable: Bool {
        #if TLS
        true
        #else
        false
        #endif
    }

    #if TLS
    /// Owns OpenSSL's state.
    private struct Context: ~Copyable {
        let pointer: OpaquePointer?

        init() {
            pointer = EVP_MD_CTX_new()
            EVP_DigestInit_ex(pointer, EVP_sha256(), nil)
        }

        deinit { EVP_MD_CTX_free(pointer) }
    }

    private let context = Mutex(Context())
    #endif

    func update(_ bytes: [UInt8]) {
        #if TLS
        context.withLock { context in
            bytes.withUnsafeBytes { _ = EVP_DigestUpdate(context.pointer, $0.baseAddress, $0.count) }
        }
        #endif
    }

    /// In lower-case hexadecimal digits. Once.
    func finish() -> String? {
        #if TLS
        let bytes = context.withLock { context in
            [UInt8](unsafeUninitializedCapacity: Int(EVP_MAX_MD_SIZE)) { buffer, count in
                var written: UInt32 = 0
                EVP_DigestFinal_ex(context.pointer, buffer.baseAddress, &written)
                count = Int(written)
            }
        }
        return bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        #else
        return nil
        #endif
    }
}
