import ApusWire
import HTTPTypes
import Testing

/// Whatever arrives gives events or an `HTTP1Error`: no trap, no endless loop, the same events however it is cut.
@Suite struct HTTP1FuzzTests {
    private static let requests = [
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
        "POST /b HTTP/1.1\r\nHost: [::1]:1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
            + "5;a=b\r\nhello\r\n0\r\nA: b\r\n\r\n",
        "CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n",
        "GET http://h/ HTTP/1.0\r\nUpgrade: x\r\nConnection: Upgrade, close\r\n\r\n",
    ]
    private static let responses = [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nuntil close",
        "HTTP/1.1 204 No Content\r\nDate: x\r\n\r\n",
    ]
    private static let inserts: [String] = [
        "\r", "\n", "\r\n", "\r\n\r\n", " ", "\t", ":", ";", "0", "5", "f", "\0", "\u{FF}", ",", "HTTP/1.1", "chunked",
        "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", "Connection: close\r\n", "99999999999999999999",
    ]

    @Test("Random and damaged input gives events or errors, the same ones however it is cut")
    func damaged() throws {
        let seed: UInt64 = 0xA9_05
        var random = SplitMix(seed: seed)
        for round in 0..<10_000 {
            let role = random.next() % 2 == 0 ? HTTP1Role.server : .client
            var bytes = Self.input(role, &random)
            for _ in 0..<random.next() % 4 { Self.damage(&bytes, &random) }
            let upgrade = random.next() % 8 == 0
            let method: HTTPRequest.Method = [.get, .get, .head, .connect][Int(random.next() % 4)]
            var whole = try Recorder(role, method: method, upgrade: upgrade)
            whole.feed(bytes[...])
            whole.feedEOF()
            var pieces = try Recorder(role, method: method, upgrade: upgrade)
            var start = 0
            while start < bytes.count {
                let end = min(bytes.count, start + 1 + Int(random.next() % 40))
                pieces.feed(bytes[start..<end])
                start = end
            }
            pieces.feedEOF()
            let one = whole.seen
            let other = pieces.seen
            if one != other {
                Issue.record("seed \(seed), round \(round), \(role): \(bytes)\nwhole: \(one)\ncut: \(other)")
                return
            }
        }
    }

    private static func input(_ role: HTTP1Role, _ random: inout SplitMix) -> [UInt8] {
        if random.next() % 16 == 0 {
            return (0..<random.next() % 64).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        }
        let texts = role == .server ? requests : responses
        var bytes: [UInt8] = []
        for _ in 0...random.next() % 3 { bytes += Array(texts[Int(random.next() % UInt64(texts.count))].utf8) }
        return bytes
    }

    private static func damage(_ bytes: inout [UInt8], _ random: inout SplitMix) {
        guard !bytes.isEmpty else { return }
        let place = Int(random.next() % UInt64(bytes.count))
        switch random.next() % 5 {
        case 0: bytes[place] = UInt8(truncatingIfNeeded: random.next())
        case 1: bytes.remove(at: place)
        case 2: bytes.removeLast(bytes.count - place)
        case 3: bytes.insert(contentsOf: Array(inserts[Int(random.next() % UInt64(inserts.count))].utf8), at: place)
        default: bytes.swapAt(place, Int(random.next() % UInt64(bytes.count)))
        }
    }

    @Test("Random calls in random order throw or work, and never trap")
    func calls() throws {
        let seed: UInt64 = 0xCA11
        var random = SplitMix(seed: seed)
        for _ in 0..<3_000 {
            var pair = ConnectionPair()
            for _ in 0..<random.next() % 24 {
                let bodies: [HTTP1BodyLength] = [.none, .length(0), .length(5), .chunked, .untilClose, .length(-1)]
                let body = bodies[Int(random.next() % 6)]
                let choice = random.next() % 14
                let count = Int(random.next() % 8)
                do throws(HTTP1Error) {
                    switch choice {
                    case 0, 1:
                        try pair.client.sendRequest(
                            method: [.get, .post, .head, .connect][count % 4],
                            target: Array("/".utf8),
                            prepared: HTTP1PairTests.host,
                            fields: [:],
                            body: body
                        )
                    case 2, 3:
                        let status = [100, 101, 200, 204, 304, 404, 500, 200][count]
                        try pair.server.sendResponse(status: .init(code: status), prepared: [], fields: [:], body: body)
                    case 4: try pair.client.sendData([UInt8](repeating: 1, count: count))
                    case 5: try pair.server.sendData([UInt8](repeating: 1, count: count))
                    case 6: try pair.client.sendEnd()
                    case 7: try pair.server.sendEnd()
                    case 8: pair.exchange(step: count + 1)
                    case 9: _ = try ConnectionPair.drain(&pair.client)
                    case 10: _ = try ConnectionPair.drain(&pair.server)
                    case 11:
                        try pair.client.startNextCycle()
                        try pair.server.startNextCycle()
                    case 12:
                        if count == 0 { pair.client.receiveEOF() }
                        if count == 1 { pair.server.receiveEOF() }
                        if count == 2 { pair.client.closeAfterThisMessage() }
                        pair.client.releaseIdleBuffers()
                        pair.server.releaseIdleBuffers()
                    default: try pair.client.consumeDirectBody(count)
                    }
                } catch {
                    #expect(!error.message.isEmpty)
                }
            }
        }
    }
}
