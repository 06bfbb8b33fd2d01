import ApusHTTPClient
import ApusNet
import ApusRuntime
import ApusTesting
import ApusWire
import Foundation
import HTTPTypes
import Testing

/// Responses that two readers would end at different places, and floods of bytes that carry nothing.
struct HostileResponse: Sendable, CustomTestStringConvertible {
    var name: String
    var text: String
    var code: ClientError.Code
    /// A part of the message.
    var says: String

    var testDescription: String { name }

    private init(_ name: String, _ text: String, _ code: ClientError.Code = .malformedResponse, says: String) {
        self.name = name
        self.text = text
        self.code = code
        self.says = says
    }

    private static func fields(_ name: String, _ fields: String, says: String) -> HostileResponse {
        .init(name, "HTTP/1.1 200 OK\r\n\(fields)\r\n\r\n5\r\nhello\r\n0\r\n\r\n", says: says)
    }

    /// But for its fault the body is complete, so that who overlooks the fault sees no other.
    private static func chunks(
        _ name: String,
        _ body: String,
        _ code: ClientError.Code = .malformedResponse,
        says: String
    ) -> HostileResponse {
        .init(name, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body, code, says: says)
    }

    static let table: [HostileResponse] = [
        .fields("length and chunks", "Content-Length: 5\r\nTransfer-Encoding: chunked", says: "Transfer-Encoding"),
        .fields("chunks and length", "Transfer-Encoding: chunked\r\nContent-Length: 5", says: "Transfer-Encoding"),
        .fields("two lengths that agree", "Content-Length: 5\r\nContent-Length: 5", says: "Content-Length"),
        .fields("two lengths in one field", "Content-Length: 5, 6", says: "Content-Length"),
        .fields("a negative length", "Content-Length: -1", says: "Content-Length"),
        .fields("a length with a sign", "Content-Length: +5", says: "Content-Length"),
        .fields("a hexadecimal length", "Content-Length: 0x5", says: "Content-Length"),
        .fields("a length past 63 bits", "Content-Length: 9223372036854775808", says: "Content-Length"),
        .fields("a length in parts", "Content-Length: 1 0", says: "Content-Length"),
        .fields("an empty length", "Content-Length:", says: "Content-Length"),
        .fields("chunked, obscured", "Transfer-Encoding: xchunked", says: "Transfer-Encoding"),
        .fields("chunked, quoted", "Transfer-Encoding: \"chunked\"", says: "Transfer-Encoding"),
        .fields("chunked in a list", "Transfer-Encoding: identity, chunked", says: "Transfer-Encoding"),
        .fields("chunked and then something", "Transfer-Encoding: chunked, identity", says: "Transfer-Encoding"),
        .fields("chunked twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", says: "Transfer-Encoding"),
        .fields("chunked with a parameter", "Transfer-Encoding: chunked;a=b", says: "Transfer-Encoding"),
        .fields("chunked behind a vertical tab", "Transfer-Encoding:\u{0B}chunked", says: "HTTP/1.1"),
        .fields("chunked, with a space before the colon", "Transfer-Encoding : chunked", says: "HTTP/1.1"),
        .fields("chunked, with a tab before the colon", "Transfer-Encoding\t: chunked", says: "HTTP/1.1"),
        .fields("chunked, folded", "Transfer-Encoding:\r\n chunked", says: "HTTP/1.1"),
        .fields("chunked behind a folded field", "X: y\r\n\tTransfer-Encoding: chunked", says: "HTTP/1.1"),
        .fields("a bare CR", "X: y\rTransfer-Encoding: chunked", says: "HTTP/1.1"),
        .fields("a bare LF", "X: y\nTransfer-Encoding: chunked", says: "HTTP/1.1"),
        .fields("a NUL", "X: y\0z", says: "HTTP/1.1"),
        .fields("a field without a colon", "X", says: "HTTP/1.1"),
        .fields("a field without a name", ": y", says: "HTTP/1.1"),
        .init("HTTP/0.9", "<html>hello</html>", says: "HTTP/1.1"),
        .init("HTTP/1.2", "HTTP/1.2 200 OK\r\n\r\n", says: "HTTP/1.1"),
        .init("HTTP/3", "HTTP/3 200 OK\r\n\r\n", says: "HTTP/1.1"),
        .init("a name in lower case", "http/1.1 200 OK\r\n\r\n", says: "HTTP/1.1"),
        .init("an empty line first", "\r\nHTTP/1.1 200 OK\r\n\r\n", says: "HTTP/1.1"),
        .init("chunks in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", says: "HTTP/1.1"),
        .init("a status of two digits", "HTTP/1.1 20 OK\r\n\r\n", says: "HTTP/1.1"),
        .init("a status of four digits", "HTTP/1.1 2000 OK\r\n\r\n", says: "HTTP/1.1"),
        .init("a status below 100", "HTTP/1.1 042 OK\r\n\r\n", says: "HTTP/1.1"),
        .init("a body behind an interim answer", "HTTP/1.1 103 X\r\nContent-Length: 4\r\n\r\nevil", says: "HTTP/1.1"),
        .chunks("a chunk size past 63 bits", "8000000000000005\r\nhello\r\n0\r\n\r\n", says: "chunk size"),
        .chunks("a chunk size past 64 bits", "10000000000000005\r\nhello\r\n0\r\n\r\n", says: "chunk size"),
        .chunks("a chunk size of many zeros", "000000000000000000005\r\nhello\r\n0\r\n\r\n", says: "chunk size"),
        .chunks("a negative chunk size", "-5\r\nhello\r\n0\r\n\r\n", says: "chunk size"),
        .chunks("a chunk size with 0x", "0x5\r\nhello\r\n0\r\n\r\n", says: "chunk size"),
        .chunks("a space behind a chunk size", "5 \r\nhello\r\n0\r\n\r\n", says: "chunk size"),
        .chunks("no chunk size", "\r\nhello\r\n0\r\n\r\n", says: "chunk size"),
        .chunks("a bare LF behind a chunk size", "5\nhello\r\n0\r\n\r\n", says: "HTTP/1.1"),
        .chunks("a bare CR in an extension", "5;a\rb\r\nhello\r\n0\r\n\r\n", says: "HTTP/1.1"),
        .chunks("a chunk that goes on", "5\r\nhello world\r\n0\r\n\r\n", says: "another size"),
        .chunks("a chunk with two other bytes for its end", "5\r\nhelloXX0\r\n\r\n", says: "another size"),
        .chunks("a framing field in the trailers", "0\r\nContent-Length: 5\r\n\r\n", says: "HTTP/1.1"),
        .chunks("a folded trailer", "0\r\nX: y\r\n z\r\n\r\n", says: "HTTP/1.1"),
        .chunks(
            "a chunk-size line without end",
            "5;" + String(repeating: "x", count: 100_000),
            says: "chunk-size line"
        ),
        .chunks(
            "chunk extensions without end",
            String(repeating: "1;\(String(repeating: "x", count: 2_000))\r\na\r\n", count: 100) + "0\r\n\r\n",
            says: "chunk extensions"
        ),
        .chunks(
            "trailers without end",
            "0\r\n" + String(repeating: "X: y\r\n", count: 20_000) + "\r\n",
            .headTooLarge,
            says: "limit"
        ),
        .chunks(
            "a trailer without end",
            "0\r\nX: " + String(repeating: "y", count: 200_000) + "\r\n\r\n",
            .headTooLarge,
            says: "limit"
        ),
    ]
}

