#if TLS
import ApusRuntime
import COpenSSL

/// One TLS connection on OpenSSL. Loop thread only.
///
/// OpenSSL reads and writes the transport through a BIO of our own, so that records go between the socket and OpenSSL's buffers
/// without another copy.
final class OpenSSLEngine: TLSEngine {
    private let ssl: OpaquePointer
    private let context: OpenSSLContext
    private let lower: any Transport
    private let peer: String
    private let isClient: Bool
    private var lowerError: NetError?
    private var isEstablished = false
    private var hasFailed = false
    /// The certificate that verification refused: OpenSSL forgets it with the handshake.
    private var refusal: OpenSSLVerification.Refusal?

    init(client context: OpenSSLContext, over lower: any Transport, host: String, isVerifying: Bool) throws(TLSError) {
        ssl = try Self.make(context)
        self.context = context
        self.lower = lower
        peer = host
        isClient = true
        try attach()
        SSL_set_connect_state(ssl)
        let isLiteral = (try? SocketAddress(host, port: 0)) != nil
        // RFC 6066 §3: literal addresses are not sent as server names.
        if !isLiteral { _ = apus_ssl_set_server_name(ssl, host) }
        if isVerifying {
            let parameters = SSL_get0_param(ssl)
            X509_VERIFY_PARAM_set_hostflags(parameters, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
            let isSet =
                isLiteral
                ? X509_VERIFY_PARAM_set1_ip_asc(parameters, host) : X509_VERIFY_PARAM_set1_host(parameters, host, 0)
            guard isSet == 1 else {
                throw TLSError(.badConfiguration, "“\(host)” cannot be checked against a certificate.")
            }
        }
        context.sessions.offer(to: ssl, for: sessionKey)
        if !context.protocols.isEmpty { SSL_set_alpn_protos(ssl, context.protocols, UInt32(context.protocols.count)) }
    }

    init(server context: OpenSSLContext, over lower: any Transport) throws(TLSError) {
        ssl = try Self.make(context)
        self.context = context
        self.lower = lower
        peer = lower.remoteAddress?.description ?? "the client"
        isClient = false
        try attach()
        SSL_set_accept_state(ssl)
    }

    deinit { SSL_free(ssl) }

    private static func make(_ context: OpenSSLContext) throws(TLSError) -> OpaquePointer {
        guard let ssl = SSL_new(context.pointer) else {
            throw TLSError(.badConfiguration, "OpenSSL cannot make a connection: \(OpenSSLErrors.take())")
        }
        return ssl
    }

    private func attach() throws(TLSError) {
        guard let bio = BIO_new(Self.method) else {
            throw TLSError(.badConfiguration, "OpenSSL cannot make a BIO: \(OpenSSLErrors.take())")
        }
        BIO_set_data(bio, Unmanaged.passUnretained(self).toOpaque())
        BIO_set_init(bio, 1)
        apus_ssl_set_app_data(ssl, Unmanaged.passUnretained(self).toOpaque())
        // The connection owns it from now on, for both directions.
        SSL_set_bio(ssl, bio, bio)
    }

    // MARK: TLSEngine

    func handshake() throws(TLSError) -> TLSProgress {
        ERR_clear_error()
        let result = SSL_do_handshake(ssl)
        if result == 1 {
            isEstablished = true
            try checkPins()
            return .done
        }
        switch SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ: return .wantsRead
        case SSL_ERROR_WANT_WRITE: return .wantsWrite
        case let code: throw failure(code, "The TLS handshake with \(peer) failed")
        }
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(TLSError) -> Int? {
        ERR_clear_error()
        var count = 0
        let result = SSL_read_ex(ssl, buffer.baseAddress, buffer.count, &count)
        if result == 1 { return count }
        switch SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return nil
        case SSL_ERROR_ZERO_RETURN: return 0
        case let code: throw failure(code, "Reading from \(peer) over TLS failed")
        }
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws(TLSError) -> Int? {
        guard bytes.count > 0 else { return 0 }
        ERR_clear_error()
        var count = 0
        let result = SSL_write_ex(ssl, bytes.baseAddress, bytes.count, &count)
        if result == 1 { return count }
        switch SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return nil
        case let code: throw failure(code, "Writing to \(peer) over TLS failed")
        }
    }

    func closeNotify() {
        // After a fatal error SSL_shutdown must not be called (its man page).
        guard isEstablished, !hasFailed else { return }
        ERR_clear_error()
        SSL_shutdown(ssl)
        ERR_clear_error()
    }

    var hasPending: Bool { SSL_has_pending(ssl) == 1 }

    var info: TLSInfo {
        var name: UnsafePointer<UInt8>?
        var count: UInt32 = 0
        SSL_get0_alpn_selected(ssl, &name, &count)
        return TLSInfo(
            version: String(cString: SSL_get_version(ssl)),
            cipher: SSL_get_current_cipher(ssl).flatMap { SSL_CIPHER_get_name($0) }.map { String(cString: $0) }
                ?? "none",
            applicationProtocol: name.map {
                String(decoding: UnsafeBufferPointer(start: $0, count: Int(count)), as: UTF8.self)
            },
            isResumed: SSL_session_reused(ssl) == 1
        )
    }

    // MARK: Errors

