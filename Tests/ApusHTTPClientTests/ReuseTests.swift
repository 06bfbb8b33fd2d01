import ApusHTTPClient
import ApusNet
import ApusRuntime
import ApusTesting
import HTTPTypes
import Testing

@Suite("Keep-alive and reuse")
struct ReuseTests {
    private static let many = (0..<20).flatMap { _ -> [ScriptStep] in [.expectRequest, .send(okResponse)] }

    @Test("requests one after the other share a connection")
    func reuse() async throws {
        try await withScripts(Self.many) { session, peer in
            for _ in 0..<10 { try await expectOK(session) }
            #expect(peer.opened == 1)
            let statistics = await session.statistics
            #expect((statistics.requests, statistics.reuses, statistics.connectionsOpened) == (10, 9, 1))
        }
    }

    @Test("the newest idle connection is used first, so that the others grow old")
    func newestFirst() async throws {
        let slow: @Sendable (Int64) -> [ScriptStep] = {
            [.expectRequest, .wait(.seconds($0)), .send(okResponse)] + Self.many
        }
        try await withScripts(slow(1), slow(2), slow(3)) { session, peer in
            try await withThrowingTaskGroup { group in
                for _ in 0..<3 { group.addTask { _ = try await session.get(someURL).text() } }
                try await group.waitForAll()
            }
            #expect(await session.statistics.idle == 3)
            for _ in 0..<3 { _ = try await session.get(someURL).text() }
            #expect(peer.written(2).components(of: "GET ") == 4)
            // The other two are closed at their time, the used one is not.
            try await sleep(for: .milliseconds(28_500))
            #expect((peer.end(0), peer.end(1), peer.end(2)) == (.closed, nil, nil))
        }
    }

    @Test("connections of different hosts and ports are not mixed")
    func hosts() async throws {
        try await withScripts(script: { _ in Self.many }) { session, peer in
            for url in ["http://a.test/", "http://b.test/", "http://a.test:81/", "http://A.TEST:80/"] {
                _ = try await session.get(url).text()
            }
            #expect(peer.opened == 3)
        }
    }

    @Test("an idle connection that the server closes is dropped, without an error and without a resend")
    func closedWhileIdle() async throws {
        try await withScripts(
            [.expectRequest, .send(okResponse), .wait(.seconds(5)), .finish],
            Self.many
        ) { session, peer in
            try await expectOK(session)
            try await sleep(for: .seconds(6))
            #expect(peer.end(0) == .closed)
            #expect(await session.statistics.open == 0)
            try await expectOK(session)
            #expect(await session.statistics.resends == 0)
        }
    }

    @Test("an idle connection that the server resets is dropped likewise")
    func resetWhileIdle() async throws {
        try await withScripts(
            [.expectRequest, .send(okResponse), .wait(.seconds(5)), .reset],
            Self.many
        ) { session, peer in
            try await expectOK(session)
            try await sleep(for: .seconds(6))
            #expect(peer.end(0) == .closed)
            try await expectOK(session)
        }
    }

