import ApusWire
import HTTPTypes
import Testing

/// A client and a server connection whose outputs are each other's inputs.
struct ConnectionPair: ~Copyable {
    var client = HTTP1Connection(role: .client)
    var server = HTTP1Connection(role: .server)

    /// Moves all bytes that wait in either direction, in pieces of at most `step`.
    mutating func exchange(step: Int = .max) {
        while client.output.count > 0 {
            let count = min(step, client.output.count)
            server.receive(UnsafeRawBufferPointer(rebasing: client.output[..<count]))
            client.consumeOutput(count)
        }
        while server.output.count > 0 {
            let count = min(step, server.output.count)
            client.receive(UnsafeRawBufferPointer(rebasing: server.output[..<count]))
            server.consumeOutput(count)
        }
    }

    /// What one side has to report until it needs more.
    static func drain(_ connection: inout HTTP1Connection) throws(HTTP1Error) -> (body: [UInt8], events: [String]) {
        var body: [UInt8] = []
        var events: [String] = []
        while true {
            switch try connection.next() {
            case .needData, .paused: return (body, events)
            case .data(let piece): connection.append(piece, to: &body)
            case .request(let head): events.append("\(head.method.rawValue) \(head.target)")
            case .informational(let head), .response(let head): events.append("\(head.statusCode)")
            case .end(let trailers): events.append(trailers == nil ? "end" : "end+trailers")
            case .closed:
                events.append("closed")
                return (body, events)
            case .upgraded:
                events.append("upgraded")
                body += connection.takeRemainingInput()
                return (body, events)
            }
        }
    }
}

@Suite struct HTTP1PairTests {
    static let host = Array("Host: h\r\n".utf8)

    @Test("Many exchanges of every framing go through one connection", arguments: [1, 2, 7, 1000, Int.max])
    func roundTrips(_ step: Int) throws {
        var pair = ConnectionPair()
        for (index, size) in [0, 1, 10, 255, 4096, 20_000].enumerated() {
            let sent = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            let framing: HTTP1BodyLength = index % 2 == 0 ? .length(size) : .chunked
            try pair.client.sendRequest(
                method: .post,
                target: Array("/\(size)".utf8),
                prepared: Self.host,
                fields: [:],
                body: framing
            )
            for start in stride(from: 0, to: size, by: 3000) {
                try pair.client.sendData(Array(sent[start..<min(size, start + 3000)]))
            }
            try pair.client.sendEnd()
            pair.exchange(step: step)
            let request = try ConnectionPair.drain(&pair.server)
            #expect(request.body == sent)
            #expect(request.events == ["POST /\(size)", "end"])

            let back: HTTP1BodyLength = index % 2 == 0 ? .chunked : .length(size)
            try pair.server.sendResponse(status: .init(code: 102), prepared: [], fields: [:], body: .none)
            try pair.server.sendResponse(status: .ok, prepared: [], fields: [.server: "x"], body: back)
            try pair.server.sendData(sent)
            try pair.server.sendEnd(trailers: back == .chunked ? [.eTag: "x"] : nil)
            pair.exchange(step: step)
            let response = try ConnectionPair.drain(&pair.client)
            #expect(response.body == sent)
            #expect(response.events == ["102", "200", back == .chunked ? "end+trailers" : "end"])
            #expect(pair.client.canReuse == true)
            #expect(pair.server.canReuse == true)
            try pair.client.startNextCycle()
            try pair.server.startNextCycle()
        }
    }

    @Test("closeAfterThisMessage on either side ends the connection on both", arguments: [true, false])
    func close(byClient: Bool) throws {
        var pair = ConnectionPair()
        if byClient { pair.client.closeAfterThisMessage() }
        try pair.client.sendRequest(method: .get, target: [0x2F], prepared: Self.host, fields: [:], body: .none)
        pair.exchange()
        _ = try ConnectionPair.drain(&pair.server)
        if !byClient { pair.server.closeAfterThisMessage() }
        try pair.server.sendResponse(status: .ok, prepared: [], fields: [:], body: .none)
        pair.exchange()
        _ = try ConnectionPair.drain(&pair.client)
        for state in [
            pair.client.localState, pair.client.remoteState, pair.server.localState, pair.server.remoteState,
        ] {
            #expect(state == .mustClose)
        }
        pair.client.receiveEOF()
        #expect(try ConnectionPair.drain(&pair.client).events == ["closed"])
    }

