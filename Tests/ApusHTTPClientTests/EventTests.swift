import ApusHTTPClient
import ApusRuntime
import ApusTesting
import ApusWire
import HTTPTypes
import Testing

@Suite("C50: server-sent events")
struct EventTests {
    private static let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n"
    /// Waits that are the same each time.
    private static let steady = EventReconnection(
        backoff: Backoff(initial: .seconds(1), maximum: .seconds(30), jitter: .none)
    )

    private static func seconds() -> Int64? {
        EventLoop.current.map { $0.clock.now.duration(to: LoopClock.Instant(nanoseconds: 0)) }.map {
            -$0.components.seconds
        }
    }

    @Test("events come as they are sent, in any pieces, plain or compressed")
    func events() async throws {
        let text = ": hello\n\ndata: one\ndata: more\nid: 7\n\nevent: tick\r\ndata:two\r\n\r\ndata: cut off"
        let gzipped = codedInChunks("gzip\r\nContent-Type: text/event-stream", Encoders.gzip(text), size: 9)
        for steps: [ScriptStep] in [
            [.send(Self.head + text), .finish], [.send(Self.head + text, pieces: 1), .finish],
            [.send(gzipped, pieces: 4)],
        ] {
            try await withScripts([.expectRequest] + steps) { session, _ in
                var events: [ServerSentEvent] = []
                for try await event in try await session.get(someURL).events { events.append(event) }
                #expect(events.map(\.data) == ["one\nmore", "two"])
                #expect(events.map(\.event) == ["message", "tick"] && events.map(\.id) == ["7", "7"])
            }
        }
    }

    @Test("an event stream may be silent for an hour, unless the request has timeouts of its own")
    func silence() async throws {
        let script: [ScriptStep] = [
            .expectRequest, .send(Self.head), .wait(.seconds(3600)), .send("data: late\n\n"), .finish,
        ]
        try await withScripts(script) { session, _ in
            var data: [String] = []
            for try await event in try await session.get(someURL).events { data.append(event.data) }
            #expect(data == ["late"])
        }
        try await withScripts(script) { session, _ in
            let error = await clientError {
                for try await _ in try await session.get(someURL, timeouts: Timeouts()).events {}
            }
            #expect(error?.code == .idleTimeout)
        }
    }

    @Test("a page is no event stream")
    func wrongType() async throws {
        try await withScripts([.expectRequest, .send(okResponse)]) { session, _ in
            let error = await clientError { for try await _ in try await session.get(someURL).events {} }
            #expect(error?.code == .unexpectedContentType)
        }
    }

    @Test("after a stream's end it asks again, with the last ID, when the server's time has passed; 204 ends it")
    func reconnects() async throws {
        try await withScripts(
            [.expectRequest, .send(Self.head + "retry: 5000\nid: a\ndata: 1\n\n"), .finish],
            [.expectRequest, .send(Self.head + "data: 2\n\n", pieces: 200), .reset],
            [.expectRequest, .send("HTTP/1.1 204 No Content\r\n\r\n")]
        ) { session, peer in
            var iterator = session.events(someURL, reconnecting: Self.steady).makeAsyncIterator()
            let first = try await iterator.next()
            #expect(first?.data == "1" && Self.seconds() == 0)
            let second = try await iterator.next()
            #expect(second?.data == "2" && second?.id == "a" && Self.seconds() == 5)
            let end = try await iterator.next()
            #expect(end == nil && Self.seconds() == 10)
            #expect(peer.attempts == 3)
            #expect(!peer.written(0).contains("Last-Event-ID"))
            #expect(peer.written(1).contains("\r\nLast-Event-ID: a\r\n"))
            #expect(peer.written(2).contains("\r\nLast-Event-ID: a\r\n"))
            #expect(peer.written(0).contains("\r\nAccept: text/event-stream\r\n"))
            let again = try await iterator.next()
            #expect(again == nil && peer.attempts == 3)
        }
    }

    @Test("a server that asks for no wait at all gets a short one, and longer ones after failures")
    func noWait() async throws {
        try await withScripts(
            [.expectRequest, .send(Self.head + "retry: 0\n\n"), .finish],
            [.refuse],
            [.expectRequest, .send("HTTP/1.1 204 No Content\r\n\r\n")]
        ) { session, peer in
            for try await _ in session.events(someURL, reconnecting: Self.steady) {}
            let now = EventLoop.current?.clock.now
            // 100 and 200 ms.
            #expect(now == LoopClock.Instant(nanoseconds: 300_000_000) && peer.attempts == 3)
        }
    }

    @Test("failures in a row wait longer and longer, and end it with the last one's error")
    func givesUp() async throws {
        var policy = Self.steady
        policy.failureLimit = 4
        try await withScripts(
            [.refuse],
            [.expectRequest, .send("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"), .finish],
            [.expectRequest, .send(Self.head), .finish],
            [.expectRequest, .send("HTTP/1.1 500 No\r\nContent-Length: 3\r\n\r\nwhy")]
        ) { [policy] session, peer in
            let error = await clientError { for try await _ in session.events(someURL, reconnecting: policy) {} }
            #expect(error?.code == .statusNotSuccess && error?.status?.code == 500)
            #expect(error?.bodyPrefix == Array("why".utf8))
            // 1, 2 and 4 seconds.
            #expect(Self.seconds() == 7 && peer.attempts == 4)
        }
    }

    @Test("what another try would not change ends it at once")
    func final() async throws {
        for answer in [
            "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n",
        ] {
            try await withScripts([.expectRequest, .send(answer)]) { session, peer in
                let error = await clientError { for try await _ in session.events(someURL) {} }
                #expect([.statusNotSuccess, .unexpectedContentType].contains(error?.code))
                #expect(peer.attempts == 1)
            }
        }
    }

    @Test("a silent stream is taken for broken after the time that the caller gives")
    func idle() async throws {
        var policy = Self.steady
        policy.idleTimeout = .seconds(20)
        try await withScripts(
            [.expectRequest, .send(Self.head + "data: 1\n\n"), .stall],
            [.expectRequest, .send("HTTP/1.1 204 No Content\r\n\r\n")]
        ) { [policy] session, peer in
            var data: [String] = []
            for try await event in session.events(someURL, reconnecting: policy) { data.append(event.data) }
            #expect(data == ["1"] && peer.attempts == 2 && Self.seconds() == 21)
        }
    }

    @Test("cancelling ends it, in a stream and between two")
    func cancelled() async throws {
        try await withScripts([.expectRequest, .send(Self.head), .stall]) { session, peer in
            let task = EventLoop.spawn { for try await _ in session.events(someURL) {} }
            await until { peer.written().contains("\r\n\r\n") }
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
        }
        try await withScripts([.refuse]) { session, peer in
            let task = EventLoop.spawn { for try await _ in session.events(someURL) {} }
            await until { peer.attempts == 1 }
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
        }
    }
}