    @Test(
        "a reused connection that dies before a byte: idempotent requests are sent once more",
        arguments: [HTTPRequest.Method.get, .head, .put, .delete, .options]
    )
    func resend(_ method: HTTPRequest.Method) async throws {
        for death in [ScriptStep.finish, .reset] {
            let ok = method == .head ? "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" : okResponse
            try await withScripts(
                [.expectRequest, .send(okResponse), .expectHead, death],
                [.expectRequest, .send(ok)]
            ) { session, peer in
                _ = try await session.get(someURL).text()
                let body: RequestBody? = method == .put ? .text("stored") : nil
                #expect(try await session.request(method, someURL, body: body).status == .ok)
                #expect(peer.opened == 2)
                if method == .put { #expect(peer.written(1).hasSuffix("\r\n\r\nstored")) }
                let statistics = await session.statistics
                #expect((statistics.resends, statistics.open) == (1, 1))
            }
        }
    }

    @Test("… and POST and PATCH are not", arguments: [HTTPRequest.Method.post, .patch])
    func noResend(_ method: HTTPRequest.Method) async throws {
        for death in [ScriptStep.finish, .reset] {
            try await withScripts(
                [.expectRequest, .send(okResponse), .expectHead, death],
                [.expectRequest, .send(okResponse)]
            ) { session, peer in
                _ = try await session.get(someURL).text()
                let error = await clientError { try await session.request(method, someURL, body: .text("order")) }
                #expect(error?.code == .connectionClosed)
                #expect(peer.opened == 1)
                #expect(await session.statistics.resends == 0)
            }
        }
    }

    @Test("a resend goes to a new connection, even if other old ones are idle, which may be as dead")
    func resendIsFresh() async throws {
        // Three idle connections that all die at their next request, as behind a router that has forgotten them.
        try await withScripts(script: { number in
            number < 3 ? [.expectRequest, .wait(.seconds(1)), .send(okResponse), .expectHead, .reset] : Self.many
        }) { session, peer in
            try await withThrowingTaskGroup { group in
                for _ in 0..<3 { group.addTask { _ = try await session.get(someURL).text() } }
                try await group.waitForAll()
            }
            #expect(await session.statistics.idle == 3)
            try await expectOK(session)
            let statistics = await session.statistics
            #expect((statistics.resends, statistics.connectionsOpened, statistics.open) == (1, 4, 3))
            #expect(peer.open == 3)
        }
    }

    @Test("the one resend that fails is an error")
    func resendFails() async throws {
        // Also where there is no new connection for it: its place is free again.
        for (second, code): ([ScriptStep], ClientError.Code) in [
            ([.expectRequest, .finish], .connectionClosed), ([.refuse], .connectionRefused),
            ([.neverConnect], .connectTimeout),
        ] {
            try await withScripts([.expectRequest, .send(okResponse), .expectHead, .finish], second) { session, _ in
                _ = try await session.get(someURL).text()
                let error = await clientError { try await session.get(someURL) }
                #expect(error?.code == code)
                #expect(await session.statistics.open == 0)
            }
        }
    }

    @Test("a reused connection that dies behind a byte of the response is not asked again")
    func deadInHead() async throws {
        try await withScripts(
            [.expectRequest, .send(okResponse), .expectHead, .send("HTTP/1.1 2"), .finish],
            [.expectRequest, .send(okResponse)]
        ) { session, peer in
            _ = try await session.get(someURL).text()
            let error = await clientError { try await session.get(someURL) }
            #expect(error?.code == .closedInHead)
            #expect(peer.opened == 1)
        }
    }

    @Test("a fresh connection that dies before a byte is an error at once")
    func deadFresh() async throws {
        try await withScripts([.expectRequest, .finish], [.expectRequest, .send(okResponse)]) { session, peer in
            let error = await clientError { try await session.get(someURL) }
            #expect(error?.code == .connectionClosed)
            #expect(peer.opened == 1)
        }
    }

    @Test("a connection handed to a waiter that dies is replaced for it in its place")
    func handedOverAndDead() async throws {
        var configuration = ClientSession.Configuration()
        configuration.pool.limit = 1
        try await withScripts(
            [.expectRequest, .wait(.seconds(1)), .send(okResponse), .expectHead, .reset],
            Self.many,
            configuration: configuration
        ) { session, _ in
            async let first = session.get(someURL).text()
            await until { await session.statistics.open == 1 }
            async let second = session.get(someURL).text()
            let texts = (try await first, try await second)
            #expect(texts == ("ok", "ok"))
            #expect(await session.statistics.resends == 1)
        }
    }

    @Test(
        "body and FIN in one event: the body is complete, and the connection is not kept",
        arguments: [
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nbody",
            "HTTP/1.0 200 OK\r\n\r\nbody",
        ]
    )
    func bodyAndEnd(_ response: String) async throws {
        let halves = (response.prefix(response.count - 6), response.suffix(6))
        let scripts: [[ScriptStep]] = [
            // All at once; the head before; and the end of the body, its framing and FIN alone.
            [.expectRequest, .send(response), .finish],
            [.expectRequest, .send(String(halves.0), pieces: 999), .send(String(halves.1)), .finish],
            [.expectRequest, .send(response, pieces: 1), .finish],
        ]
        for script in scripts {
            try await withScripts(script, Self.many) { session, peer in
                #expect(try await session.get(someURL).text() == "body")
                await until { peer.end(0) == .closed }
                try await expectOK(session)
                #expect(await session.statistics.resends == 0)
                // Nothing had to time out for it.
                #expect(EventLoop.current?.clock.now == LoopClock.Instant(nanoseconds: 0))
            }
        }
    }

    @Test("Connection: close, and HTTP/1.0 without keep-alive, are not kept")
    func notKept() async throws {
        for head in ["HTTP/1.1 200 OK\r\nConnection: close\r\n", "HTTP/1.0 200 OK\r\n"] {
            try await withScripts([.expectRequest, .send(head + "Content-Length: 2\r\n\r\nok")]) { session, peer in
                try await expectOK(session)
                #expect(peer.end(0) == .closed)
                #expect(await session.statistics.open == 0)
            }
        }
    }

    @Test("C30: an answer of HTTP/1.0 that says keep-alive and where its body ends is kept, at any letter case")
    func keptOldVersion() async throws {
        for option in ["Keep-Alive", "keep-alive", "KEEP-ALIVE", "x, Keep-alive"] {
            let head = "HTTP/1.0 200 OK\r\nConnection: \(option)\r\nContent-Length: 2\r\n\r\nok"
            try await withScripts([.expectRequest, .send(head), .expectRequest, .send(head)]) { session, peer in
                try await expectOK(session)
                try await expectOK(session)
                #expect(peer.opened == 1, "\(option)")
            }
        }
    }

    @Test("C30: without a length the body of HTTP/1.0 goes on to the end of the connection, keep-alive or not")
    func oldVersionToTheEnd() async throws {
        for field in ["", "Connection: keep-alive\r\n", "Connection: close\r\n"] {
            for piece in [0, 1] {
                let text = "HTTP/1.0 200 OK\r\n\(field)\r\nok"
                try await withScripts([.expectRequest, .send(text, pieces: piece), .finish]) { session, peer in
                    try await expectOK(session)
                    #expect(peer.end(0) == .closed)
                }
                try await withScripts([.expectRequest, .send(text, pieces: piece), .reset]) { session, peer in
                    let error = await clientError { try await session.get(someURL).text() }
                    #expect(error?.code == .closedInBody || piece == 0 && error?.code == .connectionClosed)
                    #expect(peer.end(0) == .closed)
                }
            }
        }
    }

    @Test("C30: a transfer coding in HTTP/1.0 is refused, since what it frames is anybody's guess")
    func oldVersionInChunks() async throws {
        let text = "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
        try await withScripts([.expectRequest, .send(text), .finish]) { session, peer in
            let error = await clientError { try await session.get(someURL).text() }
            #expect(error?.code == .malformedResponse)
            #expect(peer.end(0) == .closed)
        }
    }

    @Test("a connection on which a write failed is not kept, although the server answered")
    func answeredBrokenPipe() async throws {
        try await withVirtualTime {
            let session = ClientSession(.init()) { _, _, loop in try HalfWritten(on: loop) }
            let text = try await session.post(someURL, body: .text("body")).text()
            #expect(text == "ok")
            #expect(await session.statistics.open == 0)
            await session.close()
        }
    }

    @Test("a connection that fails when it is looked at behind its response is not kept")
    func resetBehindResponse() async throws {
        try await withVirtualTime {
            let session = ClientSession(.init()) { _, _, loop in try ResetBehindResponse(on: loop) }
            let bytes = try await session.get(someURL).bytes()
            #expect(bytes.count == ResetBehindResponse.length)
            #expect(await session.statistics.open == 0)
            await session.close()
        }
    }

    @Test("waiting requests of one host are served in the order in which they came")
    func order() async throws {
        var configuration = ClientSession.Configuration()
        configuration.pool.limit = 1
        try await withScripts(
            (0..<5).flatMap { _ -> [ScriptStep] in [.expectRequest, .wait(.seconds(1)), .send(okResponse)] },
            configuration: configuration
        ) { session, peer in
            let tasks = (0..<5).map { number in
                EventLoop.spawn { try await session.get("http://script.test/\(number)").text() }
            }
            for task in tasks { _ = try await task.value }
            let order = peer.written(0).split(separator: "\r\n").filter { $0.hasPrefix("GET") }
            #expect(order == (0..<5).map { "GET /\($0) HTTP/1.1" })
        }
    }

    @Test("pool.limit and limitPerHost hold, and the rest waits")
    func limits() async throws {
        // Four hosts: the limit of all is the smaller one, and then that of each.
        for (limit, open) in [(5, 5), (20, 8)] {
            var configuration = ClientSession.Configuration()
            configuration.pool.limit = limit
            configuration.pool.limitPerHost = 2
            try await withScripts(
                configuration: configuration,
                script: { _ in (0..<20).flatMap { _ in [.expectRequest, .wait(.seconds(1)), .send(okResponse)] } }
            ) { session, peer in
                try await withThrowingTaskGroup { group in
                    for number in 0..<30 {
                        group.addTask { _ = try await session.get("http://host\(number % 4).test/").text() }
                    }
                    await until { await session.statistics.waiting == 30 - open }
                    #expect(await session.statistics.open == open)
                    for (host, numbers) in await session.hostStatistics {
                        #expect(numbers.pool.open <= 2, "\(host)")
                    }
                    try await group.waitForAll()
                }
                #expect(peer.open <= open)
            }
        }
    }
}

extension String {
    fileprivate func components(of part: String) -> Int { ranges(of: part).count }
}

/// Takes the first 20 bytes, then says EPIPE, and answers.
private final class HalfWritten: Transport {
    let descriptor: Descriptor
    private var taken = 0
    private var answer = Array(okResponse.utf8)

