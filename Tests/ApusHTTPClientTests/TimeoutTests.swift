import ApusHTTPClient
import ApusNet
import ApusRuntime
import ApusTesting
import Testing

@Suite("Timeouts, on virtual time")
struct TimeoutTests {
    private func timeouts(_ change: (inout Timeouts) -> Void) -> Timeouts {
        var timeouts = Timeouts()
        change(&timeouts)
        return timeouts
    }

    /// Checks a failed stage: its code, that it is a timeout, that the message names the setting, and when it happened.
    private func expect(
        _ error: ClientError?,
        _ code: ClientError.Code,
        names setting: String,
        after seconds: Int64,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(error?.code == code, sourceLocation: sourceLocation)
        #expect(error?.isTimeout == true, sourceLocation: sourceLocation)
        #expect("\(error.map { "\($0)" } ?? "")".contains(setting), sourceLocation: sourceLocation)
        #expect("\(error.map { "\($0)" } ?? "")".contains("GET http://script.test/"), sourceLocation: sourceLocation)
        // The clock is virtual: this is arithmetic, not a measurement.
        let now = EventLoop.current?.clock.now
        #expect(now == LoopClock.Instant(nanoseconds: seconds * 1_000_000_000), sourceLocation: sourceLocation)
    }

    @Test("a connection that is never made ends with connectTimeout")
    func connect() async throws {
        try await withScripts([.neverConnect]) { session, _ in
            let error = await clientError { try await session.get(someURL) }
            expect(error, .connectTimeout, names: "timeouts.connect", after: 10)
        }
    }

    @Test("without a connect timeout, only the total one ends the wait")
    func connectWithoutLimit() async throws {
        let timeouts = timeouts {
            $0.connect = nil
            $0.total = .seconds(100)
        }
        try await withScripts([.neverConnect]) { session, _ in
            let error = await clientError { try await session.get(someURL, timeouts: timeouts) }
            expect(error, .totalTimeout, names: "timeouts.total", after: 100)
        }
    }

    @Test("a response head that never comes ends with headTimeout")
    func head() async throws {
        try await withScripts([.expectRequest, .stall]) { session, _ in
            let error = await clientError { try await session.get(someURL) }
            expect(error, .headTimeout, names: "timeouts.head", after: 60)
        }
    }

    @Test("a head that drips a byte every second does not prolong headTimeout")
    func drip() async throws {
        let head = "HTTP/1.1 200 OK\r\nX-Long: " + String(repeating: "a", count: 200) + "\r\n\r\n"
        try await withScripts([.expectRequest, .send(head, pieces: 1, every: .seconds(1))]) { session, _ in
            let error = await clientError { try await session.get(someURL) }
            expect(error, .headTimeout, names: "timeouts.head", after: 60)
        }
    }

    @Test("interim responses do not prolong headTimeout")
    func interim() async throws {
        let interim = "HTTP/1.1 103 Early Hints\r\n\r\n"
        let script: [ScriptStep] = [.expectRequest] + (0..<8).flatMap { _ in [.wait(.seconds(9)), .send(interim)] }
        try await withScripts(script) { session, _ in
            let error = await clientError { try await session.get(someURL) }
            expect(error, .headTimeout, names: "timeouts.head", after: 60)
        }
    }

    @Test("a pause in the body ends with idleTimeout, and pieces prolong it")
    func idle() async throws {
        let start = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
        try await withScripts(
            [.expectRequest, .send(start), .wait(.seconds(50)), .send("a"), .wait(.seconds(50)), .send("b"), .stall]
        ) { session, _ in
            let response = try await session.get(someURL)
            let error = await clientError { try await response.text() }
            expect(error, .idleTimeout, names: "timeouts.idle", after: 160)
        }
    }

    @Test("a server that takes nothing of the request ends with writeTimeout")
    func write() async throws {
        try await withScripts([.take(100_000), .stall]) { session, _ in
            let error = await clientError {
                try await session.post(someURL, body: .bytes([UInt8](repeating: 7, count: 1_000_000)))
            }
            #expect(error?.code == .writeTimeout)
            #expect(error?.isTimeout == true)
            #expect(error?.description.contains("timeouts.idle") == true)
        }
    }

    @Test("a server that takes a piece now and then prolongs writeTimeout")
    func slowWrite() async throws {
        let script: [ScriptStep] =
            (0..<4).flatMap { _ in [.take(100_000), .wait(.seconds(40))] }
            + [.takeAll, .expectRequest, .send(okResponse)]
        try await withScripts(script) { session, _ in
            let response = try await session.post(someURL, body: .bytes([UInt8](repeating: 7, count: 1_000_000)))
            #expect(try await response.text() == "ok")
        }
    }

