import ApusWire
import HTTPTypes
import Testing

@Suite struct HTTP1ResponseDecodingTests {
    struct Vector: Sendable, CustomTestStringConvertible {
        let text: String
        var method = HTTPRequest.Method.get
        var upgrade = false
        let seen: [String]
        var testDescription: String { "\(method) \(text.debugDescription.prefix(90))" }
    }

    static let vectors: [Vector] = [
        Vector(text: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", seen: ["response 200", "hello", "end"]),
        Vector(text: "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", seen: ["response 200", "end"]),
        Vector(text: "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", seen: ["response 200", "end"]),
        Vector(text: "HTTP/1.1 999 \u{FC}\r\nContent-Length: 0\r\n\r\n", seen: ["response 999", "end"]),
        Vector(
            text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n00005;x\r\nhello\r\n0;y\r\nA: b\r\n\r\n",
            seen: ["response 200", "hello", "end(A: b)"]
        ),
        Vector(text: "HTTP/1.1 200 OK\r\n\r\nto the end", seen: ["response 200", "to the end", "end", "closed"]),
        Vector(text: "HTTP/1.1 200 OK\r\n\r\n", seen: ["response 200", "end", "closed"]),
        Vector(text: "HTTP/1.0 200 OK\r\n\r\nold", seen: ["response 200", "old", "end", "closed"]),
        Vector(
            text: "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nold",
            seen: ["response 200", "old", "end", "closed"]
        ),
        Vector(
            text: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nold",
            seen: ["response 200", "old", "end"]
        ),
        Vector(
            text: "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n1",
            seen: ["response 200", "1", "end", "closed"]
        ),
        Vector(
            text:
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
            seen: ["informational 100", "informational 103", "response 204", "end"]
        ),
        Vector(text: "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", seen: ["response 304", "end"]),
        Vector(text: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", method: .head, seen: ["response 200", "end"]),
        Vector(
            text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            method: .head,
            seen: ["response 200", "end"]
        ),
        Vector(
            text: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\ntunnel",
            method: .connect,
            seen: ["response 200", "upgraded(tunnel)"]
        ),
        Vector(
            text: "HTTP/1.1 407 No\r\nContent-Length: 2\r\n\r\nno",
            method: .connect,
            seen: ["response 407", "no", "end"]
        ),
        Vector(
            text: "HTTP/1.1 101 Switching\r\nUpgrade: test\r\n\r\nraw\n",
            upgrade: true,
            seen: ["response 101", "upgraded(raw\n)"]
        ),
        Vector(
            text: "HTTP/1.1 100 \r\n\r\nHTTP/1.1 426 No\r\nContent-Length: 0\r\n\r\n",
            upgrade: true,
            seen: ["informational 100", "response 426", "end"]
        ),
        // The errors of a peer that closes too early.
        Vector(text: "", seen: ["failed closedBeforeResponse"]),
        Vector(text: "H", seen: ["failed closedInHead"]),
        Vector(text: "HTTP/1.1 200 OK\r\n", seen: ["failed closedInHead"]),
        Vector(text: "HTTP/1.1 200 OK\r\nA: b\r\n\r", seen: ["failed closedInHead"]),
        Vector(text: "HTTP/1.1 100 \r\n\r\n", seen: ["informational 100", "failed closedInHead"]),
        Vector(
            text: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
            seen: ["response 200", "hell", "failed closedInBody"]
        ),
        Vector(text: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", seen: ["response 200", "failed closedInBody"]),
        Vector(
            text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe",
            seen: ["response 200", "he", "failed closedInBody"]
        ),
        Vector(
            text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe",
            seen: ["response 200", "he", "failed closedInBody"]
        ),
        Vector(
            text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n0\r\n",
            seen: ["response 200", "he", "failed closedInBody"]
        ),
        Vector(
            text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            seen: ["response 200", "failed closedInBody"]
        ),
        Vector(text: "HTTP/1.1 101 X\r\n\r\n", seen: ["failed unexpectedUpgrade"]),
    ]

    @Test("A response is read the same however it arrives", arguments: vectors)
    func reads(_ vector: Vector) throws {
        let seen = try decodeAllWays(.client, vector.text, method: vector.method, upgrade: vector.upgrade)
        let short = seen.map { event -> String in
            switch event {
            case .response(let status, _): "response \(status)"
            case .informational(let status): "informational \(status)"
            case .data(let text): text
            case .end(let trailers): trailers.isEmpty ? "end" : "end(\(trailers.joined(separator: ",")))"
            case .failed(let code): "failed \(code)"
            case .upgraded(let rest): "upgraded(\(rest))"
            case .closed: "closed"
            case .request: "request"
            }
        }
        #expect(short == vector.seen)
    }

    @Test("An incomplete body's error says how much of it arrived")
    func incompleteBody() throws {
        var connection = HTTP1Connection(role: .client)
        try connection.sendRequest(
            method: .get,
            target: [0x2F],
            prepared: Array("Host: h\r\n".utf8),
            fields: [:],
            body: .none
        )
        connection.receive(Array("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello".utf8))
        connection.receiveEOF()
        _ = try connection.next()
        _ = try connection.next()
        let error = #expect(throws: HTTP1Error.self) { _ = try connection.next() }
        #expect(error?.message.contains("5 of 10") == true)
        #expect(error?.code.isUnexpectedEOF == true && error?.isPeerFault == true)
    }

    @Test("Bytes behind a response, or while nothing was asked, make a client's connection unusable")
    func surplus() throws {
        var connection = HTTP1Connection(role: .client)
        func ask(_ connection: inout HTTP1Connection) throws(HTTP1Error) {
            try connection.sendRequest(
                method: .get,
                target: [0x2F],
                prepared: Array("Host: h\r\n".utf8),
                fields: [:],
                body: .none
            )
        }
        try ask(&connection)
        connection.receive(Array("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n".utf8))
        _ = try connection.next()
        _ = try connection.next()
        #expect(connection.canReuse == false)
        #expect(throws: HTTP1Error.self) { try connection.startNextCycle() }

        var second = HTTP1Connection(role: .client)
        second.receive(Array("HTTP/1.1 408 \r\n\r\n".utf8))
        #expect(throws: HTTP1Error.self) { try ask(&second) }
        let error = #expect(throws: HTTP1Error.self) { _ = try second.next() }
        #expect(error?.code == .unsolicitedResponse)
    }

    @Test("A large body can be received past the buffer")
    func directBody() throws {
        var connection = HTTP1Connection(role: .client)
        try connection.sendRequest(
            method: .get,
            target: [0x2F],
            prepared: Array("Host: h\r\n".utf8),
            fields: [:],
            body: .none
        )
        connection.receive(Array("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n0123456789".utf8))
        #expect(connection.remainingBodyLength == nil)
        _ = try connection.next()
        #expect(connection.remainingBodyLength == 990)
        #expect(throws: HTTP1Error.self) { try connection.consumeDirectBody(1) }
        guard case .data(let piece) = try connection.next() else {
            Issue.record("no data")
            return
        }
        #expect(connection.withData(piece) { $0.count } == 10)
        #expect(throws: HTTP1Error.self) { try connection.consumeDirectBody(991) }
        try connection.consumeDirectBody(990)
        #expect(connection.remainingBodyLength == 0)
        guard case .end(nil) = try connection.next() else {
            Issue.record("no end")
            return
        }
        #expect(connection.canReuse == true)
    }

    @Test("An idle connection that the peer closes reports closed, not an error")
    func idleClose() throws {
        var connection = HTTP1Connection(role: .client)
        connection.receiveEOF()
        guard case .closed = try connection.next() else {
            Issue.record("not closed")
            return
        }
        #expect(connection.remoteState == .closed)
    }
}