@Suite("Request smuggling, in both directions")
struct SmugglingTests {
    @Test(
        "what a server sends is read as one thing, or refused, and its connection is not used again",
        arguments: HostileResponse.table
    )
    func response(_ row: HostileResponse) async throws {
        for piece in [0, row.text.utf8.count > 10_000 ? 5_000 : 1] {
            try await withScripts(
                [.expectRequest, .send(row.text, pieces: piece), .send(okResponse), .stall],
                [.expectRequest, .send(okResponse)]
            ) { session, peer in
                let error = await clientError { try await session.get(someURL).bytes() }
                #expect(error?.code == row.code, "\(String(describing: error))")
                #expect(error?.message.contains(row.says) == true, "“\(error?.message ?? "")”")
                #expect(error?.message.utf8.count ?? 0 < 400)
                #expect(peer.end(0) == .closed)
                // A poisoned connection would answer this with what was smuggled.
                try await expectOK(session)
                #expect(peer.opened == 2)
            }
        }
    }

    // MARK: What the client sends

    /// What a server's codec makes of everything that was written: each request with its body, or why it is none.
    private static func requests(in text: String) throws -> [(method: String, target: String, body: [UInt8])] {
        var http = HTTP1Connection(role: .server)
        http.receive(Array(text.utf8))
        var found: [(method: String, target: String, body: [UInt8])] = []
        while true {
            switch try http.next() {
            case .request(let head): found.append((head.method.rawValue, head.target, []))
            case .data(let data): http.append(data, to: &found[found.count - 1].body)
            case .paused:
                try http.sendResponse(status: .ok, prepared: [], fields: [:], body: .none)
                try http.sendEnd()
                // A request that says close is the last one.
                guard http.canReuse else { return found }
                try http.startNextCycle()
            case .end: continue
            default: return found
            }
        }
    }

