import ApusHTTPClient
import ApusNet
import ApusRuntime
import ApusTesting
import Testing

/// What a server sends (or the user asks for) that cannot end well, and what must be said of it.
struct BadInput: Sendable, CustomTestStringConvertible {
    var name: String
    var script: [ScriptStep]
    var code: ClientError.Code
    /// A part of the message.
    var says: String

    var testDescription: String { name }

    init(_ name: String, _ script: [ScriptStep], _ code: ClientError.Code, says: String) {
        self.name = name
        self.script = script
        self.code = code
        self.says = says
    }

    /// Answers a request with `text`, and closes.
    init(_ name: String, answer text: String, _ code: ClientError.Code, says: String) {
        self.init(name, [.expectRequest, .send(text), .finish], code, says: says)
    }

    static let table: [BadInput] = [
        .init("refused", [.refuse], .connectionRefused, says: "refused"),
        .init("closed before a byte", answer: "", .connectionClosed, says: "without answering"),
        .init("reset before a byte", [.expectRequest, .reset], .connectionClosed, says: "broke the connection off"),
        .init("closed inside the status line", answer: "HTTP/1.1 2", .closedInHead, says: "head"),
        .init("closed inside a field", answer: "HTTP/1.1 200 OK\r\nContent-Le", .closedInHead, says: "head"),
        .init("closed before the empty line", answer: "HTTP/1.1 200 OK\r\nA: b\r\n", .closedInHead, says: "head"),
        .init("closed behind 100", answer: "HTTP/1.1 100 Continue\r\n\r\n", .closedInHead, says: "head"),
        .init(
            "reset inside the head",
            [.expectRequest, .send("HTTP/1.1 200 OK\r\n", pieces: 99), .reset],
            .closedInHead,
            says: "broke the connection off"
        ),
        .init(
            "closed inside a body of known length",
            answer: "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
            .closedInBody,
            says: "3 of 10"
        ),
        .init(
            "closed inside a chunk",
            answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
            .closedInBody,
            says: "chunk"
        ),
        .init(
            "closed before the last chunk",
            answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
            .closedInBody,
            says: "chunk"
        ),
        .init(
            "closed inside the trailers",
            answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Tra",
            .closedInBody,
            says: "trailers"
        ),
        .init(
            "reset inside the body",
            [.expectRequest, .send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", pieces: 99), .reset],
            .closedInBody,
            says: "broke the connection off"
        ),
        .init("an SSH server", answer: "SSH-2.0-OpenSSH_9.2\r\n", .malformedResponse, says: "HTTP/1.1"),
        .init("an SMTP server", answer: "220 mail.test ESMTP ready\r\n", .malformedResponse, says: "HTTP/1.1"),
        .init("binary garbage", answer: "\u{0}\u{1}\u{2}\u{3}\r\n\r\n", .malformedResponse, says: "HTTP/1.1"),
        .init(
            "a TLS alert",
            [.expectRequest, .send([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x46]), .finish],
            .malformedResponse,
            says: "TLS"
        ),
        .init(
            "HTTP/2 settings",
            [.expectRequest, .send([0, 0, 0, 4, 0, 0, 0, 0, 0]), .finish],
            .malformedResponse,
            says: "HTTP"
        ),
        .init("HTTP/2.0 as a version", answer: "HTTP/2.0 200 OK\r\n\r\n", .malformedResponse, says: "HTTP/1.1"),
        .init(
            "two lengths that differ",
            answer: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
            .malformedResponse,
            says: "Content-Length"
        ),
        .init(
            "a length that is no number",
            answer: "HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\n",
            .malformedResponse,
            says: "Content-Length"
        ),
        .init(
            "a length beyond every memory",
            answer: "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
            .malformedResponse,
            says: "Content-Length"
        ),
        .init(
            "length and chunked",
            answer: "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            .malformedResponse,
            says: "Transfer-Encoding"
        ),
        .init(
            "a chunk size that is no number",
            answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
            .malformedResponse,
            says: "chunk"
        ),
        .init(
            "a chunk without its line end",
            answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n",
            .malformedResponse,
            says: "chunk"
        ),
        .init(
            "a space before a colon",
            answer: "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
            .malformedResponse,
            says: "HTTP/1.1"
        ),
        .init(
            "a protocol that nobody asked for",
            answer: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
            .malformedResponse,
            says: "101"
        ),
        .init(
            "interim responses without end",
            answer: String(repeating: "HTTP/1.1 102 Processing\r\n\r\n", count: 200),
            .malformedResponse,
            says: "interim"
        ),
        .init(
            "a status line without end",
            answer: "HTTP/1.1 200 " + String(repeating: "O", count: 200_000),
            .headTooLarge,
            says: "limit"
        ),
        .init(
            "a field without end",
            answer: "HTTP/1.1 200 OK\r\nX: " + String(repeating: "y", count: 200_000),
            .headTooLarge,
            says: "limit"
        ),
        .init(
            "fields without end",
            answer: "HTTP/1.1 200 OK\r\n" + String(repeating: "X: y\r\n", count: 20_000),
            .headTooLarge,
            says: "limit"
        ),
        .init(
            "large fields without end",
            answer: "HTTP/1.1 200 OK\r\n"
                + String(repeating: "X: \(String(repeating: "y", count: 9_000))\r\n", count: 30),
            .headTooLarge,
            says: "limit"
        ),
    ]
}

@Suite("Bad input: a distinct, readable error each, and nothing left behind")
struct BadInputTests {
    @Test("from a server, in one piece", arguments: BadInput.table)
    func whole(_ input: BadInput) async throws {
        try await check(input)
    }

