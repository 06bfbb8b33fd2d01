#if TLS
import ApusRuntime
import COpenSSL

/// One TLS connection on OpenSSL. Loop thread only.
final class OpenSSLEngine: TLSEngine {
    private let ssl: OpaquePointer
    private let context: OpenSSLContext
    private let bio: OpenSSLBIO
    private let peer: String
    private let isClient: Bool
    /// ALPN's names in their wire format.
    private let protocols: [UInt8]
    private var isEstablished = false
    private var hasSaidEnd = false
    /// After a fatal error OpenSSL has no second answer.
    private var fatal: TLSError?
    /// Bytes of a write that returned nil, which are OpenSSL's already.
    private var taken = 0
    private(set) var hasStoppedShort = false
    /// Bytes of tickets, changes of keys and the like since the last data.
    private var countWithoutData = 0

    /// What a peer may send without data: some thousand changes of keys.
    private static let withoutDataLimit = 128 * 1024

    /// The certificate that verification refused: OpenSSL forgets it with the handshake.
    private var refusal: OpenSSLVerification.Refusal?

    /// Within what tickets are used again, besides the name.
    private let scope: String?

    /// - Parameter scope: nil for the port of the other end.
    init(
        client context: OpenSSLContext,
        over lower: any Transport,
        host: String,
        scope: String?,
        isVerifying: Bool
    ) throws(TLSError) {
        // A name may end with the root's dot; certificates and RFC 6066 §3 know none.
        let name = host.last == "." ? String(host.dropLast()) : host
        guard !name.isEmpty, !name.utf8.contains(0) else {
            throw TLSError(.badConfiguration, "A server's name is neither empty nor does it contain a NUL.")
        }
        ssl = try Self.make(context)
        self.context = context
        bio = OpenSSLBIO(over: lower)
        peer = name
        isClient = true
        self.scope = scope
        protocols = context.protocols
        try attach()
        SSL_set_connect_state(ssl)
        let isLiteral = (try? SocketAddress(name, port: 0)) != nil
        // RFC 6066 §3: literal addresses are not sent as server names.
        if !isLiteral, apus_ssl_set_server_name(ssl, name) != 1 {
            throw TLSError(
                .badConfiguration,
                "“\(name)” is no name that a server can be asked for: \(OpenSSLErrors.take())"
            )
        }
        if isVerifying {
            let parameters = SSL_get0_param(ssl)
            // RFC 9525 §6.3: a wildcard is a whole label, and the common name does not count.
            let flags = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT
            X509_VERIFY_PARAM_set_hostflags(parameters, UInt32(flags))
            // The zone of a link-local address is this machine's own affair.
            let address = String(name.prefix { $0 != "%" })
            let isSet =
                isLiteral
                ? X509_VERIFY_PARAM_set1_ip_asc(parameters, address) : X509_VERIFY_PARAM_set1_host(parameters, name, 0)
            guard isSet == 1 else {
                throw TLSError(.badConfiguration, "“\(name)” cannot be checked against a certificate.")
            }
        }
        context.sessions.offer(to: ssl, for: sessionKey)
        if !protocols.isEmpty { SSL_set_alpn_protos(ssl, protocols, UInt32(protocols.count)) }
    }

    /// - Parameter protocols: to accept by ALPN where the context names none.
    init(server context: OpenSSLContext, over lower: any Transport, protocols: [String]) throws(TLSError) {
        self.protocols =
            context.protocols.isEmpty ? try OpenSSLContext.wireFormat(protocols) : context.protocols
        ssl = try Self.make(context)
        self.context = context
        bio = OpenSSLBIO(over: lower)
        peer = lower.remoteAddress?.description ?? "the client"
        isClient = false
        scope = nil
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
        try bio.attach(to: ssl)
        apus_ssl_set_app_data(ssl, Unmanaged.passUnretained(self).toOpaque())
    }

    // MARK: TLSEngine

