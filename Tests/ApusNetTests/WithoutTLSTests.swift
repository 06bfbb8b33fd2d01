#if !TLS
import ApusNet
import ApusRuntime
import ApusTesting
import Testing

@Suite("Without the trait TLS")
struct WithoutTLSTests {
    @Test("TLS says what is missing, and closes what it was given")
    func unavailable() async throws {
        let identity = TLSConfiguration.Identity(certificateChain: "", privateKey: "")
        let server = TLSServerConfiguration(identity: identity)
        try await withTestLoop {
            let left = try await leaks {
                let (near, far) = try memoryStreams()
                var errors: [any Error] = []
                do { try await near.startTLS(host: "localhost") } catch { errors.append(error) }
                do { try await far.startTLS(server: server) } catch { errors.append(error) }
                do { _ = try TLSServerContext(server) } catch { errors.append(error) }
                let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
                do {
                    _ = try await TCPStream.connect(to: listener.address, tls: TLSConfiguration())
                } catch { errors.append(error) }
                do { try await listener.serve(tls: server) { _ in } } catch { errors.append(error) }
                #expect(errors.count == 5)
                for error in errors {
                    #expect((error as? TLSError)?.code == .unavailable)
                    #expect("\(error)".contains("package trait `TLS`"))
                }
                await listener.close()
            }
            #expect(left.isEmpty, "\(left)")
        }
    }
}
#endif
