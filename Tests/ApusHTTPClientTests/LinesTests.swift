import ApusHTTPClient
import ApusTesting
import Testing

@Suite("Lines")
struct LinesTests {
    private static func lines(_ response: ClientResponse) async throws -> [String] {
        var lines: [String] = []
        for try await line in response.lines { lines.append(line) }
        return lines
    }

    @Test("LF, CR and CRLF end a line, wherever the bytes are cut")
    func ends() async throws {
        let text = "one\r\ntwo\nthree\r\r\n\n\r\nfour\rfünf"
        let expected = ["one", "two", "three", "", "", "", "four", "fünf"]
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: \(text.utf8.count)\r\n\r\n\(text)"
        for piece in [0, 1, 2, 3, 5] {
            try await withScripts([.expectRequest, .send(answer, pieces: piece)]) { session, _ in
                let lines = try await Self.lines(try await session.get(someURL))
                #expect(lines == expected, "in pieces of \(piece)")
            }
        }
    }

    @Test("a line end at the end of the body makes no empty line behind it; an empty body has none")
    func last() async throws {
        for (text, count) in [("a\n", 1), ("a\r\n", 1), ("a\r", 1), ("\n", 1), ("", 0), ("a", 1)] {
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: \(text.utf8.count)\r\n\r\n\(text)"
            try await withScripts([.expectRequest, .send(answer)]) { session, _ in
                let lines = try await Self.lines(try await session.get(someURL))
                #expect(lines.count == count)
            }
        }
    }

    @Test("each line is text in the charset of the head, decoded and decompressed")
    func charset() async throws {
        let bytes: [UInt8] = [0xD6, 0xD0, 0x0A, 0xCE, 0xC4]
        try await withScripts(
            [
                .expectRequest,
                .send(coded("gzip\r\nContent-Type: text/plain; charset=gbk", Encoders.deflate(bytes)), pieces: 3),
            ]
        ) { session, _ in
            let lines = try await Self.lines(try await session.get(someURL))
            #expect(lines == ["中", "文"])
        }
    }

    @Test("a line over the limit is an error as soon as it is certain, and gives the connection up")
    func limit() async throws {
        try await withScripts([
            .expectRequest, .send("HTTP/1.1 200 OK\r\n\r\nshort\n" + String(repeating: "x", count: 11)), .stall,
        ]) { session, peer in
            let response = try await session.get(someURL)
            var lines: [String] = []
            var code: ClientError.Code?
            do {
                for try await line in response.lines(limit: 10) { lines.append(line) }
            } catch let error as ClientError {
                code = error.code
            }
            #expect(lines == ["short"] && code == .lineTooLong)
            // By the error, not by the end of the response.
            withExtendedLifetime(response) { #expect(peer.end(0) == .closed) }
        }
    }
}