    func handshake() throws(TLSError) -> TLSProgress {
        let hasSentAll = bio.flush()
        if isEstablished { return hasSentAll ? .done : .wantsWrite }
        ERR_clear_error()
        bio.readCount = 0
        let result = SSL_do_handshake(ssl)
        if result == 1 {
            isEstablished = true
            try checkPins()
            // What a server of TLS 1.3 sends last are tickets: a client that writes before it reads them must not be kept waiting.
            return bio.unsentCount == 0 || !isClient && SSL_version(ssl) == TLS1_3_VERSION ? .done : .wantsWrite
        }
        switch SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ:
            if bio.isPaused { bio.lower.descriptor.noteReadable() }
            return bio.unsentCount == 0 ? .wantsRead : .wantsWrite
        case let code: throw failure(code, "The TLS handshake with \(peer) failed")
        }
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(TLSError) -> Int? {
        if let fatal { throw fatal }
        if !bio.flush(), bio.unsentCount > OpenSSLBIO.unsentLimit {
            throw fail(TLSError(.protocolError, "\(peer) asks over TLS for ever, and takes no answer."))
        }
        ERR_clear_error()
        hasStoppedShort = false
        bio.readCount = 0
        var count = 0
        let result = SSL_read_ex(ssl, buffer.baseAddress, buffer.count, &count)
        if result == 1 {
            countWithoutData = 0
            return count
        }
        switch SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ:
            hasStoppedShort = bio.isPaused
            countWithoutData += bio.readCount
            if countWithoutData <= Self.withoutDataLimit { return nil }
            throw fail(TLSError(.protocolError, "\(peer) goes on sending records over TLS without data in them."))
        case SSL_ERROR_ZERO_RETURN: return 0
        case let code: throw failure(code, "Reading from \(peer) over TLS failed")
        }
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws(TLSError) -> Int? {
        guard bytes.count > 0 else { return 0 }
        if let fatal { throw fatal }
        guard bio.flush() else { return nil }
        try checkSent()
        if taken > 0 {
            defer { taken = 0 }
            return min(taken, bytes.count)
        }
        ERR_clear_error()
        var count = 0
        let result = SSL_write_ex(ssl, bytes.baseAddress, bytes.count, &count)
        guard result == 1 else { throw failure(SSL_get_error(ssl, result), "Writing to \(peer) over TLS failed") }
        try checkSent()
        if bio.unsentCount == 0 { return count }
        // The writer waits until the transport has taken it: afterwards nobody would.
        taken = count
        return nil
    }

    func abandonWrite() { taken = 0 }

    func closeNotify() {
        // Once: a second call would read, and take data that comes for an error. Nor after a fatal error (SSL_shutdown(3)).
        guard isEstablished, fatal == nil, !hasSaidEnd else { return }
        hasSaidEnd = true
        ERR_clear_error()
        SSL_shutdown(ssl)
        ERR_clear_error()
    }

    func flush() -> Bool { bio.flush() }

    var hasPending: Bool { SSL_has_pending(ssl) == 1 }

    var hasFailed: Bool { fatal != nil }

