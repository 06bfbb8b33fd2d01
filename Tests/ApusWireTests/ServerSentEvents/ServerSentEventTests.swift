import ApusWire
import Testing

/// C50: event streams (WHATWG HTML §9.2).
@Suite struct ServerSentEventTests {
    /// The events, the last event ID, the reconnection time, and whether it failed.
    struct Seen: Equatable {
        var events: [ServerSentEvent] = []
        var lastEventID = ""
        var retry: Duration?
        var hasFailed = false
    }

    static func parse(_ pieces: [ArraySlice<UInt8>], limit: Int = 1_000) -> Seen {
        var parser = ServerSentEventParser(eventLimit: limit)
        var seen = Seen()
        do {
            for piece in pieces {
                parser.receive(piece)
                while let event = try parser.next() { seen.events.append(event) }
            }
        } catch {
            seen.hasFailed = true
        }
        seen.lastEventID = parser.lastEventID
        seen.retry = parser.reconnectionTime
        return seen
    }

    static func parseAllWays(_ bytes: [UInt8], limit: Int = 1_000) -> Seen {
        let whole = parse([bytes[...]], limit: limit)
        for size in [1, 2, 3, 5] {
            let pieces = stride(from: 0, to: bytes.count, by: size).map { bytes[$0..<min($0 + size, bytes.count)] }
            let cut = parse(pieces, limit: limit)
            #expect(cut == whole, "pieces of \(size)")
        }
        return whole
    }

    static func event(_ data: String, _ event: String = "message", id: String = "", retry: Duration? = nil)
        -> ServerSentEvent
    {
        ServerSentEvent(event: event, data: data, id: id, retry: retry)
    }

    static let rows: [(String, [ServerSentEvent])] = [
        // The samples of §9.2.6.
        ("data: YHOO\ndata: +2\ndata: 10\n\n", [event("YHOO\n+2\n10")]),
        (
            ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
            [event("first event", id: "1"), event("second event"), event(" third event")]
        ),
        ("data\n\ndata\ndata\n\ndata:", [event(""), event("\n")]),
        ("data:test\n\ndata: test\n\n", [event("test"), event("test")]),
        // Line ends.
        ("data: a\r\rdata: b\r\n\r\ndata: c\n\r\n", [event("a"), event("b"), event("c")]),
        ("data: a\r\n\rdata: b\n\n", [event("a"), event("b")]),
        ("\u{FEFF}data: a\n\n", [event("a")]),
        ("\u{FEFF}\u{FEFF}data: a\n\n", []),
        ("\n\n\ndata: a\n\n\n\n", [event("a")]),
        // Fields.
        ("event: e\ndata: a\n\ndata: b\n\n", [event("a", "e"), event("b")]),
        ("event: e\nevent:\ndata: a\n\n", [event("a")]),
        ("event: e\n\ndata: a\n\n", [event("a")]),
        ("id: 1\ndata: a\n\ndata: b\n\n", [event("a", id: "1"), event("b", id: "1")]),
        ("id: 1\n\ndata: b\n\n", [event("b", id: "1")]),
        ("id: 1\nid: x\0y\ndata: a\n\n", [event("a", id: "1")]),
        ("retry: 1500\ndata: a\n\ndata: b\n\n", [event("a", retry: .milliseconds(1500)), event("b")]),
        ("retry: 1\n\ndata: b\n\n", [event("b", retry: .milliseconds(1))]),
        ("retry: 1x\nretry: -1\nretry:\nretry:  5\ndata: a\n\n", [event("a")]),
        ("retry: 99999999999999999999999\ndata: a\n\n", [event("a", retry: .seconds(86_400))]),
        ("DATA: a\n data: b\ndata : c\nother: d\n:\n\n", []),
        ("data: a:b: c\n\n", [event("a:b: c")]),
        ("data: ü\u{1F426}\n\n", [event("ü\u{1F426}")]),
        (
            ": \(String(repeating: "long comment ", count: 1_000))\ndata: a\n:\(String(repeating: "x", count: 2_000))\n\n",
            [event("a")]
        ),
        // Not complete: dropped.
        ("data: a", []), ("data: a\n", []), ("data: a\r\n", []), ("", []),
    ]

