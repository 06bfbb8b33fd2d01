import ApusHTTPClient
import ApusNet
import ApusRuntime
import ApusTesting
import HTTPTypes
import Testing

/// What servers make of `Expect: 100-continue`. Row C19.
struct ExpectFault: Sendable, CustomTestStringConvertible {
    var name: String
    var scripts: [[ScriptStep]]
    /// The status, or the error.
    var status = 200
    var code: ClientError.Code?
    /// How often the body was made.
    var bodies = 1
    var isRestartable = true
    var total: Duration?
    /// When it is over, in virtual milliseconds.
    var milliseconds: Int64 = 0

    var testDescription: String { name }

    private static let goOn = "HTTP/1.1 100 Continue\r\n\r\n"
    private static let refusal = "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n"
    private static let denial = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno"
    private static let body: [ScriptStep] = [.expect("4\r\nbody\r\n0\r\n\r\n"), .send(okResponse)]

    static let table: [ExpectFault] = [
        .init(name: "100 twice", scripts: [[.expectHead, .send(goOn + goOn)] + body]),
        .init(
            name: "102 and 103 before 100",
            scripts: [
                [.expectHead, .send("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")]
                    + [.wait(.milliseconds(500)), .send(goOn)] + body
            ],
            milliseconds: 500
        ),
        .init(
            name: "102 alone does not mean go on, and does not prolong the wait",
            scripts: [
                [.expectHead, .wait(.milliseconds(600)), .send("HTTP/1.1 102 Processing\r\n\r\n")] + body
            ],
            milliseconds: 1_000
        ),
        .init(
            name: "100 after the body was begun",
            scripts: [[.expectHead, .expect("4\r\nbody\r\n0\r\n\r\n"), .send(goOn + okResponse)]],
            milliseconds: 1_000
        ),
        .init(
            name: "100 while the head is still being written",
            scripts: [
                [.take(20), .expect(count: 20), .send(goOn), .wait(.milliseconds(7)), .takeAll, .expectHead] + body
            ],
            milliseconds: 7
        ),
        .init(
            name: "102 while the head is still being written does not mean go on",
            scripts: [
                [.take(20), .expect(count: 20), .send("HTTP/1.1 102 Processing\r\n\r\n"), .wait(.milliseconds(7))]
                    + [.takeAll, .expectHead] + body
            ],
            milliseconds: 1_007
        ),
        .init(name: "100 in pieces", scripts: [[.expectHead, .send(goOn, pieces: 1)] + body]),
        .init(name: "417, then a good answer", scripts: [[.expectHead, .send(refusal)], [.expectHead] + body]),
        .init(
            name: "417 twice is the answer",
            scripts: [[.expectHead, .send(refusal)], [.expectHead, .expect(count: 14), .send(refusal)]],
            status: 417
        ),
        .init(
            name: "417 after a body that cannot be made again was begun is the answer",
            scripts: [[.expectHead, .wait(.seconds(2)), .send(refusal)]],
            status: 417,
            isRestartable: false,
            milliseconds: 2_000
        ),
        .init(
            name: "417 behind a redirect",
            scripts: [
                [.expectHead, .send("HTTP/1.1 307 X\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n")],
                [.expectHead, .send(refusal)], [.expectHead] + body,
            ]
        ),
        .init(name: "a refusal", scripts: [[.expectHead, .send(denial)]], status: 401, bodies: 0),
        .init(name: "a refusal in pieces", scripts: [[.expectHead, .send(denial, pieces: 1)]], status: 401, bodies: 0),
        .init(
            name: "a refusal that takes longer than the wait",
            scripts: [[.expectHead, .send(denial, pieces: 10, every: .milliseconds(300))]],
            status: 401,
            milliseconds: 1_200
        ),
        .init(
            name: "a good answer before the body",
            scripts: [[.expectHead, .send(okResponse)]],
            bodies: 0
        ),
        .init(name: "the end", scripts: [[.expectHead, .finish]], code: .connectionClosed, bodies: 0),
        .init(name: "a reset", scripts: [[.expectHead, .reset]], code: .connectionClosed, bodies: 0),
        .init(
            name: "the end behind 100",
            scripts: [[.expectHead, .send(goOn, pieces: 99), .finish]],
            code: .closedInHead
        ),
        .init(
            name: "the end inside a head",
            scripts: [[.expectHead, .send("HTTP/1.1 40"), .finish]],
            code: .closedInHead,
            bodies: 0
        ),
        .init(name: "garbage", scripts: [[.expectHead, .send("what?\r\n")]], code: .malformedResponse, bodies: 0),
        .init(
            name: "another protocol",
            scripts: [[.expectHead, .send("HTTP/1.1 101 X\r\nUpgrade: a\r\nConnection: upgrade\r\n\r\n")]],
            code: .malformedResponse,
            bodies: 0
        ),
        .init(
            name: "interim answers without end",
            scripts: [[.expectHead, .send(String(repeating: "HTTP/1.1 102 Processing\r\n\r\n", count: 200))]],
            code: .malformedResponse,
            bodies: 0
        ),
        .init(
            name: "silence until the whole request's time is over",
            scripts: [[.expectHead, .stall]],
            code: .totalTimeout,
            bodies: 0,
            total: .milliseconds(500),
            milliseconds: 500
        ),
        .init(
            name: "silence, and no answer to the body either",
            scripts: [[.expectHead, .stall]],
            code: .headTimeout,
            milliseconds: 61_000
        ),
        .init(
            name: "a head that is not taken",
            scripts: [[.take(20), .stall]],
            code: .writeTimeout,
            bodies: 0,
            milliseconds: 60_000
        ),
    ]
}

@Suite("Asking first, and what can come of it")
struct ExpectFaultTests {
    @Test("C19: every answer to the question", arguments: ExpectFault.table)
    func answers(_ row: ExpectFault) async throws {
        let bodies = Counter()
        try await withScripts(script: { $0 < row.scripts.count ? row.scripts[$0] : [.refuse] }) { session, peer in
            var timeouts = Timeouts()
            timeouts.total = row.total
            let start = EventLoop.current?.clock.now
            let body = RequestBody.written(isRestartable: row.isRestartable) { writer in
                bodies.add()
                try await writer.write("body")
            }
            do {
                let response = try await session.put(
                    someURL,
                    body: body,
                    timeouts: timeouts,
                    options: RequestOptions(expectContinue: .seconds(1))
                )
                _ = try await response.bytes()
                #expect(row.code == nil)
                #expect(response.status.code == row.status)
            } catch let error as ClientError {
                #expect(error.code == row.code, "\(error)")
            }
            #expect(bodies.value == row.bodies)
            #expect(peer.opened == row.scripts.count)
            let now = EventLoop.current?.clock.now
            #expect(now == start?.advanced(by: .milliseconds(row.milliseconds)))
            // A connection on which a body was asked for and not sent is worth nothing.
            if row.bodies == 0 { #expect(peer.open == 0) }
        }
    }

    @Test("C19: cancelled while it asks, a request makes no body")
    func cancelled() async throws {
        let bodies = Counter()
        let canceller = Canceller()
        try await withScripts([.expectHead, canceller.step, .stall]) { session, peer in
            let task = EventLoop.spawn {
                try await session.put(
                    someURL,
                    body: .written { _ in bodies.add() },
                    options: RequestOptions(expectContinue: .seconds(1))
                )
            }
            canceller.arm { task.cancel() }
            let result = await task.result
            #expect(throws: CancellationError.self) { _ = try result.get() }
            #expect(peer.open == 0)
            #expect(bodies.value == 0)
        }
    }
}
