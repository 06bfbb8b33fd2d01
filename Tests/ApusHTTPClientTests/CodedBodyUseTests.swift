import ApusHTTPClient
import ApusHTTPServer
import ApusNet
import ApusRuntime
import ApusTesting
import HTTPTypes
import Testing

@Suite("Coded bodies, used in every way")
struct CodedBodyUseTests {
    private static let plain = Encoders.prose(400_000)

    /// More than comes with the head, and then nothing.
    private static var half: [UInt8] {
        let bytes = Encoders.deflate(plain)
        return Array(coded("gzip", bytes).prefix(bytes.count / 2))
    }

    @Test("a second task that reads the same coded body is told so")
    func twoReaders() async throws {
        try await withScripts([.expectRequest, .send(Self.half), .stall]) { session, _ in
            let response = try await session.get(someURL)
            let first = EventLoop.spawn { for try await _ in response.body {} }
            for _ in 0..<50 { await turn() }
            let error = await clientError { try await response.bytes() }
            #expect(error?.code == .bodyConsumed)
            first.cancel()
            await #expect(throws: CancellationError.self) { try await first.value }
        }
    }

    @Test("a cancelled reader closes the connection; a dropped response does, too")
    func cancelled() async throws {
        try await withScripts([.expectRequest, .send(Self.half), .stall], [.expectRequest, .send(Self.half), .stall]) {
            session,
            peer in
            let task = EventLoop.spawn { try await session.get(someURL).bytes() }
            for _ in 0..<50 { await turn() }
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            #expect(peer.end(0) == .closed)
            _ = try await session.get(someURL)
            await until { peer.end(1) == .closed }
        }
    }

    @Test("a total timeout ends a coded body that drips")
    func timeout() async throws {
        let bytes = Encoders.deflate(Self.plain)
        try await withScripts([.expectRequest, .send(coded("gzip", bytes), pieces: 10, every: .seconds(1))]) {
            session,
            _ in
            let error = await clientError { try await session.get(someURL, timeouts: .total(.seconds(30))).bytes() }
            #expect(error?.code == .totalTimeout)
        }
    }

    @Test("every part of a response can be asked for from elsewhere than the session's loop")
    func elsewhere() async throws {
        let plain = Self.plain
        try await withServer({ request in
            let body = request.path == "/small" ? Encoders.gzip("small") : Encoders.deflate(plain)
            return ServerResponse(headers: [.contentEncoding: "gzip", .contentType: "text/plain"], bytes: body)
        }) { session, server in
            let loop = try #require(EventLoop.current)
            try await EventLoop.with {
                #expect(EventLoop.current !== loop)
                let small = try await session.get(server.url("/small"))
                #expect(try await small.text() == "small")
                let response = try await session.get(server.url("/large"))
                var lines = 0
                for try await _ in response.lines { lines += 1 }
                #expect(lines == plain.count { $0 == 10 } + 1)
                let timings = await response.timings
                #expect(timings.total != nil)
            }
        }
    }

    @Test("a redirect's coded body is nobody's; its target's is decoded")
    func redirect() async throws {
        try await withScripts(
            [
                .expectRequest, .send(coded("gzip", [1, 2, 3], head: "HTTP/1.1 302 Found\r\nLocation: /next")),
                .expectRequest,
                .send(coded("gzip", Encoders.gzip("there"))),
            ]
        ) { session, _ in
            let text = try await session.get(someURL).text()
            #expect(text == "there")
        }
    }

    @Test("every piece size of a stacked, chunked body gives the same bytes")
    func everySize() async throws {
        let plain = Encoders.prose(2_000)
        let bytes = Encoders.deflate(Encoders.deflate(plain, .bare), .gzip)
        for size in 1...60 {
            let answer = codedInChunks("deflate, gzip", bytes, size: size)
            try await withScripts([.expectRequest, .send(answer, pieces: 61 - size)]) { session, _ in
                let received = try await session.get(someURL).bytes()
                #expect(received == plain, "chunks of \(size)")
            }
        }
    }

    @Test("a stacked body with damage in either coding gives its good bytes, and an error")
    func damagedStack() async throws {
        let inner = Encoders.deflate(Self.plain, .zlib)
        var wrongInner = inner
        wrongInner[inner.count - 2] ^= 1
        let outer = Encoders.deflate(inner)
        for (bytes, code): ([UInt8], ClientError.Code) in [
            (Encoders.deflate(wrongInner), .corruptContent), (Array(outer.dropLast(3)), .truncatedContent),
            (Encoders.deflate(Array(inner.dropLast(2))), .truncatedContent),
            (outer.dropLast(3) + [0, 0, 1], .corruptContent),
        ] {
            try await withScripts([.expectRequest, .send(coded("deflate, gzip", bytes), pieces: 3_000)]) { session, _ in
                let (good, _, error) = await goodBytes(try await session.get(someURL))
                #expect(error?.code == code)
                #expect(good == Self.plain, "only check sums are wrong")
            }
        }
    }

    @Test("lines of UTF-16 are refused rather than cut in the middle of a character")
    func wideLines() async throws {
        try await withScripts([
            .expectRequest,
            .send(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-16\r\nContent-Length: 4\r\n\r\na\u{0}\n\u{0}"
            ),
        ]) { session, _ in
            let error = await clientError { for try await _ in try await session.get(someURL).lines {} }
            #expect(error?.code == .decodingFailed)
        }
    }
}
