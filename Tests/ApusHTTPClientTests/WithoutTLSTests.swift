#if !TLS
import ApusHTTPClient
import ApusHTTPServer
import ApusNet
import ApusRuntime
import ApusTesting
import Testing

@Suite("Without the trait TLS")
struct WithoutTLSTests {
    @Test("http works, and https says what is missing")
    func https() async throws {
        try await withTestLoop {
            let server = try await HTTPServer.start { _ in .text("plain") }
            let port = server.address.port ?? 0
            try await ClientSession.with { session in
                let text = try await session.get("http://127.0.0.1:\(port)/").text()
                #expect(text == "plain")
                let error = await #expect(throws: ClientError.self) {
                    try await session.get("https://127.0.0.1:\(port)/").text()
                }
                #expect(error?.code == .tlsFailed)
                #expect("\(error.map { "\($0)" } ?? "")".contains("package trait `TLS`"))
            }
            await server.shutdown()
        }
    }

    @Test("a server for https does not start")
    func server() async throws {
        try await withTestLoop {
            var configuration = HTTPServer.Configuration()
            configuration.tls = TLSServerConfiguration(identity: .init(certificateChain: "", privateKey: ""))
            let bad = configuration
            let error = await #expect(throws: TLSError.self) {
                try await HTTPServer.start(configuration: bad) { _ in .text("never") }
            }
            #expect(error?.code == .unavailable)
        }
    }
}
#endif
