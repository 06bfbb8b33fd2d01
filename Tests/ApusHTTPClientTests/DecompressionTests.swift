import ApusHTTPClient
import ApusNet
import ApusRuntime
import ApusTesting
import HTTPTypes
import Testing

@Suite("C46: decompression")
struct DecompressionTests {
    private static let text = "Häuser, “quoted”, 文字\n"
    private static let prose = Encoders.prose(300_000)

    @Test("every coding is decoded, whole or in single bytes, and read twice if it came with its head")
    func everyCoding() async throws {
        for (coding, bytes) in Encoders.all(Array(Self.text.utf8)) {
            for piece in [0, 1] {
                try await withScripts([.expectRequest, .send(coded(coding, bytes), pieces: piece)]) { session, _ in
                    let response = try await session.get(someURL)
                    let first = try await response.text()
                    let second = try await response.text()
                    #expect(first == Self.text && second == Self.text, "\(coding), pieces of \(piece)")
                    #expect(response.contentLength == bytes.count, "the head is as it came")
                }
            }
        }
    }

    @Test("a body that came with its head can be iterated twice")
    func twice() async throws {
        try await withScripts([.expectRequest, .send(coded("gzip", Encoders.gzip(Self.text)))]) { session, _ in
            let response = try await session.get(someURL)
            let first = await goodBytes(response)
            let second = await goodBytes(response)
            #expect(first.bytes == Array(Self.text.utf8) && second.bytes == first.bytes)
        }
    }

    @Test("a large body comes in pieces of at most 256 KiB, and its connection is used again")
    func large() async throws {
        let plain = Encoders.prose(3_000_000)
        for (coding, bytes) in Encoders.all(plain) {
            try await withScripts(
                [
                    .expectRequest, .send(codedInChunks(coding, bytes, size: 30_000), pieces: 40_000), .expectRequest,
                    .send(okResponse),
                ]
            ) { session, _ in
                let response = try await session.get(someURL)
                var received: [UInt8] = []
                var largest = 0
                for try await piece in response.body {
                    received += piece
                    largest = max(largest, piece.count)
                }
                #expect(received == plain, "\(coding)")
                #expect(largest <= 256 * 1024)
                try await expectOK(session)
                #expect(await session.statistics.connectionsOpened == 1)
            }
        }
    }

    @Test("a small coded body that becomes a large one is collected whole")
    func growing() async throws {
        let plain = [UInt8](repeating: 65, count: 7_000_000)
        try await withScripts([.expectRequest, .send(coded("gzip", Encoders.deflate(plain)))]) { session, _ in
            let bytes = try await session.get(someURL).bytes()
            #expect(bytes == plain)
        }
    }

    @Test("the limit of a collecting function is of decoded bytes")
    func limit() async throws {
        try await withScripts([.expectRequest, .send(coded("gzip", Encoders.deflate(Self.prose)))]) { session, _ in
            let response = try await session.get(someURL)
            let error = await clientError { try await response.bytes(limit: 299_999) }
            #expect(error?.code == .bodyTooLarge)
        }
        try await withScripts([.expectRequest, .send(coded("gzip", Encoders.deflate(Self.prose)))]) { session, _ in
            let count = try await session.get(someURL).bytes(limit: 300_000).count
            #expect(count == 300_000)
        }
    }

    @Test("gzip's members are one body (RFC 1952 §2.2), and what follows them is overlooked")
    func members() async throws {
        let two = Encoders.gzip("one, ") + Encoders.gzip("") + Encoders.gzip("two")
        for padding: [UInt8] in [[], [0], [0x1F, 0], Array("garbage".utf8), [UInt8](repeating: 0, count: 5000)] {
            for piece in [0, 1] {
                try await withScripts([.expectRequest, .send(coded("gzip", two + padding), pieces: piece)]) {
                    session,
                    _ in
                    let text = try await session.get(someURL).text()
                    #expect(text == "one, two", "\(padding.count) bytes behind it")
                }
            }
        }
    }

    @Test("two codings, in one line or in two, are undone from the last to the first")
    func stacked() async throws {
        let inner = Encoders.deflate(Self.prose, .zlib)
        let outer = Encoders.deflate(inner, .gzip)
        for (lines, piece) in [
            ("deflate, gzip", 0), ("deflate\r\nContent-Encoding: x-gzip", 1000), ("DEFLATE ,identity, GZip", 7),
        ] {
            try await withScripts([.expectRequest, .send(coded(lines, outer), pieces: piece)]) { session, _ in
                let bytes = try await session.get(someURL).bytes()
                #expect(bytes == Self.prose)
            }
        }
    }

    @Test("three codings are refused, over all lines")
    func tooMany() async throws {
        let bytes = Encoders.deflate(Encoders.deflate(Encoders.gzip("x")))
        for lines in ["gzip, gzip, gzip", "gzip\r\nContent-Encoding: gzip\r\nContent-Encoding: gzip"] {
            for piece in [0, 50] {
                try await withScripts([.expectRequest, .send(coded(lines, bytes), pieces: piece)]) { session, _ in
                    let response = try await session.get(someURL)
                    let error = await clientError { try await response.bytes() }
                    #expect(error?.code == .decompressionLimit)
                    #expect(response.status == .ok, "the head is there")
                }
            }
        }
    }

    @Test(
        "an unknown coding leaves the body as it came",
        arguments: ["foo", "gzip, foo", "foo, gzip", "compress", "identity", ""]
    )
    func unknown(coding: String) async throws {
        try await withScripts([.expectRequest, .send(coded(coding, Array("\u{1F}as it is".utf8)))]) { session, _ in
            let text = try await session.get(someURL).text()
            #expect(text == "\u{1F}as it is")
        }
    }