    private(set) var transportError: NetError?

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
            isResumed: SSL_session_reused(ssl) == 1,
            peerCertificate: OpenSSLIdentity.peerCertificate(ssl)
        )
    }

    // MARK: Errors

    private func checkSent() throws(TLSError) {
        guard let error = bio.writeError else { return }
        if error.code == .brokenPipe || error.code == .connectionReset, let alert = receivedAlert() { throw alert }
        transportError = error
        throw TLSError(.protocolError, "Writing to \(peer) over TLS failed: \(error)")
    }

    /// Why the peer takes nothing any more, if it has said so and nothing else is there to read before that.
    private func receivedAlert() -> TLSError? {
        defer { ERR_clear_error() }
        ERR_clear_error()
        bio.readCount = 0
        var byte: UInt8 = 0
        var count = 0
        let result = SSL_peek_ex(ssl, &byte, 1, &count)
        guard result != 1, SSL_get_error(ssl, result) == SSL_ERROR_SSL, OpenSSLErrors.isAlert(ERR_peek_error()) else {
            return nil
        }
        return failure(SSL_ERROR_SSL, "Writing to \(peer) over TLS failed")
    }

    private func fail(_ error: TLSError) -> TLSError {
        fatal = error
        transportError = nil
        return error
    }

    private func failure(_ code: Int32, _ action: String) -> TLSError {
        let error = ERR_peek_error()
        defer {
            ERR_clear_error()
            // An alert that says why.
            _ = bio.flush()
        }
        transportError = nil
        if let lowerError = bio.readError {
            transportError = lowerError
            return TLSError(.protocolError, "\(action): \(lowerError)")
        }
        if let refusal { return fail(refusal.error(host: peer, isClient: isClient)) }
        let isOver = code == SSL_ERROR_SYSCALL && error == 0 || code == SSL_ERROR_ZERO_RETURN
        if isOver, let lowerError = bio.writeError, lowerError.code == .connectionReset {
            // The system tells of a reset once: writing has heard of it, and reading finds an end.
            transportError = lowerError
            return TLSError(.protocolError, "\(action): \(lowerError)")
        }
        if isOver {
            let truncated = TLSError(
                .truncated,
                isEstablished
                    ? "\(peer) closed the connection without TLS's close_notify: what came may be incomplete."
                    : "\(peer) closed the connection during the TLS handshake."
            )
            // One direction is broken, the other need not be.
            return isEstablished ? truncated : fail(truncated)
        }
        return fail(OpenSSLErrors.explain(error, action, peer: peer, isClient: isClient))
    }

    /// Called by OpenSSL for each certificate of the chain: takes notes, and leaves the verdict as it is.
    static let noteRefusedCertificate: SSL_verify_cb = { isAccepted, context in
        if isAccepted == 0, let context, let data = apus_ssl_app_data(context) {
            let engine = Unmanaged<OpenSSLEngine>.fromOpaque(data).takeUnretainedValue()
            engine.refusal = OpenSSLVerification.Refusal(context)
        }
        return isAccepted
    }

    private func checkPins() throws(TLSError) {
        guard !context.pins.isEmpty else { return }
        if let digest = OpenSSLIdentity.peerKeyDigest(ssl), context.pins.contains(digest) { return }
        throw fail(
            TLSError(
                .pinMismatch,
                "The key of \(peer)'s certificate is none of the \(context.pins.count) that are pinned."
            )
        )
    }

    // MARK: Callbacks

    /// The server that a ticket is good for.
    private var sessionKey: String { "\(peer) \(scope ?? "\(bio.lower.remoteAddress?.port ?? 0)")" }

    /// Called by OpenSSL for each ticket that the server gives, TLS 1.3's among the first application data.
    static let keepSession: @convention(c) (OpaquePointer?, OpaquePointer?) -> Int32 = { ssl, session in
        guard let ssl, let session, let data = apus_ssl_own_app_data(ssl) else { return 0 }
        let engine = Unmanaged<OpenSSLEngine>.fromOpaque(data).takeUnretainedValue()
        engine.context.sessions.keep(session, for: engine.sessionKey)
        return 1
    }

    static let logKey: SSL_CTX_keylog_cb_func = { ssl, line in
        guard let ssl, let line, let data = apus_ssl_own_app_data(ssl) else { return }
        let engine = Unmanaged<OpenSSLEngine>.fromOpaque(data).takeUnretainedValue()
        engine.context.keyLog?.append(String(cString: line))
    }

    /// Called by OpenSSL in a server when a client offers protocols.
    static let selectProtocol: SSL_CTX_alpn_select_cb_func = { ssl, chosen, chosenCount, offered, offeredCount, _ in
        guard let ssl, let data = apus_ssl_own_app_data(ssl) else { return SSL_TLSEXT_ERR_NOACK }
        let engine = Unmanaged<OpenSSLEngine>.fromOpaque(data).takeUnretainedValue()
        guard !engine.protocols.isEmpty else { return SSL_TLSEXT_ERR_NOACK }
        return engine.protocols.withUnsafeBufferPointer { ours in
            var selected: UnsafeMutablePointer<UInt8>?
            let found = SSL_select_next_proto(
                &selected,
                chosenCount,
                ours.baseAddress,
                UInt32(ours.count),
                offered,
                offeredCount
            )
            // RFC 7301 §3.2. Going on without one lets a client take one protocol's answers for another's (ALPACA).
            guard found == OPENSSL_NPN_NEGOTIATED, let selected else { return SSL_TLSEXT_ERR_ALERT_FATAL }
            // Into the memory of `protocols`, an array that is never changed and lives as long as the engine; OpenSSL copies it at once.
            chosen?.pointee = UnsafePointer(selected)
            return SSL_TLSEXT_ERR_OK
        }
    }
}
#endif