    init(on loop: EventLoop) throws { descriptor = try loop.register(-1) }

    func receive(into buffer: UnsafeMutableRawBufferPointer) throws(NetError) -> Int? {
        guard !answer.isEmpty else {
            descriptor.readWouldBlock()
            return nil
        }
        let count = min(answer.count, buffer.count)
        buffer.copyBytes(from: answer[..<count])
        answer.removeFirst(count)
        descriptor.didRead(count, of: buffer.count)
        return count
    }

    func send(_ bytes: UnsafeRawBufferPointer) throws(NetError) -> Int? {
        descriptor.signal(.readable)
        guard taken == 0 else { throw NetError(.brokenPipe, "Nobody reads.") }
        taken = min(20, bytes.count)
        return taken
    }

    func finishSending() {}
    func close() { descriptor.release() }
    func abort() { close() }
    var remoteAddress: SocketAddress? { nil }
    var localAddress: SocketAddress? { nil }
}

/// Fills the reader's buffer to its last byte, so that it looks once more, and then says ECONNRESET.
private final class ResetBehindResponse: Transport {
    static let length = 100_000
    let descriptor: Descriptor
    private var answer =
        Array("HTTP/1.1 200 OK\r\nContent-Length: \(length)\r\n\r\n".utf8) + [UInt8](repeating: 7, count: length)

    init(on loop: EventLoop) throws { descriptor = try loop.register(-1) }

    func receive(into buffer: UnsafeMutableRawBufferPointer) throws(NetError) -> Int? {
        guard !answer.isEmpty else { throw NetError(.connectionReset, "Reset.") }
        let count = min(answer.count, buffer.count)
        buffer.copyBytes(from: answer[..<count])
        answer.removeFirst(count)
        return count
    }

    func send(_ bytes: UnsafeRawBufferPointer) throws(NetError) -> Int? {
        descriptor.signal(.readable)
        return bytes.count
    }

    func finishSending() {}
    func close() { descriptor.release() }
    func abort() { close() }
    var remoteAddress: SocketAddress? { nil }
    var localAddress: SocketAddress? { nil }
}
