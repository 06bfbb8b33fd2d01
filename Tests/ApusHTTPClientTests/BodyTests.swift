import ApusHTTPClient
import ApusHTTPServer
import ApusNet
import ApusRuntime
import ApusTesting
import HTTPTypes
import Synchronization
import Testing

/// Runs `body` with a session and a real server on one loop, and checks that nothing is left.
func withServer(
    configuration: ClientSession.Configuration = .init(),
    _ handler: @escaping HTTPServer.Handler,
    sourceLocation: SourceLocation = #_sourceLocation,
    _ body: @escaping @Sendable (ClientSession, TestServer) async throws -> Void
) async throws {
    try await withTestLoop {
        let left = try await leaks {
            try await TestServer.with(handler) { server in
                try await ClientSession.with(configuration) { session in
                    try await body(session, server)
                    let used = await session.statistics
                    #expect(used.open == used.idle, "places are taken: \(used)", sourceLocation: sourceLocation)
                }
            }
        }
        #expect(left.isEmpty, "\(left)", sourceLocation: sourceLocation)
    }
}

private final class Box: Sendable {
    let value = Mutex<ClientResponse?>(nil)
}

private struct Point: Codable, Hashable, Sendable {
    var x: Int
    var label: String
}

@Suite("Bodies")
struct BodyTests {
    private static let echo: HTTPServer.Handler = { request in
        var headers = HTTPFields()
        headers[.contentType] = request.headers[.contentType]
        return ServerResponse(headers: headers, bytes: try await request.body.bytes(limit: 64 << 20))
    }

    @Test("JSON goes there and back")
    func json() async throws {
        try await withServer(Self.echo) { session, server in
            let point = Point(x: 4, label: "“ü”\n")
            for response in [
                try await session.post(server.url(), json: point), try await session.put(server.url(), json: point),
                try await session.patch(server.url(), json: point),
            ] {
                #expect(response.headers[.contentType] == "application/json")
                let decoded = try await response.json(Point.self)
                #expect(decoded == point)
            }
        }
    }

    @Test("what is not the JSON asked for says so, with its cause")
    func wrongJSON() async throws {
        try await withServer({ _ in .text("{\"x\": \"four\"}") }) { session, server in
            let error = await clientError { try await session.get(server.url()).json(Point.self) }
            #expect(error?.code == .decodingFailed)
            #expect(error?.cause is DecodingError)
        }
    }

    @Test("a value that cannot be encoded is an invalid request")
    func unencodable() async throws {
        try await withScripts { session, peer in
            let error = await clientError { try await session.post(someURL, json: [Double.nan]) }
            #expect(error?.code == .invalidRequest)
            #expect(peer.attempts == 0)
        }
    }

    @Test("text is UTF-8, and what is not becomes U+FFFD")
    func text() async throws {
        try await withScripts(
            [
                .expectRequest,
                .send(Array("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n".utf8) + [0x61, 0xFF, 0xC3, 0xA4]),
            ]
        ) { session, _ in
            let text = try await session.get(someURL).text()
            #expect(text == "a\u{FFFD}ä")
        }
    }