    @Test("waiting for a place ends with acquireTimeout, and the waiter leaves the queue")
    func acquire() async throws {
        var configuration = ClientSession.Configuration()
        configuration.pool.limit = 1
        let timeouts = timeouts { $0.acquire = .seconds(5) }
        try await withScripts(
            [.expectRequest, .wait(.seconds(30)), .send(okResponse), .expectRequest, .send(okResponse)],
            configuration: configuration
        ) { session, peer in
            async let first = session.get(someURL).text()
            await until { peer.opened == 1 }
            let error = await clientError { try await session.get(someURL, timeouts: timeouts) }
            expect(error, .acquireTimeout, names: "pool.limit", after: 5)
            #expect(await session.statistics.waiting == 0)
            let text = try await first
            #expect(text == "ok")
            try await expectOK(session)
        }
    }

    @Test("the total timeout covers acquiring")
    func totalInAcquire() async throws {
        var configuration = ClientSession.Configuration()
        configuration.pool.limit = 1
        try await withScripts(
            [.expectRequest, .wait(.seconds(30)), .send(okResponse)],
            configuration: configuration
        ) { session, peer in
            async let first = session.get(someURL).text()
            await until { peer.opened == 1 }
            let error = await clientError { try await session.get(someURL, timeouts: .total(.seconds(5))) }
            #expect(error?.code == .totalTimeout)
            _ = try await first
        }
    }

    @Test("the total timeout runs over redirects")
    func totalOverRedirects() async throws {
        let redirect = "HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n"
        let script = (0..<9).flatMap { _ -> [ScriptStep] in [.expectRequest, .wait(.seconds(30)), .send(redirect)] }
        try await withScripts(script) { session, _ in
            let error = await clientError { try await session.get(someURL, timeouts: .total(.seconds(100))) }
            expect(error, .totalTimeout, names: "timeouts.total", after: 100)
        }
    }

    @Test("the total timeout runs on into the body")
    func totalInBody() async throws {
        let start = "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n"
        let body = String(repeating: "b", count: 900)
        try await withScripts(
            [.expectRequest, .send(start), .send(body, pieces: 1, every: .seconds(1))]
        ) { session, _ in
            let error = await clientError { try await session.get(someURL, timeouts: .total(.seconds(100))).text() }
            expect(error, .totalTimeout, names: "timeouts.total", after: 100)
        }
    }

    @Test("the total timeout ends a body that comes faster than it is read")
    func totalInFastBody() async throws {
        let body = [UInt8](repeating: 1, count: 4_000_000)
        try await withScripts(
            [.expectRequest, .send("HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\n\r\n"), .send(body)]
        ) { session, _ in
            let response = try await session.get(someURL, timeouts: .total(.seconds(10)))
            var pieces = 0
            let error = await clientError {
                for try await _ in response.body {
                    pieces += 1
                    try await sleep(for: .seconds(4))
                }
            }
            #expect(error?.code == .totalTimeout)
            #expect(pieces == 3)
        }
    }

    @Test("each stage has a code and a message of its own")
    func distinct() {
        let codes: Set<ClientError.Code> = [
            .connectTimeout, .writeTimeout, .headTimeout, .idleTimeout, .acquireTimeout, .totalTimeout,
        ]
        #expect(codes.count == 6)
    }

    @Test("an unused connection is closed after pool.idleTimeout")
    func idleConnection() async throws {
        try await withScripts([.expectRequest, .send(okResponse)]) { session, peer in
            _ = try await session.get(someURL).text()
            try await sleep(for: .seconds(29))
            #expect(peer.end(0) == nil)
            try await sleep(for: .seconds(2))
            #expect(peer.end(0) == .closed)
            #expect(await session.statistics.open == 0)
        }
    }

    @Test("the server's Keep-Alive timeout, less a second, shortens it")
    func keepAliveHint() async throws {
        let response = "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5, max=100\r\nContent-Length: 2\r\n\r\nok"
        try await withScripts([.expectRequest, .send(response)]) { session, peer in
            _ = try await session.get(someURL).text()
            try await sleep(for: .milliseconds(3_900))
            #expect(peer.end(0) == nil)
            try await sleep(for: .milliseconds(200))
            #expect(peer.end(0) == .closed)
        }
    }
}