    @Test("An upgrade ends HTTP on both sides, and what follows is handed over")
    func upgrade() throws {
        var pair = ConnectionPair()
        try pair.client.sendRequest(
            method: .get,
            target: [0x2F],
            prepared: Self.host,
            fields: [.upgrade: "x", .connection: "Upgrade"],
            body: .none
        )
        let waiting = pair.client.localState
        #expect(waiting == .mightSwitch)
        pair.exchange()
        #expect(try ConnectionPair.drain(&pair.server).events == ["GET /", "end"])
        try pair.server.sendResponse(
            status: .switchingProtocols,
            prepared: [],
            fields: [.upgrade: "x", .connection: "Upgrade"],
            body: .none
        )
        pair.exchange()
        pair.client.receive(Array("frames".utf8))
        let seen = try ConnectionPair.drain(&pair.client)
        #expect(seen.events == ["101", "upgraded"])
        #expect(seen.body == Array("frames".utf8))
        #expect(try ConnectionPair.drain(&pair.server).events == ["upgraded"])
        #expect(pair.client.canReuse == false)
    }

    @Test("An upgrade that is declined leaves an ordinary exchange")
    func declined() throws {
        var pair = ConnectionPair()
        try pair.client.sendRequest(
            method: .get,
            target: [0x2F],
            prepared: Self.host,
            fields: [.upgrade: "x", .connection: "Upgrade"],
            body: .none
        )
        pair.exchange()
        _ = try ConnectionPair.drain(&pair.server)
        try pair.server.sendResponse(status: .ok, prepared: [], fields: [:], body: .none)
        pair.exchange()
        #expect(try ConnectionPair.drain(&pair.client).events == ["200", "end"])
        #expect(pair.client.canReuse == true)
        #expect(pair.server.canReuse == true)
    }

    @Test("A tunnel opens with 2xx to CONNECT, and not with anything else")
    func connect() throws {
        var pair = ConnectionPair()
        for status in [HTTPResponse.Status.proxyAuthenticationRequired, .ok] {
            try pair.client.sendRequest(
                method: .connect,
                target: Array("h:443".utf8),
                prepared: Self.host,
                fields: [:],
                body: .none
            )
            pair.exchange()
            _ = try ConnectionPair.drain(&pair.server)
            try pair.server.sendResponse(status: status, prepared: [], fields: [:], body: .none)
            pair.exchange()
            let events = try ConnectionPair.drain(&pair.client).events
            if status == .ok {
                #expect(events == ["200", "upgraded"])
                #expect(try ConnectionPair.drain(&pair.server).events == ["upgraded"])
            } else {
                #expect(events == ["407", "end"])
                try pair.client.startNextCycle()
                try pair.server.startNextCycle()
            }
        }
    }

    @Test("A response that comes before the request is complete is read, and its connection not reused yet")
    func earlyResponse() throws {
        var pair = ConnectionPair()
        try pair.client.sendRequest(method: .post, target: [0x2F], prepared: Self.host, fields: [:], body: .length(10))
        pair.exchange()
        _ = try ConnectionPair.drain(&pair.server)
        try pair.server.sendResponse(status: .contentTooLarge, prepared: [], fields: [:], body: .none)
        pair.exchange()
        #expect(try ConnectionPair.drain(&pair.client).events == ["413", "end"])
        #expect(pair.client.canReuse == false)
        try pair.client.sendData([UInt8](repeating: 1, count: 10))
        try pair.client.sendEnd()
        pair.exchange()
        _ = try ConnectionPair.drain(&pair.server)
        #expect(pair.client.canReuse == true)
        #expect(pair.server.canReuse == true)
    }

    @Test("The input buffer stays small when each event is taken before more is received")
    func boundedInput() throws {
        var connection = HTTP1Connection(role: .client)
        try connection.sendRequest(method: .get, target: [0x2F], prepared: Self.host, fields: [:], body: .none)
        connection.receive(Array("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n".utf8))
        var room = 0
        for _ in 0..<200 {
            let space = connection.prepareInput(minimum: 8192)
            room = max(room, space.count)
            space.initializeMemory(as: UInt8.self, repeating: 0x61)
            connection.commitInput(space.count)
            _ = try ConnectionPair.drain(&connection)
        }
        #expect(room <= 16 * 1024)
    }
}