    @Test("8 MB go up and come down, by length and in chunks")
    func large() async throws {
        let bytes = (0..<8_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 11) }
        try await withServer({ request in
            let received = try await request.body.bytes(limit: 64 << 20)
            guard request.query == "chunked" else { return ServerResponse(bytes: received) }
            return .stream { writer in
                for start in stride(from: 0, to: received.count, by: 100_003) {
                    try await writer.write(Array(received[start..<min(start + 100_003, received.count)]))
                }
            }
        }) { session, server in
            for path in ["/", "/?chunked"] {
                let response = try await session.post(server.url(path), body: .bytes(bytes))
                let received = try await response.bytes()
                #expect(received == bytes)
            }
            #expect(await session.statistics.connectionsOpened == 1)
        }
    }

    @Test("a body that nobody reads stays with the server: back-pressure")
    func backPressure() async throws {
        try await withVirtualTime {
            let written = Counter()
            let left = try await leaks {
                let session = ClientSession(.init()) { _, _, loop in
                    let (client, server) = try MemoryTransport.pair(capacity: 10_000, on: loop)
                    let stream = TCPStream(server, on: loop)
                    loop.spawn {
                        _ = try await stream.read()
                        try await stream.write("HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n")
                        for _ in 0..<10_000 {
                            try await stream.write([UInt8](repeating: 1, count: 1_000))
                            written.add()
                        }
                        _ = try await stream.read()
                    }
                    return client
                }
                let response = try await session.get(someURL)
                for _ in 0..<1_000 { await turn() }
                // The transport's buffer, the connection's read buffer and the piece that is being written.
                #expect(written.value < 10 + 1 + 33)
                var count = 0
                for try await piece in response.body {
                    count += piece.count
                    await turn()
                    #expect(written.value * 1_000 < count + 60_000)
                }
                #expect(count == 10_000_000)
                await session.close()
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test("an unread body gives its connection up when the response goes")
    func unread() async throws {
        let start = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nsome"
        try await withScripts(script: { _ in [.expectRequest, .send(start)] }) { session, peer in
            do {
                let response = try await session.get(someURL)
                #expect(response.status == .ok)
                #expect(await session.statistics.open == 1)
            }
            await until { await session.statistics.open == 0 }
            #expect(peer.end(0) == .closed)
            // In its scope, by an error and by a return.
            struct Stop: Error {}
            await #expect(throws: Stop.self) { try await session.get(someURL) { _ in throw Stop() } }
            #expect(peer.end(1) == .closed)
            let code = try await session.get(someURL) { $0.status.code }
            #expect(code == 200)
            #expect(peer.end(2) == .closed)
        }
    }

    @Test("a response dropped on another thread gives its connection up too")
    func droppedElsewhere() async throws {
        let start = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nsome"
        try await withScripts([.expectRequest, .send(start)]) { session, peer in
            let box = Box()
            func fetch() async throws {
                let response = try await session.get(someURL)
                box.value.withLock { $0 = response }
            }
            try await fetch()
            #expect(await session.statistics.open == 1)
            try await offload { box.value.withLock { $0 = nil } }
            await until { await session.statistics.open == 0 }
            #expect(peer.end(0) == .closed)
        }
    }

    @Test("bytes(limit:) ends at its limit, before or while it reads, and names the way out")
    func limit() async throws {
        let chunked =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + String(repeating: "5\r\nabcde\r\n", count: 30)
        let known = "HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n"
        let complete = known + String(repeating: "a", count: 101)
        for answer in [chunked, known, complete] {
            try await withScripts([.expectRequest, .send(answer)]) { session, _ in
                let response = try await session.get(someURL)
                let error = await clientError { try await response.bytes(limit: 100) }
                #expect(error?.code == .bodyTooLarge)
                #expect(error?.description.contains("larger than 100 bytes") == true)
                #expect(error?.description.contains("for try await chunk in r.body") == true)
            }
        }
        try await withScripts([.expectRequest, .send(complete)]) { session, _ in
            let bytes = try await session.get(someURL).bytes(limit: 101)
            #expect(bytes.count == 101)
        }
    }

    @Test("the session's bodyLimit is the default")
    func bodyLimit() async throws {
        var configuration = ClientSession.Configuration()
        configuration.bodyLimit = 1
        try await withScripts([.expectRequest, .send(okResponse)], configuration: configuration) { session, _ in
            let error = await clientError { try await session.get(someURL).text() }
            #expect(error?.code == .bodyTooLarge)
        }
    }

    @Test("collecting twice gives the same, streaming twice does not")
    func twice() async throws {
        let start = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc"
        try await withScripts(
            [
                .expectRequest, .send(start, pieces: 99), .send("def"), .expectRequest, .send(start, pieces: 99),
                .send("def"),
            ]
        ) { session, _ in
            let collected = try await session.get(someURL)
            let texts = (try await collected.text(), try await collected.text())
            #expect(texts == ("abcdef", "abcdef"))
            let streamed = try await session.get(someURL)
            var bytes: [UInt8] = []
            for try await piece in streamed.body { bytes += piece }
            #expect(bytes == Array("abcdef".utf8))
            let error = await clientError { try await streamed.bytes() }
            #expect(error?.code == .bodyConsumed)
        }
    }

    @Test("C44: what is left of a released response cannot be read, and says so")
    func readAfterRelease() async throws {
        let start = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"
        try await withScripts([.expectRequest, .send(start), .stall]) { session, peer in
            let response = try await session.get(someURL)
            response.release()
            let error = await clientError { try await response.bytes() }
            #expect(error?.code == .bodyConsumed)
            #expect(error?.message.contains("released") == true)
            #expect(peer.end(0) == .closed)
        }
    }

    @Test("two readers of one body: the second is told")
    func twoReaders() async throws {
        let start = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"
        try await withScripts([.expectRequest, .send(start, pieces: 99), .wait(.seconds(1)), .send("abc")]) {
            session,
            _ in
            let response = try await session.get(someURL)
            async let first = response.bytes()
            await turn()
            let error = await clientError { try await response.bytes() }
            #expect(error?.code == .bodyConsumed)
            let bytes = try await first
            #expect(bytes == Array("abc".utf8))
        }
    }

    @Test("HEAD, 204 and 304 have no body, whatever their head says, and keep the connection")
    func bodiless() async throws {
        try await withScripts(
            [
                .expectRequest, .send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
                .expectRequest, .send("HTTP/1.1 204 No Content\r\n\r\n"),
                .expectRequest, .send("HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n"),
            ]
        ) { session, peer in
            let head = try await session.head(someURL)
            #expect(head.contentLength == 1000)
            for response in [head, try await session.get(someURL), try await session.get(someURL)] {
                let bytes = try await response.bytes()
                #expect(bytes == [])
            }
            #expect(peer.opened == 1)
        }
    }

    @Test("trailers are there behind the body, and not before")
    func trailers() async throws {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        try await withScripts(
            [.expectRequest, .send(head, pieces: 99), .send("1\r\na\r\n0\r\nX-Sum: 9\r\n\r\n", pieces: 1)],
            [.expectRequest, .send(head + "1\r\na\r\n0\r\nX-Sum: 9\r\n\r\n")]
        ) { session, _ in
            let name = HTTPField.Name("X-Sum")!
            for url in [someURL, "http://other.test/"] {
                let response = try await session.get(url)
                if url == someURL { #expect(await response.trailers() == nil) }
                _ = try await response.bytes()
                #expect(await response.trailers()?[name] == "9")
            }
        }
    }

    @Test("every piece of a streamed body has a byte at least, and nil follows once and for ever")
    func pieces() async throws {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        try await withScripts([.expectRequest, .send(head + "3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n", pieces: 1)]) {
            session,
            _ in
            var iterator = try await session.get(someURL).body.makeAsyncIterator()
            var text = ""
            while let piece = try await iterator.next() {
                #expect(!piece.isEmpty)
                text += String(decoding: piece, as: UTF8.self)
            }
            #expect(text == "abcdefg")
            let more = try await iterator.next()
            #expect(more == nil)
        }
    }

    @Test("header fields: HTTPFields, a dictionary, pairs; they replace the session's, Content-Type the body's")
    func headers() async throws {
        var configuration = ClientSession.Configuration()
        configuration.headers[.accept] = "text/plain"
        configuration.headers[.acceptLanguage] = "de"
        try await withScripts(
            (0..<4).flatMap { _ -> [ScriptStep] in [.expectRequest, .send(okResponse)] },
            configuration: configuration
        ) { session, peer in
            _ = try await session.get(someURL, headers: ["X-A": "1", "accept": "image/png"]).text()
            let first = peer.written(0)
            #expect(
                first.contains("X-A: 1\r\n") && first.contains("image/png\r\n")
                    && first.contains("Accept-Language: de\r\n")
            )
            #expect(!first.contains("text/plain"))
            #expect(first.hasPrefix("GET /path HTTP/1.1\r\nHost: script.test\r\n"))
            var fields = HTTPFields()
            fields.append(HTTPField(name: .cookie, value: "a=1"))
            _ = try await session.get(someURL, headers: fields).text()
            let pairs: KeyValuePairs = ["X-B": "1", "X-B": "2"]
            _ = try await session.get(someURL, headers: pairs).text()
            _ = try await session.post(someURL, headers: ["Content-Type": "text/x-own"], body: .text("b")).text()
            let all = peer.written(0)
            #expect(all.contains("Cookie: a=1\r\n") && all.contains("X-B: 1\r\nX-B: 2\r\n"))
            #expect(all.contains("Content-Type: text/x-own\r\n") && !all.contains("charset"))
        }
    }

    @Test(
        "an invalid field is thrown, not sent and not repaired",
        arguments: [
            ["Bad Name": "x"], ["": "x"], ["Ö": "x"], ["X": "a\r\nInjected: 1"], ["X": "a\nb"], ["X": "a\u{0}b"],
            ["A:B": "x"],
        ]
    )
    func invalidFields(_ fields: [String: String]) async throws {
        try await withScripts { session, peer in
            let error = await clientError { try await session.get(someURL, headers: fields) }
            #expect(error?.code == .invalidRequest)
            #expect(peer.attempts == 0)
        }
    }

    @Test("fields that contradict the body are refused")
    func framingFields() async throws {
        for field in [["Content-Length": "5"], ["Transfer-Encoding": "chunked"]] {
            try await withScripts([.expectRequest, .send(okResponse)]) { session, _ in
                let error = await clientError { try await session.post(someURL, headers: field, body: .text("four")) }
                #expect(error?.code == .invalidRequest)
            }
        }
    }

    @Test("params are added to the query, percent-encoded")
    func params() async throws {
        try await withScripts([.expectRequest, .send(okResponse)]) { session, peer in
            _ = try await session.get("http://script.test/p?a=1#f", params: ["b c": "d&e", "b c": "ä"]).text()
            #expect(peer.written(0).hasPrefix("GET /p?a=1&b%20c=d%26e&b%20c=%C3%A4 HTTP/1.1\r\n"))
        }
    }

    @Test("raiseForStatus throws for 400 and more, and only then")
    func status() async throws {
        try await withScripts(
            [399, 400, 503].flatMap { status -> [ScriptStep] in
                [.expectRequest, .send("HTTP/1.1 \(status) Hm\r\nContent-Length: 0\r\n\r\n")]
            }
        ) { session, _ in
            try await session.get(someURL).raiseForStatus()
            for status in [400, 503] {
                let response = try await session.get(someURL)
                let error = await clientError { try response.raiseForStatus() }
                #expect(error?.code == .statusNotSuccess)
                #expect(error?.description.contains("\(status)") == true)
            }
        }
    }
}
