import ApusHTTPClient
import ApusTesting
import ApusWire
import HTTPTypes
import Testing

@Suite("C112: multipart responses")
struct PartsTests {
    private static func answer(_ body: String, type: String = "multipart/form-data; boundary=b") -> String {
        "HTTP/1.1 200 OK\r\nContent-Type: \(type)\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
    }

    private static let body =
        "ignored\r\n--b\r\nContent-Disposition: form-data; name=\"one\"\r\n\r\nfirst\r\n--b\r\n"
        + "Content-Disposition: form-data; name=\"file\"; filename=\"a.json\"\r\nContent-Type: application/json; charset=utf-8\r\n\r\n"
        + "[1, 2]\r\n--b\r\n\r\n\r\n--b--\r\nepilogue"

    @Test("each part has its fields and its content, and the connection is used again")
    func parts() async throws {
        for piece in [0, 1, 7] {
            try await withScripts(
                [.expectRequest, .send(Self.answer(Self.body), pieces: piece), .expectRequest, .send(okResponse)]
            ) { session, _ in
                var names: [String?] = []
                var texts: [String] = []
                for try await part in try await session.get(someURL).parts {
                    names.append(part.name)
                    if part.filename == "a.json" {
                        let numbers = try await part.json([Int].self)
                        #expect(numbers == [1, 2])
                        #expect(part.contentType?.essence == "application/json")
                        texts.append("json")
                    } else {
                        texts.append(try await part.text())
                    }
                }
                #expect(names == ["one", "file", nil] && texts == ["first", "json", ""])
                try await expectOK(session)
                #expect(await session.statistics.connectionsOpened == 1)
            }
        }
    }

    @Test("what is not read of a part is skipped, and cannot be read later")
    func skipped() async throws {
        try await withScripts([.expectRequest, .send(Self.answer(Self.body), pieces: 3)]) { session, _ in
            var iterator = try await session.get(someURL).parts.makeAsyncIterator()
            let first = try await iterator.next()
            let second = try await iterator.next()
            #expect(second?.name == "file")
            let error = await clientError { try await first?.bytes() }
            #expect(error?.code == .bodyConsumed)
            let third = try await iterator.next()
            let end = try await iterator.next()
            #expect(third != nil && end == nil)
        }
    }

    @Test("a part that is a multipart itself has parts")
    func nested() async throws {
        let inner = "--i\r\n\r\nx\r\n--i\r\n\r\ny\r\n--i--"
        let body = "--b\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n\(inner)\r\n--b\r\n\r\nz\r\n--b--"
        try await withScripts([
            .expectRequest, .send(Self.answer(body, type: "multipart/mixed; boundary=\"b\""), pieces: 5),
        ]) { session, _ in
            var texts: [String] = []
            for try await part in try await session.get(someURL).parts {
                if part.contentType?.type == "multipart" {
                    for try await inner in part.parts { texts.append(try await inner.text()) }
                } else {
                    texts.append(try await part.text())
                }
            }
            #expect(texts == ["x", "y", "z"])
        }
    }

    @Test("a part over the limit, a body that is cut off, and one of another type are errors")
    func errors() async throws {
        try await withScripts([.expectRequest, .send(Self.answer(Self.body))]) { session, _ in
            var iterator = try await session.get(someURL).parts.makeAsyncIterator()
            let part = try await iterator.next()
            let error = await clientError { try await part?.bytes(limit: 4) }
            #expect(error?.code == .bodyTooLarge)
        }
        try await withScripts([.expectRequest, .send(Self.answer(String(Self.body.dropLast(20))))]) { session, _ in
            let error = await clientError {
                for try await part in try await session.get(someURL).parts { _ = try await part.bytes() }
            }
            #expect(error?.code == .malformedResponse)
        }
        for type in ["text/plain", "multipart/mixed"] {
            try await withScripts([.expectRequest, .send(Self.answer(Self.body, type: type))]) { session, _ in
                let error = await clientError { for try await _ in try await session.get(someURL).parts {} }
                #expect(error?.code == .unexpectedContentType)
            }
        }
    }
}