    private static let names = [
        "Content-Length", "Transfer-Encoding", "Host", "Connection", "Expect", "TE", "Upgrade", "X-Field", "Trailer",
        "content-length", "Keep-Alive", "Accept",
    ]
    private static let values = [
        "0", "5", "4", "-1", "5, 5", "chunked", "gzip, chunked", "identity", "a\r\nX-Evil: 1",
        "a\n\nGET /evil HTTP/1.1",
        "close", "upgrade", "evil.test", "a b", "\u{0}", "100-continue", "", "\u{0B}chunked", "é", "a\rb", "trailers",
    ]
    private static let targets = [
        "http://script.test/path", "http://script.test/a%0d%0aX:%20y", "http://script.test/?q=a%20b",
        "http://script.test",
        "http://script.test/é", "http://user:pass@script.test/x", "http://script.test:8080/#fragment",
    ]

    @Test("what it is asked to send is one request with that body, or nothing at all")
    func request() async throws {
        let seed: UInt64 = 815
        var outcomes: [String: Int] = [:]
        for round in 0..<1_500 {
            var random = SplitMix(seed: seed &+ UInt64(round))
            var fields = HTTPFields()
            for _ in 0..<Int.random(in: 0..<4, using: &random) {
                let name = Self.names.randomElement(using: &random) ?? ""
                guard let name = HTTPField.Name(name) else { continue }
                fields.append(HTTPField(name: name, value: Self.values.randomElement(using: &random) ?? ""))
            }
            let content = [UInt8](
                "5\r\nGET /evil HTTP/1.1\r\nHost: x\r\n\r\n".utf8.prefix(Int.random(in: 0..<40, using: &random))
            )
            let kind = Int.random(in: 0..<5, using: &random)
            let body: RequestBody? =
                switch kind {
                case 0: nil
                case 1: .bytes(content)
                case 2: .written(length: content.count) { try await $0.write(content) }
                case 3: .written { try await $0.write(content) }
                default:
                    .written { writer in
                        try await writer.write(content)
                        try await writer.setTrailers([Self.trailerName(seed, round): "5"])
                    }
                }
            let method =
                [HTTPRequest.Method.get, .post, .put, .head, .init("X-ODD")!].randomElement(using: &random) ?? .get
            let url = Self.targets.randomElement(using: &random) ?? someURL
            let sent = fields
            let (written, failed) = try await withVirtualTime {
                let peer = ScriptedPeer { _ in
                    [.expectHead, .wait(.seconds(1)), .send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), .stall]
                }
                let session = ClientSession.scripted(peer)
                var failed = false
                do {
                    _ = try await session.request(method, url, headers: sent, body: body)
                } catch is ClientError {
                    failed = true
                }
                await session.close()
                return (peer.written(), failed)
            }
            let found: [(method: String, target: String, body: [UInt8])]
            do {
                found = try Self.requests(in: written)
            } catch {
                Issue.record("seed \(seed), round \(round): \(error) in \(written.debugDescription)")
                continue
            }
            outcomes[failed ? "refused" : "sent", default: 0] += 1
            if failed {
                // Nothing that a server takes for a complete request, but the head of one whose trailers were refused.
                if kind != 4 { #expect(written.isEmpty, "round \(round): \(written.debugDescription)") }
            } else {
                #expect(found.count == 1, "seed \(seed), round \(round): \(written.debugDescription)")
                #expect(found.first?.method == method.rawValue)
                #expect(found.first?.body == (kind == 0 ? [] : content), "round \(round): \(written.debugDescription)")
            }
            #expect(!written.contains("\r\nX-Evil"), "round \(round)")
            #expect(!written.contains("pass@"), "round \(round)")
            #expect(!written.contains("#fragment"), "round \(round)")
        }
        #expect(outcomes.count == 2, "\(outcomes)")
    }

