#if TLS
import ApusNet
import ApusRuntime
import ApusTesting
import Testing

@Suite("TLS over Unix sockets", .serialized)
struct TLSUnixTests {
    @Test("they shake hands, serve, and still know the peer's process", arguments: [false, true])
    func serve(asConfiguration: Bool) async throws {
        let fixture = try TLSFixture()
        try await withTestLoop {
            let left = try await leaks {
                try await withFolder { folder in
                    let listener = try await UnixListener.bind(path: "\(folder)/tls.sock")
                    let echo: @Sendable (UnixStream) async throws -> Void = { stream in
                        #expect(await stream.tlsInfo?.version == "TLSv1.3")
                        while case let bytes = try await stream.read(), !bytes.isEmpty { try await stream.write(bytes) }
                    }
                    let serving = EventLoop.spawn {
                        if asConfiguration { return try await listener.serve(tls: fixture.server, echo) }
                        try await listener.serve(tls: try TLSServerContext(fixture.server), echo)
                    }
                    let client = try await UnixStream.connect(to: listener.address)
                    let before = await client.tlsInfo
                    #expect(before == nil)
                    try await client.startTLS(host: "localhost", configuration: fixture.client)
                    let info = await client.tlsInfo
                    #expect(info?.version == "TLSv1.3")
                    try await client.write("hello")
                    let answer = try await client.read()
                    #expect(answer == Array("hello".utf8))
                    let peer = try await client.peerCredentials()
                    #expect(peer.processID > 0)
                    await client.close()
                    await listener.shutdown()
                    try await serving.value
                }
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test("two streams shake hands, with a configuration and with a context", arguments: [false, true])
    func pair(withContext: Bool) async throws {
        let fixture = try TLSFixture()
        try await withTestLoop {
            let left = try await leaks {
                let (near, far) = try await UnixStream.pair()
                async let accepting: Void = {
                    if !withContext { return try await far.startTLS(server: fixture.server) }
                    try await far.startTLS(server: try TLSServerContext(fixture.server))
                }()
                try await near.startTLS(host: "localhost", configuration: fixture.client)
                try await accepting
                try await near.write("over")
                await near.close()
                let got = try await far.read()
                #expect(got == Array("over".utf8))
                let end = try await far.read()
                #expect(end == [])
                await far.close()
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test("startTLS on a stream that is in use throws .busy, sends nothing, and leaves it open")
    func busy() async throws {
        let fixture = try TLSFixture()
        try await withVirtualTime {
            let left = try await leaks {
                let (near, far) = try memoryStreams()
                async let reading = near.read()
                for _ in 0..<3 { await turn() }
                let error = await netError { try await near.startTLS(host: "localhost", configuration: fixture.client) }
                #expect(error?.code == .busy)
                try await far.write("still plain")
                let got = try await reading
                #expect(got == Array("still plain".utf8))
                try await fixture.shakeHands(near, far)
                await near.close()
                await far.close()
            }
            #expect(left.isEmpty, "\(left)")
        }
    }
}
#endif
