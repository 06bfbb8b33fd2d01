import ApusWire
import HTTPTypes
import Testing

@Suite struct HTTP1SendingTests {
    static func take(_ connection: inout HTTP1Connection) -> String {
        let text = String(decoding: connection.output, as: UTF8.self)
        connection.consumeOutput(connection.output.count)
        return text
    }

    static func server(_ request: String) throws -> HTTP1Connection {
        var connection = HTTP1Connection(role: .server)
        connection.receive(Array(request.utf8))
        while true {
            switch try connection.next() {
            case .paused, .needData, .closed, .upgraded: return connection
            default: continue
            }
        }
    }

    static let host = Array("Host: h\r\n".utf8)

    @Test("A request is its line, the prepared lines, the fields and the framing")
    func request() throws {
        var connection = HTTP1Connection(role: .client)
        try connection.sendRequest(
            method: .post,
            target: Array("/a?b".utf8),
            prepared: Self.host,
            fields: [.accept: "*/*"],
            body: .length(5)
        )
        try connection.sendData(Array("hello".utf8))
        try connection.sendEnd()
        #expect(
            Self.take(&connection) == "POST /a?b HTTP/1.1\r\nHost: h\r\nAccept: */*\r\nContent-Length: 5\r\n\r\nhello"
        )
    }

    @Test(
        "A body's framing is added as its kind needs",
        arguments: [
            ("GET", HTTP1BodyLength.none, ""), ("DELETE", .none, ""), ("POST", .none, "Content-Length: 0\r\n"),
            ("PUT", .none, "Content-Length: 0\r\n"), ("PATCH", .none, "Content-Length: 0\r\n"),
            ("GET", .length(0), "Content-Length: 0\r\n"), ("POST", .length(12_345), "Content-Length: 12345\r\n"),
            ("POST", .length(Int.max), "Content-Length: 9223372036854775807\r\n"),
            ("POST", .chunked, "Transfer-Encoding: chunked\r\n"),
        ]
    )
    func requestFraming(_ method: String, _ body: HTTP1BodyLength, _ line: String) throws {
        var connection = HTTP1Connection(role: .client)
        let method = try #require(HTTPRequest.Method(method))
        try connection.sendRequest(method: method, target: [0x2F], prepared: Self.host, fields: [:], body: body)
        #expect(Self.take(&connection) == "\(method.rawValue) / HTTP/1.1\r\nHost: h\r\n\(line)\r\n")
    }

    @Test("Chunks carry their size in hexadecimal, and an empty piece is no chunk")
    func chunks() throws {
        var connection = HTTP1Connection(role: .client)
        try connection.sendRequest(method: .post, target: [0x2F], prepared: Self.host, fields: [:], body: .chunked)
        _ = Self.take(&connection)
        try connection.sendData(Array("hello".utf8))
        try connection.sendData([])
        try connection.sendData([UInt8](repeating: 0x61, count: 26))
        try connection.beginData(count: 0xABCDEF)
        try connection.endData()
        try connection.sendEnd(trailers: [.eTag: "x"])
        #expect(
            Self.take(&connection)
                == "5\r\nhello\r\n1a\r\n\(String(repeating: "a", count: 26))\r\nabcdef\r\n\r\n0\r\nETag: x\r\n\r\n"
        )
        let state = connection.localState
        #expect(state == .done)
    }

    struct Answer: Sendable, CustomTestStringConvertible {
        let request: String
        let status: HTTPResponse.Status
        let body: HTTP1BodyLength
        var fields: HTTPFields = [:]
        let expected: String
        var state = HTTP1State.done
        var testDescription: String { "\(request) \(status.code) \(body)" }
    }

    static let answers: [Answer] = [
        Answer(request: "GET 1.1", status: .ok, body: .none, expected: "200 OK|Content-Length: 0"),
        Answer(request: "GET 1.1", status: .ok, body: .length(0), expected: "200 OK|Content-Length: 0"),
        Answer(request: "GET 1.1", status: .init(code: 299), body: .none, expected: "299 |Content-Length: 0"),
        Answer(request: "GET 1.1", status: .noContent, body: .none, expected: "204 No Content"),
        Answer(request: "GET 1.1", status: .noContent, body: .length(0), expected: "204 No Content"),
        Answer(request: "GET 1.1", status: .notModified, body: .none, expected: "304 Not Modified"),
        Answer(
            request: "GET 1.1",
            status: .notModified,
            body: .length(5),
            expected: "304 Not Modified|Content-Length: 5"
        ),
        Answer(request: "HEAD 1.1", status: .ok, body: .none, expected: "200 OK"),
        Answer(request: "HEAD 1.1", status: .ok, body: .length(5), expected: "200 OK|Content-Length: 5"),
        Answer(request: "HEAD 1.1", status: .ok, body: .chunked, expected: "200 OK|Transfer-Encoding: chunked"),
        Answer(
            request: "HEAD 1.1",
            status: .ok,
            body: .none,
            fields: [.contentLength: "7"],
            expected: "200 OK|Content-Length: 7"
        ),
        Answer(
            request: "GET 1.1",
            status: .ok,
            body: .length(0),
            fields: [.contentLength: "0"],
            expected: "200 OK|Content-Length: 0"
        ),
        Answer(
            request: "GET 1.1",
            status: .ok,
            body: .none,
            fields: [.connection: "close"],
            expected: "200 OK|Connection: close|Content-Length: 0",
            state: .mustClose
        ),
        Answer(
            request: "GET 1.1 close",
            status: .ok,
            body: .none,
            expected: "200 OK|Content-Length: 0|Connection: close",
            state: .mustClose
        ),
        Answer(
            request: "GET 1.0",
            status: .ok,
            body: .none,
            expected: "200 OK|Content-Length: 0|Connection: close",
            state: .mustClose
        ),
        Answer(
            request: "GET 1.0 keep-alive",
            status: .ok,
            body: .none,
            expected: "200 OK|Content-Length: 0|Connection: keep-alive"
        ),
        Answer(
            request: "GET 1.0 keep-alive",
            status: .ok,
            body: .chunked,
            expected: "200 OK|Connection: close",
            state: .mustClose
        ),
        Answer(
            request: "GET 1.1",
            status: .ok,
            body: .untilClose,
            expected: "200 OK|Connection: close",
            state: .mustClose
        ),
        Answer(
            request: "HEAD 1.1",
            status: .ok,
            body: .untilClose,
            expected: "200 OK"
        ),
    ]

    @Test("A response's framing follows request, version and status", arguments: answers)
    func response(_ row: Answer) throws {
        let words = row.request.split(separator: " ")
        let option = words.count > 2 ? "Connection: \(words[2])\r\n" : ""
        var connection = try Self.server("\(words[0]) / HTTP/\(words[1])\r\nHost: h\r\n\(option)\r\n")
        try connection.sendResponse(status: row.status, prepared: [], fields: row.fields, body: row.body)
        try connection.sendEnd()
        #expect(
            Self.take(&connection).replacing("\r\n", with: "|")
                == "HTTP/1.1 \(row.expected)||" + (row.expected.contains("chunked") && words[0] != "HEAD" ? "0||" : "")
        )
        let state = connection.localState
        #expect(state == row.state)
    }

    @Test("Data for a response to HEAD is dropped, and cannot be announced")
    func headData() throws {
        var connection = try Self.server("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n")
        try connection.sendResponse(status: .ok, prepared: [], fields: [:], body: .length(5))
        _ = Self.take(&connection)
        #expect(connection.discardsBody == true)
        try connection.sendData(Array("hello".utf8))
        #expect(throws: HTTP1Error.self) { try connection.beginData(count: 5) }
        try connection.sendEnd()
        #expect(Self.take(&connection) == "")
        #expect(connection.canReuse == true)
    }

    @Test("Interim responses go before the final one, and not to HTTP/1.0")
    func interim() throws {
        var connection = try Self.server(
            "PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"
        )
        try connection.sendResponse(status: .continue, prepared: [], fields: [:], body: .none)
        #expect(Self.take(&connection) == "HTTP/1.1 100 Continue\r\n\r\n")
        let state = connection.localState
        #expect(state == .responding)
        try connection.sendResponse(status: .ok, prepared: [], fields: [:], body: .none)
        #expect(throws: HTTP1Error.self) {
            try connection.sendResponse(status: .continue, prepared: [], fields: [:], body: .none)
        }
        #expect(connection.canReuse == false, "the request's body has not arrived")

        var old = try Self.server("GET / HTTP/1.0\r\n\r\n")
        try old.sendResponse(status: .earlyHints, prepared: [], fields: [:], body: .none)
        #expect(Self.take(&old) == "")
    }

    @Test(
        "Fields that contradict the body are refused, and nothing is left behind",
        arguments: [
            (HTTPFields([.init(name: .contentLength, value: "6")]), HTTP1BodyLength.length(5)),
            (HTTPFields([.init(name: .contentLength, value: "5")]), .chunked),
            (HTTPFields([.init(name: .contentLength, value: "5")]), .none),
            (HTTPFields([.init(name: .contentLength, value: "x")]), .length(5)),
            (
                HTTPFields([.init(name: .contentLength, value: "5"), .init(name: .contentLength, value: "5")]),
                .length(5)
            ),
            (HTTPFields([.init(name: .transferEncoding, value: "chunked")]), .length(5)),
            (HTTPFields([.init(name: .transferEncoding, value: "chunked")]), .none),
            (HTTPFields([.init(name: .transferEncoding, value: "gzip")]), .chunked),
        ]
    )
    func contradictions(_ fields: HTTPFields, _ body: HTTP1BodyLength) throws {
        var connection = HTTP1Connection(role: .client)
        let error = #expect(throws: HTTP1Error.self) {
            try connection.sendRequest(method: .post, target: [0x2F], prepared: Self.host, fields: fields, body: body)
        }
        #expect(error?.code == .framingFieldMismatch)
        #expect(error?.isPeerFault == false)
        #expect(Self.take(&connection) == "")
        let state = connection.localState
        #expect(state == .idle, "another request can be sent")
    }

    @Test("Framing fields that agree with the body are not doubled")
    func agreement() throws {
        var connection = HTTP1Connection(role: .client)
        try connection.sendRequest(
            method: .post,
            target: [0x2F],
            prepared: Self.host,
            fields: [.contentLength: "5"],
            body: .length(5)
        )
        #expect(Self.take(&connection) == "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n")
        var second = HTTP1Connection(role: .client)
        try second.sendRequest(
            method: .post,
            target: [0x2F],
            prepared: Self.host,
            fields: [.transferEncoding: "chunked"],
            body: .chunked
        )
        #expect(Self.take(&second) == "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
    }

    @Test("Nothing that could end a line early is sent")
    func injection() throws {
        for target in ["", "/a b", "/a\r\nX: y", "/a\n", "/\0", "/ü", "/a#b", "/\u{7F}"] {
            var connection = HTTP1Connection(role: .client)
            let error = #expect(throws: HTTP1Error.self) {
                try connection.sendRequest(
                    method: .get,
                    target: Array(target.utf8),
                    prepared: Self.host,
                    fields: [:],
                    body: .none
                )
            }
            #expect(error?.code == .invalidTarget)
        }
        for value in ["a\r\nX: y", "a\nb", "a\rb", "a\0b", "a\u{1}b", "a\u{7F}"] {
            let field = HTTPField(name: .accept, lenientValue: Array(value.utf8))
            var connection = HTTP1Connection(role: .client)
            do throws(HTTP1Error) {
                try connection.sendRequest(
                    method: .get,
                    target: [0x2F],
                    prepared: Self.host,
                    fields: HTTPFields([field]),
                    body: .none
                )
                // The field type has replaced what is dangerous itself.
                let sent = Self.take(&connection)
                #expect(sent.split(separator: "\r\n").count == 3 && !sent.contains("\0"), "\(value.debugDescription)")
            } catch {
                #expect(error.code == .invalidField)
                #expect(Self.take(&connection) == "")
            }
        }
        var server = try Self.server("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        let status = HTTPResponse.Status(code: 200, reasonPhrase: "O\r\nX: y")
        do throws(HTTP1Error) {
            try server.sendResponse(status: status, prepared: [], fields: [:], body: .none)
            #expect(!Self.take(&server).contains("\nX"))
        } catch {
            #expect(error.code == .invalidReason)
        }
        #expect(throws: HTTP1Error.self) {
            try server.sendResponse(status: .init(code: 42), prepared: [], fields: [:], body: .none)
        }
    }

    @Test("More or less body than declared is refused")
    func bodyLength() throws {
        var connection = HTTP1Connection(role: .client)
        try connection.sendRequest(method: .post, target: [0x2F], prepared: Self.host, fields: [:], body: .length(5))
        var error = #expect(throws: HTTP1Error.self) { try connection.sendData(Array("hello!".utf8)) }
        #expect(error?.code == .bodyTooLong)
        try connection.sendData(Array("hell".utf8))
        error = #expect(throws: HTTP1Error.self) { try connection.sendEnd() }
        #expect(error?.code == .bodyTooShort)
        error = #expect(throws: HTTP1Error.self) { try connection.sendEnd(trailers: [.eTag: "x"]) }
        #expect(error?.isPeerFault == false)
        try connection.sendData(Array("o".utf8))
        try connection.sendEnd()
        error = #expect(throws: HTTP1Error.self) { try connection.sendData(Array("x".utf8)) }
        #expect(error?.code == .wrongState)
    }

    @Test("Calls out of turn are refused and change nothing")
    func outOfTurn() throws {
        var client = HTTP1Connection(role: .client)
        #expect(throws: HTTP1Error.self) { try client.sendData([1]) }
        #expect(throws: HTTP1Error.self) { try client.sendEnd() }
        #expect(throws: HTTP1Error.self) { try client.endData() }
        #expect(throws: HTTP1Error.self) { try client.startNextCycle() }
        #expect(throws: HTTP1Error.self) {
            try client.sendResponse(status: .ok, prepared: [], fields: [:], body: .none)
        }
        #expect(throws: HTTP1Error.self) {
            try client.sendRequest(method: .get, target: [0x2F], prepared: Self.host, fields: [:], body: .untilClose)
        }
        #expect(throws: HTTP1Error.self) {
            try client.sendRequest(method: .connect, target: [0x2F], prepared: Self.host, fields: [:], body: .length(1))
        }
        #expect(throws: HTTP1Error.self) {
            try client.sendRequest(method: .get, target: [0x2F], prepared: [], fields: [:], body: .none)
        }
        #expect(throws: HTTP1Error.self) {
            try client.sendRequest(method: .post, target: [0x2F], prepared: Self.host, fields: [:], body: .length(-1))
        }
        try client.sendRequest(method: .get, target: [0x2F], prepared: Self.host, fields: [:], body: .none)
        try client.sendEnd()
        #expect(throws: HTTP1Error.self) {
            try client.sendRequest(method: .get, target: [0x2F], prepared: Self.host, fields: [:], body: .none)
        }
        var server = HTTP1Connection(role: .server)
        #expect(throws: HTTP1Error.self) {
            try server.sendRequest(method: .get, target: [0x2F], prepared: Self.host, fields: [:], body: .none)
        }
        #expect(throws: HTTP1Error.self) {
            try server.sendResponse(status: .switchingProtocols, prepared: [], fields: [:], body: .none)
        }
        var answered = try Self.server("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        #expect(throws: HTTP1Error.self) {
            try answered.sendResponse(status: .noContent, prepared: [], fields: [:], body: .length(1))
        }
        #expect(throws: HTTP1Error.self) {
            try answered.sendResponse(status: .noContent, prepared: [], fields: [.contentLength: "0"], body: .none)
        }
        try answered.sendResponse(status: .noContent, prepared: [], fields: [:], body: .none)
        #expect(answered.canReuse == true)
    }

    @Test("Idle buffers can be given back and are taken again")
    func release() throws {
        var connection = try Self.server("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        try connection.sendResponse(status: .ok, prepared: [], fields: [:], body: .none)
        _ = Self.take(&connection)
        connection.releaseIdleBuffers()
        try connection.startNextCycle()
        connection.receive(Array("GET / HTTP/1.1\r\nHost: h\r\n\r\n".utf8))
        guard case .request = try connection.next() else {
            Issue.record("no request after releaseIdleBuffers()")
            return
        }
    }

    @Test("Giving back memory in the middle of trailers loses none of them")
    func releaseInTrailers() throws {
        var connection = HTTP1Connection(role: .server)
        connection.receive(
            Array("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: 1\r\nB: 2\r\nC".utf8)
        )
        _ = try connection.next()
        _ = try connection.next()
        connection.releaseIdleBuffers()
        connection.receive(Array(": 3\r\n\r\n".utf8))
        guard case .end(let trailers?) = try connection.next() else {
            Issue.record("no trailers")
            return
        }
        #expect(trailers.map(\.value) == ["1", "2", "3"])
    }

    @Test("A URI's path and query are the target", arguments: ["/", "/a/b?c=%20&d", "/?x", "/%C3%BC"])
    func uriTarget(_ target: String) throws {
        var byURI = HTTP1Connection(role: .client)
        var byBytes = HTTP1Connection(role: .client)
        try byURI.sendRequest(
            method: .get,
            uri: URI("http://h\(target)#fragment"),
            prepared: Self.host,
            fields: [:],
            body: .none
        )
        try byBytes.sendRequest(
            method: .get,
            target: Array(target.utf8),
            prepared: Self.host,
            fields: [:],
            body: .none
        )
        #expect(Self.take(&byURI) == Self.take(&byBytes))
    }

    @Test("A URI without a path is no target")
    func uriWithoutPath() throws {
        var connection = HTTP1Connection(role: .client)
        let uri = try URI("scheme:")
        let error = #expect(throws: HTTP1Error.self) {
            try connection.sendRequest(method: .get, uri: uri, prepared: Self.host, fields: [:], body: .none)
        }
        #expect(error?.code == .invalidTarget)
        #expect(connection.output.isEmpty)
    }
}