    @Test("no body, no decoding: HEAD, 204, 304, and a length of 0; a part (206) is left as it is")
    func bodyless() async throws {
        for status in ["204 No Content", "304 Not Modified"] {
            let head = "HTTP/1.1 \(status)\r\nContent-Encoding: gzip\r\n\r\n"
            try await withScripts([.expectRequest, .send(head)]) { session, _ in
                let bytes = try await session.get(someURL).bytes()
                #expect(bytes.isEmpty)
            }
        }
        try await withScripts([
            .expectRequest, .send("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 77\r\n\r\n"),
        ]) { session, _ in
            let bytes = try await session.head(someURL).bytes()
            #expect(bytes.isEmpty)
        }
        for bytes in [coded("gzip", []), codedInChunks("br", [], size: 1)] {
            try await withScripts([.expectRequest, .send(bytes)]) { session, _ in
                let bytes = try await session.get(someURL).bytes()
                #expect(bytes.isEmpty)
            }
        }
        try await withScripts([.expectRequest, .send(coded("gzip", [1, 2], head: "HTTP/1.1 206 Partial Content"))]) {
            session,
            _ in
            let bytes = try await session.get(someURL).bytes()
            #expect(bytes == [1, 2])
        }
    }

    @Test(
        "Accept-Encoding offers what can be decoded; a request replaces it, a Range or `decompress: false` leaves it out"
    )
    func acceptEncoding() async throws {
        let answers = (0..<4).flatMap { _ in [ScriptStep.expectRequest, .send(okResponse)] }
        try await withScripts(answers) { session, peer in
            try await expectOK(session)
            _ = try await session.get(someURL, headers: ["Accept-Encoding": "identity"])
            _ = try await session.get(someURL, headers: ["Range": "bytes=0-1"])
            _ = try await session.get(someURL, options: RequestOptions(decompress: false))
            let heads = peer.written().components(separatedBy: "\r\n\r\n")
            #expect(heads[0].contains("\r\nAccept-Encoding: gzip, deflate"))
            #expect(heads[1].contains("\r\nAccept-Encoding: identity") && !heads[1].contains("gzip"))
            #expect(!heads[2].contains("Accept-Encoding") && heads[2].contains("Accept: */*"))
            #expect(!heads[3].contains("Accept-Encoding"))
        }
        var configuration = ClientSession.Configuration()
        configuration.decompress = false
        try await withScripts([.expectRequest, .send(okResponse)], configuration: configuration) { session, peer in
            try await expectOK(session)
            #expect(!peer.written().contains("Accept-Encoding"))
        }
    }

    @Test("`decompress: false` gives the bytes as they came, for a request or for all")
    func off() async throws {
        let bytes = Encoders.gzip("plain")
        try await withScripts([.expectRequest, .send(coded("gzip", bytes))]) { session, _ in
            let received = try await session.get(someURL, options: RequestOptions(decompress: false)).bytes()
            #expect(received == bytes)
        }
        var configuration = ClientSession.Configuration()
        configuration.decompress = false
        try await withScripts(
            [.expectRequest, .send(coded("gzip", bytes)), .expectRequest, .send(coded("gzip", bytes))],
            configuration: configuration
        ) { session, _ in
            let received = try await session.get(someURL).bytes()
            #expect(received == bytes)
            let text = try await session.get(someURL, options: RequestOptions(decompress: true)).text()
            #expect(text == "plain")
        }
    }

    @Test("a slow reader of a coded body leaves the rest with the server: back-pressure")
    func backPressure() async throws {
        let plain = Encoders.prose(20_000_000)
        let bytes = Encoders.deflate(plain)
        try await withVirtualTime {
            let written = Counter()
            let left = try await leaks {
                let session = ClientSession.connected { stream in
                    _ = try await stream.read()
                    try await stream.write(
                        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: \(bytes.count)\r\n\r\n"
                    )
                    for start in stride(from: 0, to: bytes.count, by: 1_000) {
                        let piece = Array(bytes[start..<min(start + 1_000, bytes.count)])
                        try await stream.write(piece)
                        written.add(piece.count)
                    }
                    _ = try await stream.read()
                }
                var count = 0
                for try await piece in try await session.get(someURL).body {
                    count += piece.count
                    for _ in 0..<50 { await turn() }
                    // What is decoded, and the transport's buffer, the connection's, and a piece that is being decoded.
                    let share = Double(count) / Double(plain.count) * Double(bytes.count)
                    #expect(Double(written.value) < share * 1.05 + 60_000)
                }
                #expect(count == plain.count && bytes.count > 400_000)
                await session.close()
            }
            #expect(left.isEmpty, "\(left)")
        }
    }
}

extension ClientSession {
    /// A session whose connections are served by `serve`, in memory, with 10,000 bytes on the way at most.
    static func connected(_ serve: @escaping @Sendable (TCPStream) async throws -> Void) -> ClientSession {
        ClientSession(.init()) { _, _, loop in
            let (client, server) = try MemoryTransport.pair(capacity: 10_000, on: loop)
            let stream = TCPStream(server, on: loop)
            loop.spawn { try await serve(stream) }
            return client
        }
    }
}

extension String {
    func components(separatedBy separator: String) -> [String] {
        var result: [String] = []
        var rest = self[...]
        while let range = rest.firstRange(of: separator) {
            result.append(String(rest[..<range.lowerBound]))
            rest = rest[range.upperBound...]
        }
        return result + [String(rest)]
    }
}