    @Test("from a server, byte by byte", arguments: BadInput.table)
    func byteByByte(_ input: BadInput) async throws {
        // The long ones would take a virtual eternity of passes, and differ in nothing.
        var input = input
        input.script = input.script.map { $0.inPieces(of: $0.byteCount > 10_000 ? 5_000 : 1) }
        try await check(input)
    }

    private func check(_ input: BadInput) async throws {
        try await withScripts(input.script) { session, peer in
            let error = await clientError { try await session.get("http://script.test/secret?token=hidden").text() }
            #expect(error?.code == input.code)
            let message = error.map { "\($0)" } ?? ""
            #expect(message.contains(input.says), "“\(message)”")
            #expect(message.hasPrefix("GET http://script.test/secret?…: "), "“\(message)”")
            #expect(!message.contains("hidden"))
            #expect(error?.isTimeout == false)
            #expect(await session.statistics.open == 0)
            #expect(peer.open == 0)
        }
    }

    @Test(
        "a URL that cannot be used is refused before anything is opened",
        arguments: [
            "", "localhost", "/path", "//host/path", "http://", "http:///path", "http://host:port/",
            "http://host:99999/",
            "http://ho st/", "http://[::1/", "http://[zz]/", "http://256.1.1.1/", "http://ho\u{0}st/", "http//x",
            "://x",
            "http://hﬁst/",
        ]
    )
    func malformedURL(_ url: String) async throws {
        try await withScripts { session, peer in
            let error = await clientError { try await session.get(url) }
            #expect(error?.code == .invalidURL)
            #expect(error?.cause != nil)
            #expect(error.map { "\($0)".utf8.count < 2_000 } == true)
            #expect(peer.attempts == 0)
        }
    }

    @Test("a URL that is too long is refused, and not repeated in the message")
    func longURL() async throws {
        try await malformedURL("http://host/" + String(repeating: "a", count: 70_000))
    }

    @Test(
        "a scheme that is not spoken is refused, and named",
        arguments: ["ftp://host/x", "file:///etc/passwd", "ws://host/", "mailto:a@b.test", "unix:/run/x"]
    )
    func unsupportedScheme(_ url: String) async throws {
        try await withScripts { session, peer in
            let error = await clientError { try await session.get(url) }
            #expect(error?.code == .unsupportedScheme)
            #expect(error?.description.contains("use http") == true)
            #expect(peer.attempts == 0)
        }
    }

    @Test("more body than its length: the body is right, and the connection is not used again")
    func surplusBody() async throws {
        let surplus = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
        try await withScripts(
            [.expectRequest, .send(surplus)],
            [.expectRequest, .send(okResponse)]
        ) { session, peer in
            try await expectOK(session)
            #expect(peer.end(0) == .closed)
            try await expectOK(session)
            #expect(peer.opened == 2)
        }
    }

    @Test("bytes that come while a connection is idle end it, whatever they are")
    func unsolicited() async throws {
        try await withScripts(
            [.expectRequest, .send(okResponse), .wait(.seconds(1)), .send(okResponse)],
            [.expectRequest, .send(okResponse)]
        ) { session, peer in
            try await expectOK(session)
            try await sleep(for: .seconds(2))
            #expect(peer.end(0) == .closed)
            try await expectOK(session)
            #expect(peer.opened == 2)
            #expect(await session.statistics.resends == 0)
        }
    }

    @Test("a body behind 204, 304 or an answer to HEAD is not taken for the next response", arguments: [204, 304])
    func bodilessWithBody(_ status: Int) async throws {
        try await withScripts(
            [.expectRequest, .send("HTTP/1.1 \(status) X\r\nContent-Length: 4\r\n\r\nevil")],
            [.expectRequest, .send(okResponse)]
        ) { session, peer in
            let response = try await session.get(someURL)
            #expect(try await response.bytes() == [])
            try await expectOK(session)
            #expect(peer.opened == 2)
        }
    }

    @Test("interim responses up to the limit are skipped")
    func interim() async throws {
        let interim = String(repeating: "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", count: 30)
        try await withScripts([.expectRequest, .send(interim + okResponse)]) { session, _ in
            try await expectOK(session)
        }
    }

    @Test("an error of the system below keeps its cause")
    func cause() async throws {
        try await withScripts([.refuse]) { session, _ in
            let error = await clientError { try await session.get(someURL) }
            #expect((error?.cause as? NetError)?.code == .connectionRefused)
        }
    }

    @Test("ETIMEDOUT on an open connection is not called a connect timeout")
    func brokenLater() async throws {
        try await withVirtualTime {
            let session = ClientSession(.init()) { _, _, loop in try TimedOutTransport(on: loop) }
            let error = await clientError { try await session.get(someURL) }
            #expect(error?.code == .connectionFailed)
            #expect(await session.statistics.open == 0)
            await session.close()
        }
    }
}

/// Reads fail as a socket's do when its peer has stopped to acknowledge.
private final class TimedOutTransport: Transport {
    let descriptor: Descriptor

    init(on loop: EventLoop) throws {
        descriptor = try loop.register(-1)
        descriptor.signal(.readable)
    }

    func receive(into buffer: UnsafeMutableRawBufferPointer) throws(NetError) -> Int? {
        throw NetError(errno: 110, while: "Reading")
    }

    func send(_ bytes: UnsafeRawBufferPointer) throws(NetError) -> Int? { bytes.count }
    func finishSending() {}
    func close() { descriptor.release() }
    func abort() { close() }
    var remoteAddress: SocketAddress? { nil }
    var localAddress: SocketAddress? { nil }
}
