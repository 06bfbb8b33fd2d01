#if TLS
import Apus
import ApusTesting

extension FetchBench {
    /// Runs `body` with the URL of a server that answers "known" to clients with a certificate of its authority. The authority's is in
    /// `ca.pem`, a client's in `client.pem` with its key in `client.key`.
    func withServerThatKnowsItsClients(_ body: @escaping @Sendable (_ url: String) async throws -> Void) async throws {
        let authority = try TestCertificateAuthority()
        try write(authority.certificate, to: "ca.pem")
        let identity = try authority.issue(names: ["client"], purpose: .client)
        try write(identity.certificateChain, to: "client.pem")
        try write(identity.privateKey, to: "client.key")
        var configuration = HTTPServer.Configuration()
        var tls = TLSServerConfiguration(identity: try authority.issue(addresses: ["127.0.0.1"]))
        tls.clientCertificates = .required(roots: [authority.certificate])
        configuration.tls = tls
        try await TestServer.with(configuration: configuration, { _ in .text("known") }) { server in
            try await body("https://\(server.server.address)/")
        }
    }
}
#endif