    @Test("C50: a stream gives these events, however it arrives", arguments: rows)
    func parses(_ text: String, _ expected: [ServerSentEvent]) {
        let seen = Self.parseAllWays(Array(text.utf8))
        #expect(seen.events == expected && !seen.hasFailed)
    }

    @Test("The last event ID counts from the empty line on, and starts where the stream before ended")
    func lastEventID() throws {
        #expect(Self.parseAllWays(Array("id: 1\n".utf8)).lastEventID == "")
        #expect(Self.parseAllWays(Array("id: 1\n\nid: 2\n".utf8)).lastEventID == "1")
        var parser = ServerSentEventParser(lastEventID: "7")
        #expect(parser.lastEventID == "7")
        parser.receive(Array("data: a\n\nid\n\n".utf8))
        #expect(try parser.next()?.id == "7")
        #expect(try parser.next() == nil)
        #expect(parser.lastEventID == "")
    }

    @Test("Bytes that are not UTF-8 become U+FFFD")
    func malformed() {
        let seen = Self.parseAllWays(Array("data: ".utf8) + [0xFF, 0xC3, 0x28, 0xE2, 0x82] + Array("\n\n".utf8))
        #expect(seen.events.map(\.data) == ["\u{FFFD}\u{FFFD}(\u{FFFD}"])
    }

    @Test("An event at the limit is taken, one byte more ends the stream, and comments do not count")
    func limit() throws {
        let line = "data: " + String(repeating: "x", count: 94)
        #expect(Self.parseAllWays(Array((line + "\n\n").utf8), limit: 100).events.count == 1)
        let long = Self.parseAllWays(Array(("data: a\n\n" + line + "x\n\n").utf8), limit: 100)
        #expect(long.events.count == 1 && long.hasFailed)
        let lines = Self.parseAllWays(Array(String(repeating: "data: x\n", count: 100).utf8), limit: 100)
        #expect(lines.hasFailed)
        var parser = ServerSentEventParser(eventLimit: 10)
        parser.receive(Array("data: 01234567890".utf8))
        for _ in 0..<3 { #expect(throws: ServerSentEventError.self) { try parser.next() } }
    }

    @Test("A long line byte by byte takes time in proportion")
    func proportion() throws {
        var parser = ServerSentEventParser()
        parser.receive(Array("data: ".utf8))
        for _ in 0..<200_000 {
            parser.receive([0x78])
            _ = try parser.next()
        }
        parser.receive([0x0A, 0x0A])
        #expect(try parser.next()?.data.utf8.count == 200_000)
    }

    @Test("Random streams give the same events however they are cut")
    func fuzz() {
        let seed: UInt64 = 0x55E
        var random = SplitMix(seed: seed)
        let pieces = [
            "data", "data: ", "id", "id: ", "event: ", "retry: ", ":", "\n", "\n", "\r", "\r\n", "\n\n", "a", "ü", "1",
            " ", "\0",
            "\u{FEFF}",
        ]
        for round in 0..<5_000 {
            var bytes: [UInt8] = []
            for _ in 0..<random.next() % 30 {
                bytes += Array(pieces[Int(random.next() % UInt64(pieces.count))].utf8)
                if random.next() % 50 == 0 { bytes.append(UInt8(truncatingIfNeeded: random.next())) }
            }
            let whole = Self.parse([bytes[...]], limit: 40)
            var cuts: [ArraySlice<UInt8>] = []
            var start = 0
            while start < bytes.count {
                let end = min(bytes.count, start + 1 + Int(random.next() % 6))
                cuts.append(bytes[start..<end])
                start = end
            }
            let cut = Self.parse(cuts, limit: 40)
            if cut != whole {
                Issue.record("seed \(seed), round \(round): \(bytes)\nwhole: \(whole)\ncut: \(cut)")
                return
            }
        }
    }
}
