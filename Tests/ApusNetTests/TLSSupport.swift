#if TLS
import ApusNet
import ApusRuntime
import ApusTesting
import Glibc
import Testing

extension TLSConfiguration {
    /// Trusts `authority` and nobody else.
    static func trusting(_ authority: TestCertificateAuthority) -> TLSConfiguration {
        var configuration = TLSConfiguration()
        configuration.trust = .roots([authority.certificate])
        return configuration
    }
}

/// An authority, a server's configuration with a certificate of it for `localhost`, and a client's that trusts it.
struct TLSFixture: Sendable {
    var authority: TestCertificateAuthority
    var server: TLSServerConfiguration
    var client: TLSConfiguration

    init(names: [String] = ["localhost"], addresses: [String] = ["127.0.0.1"]) throws {
        authority = try TestCertificateAuthority()
        server = TLSServerConfiguration(identity: try authority.issue(names: names, addresses: addresses))
        client = .trusting(authority)
    }

    /// With one version only.
    init(version: TLSVersion) throws {
        try self.init()
        server.maximumVersion = version
        client.minimumVersion = version
    }

    /// Two ends that have shaken hands, over streams in memory.
    func streams(capacity: Int = 65_536) async throws -> (client: TCPStream, server: TCPStream) {
        let (near, far) = try memoryStreams(capacity: capacity)
        try await shakeHands(near, far)
        return (near, far)
    }

    /// Goes on with TLS on two ends.
    func shakeHands(_ near: TCPStream, _ far: TCPStream, host: String = "localhost") async throws {
        let server = server
        async let accepting: Void = far.startTLS(server: server)
        try await near.startTLS(host: host, configuration: client)
        try await accepting
    }
}

/// How a handshake over streams in memory ended on both sides; nil is success.
func handshake(
    host: String = "localhost",
    _ client: TLSConfiguration,
    _ server: TLSServerConfiguration
) async throws -> (client: (any Error)?, server: (any Error)?) {
    let (near, far) = try memoryStreams()
    async let accepting = error {
        try await far.startTLS(server: server)
        await far.finishWriting()
    }
    let clientError = await error {
        try await near.startTLS(host: host, configuration: client)
        // TLS 1.3's client is done before the server has looked at its certificate.
        _ = try await near.read()
    }
    let serverError = await accepting
    await near.close()
    await far.close()
    return (clientError, serverError)
}

/// For tests in a process of their own.
func setEnvironment(_ name: String, _ value: String) { setenv(name, value, 1) }

/// What `body` throws.
func error(_ body: () async throws -> Void) async -> (any Error)? {
    do {
        try await body()
        return nil
    } catch {
        return error
    }
}

/// The ``TLSError`` that `body` throws, itself or as the cause of a ``NetError``.
func tlsError(
    sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () async throws -> Void
) async -> TLSError? {
    switch await error(body) {
    case let error as TLSError: return error
    case let error as NetError where error.cause is TLSError: return error.cause as? TLSError
    case let error?: Issue.record("not a TLSError: \(error)", sourceLocation: sourceLocation)
    case nil: Issue.record("no error", sourceLocation: sourceLocation)
    }
    return nil
}
#endif
