import ApusWire
import HTTPTypes
import Testing

/// What two parties could read differently is refused, and each refusal has its code.
@Suite struct HTTP1StrictnessTests {
    typealias Row = (what: String, text: String, code: HTTP1Error.Code)

    private static func request(_ fields: String, _ body: String = "") -> String {
        "POST / HTTP/1.1\r\nHost: h\r\n\(fields)\r\n\(body)"
    }

    private static func chunked(_ body: String) -> String { request("Transfer-Encoding: chunked\r\n", body) }

    static let requests: [Row] = [
        ("CL and TE", request("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), .conflictingFraming),
        ("TE and CL", request("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), .conflictingFraming),
        ("two CL that differ", request("Content-Length: 5\r\nContent-Length: 6\r\n"), .invalidContentLength),
        ("two CL that agree", request("Content-Length: 5\r\ncontent-length: 5\r\n"), .invalidContentLength),
        ("a list of CL", request("Content-Length: 5, 5\r\n"), .invalidContentLength),
        ("an empty CL", request("Content-Length:\r\n"), .invalidContentLength),
        ("a CL with a sign", request("Content-Length: +5\r\n"), .invalidContentLength),
        ("a negative CL", request("Content-Length: -5\r\n"), .invalidContentLength),
        ("a hexadecimal CL", request("Content-Length: 0x5\r\n"), .invalidContentLength),
        ("a CL with a space", request("Content-Length: 5 5\r\n"), .invalidContentLength),
        ("a CL past Int.max", request("Content-Length: 9223372036854775808\r\n"), .invalidContentLength),
        ("a CL past UInt64.max", request("Content-Length: 18446744073709551621\r\n"), .invalidContentLength),
        ("TE with another coding", request("Transfer-Encoding: gzip\r\n"), .unsupportedTransferEncoding),
        ("TE with two codings", request("Transfer-Encoding: gzip, chunked\r\n"), .unsupportedTransferEncoding),
        (
            "TE chunked twice in a list", request("Transfer-Encoding: chunked, chunked\r\n"),
            .unsupportedTransferEncoding
        ),
        ("TE identity", request("Transfer-Encoding: identity\r\n"), .unsupportedTransferEncoding),
        ("TE with a parameter", request("Transfer-Encoding: chunked;q=1\r\n"), .unsupportedTransferEncoding),
        ("TE quoted", request("Transfer-Encoding: \"chunked\"\r\n"), .unsupportedTransferEncoding),
        ("TE empty", request("Transfer-Encoding:\r\n"), .unsupportedTransferEncoding),
        ("TE xchunked", request("Transfer-Encoding: xchunked\r\n"), .unsupportedTransferEncoding),
        ("TE twice", request("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), .conflictingFraming),
        ("TE in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", .conflictingFraming),
        ("a VT in TE", request("Transfer-Encoding:\u{0B}chunked\r\n"), .malformedField),
        ("a bare CR in a value", request("A: b\rc\r\n"), .malformedLineEnding),
        ("a bare CR at a line's end", "GET / HTTP/1.1\r\nHost: h\r\r\n\r\n", .malformedLineEnding),
        ("a bare CR in the request line", "GET /\r HTTP/1.1\r\nHost: h\r\n\r\n", .malformedLineEnding),
        ("a bare LF behind the request line", "GET / HTTP/1.1\nHost: h\r\n\r\n", .malformedLineEnding),
        ("a bare LF behind a field", "GET / HTTP/1.1\r\nHost: h\n\r\n", .malformedLineEnding),
        ("a bare LF for the empty line", "GET / HTTP/1.1\r\nHost: h\r\n\n", .malformedLineEnding),
        ("a space before the colon", request("A : b\r\n"), .malformedField),
        ("a TAB before the colon", request("A\t: b\r\n"), .malformedField),
        ("a space before the first field", "GET / HTTP/1.1\r\n Host: h\r\n\r\n", .malformedField),
        ("a folded field", request("A: b\r\n c\r\n"), .malformedField),
        ("a field folded with TAB", request("A: b\r\n\tc\r\n"), .malformedField),
        ("a field without colon", request("A\r\n"), .malformedField),
        ("a field without name", request(": b\r\n"), .malformedField),
        ("a space in a name", request("A B: c\r\n"), .malformedField),
        ("a non-ASCII name", request("\u{E9}: c\r\n"), .malformedField),
        ("a name in parentheses", request("(A): c\r\n"), .malformedField),
        ("a NUL in a value", request("A: b\0c\r\n"), .malformedField),
        ("a DEL in a value", request("A: b\u{7F}\r\n"), .malformedField),
        ("a SOH in a request's Set-Cookie", request("Set-Cookie: b\u{1}\r\n"), .malformedField),
        ("no Host", "GET / HTTP/1.1\r\nA: b\r\n\r\n", .invalidHost),
        ("two Hosts", "GET / HTTP/1.1\r\nHost: h\r\nhost: h\r\n\r\n", .invalidHost),
        ("a list of Hosts", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", .invalidHost),
        ("a Host with userinfo", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", .invalidHost),
        ("a Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", .invalidHost),
        ("a Host with a bad port", "GET / HTTP/1.1\r\nHost: a:8x\r\n\r\n", .invalidHost),
        ("a Host with a space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", .invalidHost),
        ("a Host with half a bracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", .invalidHost),
        ("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", .http2OnHTTP1Port),
        ("a TLS ClientHello", "\u{16}\u{03}\u{01}\u{02}\u{00}\u{01}", .tlsOnPlainPort),
        ("SSH", "SSH-2.0-OpenSSH_9.2\r\n", .notHTTP),
        ("zeros", "\0\0\0\0", .notHTTP),
        ("HTTP/0.9", "GET /\r\n", .malformedStartLine),
        ("HTTP/1.2", "GET / HTTP/1.2\r\nHost: h\r\n\r\n", .unsupportedVersion),
        ("HTTP/2.0", "GET / HTTP/2.0\r\nHost: h\r\n\r\n", .unsupportedVersion),
        ("a version in lower case", "GET / http/1.1\r\nHost: h\r\n\r\n", .malformedStartLine),
        ("a version with two digits", "GET / HTTP/1.10\r\nHost: h\r\n\r\n", .malformedStartLine),
        ("two spaces in the request line", "GET  / HTTP/1.1\r\nHost: h\r\n\r\n", .malformedStartLine),
        ("two spaces before the version", "GET /  HTTP/1.1\r\nHost: h\r\n\r\n", .malformedStartLine),
        ("a space at the end of the request line", "GET / HTTP/1.1 \r\nHost: h\r\n\r\n", .malformedStartLine),
        ("a space before the method", " GET / HTTP/1.1\r\nHost: h\r\n\r\n", .malformedStartLine),
        ("a TAB in the request line", "GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n", .malformedStartLine),
        ("no target", "GET HTTP/1.1\r\nHost: h\r\n\r\n", .malformedStartLine),
        ("a space in the target", "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", .malformedStartLine),
        ("a fragment in the target", "GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n", .malformedStartLine),
        ("a non-ASCII target", "GET /\u{E9} HTTP/1.1\r\nHost: h\r\n\r\n", .malformedStartLine),
        ("a relative target", "GET a HTTP/1.1\r\nHost: h\r\n\r\n", .malformedStartLine),
        ("an asterisk for GET", "GET * HTTP/1.1\r\nHost: h\r\n\r\n", .malformedStartLine),
        ("CONNECT without port", "CONNECT h HTTP/1.1\r\nHost: h\r\n\r\n", .malformedStartLine),
        ("CONNECT with a path", "CONNECT /h:1 HTTP/1.1\r\nHost: h\r\n\r\n", .malformedStartLine),
        ("CONNECT with a body", "CONNECT h:1 HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n", .conflictingFraming),
        ("two empty lines before a request", "\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", .malformedStartLine),
        ("an empty chunk size", chunked("\r\n"), .malformedChunk),
        ("a chunk size with a sign", chunked("+5\r\nhello\r\n"), .malformedChunk),
        ("a negative chunk size", chunked("-5\r\n"), .malformedChunk),
        ("a chunk size with 0x", chunked("0x5\r\nhello\r\n"), .malformedChunk),
        ("a space behind a chunk size", chunked("5 \r\nhello\r\n"), .malformedChunk),
        ("a space before an extension", chunked("5 ;a\r\nhello\r\n"), .malformedChunk),
        ("a space before a chunk size", chunked(" 5\r\nhello\r\n"), .malformedChunk),
        ("a chunk size past Int.max", chunked("8000000000000000\r\n"), .malformedChunk),
        ("a chunk size past 64 bits", chunked("10000000000000005\r\n"), .malformedChunk),
        ("a flood of zeros", chunked("00000000000000005\r\n"), .malformedChunk),
        ("a bare LF behind a chunk size", chunked("5\nhello\r\n"), .malformedLineEnding),
        ("a bare CR in an extension", chunked("5;a\rb\r\nhello\r\n"), .malformedLineEnding),
        ("a bare LF in an extension", chunked("5;a\nb\r\nhello\r\n"), .malformedLineEnding),
        ("chunk data that goes on", chunked("5\r\nhello!\r\n"), .malformedChunk),
        ("chunk data with a bare LF", chunked("5\r\nhello\n0\r\n\r\n"), .malformedChunk),
        ("chunk data with a bare CR", chunked("5\r\nhello\rX"), .malformedChunk),
        ("a framing field in trailers", chunked("0\r\nContent-Length: 5\r\n\r\n"), .malformedField),
        ("a folded trailer", chunked("0\r\nA: b\r\n c\r\n\r\n"), .malformedField),
        ("a trailer with a bare LF", chunked("0\r\nA: b\n\r\n"), .malformedLineEnding),
    ]

    @Test("A server refuses", arguments: requests)
    func server(_ row: Row) throws {
        let seen = try decodeAllWays(.server, row.text)
        #expect(seen.last == .failed(row.code), "\(row.what)")
        #expect(row.code.isPeerFault)
    }

    static let responses: [Row] = [
        (
            "CL and TE", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            .conflictingFraming
        ),
        ("two CL", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", .invalidContentLength),
        ("TE gzip", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", .unsupportedTransferEncoding),
        ("TE in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", .conflictingFraming),
        ("a bare LF", "HTTP/1.1 200 OK\nContent-Length: 5\r\n\r\n", .malformedLineEnding),
        ("a bare CR in the reason", "HTTP/1.1 200 O\rK\r\n\r\n", .malformedLineEnding),
        ("a NUL in the reason", "HTTP/1.1 200 O\0K\r\n\r\n", .notHTTP),
        ("a folded field", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", .malformedField),
        ("a space before the colon", "HTTP/1.1 200 OK\r\nA : b\r\n\r\n", .malformedField),
        ("a SOH in a value", "HTTP/1.1 200 OK\r\nA: b\u{1}\r\n\r\n", .malformedField),
        ("a SOH in Set-Cookies", "HTTP/1.1 200 OK\r\nSet-Cookies: b\u{1}\r\n\r\n", .malformedField),
        ("a SOH in the name of Set-Cookie", "HTTP/1.1 200 OK\r\nSet-Cooki\u{1}: b\r\n\r\n", .malformedField),
        ("a SOH behind that name", "HTTP/1.1 200 OK\r\nSet-Cookie\u{1}: b\r\n\r\n", .malformedField),
        ("a NUL in Set-Cookie", "HTTP/1.1 200 OK\r\nSet-Cookie: b\0c\r\n\r\n", .malformedField),
        ("a bare CR in Set-Cookie", "HTTP/1.1 200 OK\r\nSet-Cookie: b\rc\r\n\r\n", .malformedLineEnding),
        ("a bare LF in Set-Cookie", "HTTP/1.1 200 OK\r\nSet-Cookie: b\u{1}\nX: c\r\n\r\n", .malformedLineEnding),
        ("an empty line first", "\r\nHTTP/1.1 200 OK\r\n\r\n", .notHTTP),
        ("status 99", "HTTP/1.1 099 X\r\n\r\n", .malformedStartLine),
        ("status 1000", "HTTP/1.1 1000 X\r\n\r\n", .malformedStartLine),
        ("status 20", "HTTP/1.1 20 X\r\n\r\n", .malformedStartLine),
        ("no status", "HTTP/1.1 OK\r\n\r\n", .malformedStartLine),
        ("a status with letters", "HTTP/1.1 2x0 OK\r\n\r\n", .malformedStartLine),
        ("two spaces", "HTTP/1.1  200 OK\r\n\r\n", .malformedStartLine),
        ("HTTP/2", "HTTP/2.0 200 OK\r\n\r\n", .unsupportedVersion),
        ("HTTP/2 without minor", "HTTP/2 200 OK\r\n\r\n", .malformedStartLine),
        ("ICY", "ICY 200 OK\r\n\r\n", .notHTTP),
        ("a mail server", "220 mail ESMTP\r\n", .notHTTP),
        ("a TLS alert", "\u{15}\u{03}\u{01}\u{00}\u{02}\u{02}\u{28}", .tlsOnPlainPort),
        ("an unasked 101", "HTTP/1.1 101 X\r\nUpgrade: a\r\n\r\n", .unexpectedUpgrade),
    ]

    @Test("A client refuses", arguments: responses)
    func client(_ row: Row) throws {
        let seen = try decodeAllWays(.client, row.text)
        #expect(seen == [.failed(row.code)], "\(row.what)")
    }

    @Test("Set-Cookie may have control characters, which are its reader's matter, but for CR, LF and NUL")
    func cookies() throws {
        let text = "HTTP/1.1 204 No\r\nA: 1\r\nset-Cookie: a=\u{1}\u{1F}\u{7F}b\r\nB: 2\r\n\r\n"
        let seen = try decodeAllWays(.client, text)
        // As HTTPTypes shows them: with spaces in their place.
        #expect(seen == [.response(204, fields: ["A: 1", "set-Cookie: a=   b", "B: 2"]), .end(trailers: [])])
    }

    @Test("Errors show no field values, and at most 32 printable bytes of what is not HTTP")
    func messages() throws {
        for row in Self.requests {
            var connection = HTTP1Connection(role: .server)
            let text = row.text.replacing("hello", with: "canary").replacing("A: b", with: "A: canary")
            connection.receive(Array(text.utf8))
            connection.receiveEOF()
            do throws(HTTP1Error) {
                while true {
                    let event = try connection.next()
                    if case .needData = event { break }
                    if case .closed = event { break }
                    if case .paused = event { break }
                }
            } catch {
                #expect(!error.description.contains("canary"), "\(row.what)")
                #expect(error.description.utf8.allSatisfy { $0 >= 0x20 }, "\(row.what)")
            }
        }
        var connection = HTTP1Connection(role: .server)
        connection.receive(Array((String(repeating: "x", count: 100) + "\r\n").utf8))
        let error = #expect(throws: HTTP1Error.self) { _ = try connection.next() }
        #expect(error?.message.contains(String(repeating: "x", count: 32) + "…") == true)
        #expect(error?.message.contains(String(repeating: "x", count: 33)) == false)
    }

    @Test("Servers get a status to answer with")
    func hints() {
        #expect(hint(.malformedField) == 400)
        #expect(hint(.startLineTooLong) == 414)
        #expect(hint(.headTooLarge) == 431)
        #expect(hint(.unsupportedTransferEncoding) == 501)
        #expect(hint(.unsupportedVersion) == 505)
        #expect(hint(.tlsOnPlainPort) == nil)
    }

    private func hint(_ code: HTTP1Error.Code) -> Int? {
        let row = Self.requests.first { $0.code == code }
        let limited: [HTTP1Error.Code: String] = [
            .startLineTooLong: "GET /" + String(repeating: "a", count: 20_000),
            .headTooLarge: "GET / HTTP/1.1\r\n"
                + String(repeating: "A: \(String(repeating: "b", count: 60_000))\r\n", count: 3),
        ]
        guard let text = limited[code] ?? row?.text else { return -1 }
        var connection = HTTP1Connection(role: .server)
        connection.receive(Array(text.utf8))
        do throws(HTTP1Error) {
            _ = try connection.next()
        } catch {
            return error.code == code ? error.statusHint : -1
        }
        return -1
    }
}
