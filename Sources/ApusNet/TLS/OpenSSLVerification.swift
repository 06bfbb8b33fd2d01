#if TLS
import COpenSSL

/// Turns OpenSSL's verdict on a certificate into words: which check failed, for which host.
enum OpenSSLVerification {
    /// What was wrong with which certificate, as text: the certificate itself goes with the handshake.
    struct Refusal {
        private let result: Int32
        private let reason: String
        private let notBefore: String?
        private let notAfter: String?
        private let names: String
        private let subject: String
        private let issuer: String
        /// 0 for the peer's own certificate.
        private let depth: Int32

        init(_ context: OpaquePointer) {
            result = X509_STORE_CTX_get_error(context)
            reason = String(cString: X509_verify_cert_error_string(Int(result)))
            depth = X509_STORE_CTX_get_error_depth(context)
            let certificate = X509_STORE_CTX_get_current_cert(context)
            notBefore = certificate.flatMap { OpenSSLVerification.day(apus_x509_not_before($0)) }
            notAfter = certificate.flatMap { OpenSSLVerification.day(apus_x509_not_after($0)) }
            names = OpenSSLVerification.names(certificate)
            subject = OpenSSLVerification.commonName(certificate.flatMap { X509_get_subject_name($0) })
            issuer = OpenSSLVerification.commonName(certificate.flatMap { X509_get_issuer_name($0) })
        }

        func error(host: String, isClient: Bool) -> TLSError {
            let whose = isClient ? "The certificate for \(host)" : "The client certificate of \(host)"
            let which = depth == 0 ? whose : "The certificate of \(subject), in the chain of \(host),"
            switch result {
            case X509_V_ERR_CERT_HAS_EXPIRED:
                return TLSError(.certificateExpired, "\(which) expired\(notAfter.map { " on \($0)" } ?? "").")
            case X509_V_ERR_CERT_NOT_YET_VALID:
                return TLSError(
                    .certificateNotYetValid,
                    "\(which) is not valid before \(notBefore ?? "a later day"). Is this machine's clock right?"
                )
            case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH:
                return TLSError(.hostMismatch, "The server's certificate is not for \(host): it is for \(names).")
            case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
                return TLSError(
                    .untrustedCertificate,
                    "\(whose) is signed by itself and not trusted. To trust it, name it as a root."
                )
            case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
                return TLSError(
                    .untrustedCertificate,
                    "\(whose) leads to a root that is not trusted, \(subject). If it is a private one, name it as a root."
                )
            case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT,
                X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
                return TLSError(
                    .untrustedCertificate,
                    "\(whose) cannot be traced to a trusted root: its issuer, \(issuer), is unknown, or the peer does not send "
                        + "the certificates in between."
                )
            case X509_V_ERR_CERT_SIGNATURE_FAILURE, X509_V_ERR_UNABLE_TO_DECRYPT_CERT_SIGNATURE,
                X509_V_ERR_UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY, X509_V_ERR_AKID_SKID_MISMATCH,
                X509_V_ERR_AKID_ISSUER_SERIAL_MISMATCH:
                return TLSError(
                    .untrustedCertificate,
                    "\(which) bears a signature that is not of \(issuer), whom it names: it is forged or damaged (\(reason))."
                )
            case X509_V_ERR_EE_KEY_TOO_SMALL, X509_V_ERR_CA_KEY_TOO_SMALL, X509_V_ERR_CA_MD_TOO_WEAK:
                return TLSError(.weakCertificate, "\(which) is too weak: \(reason).")
            case X509_V_ERR_INVALID_PURPOSE:
                return TLSError(.wrongPurpose, "\(which) is not meant for TLS \(isClient ? "servers" : "clients").")
            case X509_V_ERR_INVALID_CA, X509_V_ERR_INVALID_NON_CA, X509_V_ERR_KEYUSAGE_NO_CERTSIGN,
                X509_V_ERR_PATH_LENGTH_EXCEEDED:
                return TLSError(
                    .wrongPurpose,
                    "\(which) has signed another one, and is no authority that may (\(reason))."
                )
            case X509_V_ERR_CERT_REVOKED:
                return TLSError(.untrustedCertificate, "\(which) was revoked.")
            default:
                return TLSError(.untrustedCertificate, "\(which) is not acceptable: \(reason).")
            }
        }
    }

    /// The common name, as the certificate has it: a stranger's text, cut where it is long.
    fileprivate static func commonName(_ name: OpaquePointer?) -> String {
        var bytes = [CChar](repeating: 0, count: 101)
        guard let name, X509_NAME_get_text_by_NID(name, NID_commonName, &bytes, Int32(bytes.count)) > 0 else {
            return "somebody without a name"
        }
        let text = String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return
            "“\(String(text.unicodeScalars.filter { !$0.properties.isDefaultIgnorableCodePoint && $0.value >= 32 }))”"
    }

    /// `2024-05-01`.
    fileprivate static func day(_ time: UnsafePointer<ASN1_TIME>?) -> String? {
        var parts = tm()
        guard let time, ASN1_TIME_to_tm(time, &parts) == 1 else { return nil }
        func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
        return "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))"
    }

    /// The names in a certificate's subjectAltName, as OpenSSL prints them.
    fileprivate static func names(_ certificate: OpaquePointer?) -> String {
        guard let certificate else { return "other names" }
        let index = X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1)
        guard index >= 0, let bio = BIO_new(BIO_s_mem()) else {
            return "no host at all (subjectAltName is missing, and a common name does not count)"
        }
        defer { BIO_free(bio) }
        X509V3_EXT_print(bio, X509_get_ext(certificate, index), 0, 0)
        var contents: UnsafeMutablePointer<CChar>?
        let count = apus_bio_memory_contents(bio, &contents)
        // OpenSSL does not print names with a NUL in them.
        guard count > 0, let contents else { return "names that cannot be shown, such as one with a NUL in it" }
        let bytes = UnsafeRawBufferPointer(start: contents, count: min(count, 300))
        return String(decoding: bytes, as: UTF8.self)
    }
}
#endif
