import ApusHTTPClient
import ApusRuntime
import ApusTesting
import Testing

@Suite("Buffers that connections share")
struct LentBufferTests {
    @Test("responses that come in pieces, in turns, are not mixed")
    func interleaved() async throws {
        // Each connection has an unfinished head or body stored whenever another one receives.
        let script: @Sendable (Int) -> [ScriptStep] = { index in
            let body = String(repeating: "\(index)", count: 40)
            let response = Array("HTTP/1.1 200 OK\r\nX: \(index)\r\nContent-Length: 40\r\n\r\n\(body)".utf8)
            var steps: [ScriptStep] = [.expectRequest]
            for start in stride(from: 0, to: response.count, by: 7) {
                let piece = response[start..<min(start + 7, response.count)]
                steps += [.send(String(decoding: piece, as: UTF8.self)), .wait(.milliseconds(10))]
            }
            return steps
        }
        try await withScripts(script: script) { session, peer in
            let texts = try await gather(0..<8) { _ in try await session.get(someURL).text() }
            #expect(peer.opened == 8)
            #expect(texts.sorted() == (0..<8).map { String(repeating: "\($0)", count: 40) })
        }
    }

    @Test("a connection that goes while it has the memory leaves it to the next")
    func dropped() async throws {
        try await withScripts(
            [.expectRequest, .send("HTTP/1.1 200 OK\r\nContent-Le"), .finish],
            [.expectRequest, .send(okResponse)]
        ) { session, _ in
            let error = await clientError { try await session.get(someURL).text() }
            #expect(error?.code == .closedInHead)
            try await expectOK(session)
        }
    }
}
