import Synchronization

/// A server's certificate, in use and replaceable: listeners and servers that share it show the new one from their next handshake on.
///
/// ```swift
/// let context = try TLSServerContext(TLSServerConfiguration(identity: identity))
/// try await listener.serve(tls: context) { stream in … }
/// // Later, when the certificate was renewed:
/// try context.update(TLSServerConfiguration(identity: renewed))
/// ```
///
/// Safe from any thread.
public final class TLSServerContext: Sendable {
    private struct State {
        var configuration: TLSServerConfiguration
        #if TLS
        var context: OpenSSLContext
        #endif

        init(_ configuration: TLSServerConfiguration) throws(TLSError) {
            self.configuration = configuration
            #if TLS
            context = try OpenSSLContext(configuration)
            #else
            throw TLSEngines.unavailable
            #endif
        }
    }

    private let state: Mutex<State>

    /// Checks `configuration`, and takes it into use.
    ///
    /// - Throws: ``TLSError``: `.badCertificateFile`, `.badKeyFile`, `.badConfiguration`; `.unavailable` in a build without TLS.
    public init(_ configuration: TLSServerConfiguration) throws(TLSError) {
        state = Mutex(try State(configuration))
    }

    /// What is in force.
    public var configuration: TLSServerConfiguration { state.withLock { $0.configuration } }

    /// Replaces the configuration for handshakes that begin later; connections go on as they are. Sessions of before are not resumed, as
    /// their clients may not be trusted any more.
    ///
    /// - Throws: as ``init(_:)``; the old configuration stays in force then.
    public func update(_ configuration: TLSServerConfiguration) throws(TLSError) {
        let new = try State(configuration)
        state.withLock { $0 = new }
    }

    #if TLS
    var current: OpenSSLContext { state.withLock { $0.context } }
    #endif
}
