import ApusWire
import HTTPTypes
import Testing

@Suite struct HTTP1RequestDecodingTests {
    @Test("A request without a body is a head and an end")
    func simple() throws {
        let seen = try decodeAllWays(.server, "GET /a?b HTTP/1.1\r\nHost: h\r\nX-Y:  z \t\r\nEmpty:\r\n\r\n")
        #expect(
            seen == [
                .request("GET /a?b 1.1", fields: ["Host: h", "X-Y: z", "Empty: "]), .end(trailers: []), .closed,
            ]
        )
    }

    @Test("Pipelined requests with each framing come apart at the right places")
    func pipelined() throws {
        let seen = try decodeAllWays(
            .server,
            "POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
                + "POST /2 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n6;a=b\r\n world\r\n0\r\n\r\n"
                + "\r\nGET /3 HTTP/1.1\r\nHost: h\r\n\r\n"
                + "POST /4 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Sum: 1\r\n\r\n"
                + "POST /5 HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"
        )
        #expect(
            seen == [
                .request("POST /1 1.1", fields: ["Host: h", "Content-Length: 5"]), .data("hello"), .end(trailers: []),
                .request("POST /2 1.1", fields: ["Host: h", "Transfer-Encoding: Chunked"]),
                .data("hello world"), .end(trailers: []),
                .request("GET /3 1.1", fields: ["Host: h"]), .end(trailers: []),
                .request("POST /4 1.1", fields: ["Host: h", "Transfer-Encoding: chunked"]),
                .end(trailers: ["X-Sum: 1"]),
                .request("POST /5 1.1", fields: ["Host: h", "Content-Length: 0"]), .end(trailers: []),
                .closed,
            ]
        )
    }

    @Test("Connection: close and HTTP/1.0 end the connection, keep-alive keeps a 1.0 one")
    func keepAlive() throws {
        let close = try decodeAllWays(.server, "GET / HTTP/1.1\r\nHost: h\r\nConnection: x, Close\r\n\r\nGET ")
        #expect(close.count == 3 && close.last == .closed, "what follows a last request is not read: \(close)")
        let old = try decodeAllWays(.server, "GET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n")
        #expect(old.filter { $0 == .end(trailers: []) }.count == 1)
        let kept = try decodeAllWays(
            .server,
            "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\nGET / HTTP/1.0\r\n\r\n"
        )
        #expect(kept.filter { $0 == .end(trailers: []) }.count == 2)
    }

    struct Facts: Sendable {
        let head: String
        let check: @Sendable (HTTP1RequestHead) -> Bool
    }

    static let facts: [Facts] = [
        Facts(head: "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 007\r\n\r\n") {
            $0.contentLength == 7 && !$0.isChunked
        },
        Facts(head: "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: CHUNKED\r\n\r\n") {
            $0.contentLength == nil && $0.isChunked
        },
        Facts(head: "GET / HTTP/1.1\r\nHost: h\r\n\r\n") { $0.contentLength == 0 && $0.keepAlive && $0.host == "h" },
        Facts(head: "PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\n\r\n") { $0.expectsContinue },
        Facts(head: "PUT / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n") { !$0.expectsContinue && $0.host == nil },
        Facts(head: "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n") { $0.hasUpgrade },
        Facts(head: "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: x\r\n\r\n") { !$0.hasUpgrade },
        Facts(head: "GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive,close\r\n\r\n") { !$0.keepAlive },
        Facts(head: "GET / HTTP/1.1\r\nHost: h\r\nConnection: closed, xclose\r\n\r\n") { $0.keepAlive },
        Facts(head: "GET http://o:81/x HTTP/1.1\r\nHost: h\r\n\r\n") {
            $0.host == "o:81" && $0.target == "http://o:81/x"
        },
        Facts(head: "GET http://u@o/x HTTP/1.1\r\nHost: h\r\n\r\n") { $0.host == "o" },
        Facts(head: "OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n") { $0.host == "" && $0.target == "*" },
        Facts(head: "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n") { $0.method == .connect && $0.target == "h:443" },
        Facts(head: "X-!#$%&'*+.^_`|~09az / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n") {
            $0.method.rawValue == "X-!#$%&'*+.^_`|~09az" && $0.host == "[::1]:80"
        },
        Facts(head: "get / HTTP/1.1\r\nHost: h\r\n\r\n") { $0.method.rawValue == "get" },
        Facts(head: "GET / HTTP/1.1\r\nHost: h\r\nA: 1\r\nB: 2\r\na: 3\r\n\r\n") {
            $0.block.first("a") == "1" && $0.block.values("a") == ["1", "3"] && $0.block.contains("b")
                && !$0.block.contains("c") && $0.block.count == 4
        },
    ]

    @Test("A request head's facts are read", arguments: facts)
    func headFacts(_ row: Facts) throws {
        var connection = HTTP1Connection(role: .server)
        connection.receive(Array(row.head.utf8))
        guard case .request(let head) = try connection.next() else {
            Issue.record("no request: \(row.head.debugDescription)")
            return
        }
        #expect(row.check(head), "\(row.head.debugDescription)")
    }

    @Test("Values that are not UTF-8 are read as ISO-8859-1, those that are as UTF-8")
    func opaqueValues() throws {
        var connection = HTTP1Connection(role: .server)
        connection.receive(
            Array("GET / HTTP/1.1\r\nHost: h\r\nA: caf\u{E9}\r\nB: ".utf8) + [0x63, 0xE9] + Array("\r\n\r\n".utf8)
        )
        guard case .request(let head) = try connection.next() else {
            Issue.record("no request")
            return
        }
        #expect(head.block.first("a") == "café")
        #expect(head.block.first("b") == "cé")
        #expect(head.fields.count == 3)
        head.fields.filter { $0.name.canonicalName == "b" }.forEach { field in
            #expect(field.withUnsafeBytesOfValue { Array($0) } == [0x63, 0xE9])
        }
        #expect("\(head.block)" == "HTTP1FieldBlock(Host, A, B)", "values are not shown")
    }

    @Test("A server can answer a request that it could not parse, with the error's status")
    func answersErrors() throws {
        var connection = HTTP1Connection(role: .server)
        connection.receive(Array("GET / HTTP/2.0\r\n\r\n".utf8))
        let error = #expect(throws: HTTP1Error.self) { _ = try connection.next() }
        #expect(error?.statusHint == 505)
        #expect(connection.remoteState == .error)
        try connection.sendResponse(status: .init(code: 505), prepared: [], fields: [:], body: .none)
        #expect(String(decoding: connection.output, as: UTF8.self).contains("Connection: close\r\n"))
        #expect(connection.localState == .mustClose)
        #expect(connection.canReuse == false)
        #expect(throws: HTTP1Error.self) { _ = try connection.next() }
    }
}
