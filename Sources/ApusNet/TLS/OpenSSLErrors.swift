#if TLS
import COpenSSL

/// OpenSSL's error queue, which belongs to the thread.
enum OpenSSLErrors {
    /// The oldest error as text; empties the queue.
    static func take() -> String {
        let code = ERR_get_error()
        ERR_clear_error()
        return describe(code)
    }

    /// What a fatal error that is not about a certificate means.
    ///
    /// - Parameters:
    ///   - code: the first of the queue.
    ///   - action: what failed, as the beginning of a sentence.
    static func explain(_ code: UInt, _ action: String, peer: String, isClient: Bool) -> TLSError {
        guard apus_error_library(code) == ERR_LIB_SSL else {
            return TLSError(.protocolError, "\(action): \(describe(code)).")
        }
        switch apus_error_reason(code) {
        case SSL_R_WRONG_VERSION_NUMBER, SSL_R_HTTP_REQUEST, SSL_R_HTTPS_PROXY_REQUEST:
            let guess =
                isClient
                ? "Is it a port for plain text, such as http?" : "Does it speak plain http to a port for https?"
            return TLSError(.notTLS, "\(action): what came from \(peer) is not TLS. \(guess)")
        case SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_NO_SHARED_CIPHER, SSL_R_NO_PROTOCOLS_AVAILABLE, SSL_R_VERSION_TOO_LOW,
            SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
            return TLSError(
                .protocolError,
                "\(action): the two sides have no TLS version or cipher in common (\(describe(code)))."
            )
        case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
            return TLSError(.certificateRequired, "\(action): the client shows no certificate, and it must.")
        case SSL_R_NO_APPLICATION_PROTOCOL:
            return TLSError(.protocolError, "\(action): the client offers other application protocols only (ALPN).")
        case _ where isAlert(code):
            return TLSError(.alert, "\(action): \(peer) refused it (\(describe(code))).")
        default:
            return TLSError(.protocolError, "\(action): \(describe(code)).")
        }
    }

    /// Whether the peer has sent an alert. OpenSSL numbers them from 1000.
    static func isAlert(_ code: UInt) -> Bool {
        apus_error_library(code) == ERR_LIB_SSL && (1000..<1256).contains(apus_error_reason(code))
    }

    static func describe(_ code: UInt) -> String {
        guard code != 0 else { return "no reason given" }
        if let reason = ERR_reason_error_string(code) { return String(cString: reason) }
        return "error \(code)"
    }
}
#endif
