import HTTPTypes
import Testing

@testable import ApusWire

@Suite("A whole response in one go")
struct HTTP1UsualResponseTests {
    private static let requests = [
        "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhel",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        "CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n",
    ]
    private static let prepared = Array("Content-Type: text/plain; charset=utf-8\r\nDate: now\r\n".utf8)

    private struct Outcome: Equatable {
        var output: String
        var client: HTTP1State
        var server: HTTP1State
        var canReuse: Bool
    }

    /// What a server puts out for a request, and where both sides stand then.
    private static func outcome(
        _ request: String,
        _ body: String,
        prepared: [UInt8],
        usual: Bool
    ) throws -> (outcome: Outcome, wasUsual: Bool) {
        var connection = HTTP1Connection(role: .server)
        connection.receive(Array(request.utf8))
        _ = try #require(try connection.nextRequestHead())
        connection.endEmptyBody()
        let bytes = Array(body.utf8)
        let wasUsual = usual && bytes.withUnsafeBytes { connection.sendUsualResponse(prepared: prepared, body: $0) }
        if !wasUsual {
            try connection.sendResponse(status: .ok, prepared: prepared, fields: [:], body: .length(bytes.count))
            // A tunnel has no body.
            if !request.hasPrefix("CONNECT") {
                try connection.sendData(bytes)
                try connection.sendEnd()
            }
        }
        let outcome = Outcome(
            output: String(decoding: connection.output, as: UTF8.self),
            client: connection.remoteState,
            server: connection.localState,
            canReuse: connection.canReuse
        )
        return (outcome, wasUsual)
    }

    @Test("it puts out what head, data and end put out, and leaves both sides where they do", arguments: requests)
    func same(request: String) throws {
        let isConnect = request.hasPrefix("CONNECT")
        for count in [0, 1, 9, 10, 13, 99, 100, 65_536] where !isConnect || count == 0 {
            for prepared in [[], Self.prepared] {
                let body = String(repeating: "x", count: count)
                let general = try Self.outcome(request, body, prepared: prepared, usual: false)
                let usual = try Self.outcome(request, body, prepared: prepared, usual: true)
                #expect(usual.outcome == general.outcome)
            }
        }
    }

    @Test(
        "most requests are answered so; what HEAD, 1.0, a close or a change of protocols asks for is left to the general way"
    )
    func usual() throws {
        let were = try Self.requests.map { try Self.outcome($0, "", prepared: Self.prepared, usual: true).wasUsual }
        #expect(were == [true, true, false, false, false, false, true, true, true, false, false])
    }

    @Test("two in a row come out one behind the other")
    func twice() throws {
        var connection = HTTP1Connection(role: .server)
        let request = "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
        connection.receive(Array((request + request).utf8))
        for _ in 0..<2 {
            _ = try #require(try connection.nextRequestHead())
            connection.endEmptyBody()
            let body = Array("ab".utf8)
            let isUsual = body.withUnsafeBytes { connection.sendUsualResponse(prepared: [], body: $0) }
            #expect(isUsual)
            try connection.startNextCycle()
        }
        let one = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"
        let output = String(decoding: connection.output, as: UTF8.self)
        #expect(output == one + one)
        let hasInput = connection.hasInput
        #expect(!hasInput)
    }

    @Test("a head that is not complete is none, and one that is wrong throws, now and at the next look")
    func heads() throws {
        var connection = HTTP1Connection(role: .server)
        connection.receive(Array("GET / HTTP/1.1\r\nHo".utf8))
        let early = try connection.nextRequestHead()
        #expect(early == nil)
        connection.receive(Array("st: a b\r\n\r\n".utf8))
        var errors: [HTTP1Error.Code] = []
        do { _ = try connection.nextRequestHead() } catch { errors.append(error.code) }
        do { _ = try connection.next() } catch { errors.append(error.code) }
        #expect(errors == [.invalidHost, .invalidHost])
        var client = HTTP1Connection(role: .client)
        client.receive(Array("GET / HTTP/1.1\r\n\r\n".utf8))
        let none = try client.nextRequestHead()
        #expect(none == nil)
    }

    @Test("only a request without a body is ended early")
    func endEmptyBody() throws {
        for (length, ends) in [(0, true), (1, false)] {
            var connection = HTTP1Connection(role: .server)
            connection.receive(Array("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: \(length)\r\n\r\n".utf8))
            _ = try #require(try connection.nextRequestHead())
            connection.endEmptyBody()
            let state = connection.remoteState
            #expect((state == .done) == ends)
        }
        var idle = HTTP1Connection(role: .server)
        idle.endEmptyBody()
        let state = idle.remoteState
        #expect(state == .idle)
    }

    @Test("numbers are written as they are read")
    func decimals() {
        for value in [0, 1, 9, 10, 99, 100, 12_345, 999_999_999, 1_000_000_000, 1 << 62, .max] {
            var buffer = HTTP1Buffer(initialCapacity: 4)
            buffer.append(decimal: value)
            let digits = String(decoding: buffer.bytes, as: UTF8.self)
            #expect(digits == "\(value)")
        }
    }

    @Test("a Host may have the characters of a registered name, and no others")
    func registeredNames() {
        let allowed = Set("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-._~%!$&()*+;=".utf8)
        for byte in UInt8.min...UInt8.max where byte != 0x3A && byte != 0x5B {
            let text: [UInt8] = [0x61, byte, 0x62]
            let isHost = text.withUnsafeBytes { bytes in
                bytes.baseAddress.map { HTTP1Grammar.isHost($0, 0, bytes.count) } ?? false
            }
            #expect(isHost == allowed.contains(byte), "\(byte)")
        }
    }
}
