// A TLS echo server whose certificate is renewed, and a client that knows the root.

import Apus

enum TLSUse {
    static func run(_ base: String) async throws {
        // What a configuration can say, without files to say it of.
        var client = TLSConfiguration()
        client.minimumVersion = .tls13
        client.keyLogFile = nil
        client.pins = [[UInt8](repeating: 0, count: 32)]
        client.applicationProtocols = ["echo"]
        try expect(client != .insecureWithoutVerification(), "verification is on")

        do {
            _ = try TLSConfiguration.Identity(
                certificateFile: "/nonexistent/chain.pem",
                keyFile: "/nonexistent/key.pem"
            )
            try expect(false, "a file that is not there")
        } catch let error as TLSError {
            try expect(error.code == .badCertificateFile, "no certificate")
        }
        do {
            client.trust = try await offload { try .roots(file: "/nonexistent/roots.pem") }
            try expect(false, "a file that is not there")
        } catch let error as TLSError {
            try expect(error.code == .badCertificateFile, "no roots")
        }

        let identity = TLSConfiguration.Identity(certificateChain: "not PEM", privateKey: "secret", password: "secret")
        try expect(!"\(identity)".contains("secret"), "secrets are not printed")
        var configuration = TLSServerConfiguration(identity: identity)
        configuration.clientCertificates = .required(roots: [])
        let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
        do {
            let context = try TLSServerContext(configuration)
            try context.update(configuration)
            try await listener.serve(tls: context, handshakeTimeout: .seconds(5)) { stream in
                guard await stream.tlsInfo?.peerCertificate != nil else { return }
                while case let bytes = try await stream.read(), !bytes.isEmpty { try await stream.write(bytes) }
            }
            try expect(false, "a certificate that is none")
        } catch let error as TLSError {
            // In a build without TLS there is another reason.
            try expect(error.code == .badCertificateFile || error.code == .unavailable, "\(error)")
        }
        await listener.close()

        let (near, far) = try await UnixStream.pair()
        do {
            try await near.startTLS(server: configuration, timeout: .seconds(5))
            try expect(false, "a certificate that is none")
        } catch let error as TLSError {
            try expect(error.code == .badCertificateFile || error.code == .unavailable, "\(error)")
        }
        await far.close()
    }
}
