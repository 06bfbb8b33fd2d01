#if TLS
import ApusNet
import ApusRuntime
import ApusTesting
import Testing

@Suite("TLS: servers that ask for certificates", .serialized)
struct TLSRefusalTests {
    @Test("a large write without a certificate ends with the server's reason", arguments: [1, 3_000_000])
    func reason(size: Int) async throws {
        let fixture = try TLSFixture()
        var settings = fixture.server
        settings.clientCertificates = .required(roots: [fixture.authority.certificate])
        let server = settings
        try await withTestLoop {
            let left = try await leaks {
                let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
                async let serving = tlsError {
                    let stream = try await listener.accept()
                    try await stream.startTLS(server: server)
                }
                let client = try await TCPStream.connect(to: listener.address, tls: fixture.client)
                let bytes = [UInt8](repeating: 1, count: size)
                for _ in 0..<2 {
                    let refusal = await netError { while true { try await client.write(bytes) } }
                    #expect(refusal?.code == .connectionReset)
                    #expect((refusal?.cause as? TLSError)?.code == .alert)
                    #expect(
                        refusal?.description.contains("certificate required") == true,
                        "\(String(describing: refusal))"
                    )
                }
                let served = await serving
                #expect(served?.code == .certificateRequired)
                await client.close()
                await listener.close()
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test("a write to a peer that broke off takes no data for a reason")
    func dataBefore() async throws {
        let fixture = try TLSFixture()
        try await withStreams { client, server in
            try await fixture.shakeHands(client, server)
            try await server.write("an answer")
            await server.abort()
            let broken = await netError { while true { try await client.write([UInt8](repeating: 1, count: 100_000)) } }
            #expect(broken?.code == .connectionReset || broken?.code == .brokenPipe)
            #expect(broken?.cause == nil)
        }
    }

    @Test("a server names the roots that a client's certificate should lead to")
    func namedRoots() async throws {
        let fixture = try TLSFixture()
        let other = try TestCertificateAuthority(name: "Another root")
        var settings = fixture.server
        settings.clientCertificates = .requested(roots: [fixture.authority.certificate, other.certificate])
        let server = settings
        try await withVirtualTime {
            let (near, far) = try memoryStreams()
            let client = try RawTLSPeer(nil, over: near)
            async let accepting: Void = far.startTLS(server: server)
            try await client.handshake()
            try await accepting
            #expect(client.namedAuthorities == 2)
            await near.close()
            await far.close()
        }
    }
}
#endif
