#if TLS
import ApusNet
import ApusRuntime
import ApusTesting
import Testing

@Suite("TLS streams", .serialized)
struct TLSStreamTests {
    // MARK: The conformance suite

    @Test("over TCP they are byte streams, with TLS 1.2 and 1.3", arguments: [TLSVersion.tls12, .tls13])
    func conformance(version: TLSVersion) async throws {
        let fixture = try TLSFixture(version: version)
        try await withTestLoop {
            let left = try await leaks {
                try await checkByteStream {
                    let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
                    async let accepting = listener.accept()
                    let client = try await TCPStream.connect(to: listener.address)
                    let server = try await accepting
                    await listener.close()
                    try await fixture.shakeHands(client, server, host: "127.0.0.1")
                    return (client, server)
                }
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test("in memory they are byte streams", arguments: [TLSVersion.tls12, .tls13])
    func conformanceInMemory(version: TLSVersion) async throws {
        let fixture = try TLSFixture(version: version)
        try await withTestLoop {
            let left = try await leaks { try await checkByteStream { try await fixture.streams() } }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test("TLS inside TLS is a byte stream")
    func conformanceInside() async throws {
        let fixture = try TLSFixture()
        try await withTestLoop {
            let left = try await leaks {
                try await checkByteStream {
                    let (near, far) = try await fixture.streams()
                    try await fixture.shakeHands(near, far)
                    return (near, far)
                }
            }
            #expect(left.isEmpty, "\(left)")
        }
    }
}
#endif
