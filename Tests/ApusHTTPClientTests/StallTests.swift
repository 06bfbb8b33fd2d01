import ApusHTTPClient
import ApusNet
import ApusRuntime
import ApusTesting
import HTTPTypes
import Testing

/// Where a server stops, and which limit ends the wait for it.
struct Stall: Sendable, CustomTestStringConvertible {
    var name: String
    /// Leads to the place.
    var script: [ScriptStep]
    /// What a slow server sends there, a byte every second; nil where it cannot send.
    var drip: String?
    var code: ClientError.Code
    /// When the stage's own limit has passed, in seconds.
    var after: Int64
    /// Whether bytes there are pieces of a body, which are allowed to come for ever.
    var isBody = false
    var body: RequestBody?

    var testDescription: String { name }

    private static let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    private static func long(_ character: Character) -> String { String(repeating: character, count: 3_000) }

    static let table: [Stall] = [
        .init(name: "connecting", script: [.neverConnect], code: .connectTimeout, after: 10),
        .init(
            name: "taking the request's head",
            script: [.take(10)],
            drip: nil,
            code: .writeTimeout,
            after: 60,
            body: .text("x")
        ),
        .init(
            name: "taking the request's body",
            script: [.take(100_000)],
            drip: nil,
            code: .writeTimeout,
            after: 60,
            body: .bytes([UInt8](repeating: 7, count: 500_000))
        ),
        .init(
            name: "before the status line",
            script: [.expectRequest],
            drip: "HTTP/1.1 200 " + long("O"),
            code: .headTimeout,
            after: 60
        ),
        .init(
            name: "between interim answers",
            script: [.expectRequest],
            drip: String(repeating: "HTTP/1.1 103 X\r\n\r\n", count: 30),
            code: .headTimeout,
            after: 60
        ),
        .init(
            name: "inside a field",
            script: [.expectRequest, .send("HTTP/1.1 200 OK\r\nX-Field: ")],
            drip: long("v"),
            code: .headTimeout,
            after: 60
        ),
        .init(
            name: "before the body",
            script: [.expectRequest, .send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")],
            drip: long("b"),
            code: .idleTimeout,
            after: 60,
            isBody: true
        ),
        .init(
            name: "inside the body",
            script: [.expectRequest, .send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nsome")],
            drip: long("b"),
            code: .idleTimeout,
            after: 60,
            isBody: true
        ),
        .init(
            name: "inside a body without length",
            script: [.expectRequest, .send("HTTP/1.1 200 OK\r\n\r\nsome")],
            drip: long("b"),
            code: .idleTimeout,
            after: 60,
            isBody: true
        ),
        .init(
            name: "before a chunk's size",
            script: [.expectRequest, .send(chunked + "4\r\nsome\r\n")],
            drip: "1;" + long("x"),
            code: .idleTimeout,
            after: 60
        ),
        .init(
            name: "inside a chunk",
            script: [.expectRequest, .send(chunked + "fffff\r\nsome")],
            drip: long("b"),
            code: .idleTimeout,
            after: 60,
            isBody: true
        ),
        .init(
            name: "in the trailers",
            script: [.expectRequest, .send(chunked + "4\r\nsome\r\n0\r\nX-Trailer: ")],
            drip: long("t"),
            code: .idleTimeout,
            after: 60
        ),
    ]
}

@Suite("Servers that stop, or hardly move, at every stage")
struct StallTests {
    private func check(
        _ stall: Stall,
        _ script: [ScriptStep],
        total: Duration? = nil,
        _ code: ClientError.Code,
        after seconds: Int64
    ) async throws {
        var timeouts = Timeouts()
        timeouts.total = total
        let limits = timeouts
        try await withScripts(script) { session, peer in
            let error = await clientError {
                try await session.request(stall.body == nil ? .get : .post, someURL, body: stall.body, timeouts: limits)
                    .bytes()
            }
            #expect(error?.code == code, "\(String(describing: error))")
            #expect(error?.isTimeout == true)
            #expect(error?.message.contains("timeouts.") == true)
            #expect(peer.open == 0)
            let now = EventLoop.current?.clock.now
            #expect(now == LoopClock.Instant(nanoseconds: seconds * 1_000_000_000))
        }
    }

    @Test("the stage's limit ends it", arguments: Stall.table)
    func stage(_ stall: Stall) async throws {
        try await check(stall, stall.script + [.stall], stall.code, after: stall.after)
    }

    @Test("the limit of the whole request ends it, if that is earlier", arguments: Stall.table)
    func total(_ stall: Stall) async throws {
        try await check(stall, stall.script + [.stall], total: .seconds(7), .totalTimeout, after: 7)
    }

    @Test("a byte every second prolongs nothing, unless it is a byte of the body", arguments: Stall.table)
    func drip(_ stall: Stall) async throws {
        guard let drip = stall.drip else { return }
        let script = stall.script + [.wait(.seconds(1)), .send(drip, pieces: 1, every: .seconds(1)), .stall]
        if stall.isBody {
            // Each byte is a piece: only the limit of all of it ends this.
            try await check(stall, script, total: .seconds(500), .totalTimeout, after: 500)
        } else {
            try await check(stall, script, stall.code, after: stall.after)
        }
    }

    @Test("a place in the pool that never comes free ends with its own limit, and with that of all")
    func acquire() async throws {
        for (total, code) in [(nil, ClientError.Code.acquireTimeout), (Duration.seconds(3), .totalTimeout)] {
            var configuration = ClientSession.Configuration()
            configuration.pool.limit = 1
            configuration.timeouts.acquire = .seconds(5)
            var timeouts = configuration.timeouts
            timeouts.total = total
            let limits = timeouts
            try await withScripts([.expectRequest, .stall], configuration: configuration) { session, peer in
                let holder = EventLoop.spawn { try await session.get(someURL) }
                await until { peer.opened == 1 }
                let error = await clientError { try await session.get(someURL, timeouts: limits) }
                #expect(error?.code == code)
                holder.cancel()
                _ = await holder.result
            }
        }
    }
}
