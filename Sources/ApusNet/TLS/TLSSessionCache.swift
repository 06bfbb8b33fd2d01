#if TLS
import COpenSSL
import Synchronization

/// TLS sessions by server, the newest of each: what makes the next handshake short.
final class TLSSessionCache: Sendable {
    /// Servers remembered at most.
    private static let limit = 256

    /// One reference to a session.
    // @unchecked: OpenSSL counts references atomically, and a session that was handed out is not changed.
    private final class Session: @unchecked Sendable {
        let pointer: OpaquePointer
        init(_ pointer: OpaquePointer) { self.pointer = pointer }
        deinit { SSL_SESSION_free(pointer) }
    }

    private let sessions = Mutex<[String: Session]>([:])

    /// Takes `session` over.
    func keep(_ session: OpaquePointer, for key: String) {
        let session = Session(session)
        sessions.withLock { sessions in
            if sessions.count >= Self.limit, sessions[key] == nil { sessions = [:] }
            sessions[key] = session
        }
    }

    /// Offers the session of an earlier connection, if there is one.
    func offer(to ssl: OpaquePointer, for key: String) {
        guard let session = sessions.withLock({ $0[key] }) else { return }
        // Takes a reference of its own.
        SSL_set_session(ssl, session.pointer)
    }
}
#endif