    private func failure(_ code: Int32, _ action: String) -> TLSError {
        hasFailed = true
        let error = ERR_peek_error()
        defer { ERR_clear_error() }
        if let lowerError { return TLSError(.protocolError, "\(action): \(lowerError)") }
        if let refusal { return refusal.error(host: peer, isClient: isClient) }
        if code == SSL_ERROR_SYSCALL && error == 0 || apus_error_reason(error) == SSL_R_UNEXPECTED_EOF_WHILE_READING {
            return TLSError(
                .truncated,
                isEstablished
                    ? "\(peer) closed the connection without TLS's close_notify: what came may be incomplete."
                    : "\(peer) closed the connection during the TLS handshake."
            )
        }
        switch apus_error_reason(error) {
        case SSL_R_WRONG_VERSION_NUMBER, SSL_R_HTTP_REQUEST, SSL_R_HTTPS_PROXY_REQUEST:
            return TLSError(.notTLS, "\(action): what came from \(peer) is not TLS. Is it a plain http port?")
        case SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_NO_SHARED_CIPHER, SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
            return TLSError(
                .protocolError,
                "\(action): the two sides have no TLS version or cipher in common (\(OpenSSLErrors.describe(error)))."
            )
        case let reason where reason > 1000 && reason < 1256:
            // OpenSSL numbers received alerts from 1000.
            return TLSError(.alert, "\(action): \(peer) refused it (\(OpenSSLErrors.describe(error))).")
        default:
            return TLSError(.protocolError, "\(action): \(OpenSSLErrors.describe(error)).")
        }
    }

    /// Called by OpenSSL for each certificate of the chain: takes notes, and leaves the verdict as it is.
    static let noteRefusedCertificate: SSL_verify_cb = { isAccepted, context in
        if isAccepted == 0, let context, let data = apus_ssl_app_data(context) {
            let engine = Unmanaged<OpenSSLEngine>.fromOpaque(data).takeUnretainedValue()
            engine.refusal = OpenSSLVerification.Refusal(context)
        }
        return isAccepted
    }

    /// The server that a ticket is good for.
    private var sessionKey: String { "\(peer) \(lower.remoteAddress?.port ?? 0)" }

    /// Called by OpenSSL for each ticket that the server gives, TLS 1.3's among the first application data.
    static let keepSession: @convention(c) (OpaquePointer?, OpaquePointer?) -> Int32 = { ssl, session in
        guard let ssl, let session, let data = apus_ssl_own_app_data(ssl) else { return 0 }
        let engine = Unmanaged<OpenSSLEngine>.fromOpaque(data).takeUnretainedValue()
        engine.context.sessions.keep(session, for: engine.sessionKey)
        return 1
    }

    private func checkPins() throws(TLSError) {
        guard !context.pins.isEmpty else { return }
        var digest = [UInt8](repeating: 0, count: 32)
        if let certificate = SSL_get1_peer_certificate(ssl) {
            defer { X509_free(certificate) }
            var encoded: UnsafeMutablePointer<UInt8>?
            let count = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &encoded)
            if count > 0, let encoded {
                EVP_Digest(encoded, Int(count), &digest, nil, EVP_sha256(), nil)
                CRYPTO_free(encoded, #file, #line)
                if context.pins.contains(digest) { return }
            }
        }
        hasFailed = true
        throw TLSError(
            .pinMismatch,
            "The key of \(peer)'s certificate is none of the \(context.pins.count) that are pinned."
        )
    }

    // MARK: The BIO

    // Made once, never freed; BIO methods may be used by all threads.
    private nonisolated(unsafe) static let method: OpaquePointer? = {
        let method = BIO_meth_new(BIO_get_new_index() | Int32(BIO_TYPE_SOURCE_SINK), "apus transport")
        BIO_meth_set_read(method) { bio, buffer, count in
            guard let bio, let data = BIO_get_data(bio) else { return -1 }
            apus_bio_clear_retry(bio)
            let engine = Unmanaged<OpenSSLEngine>.fromOpaque(data).takeUnretainedValue()
            return engine.lowerRead(UnsafeMutableRawBufferPointer(start: buffer, count: Int(count)), bio)
        }
        BIO_meth_set_write(method) { bio, buffer, count in
            guard let bio, let data = BIO_get_data(bio) else { return -1 }
            apus_bio_clear_retry(bio)
            let engine = Unmanaged<OpenSSLEngine>.fromOpaque(data).takeUnretainedValue()
            return engine.lowerWrite(UnsafeRawBufferPointer(start: buffer, count: Int(count)), bio)
        }
        BIO_meth_set_ctrl(method) { _, command, _, _ in command == Int32(BIO_CTRL_FLUSH) ? 1 : 0 }
        return method
    }()

    private func lowerRead(_ buffer: UnsafeMutableRawBufferPointer, _ bio: OpaquePointer) -> Int32 {
        do throws(NetError) {
            if let count = try lower.receive(into: buffer) { return Int32(count) }
            apus_bio_retry_read(bio)
        } catch {
            lowerError = error
        }
        return -1
    }

    private func lowerWrite(_ buffer: UnsafeRawBufferPointer, _ bio: OpaquePointer) -> Int32 {
        do throws(NetError) {
            if let count = try lower.send(buffer) { return Int32(count) }
            apus_bio_retry_write(bio)
        } catch {
            lowerError = error
        }
        return -1
    }
}
#endif