    private static func trailerName(_ seed: UInt64, _ round: Int) -> HTTPField.Name {
        [HTTPField.Name.contentLength, .transferEncoding, .init("X-Sum")!, .init("Host")!][round % 4]
    }

    @Test(
        "a method that is none cannot be made, and CONNECT is not a request to a page",
        arguments: ["GET /evil HTTP/1.1\r\nX:", "GE T", "GET\r\n", "", "G\0T"]
    )
    func method(_ text: String) {
        #expect(HTTPRequest.Method(text) == nil)
    }

    // MARK: Redirects

    @Test(
        "a Location that cannot be followed is an error, and nothing more is sent",
        arguments: [
            "javascript:alert(1)", "file:///etc/passwd", "data:text/html,x", "ftp://host/", "http://", "http:///x",
            "http://[::1/", "http://host:99999/", "http://ho st/", "http://a\u{7F}b/", "http://256.1.1.1/",
            "http://\(String(repeating: "a", count: 300)).test/", "mailto:a@b.test", "blob:http://x/", "//",
            "http://%00/",
            "ws://script.test/", "gopher://script.test/_GET%20/",
        ]
    )
    func hostileLocation(_ location: String) async throws {
        try await withScripts(
            [.expectRequest, .send("HTTP/1.1 302 Found\r\nLocation: \(location)\r\nContent-Length: 0\r\n\r\n"), .stall]
        ) { session, peer in
            let error = await clientError { try await session.get("http://script.test/from?token=hidden") }
            let code = error.map { "\($0.code)" } ?? ""
            // A control character in a field is a malformed response before it is a place.
            #expect(
                ["invalidRedirect", "unsupportedScheme"].contains(code)
                    || code == "malformedResponse" && location.contains("\u{7F}"),
                "\(String(describing: error))"
            )
            #expect(error?.description.contains("hidden") == false)
            #expect(peer.opened == 1)
            #expect(peer.written().components(separatedBy: " HTTP/1.1\r\n").count == 2)
        }
    }

    @Test(
        "redirects that lead in a circle end at the limit, over hosts and schemes",
        arguments: [301, 302, 303, 307, 308]
    )
    func circle(_ status: Int) async throws {
        let hosts = ["a.test", "b.test", "c.test"]
        try await withScripts(script: { number in
            let next = "http://\(hosts[(number + 1) % 3])/round"
            return [
                .expectRequest, .send("HTTP/1.1 \(status) X\r\nLocation: \(next)\r\nConnection: close\r\n\r\n"),
                .finish,
            ]
        }) { session, peer in
            let error = await clientError { try await session.post("http://a.test/round", body: .text("x")) }
            #expect(error?.code == .tooManyRedirects)
            #expect(error?.message.contains("10") == true)
            #expect(peer.opened == 11)
        }
    }
}
