import ApusHTTPClient
import ApusNet
import ApusRuntime
import ApusTesting
import Foundation
import HTTPTypes
import Synchronization
import Testing

/// The kinds of a body that is sent beside the response.
enum UploadKind: String, CaseIterable, CustomTestStringConvertible {
    case bytes, chunked, measured, file

    var testDescription: String { rawValue }

    /// A body of `count` bytes.
    func body(_ count: Int, file: String) throws -> RequestBody {
        let bytes = [UInt8](repeating: 120, count: count)
        let piece = 7_000
        @Sendable func write(_ writer: RequestBodyWriter) async throws {
            var left = count
            while left > 0 {
                try await writer.write(bytes.prefix(min(left, piece)))
                left -= min(left, piece)
            }
        }
        switch self {
        // Larger than what goes out with its head.
        case .bytes: return .bytes(bytes)
        case .chunked: return .written(write)
        case .measured: return .written(length: count, write)
        case .file:
            try Data(bytes).write(to: URL(filePath: file))
            return .file(file)
        }
    }
}

@Suite("Uploads under fault: a clear end each, and nothing left behind")
struct UploadFaultTests {
    static let size = 119_800

    /// A server that takes the request in pieces, and answers in pieces.
    private static let slow: [ScriptStep] =
        [.wait(.zero), .take(20_000)]
        + (0..<5).flatMap { _ in [.expect(count: 20_000), .take(20_000)] }
        + [.takeAll, .wait(.zero), .wait(.zero), .wait(.zero)]
        + [.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", pieces: 6)]
        + [.send("4\r\nabcd\r\n6\r\nefghij\r\n0\r\nX-Trailer: 1\r\n\r\n", pieces: 3)]

    /// Does `fault` to an upload in each pass of the loop in turn, until one comes to its end before it.
    private func sweep(
        _ kind: UploadKind,
        _ fault: @escaping @Sendable (LoopTask<String>, ClientSession) async -> Void,
        _ check: @escaping @Sendable (any Error, Int) -> Void
    ) async throws {
        try await withScratchFolder { (folder: String) async throws in
            let body = try kind.body(Self.size, file: "\(folder)/body")
            var passes = 0
            var isComplete = false
            while !isComplete, passes < 500 {
                let count = passes
                let succeeded = Flag()
                try await withScripts(script: { _ in Self.slow }) { session, peer in
                    let task = EventLoop.spawn { try await session.post(someURL, body: body).text() }
                    // Opening a file happens on another thread: it has no number of passes.
                    await until { peer.opened == 1 }
                    for _ in 0..<count { await turn() }
                    await fault(task, session)
                    switch await task.result {
                    case .success(let text):
                        #expect(text == "abcdefghij")
                        succeeded.raise()
                    case .failure(let error): check(error, count)
                    }
                }
                isComplete = succeeded.isRaised
                passes += 1
            }
            #expect(isComplete, "the request never came to its end")
            #expect(passes > 20)
        }
    }

    @Test("a cancellation in any pass ends the request and its body", arguments: UploadKind.allCases)
    func cancelled(_ kind: UploadKind) async throws {
        try await sweep(kind) { task, _ in
            task.cancel()
        } _: { error, passes in
            #expect(error is CancellationError, "after \(passes) passes: \(error)")
        }
    }

    @Test("a close of the session in any pass ends the request and its body", arguments: UploadKind.allCases)
    func sessionClosed(_ kind: UploadKind) async throws {
        try await sweep(kind) { _, session in
            await session.close()
        } _: { error, passes in
            #expect((error as? ClientError)?.code == .sessionClosed, "after \(passes) passes: \(error)")
        }
    }

    @Test("a server that goes after any byte of the request is said to have done that", arguments: [false, true])
    func cutAtEveryByte(byReset: Bool) async throws {
        for kind in [UploadKind.chunked, .measured] {
            let total = Mutex(0)
            try await withScripts([.expectHead, .wait(.seconds(1)), .send(okResponse)]) { session, peer in
                _ = try await session.put(someURL, body: try kind.body(20, file: ""))
                total.withLock { $0 = peer.written().utf8.count }
            }
            let count = total.withLock { $0 }
            #expect(count > 100)
            try await withScripts(script: { number in
                [.take(number), .expect(count: number), byReset ? .reset : .finish]
            }) { session, peer in
                for number in 0...count {
                    let error = await clientError {
                        try await session.put(someURL, body: try kind.body(20, file: ""))
                    }
                    #expect(error?.code == .connectionClosed, "\(kind) after \(number): \(String(describing: error))")
                    #expect(peer.open == 0)
                }
                #expect(peer.opened == count + 1)
                let now = EventLoop.current?.clock.now
                #expect(now == LoopClock.Instant(nanoseconds: 0), "something waited for a timeout")
            }
        }
    }

    // MARK: Early answers

    struct Early: Sendable, CustomTestStringConvertible {
        var status: Int
        var closes: Bool
        var kind: UploadKind
        var testDescription: String { "\(status) \(closes ? "close" : "keep-alive") \(kind)" }

        /// What is answered, after a thousand bytes of the request.
        var script: [ScriptStep] {
            let head = "HTTP/1.1 \(status) X\r\n\(closes ? "Connection: close\r\n" : "")"
            let body = status == 204 || status == 304 ? "\r\n" : "Content-Length: 2\r\n\r\nok"
            return [.take(1_000), .expect(count: 1_000), .send(head + body), .wait(.seconds(2)), .takeAll]
        }

        static let all: [Early] = [200, 204, 300, 304, 400, 413, 500, 503].flatMap { status in
            [false, true].flatMap { closes in
                UploadKind.allCases.map { Early(status: status, closes: closes, kind: $0) }
            }
        }
    }

    @Test("an answer of any kind that comes before the body is sent is the answer", arguments: Early.all)
    func early(_ row: Early) async throws {
        try await withScratchFolder { (folder: String) async throws in
            let body = try row.kind.body(Self.size, file: "\(folder)/body")
            try await withScripts(row.script) { session, peer in
                let response = try await session.post(someURL, body: body)
                #expect(response.status.code == row.status)
                let text = try await response.text()
                #expect(text == (row.status == 204 || row.status == 304 ? "" : "ok"))
                if row.closes || row.status >= 400 {
                    // RFC 9112 §9.5, §9.6: the rest of the body is for nobody.
                    #expect(peer.open == 0)
                } else {
                    #expect(peer.open == 1)
                    try await sleep(for: .seconds(3))
                    #expect(await session.statistics.idle == 1)
                }
            }
        }
    }

    @Test(
        "a server that has answered and takes nothing more is given up after the idle time",
        arguments: UploadKind.allCases
    )
    func answeredAndStalled(_ kind: UploadKind) async throws {
        try await withScratchFolder { (folder: String) async throws in
            let body = try kind.body(Self.size, file: "\(folder)/body")
            try await withScripts([.take(1_000), .expect(count: 1_000), .send(okResponse), .stall]) { session, peer in
                _ = try await session.post(someURL, body: body)
                try await sleep(for: .seconds(59))
                #expect(peer.open == 1)
                try await sleep(for: .seconds(2))
                #expect(peer.open == 0)
            }
        }
    }

    @Test("a server that has answered and goes, or talks out of turn, ends the body at once", arguments: [0, 1, 2])
    func answeredAndGone(_ how: Int) async throws {
        let end: ScriptStep = [.finish, .reset, .send("HTTP/1.1 408 X\r\n\r\n")][how]
        let ended = Flag()
        try await withScripts([.expectHead, .send(okResponse), .wait(.seconds(1)), end]) { session, peer in
            _ = try await session.post(
                someURL,
                body: .written { _ in
                    defer { ended.raise() }
                    try await sleep(for: .seconds(3600))
                }
            )
            #expect(peer.open == 1)
            try await sleep(for: .seconds(2))
            #expect(peer.open == 0)
            #expect(ended.isRaised)
        }
    }

    // MARK: Bodies that misbehave

    @Test("a body that never returns, and ignores that it is cancelled, holds no connection", arguments: [0, 1, 2])
    func neverReturns(_ how: Int) async throws {
        let held = Mutex<CheckedContinuation<Void, Never>?>(nil)
        var timeouts = Timeouts()
        timeouts.total = .seconds(100)
        let limits = timeouts
        // No answer; an answer; an answer, and its end.
        let script: [ScriptStep] = how == 0 ? [.expectHead, .stall] : [.expectHead, .send(okResponse), .stall]
        try await withScripts(script) { session, peer in
            let body = RequestBody.written { writer in
                await withCheckedContinuation { continuation in held.withLock { $0 = continuation } }
                await #expect(throws: (any Error).self) { try await writer.write("late") }
            }
            if how == 0 {
                let error = await clientError { try await session.post(someURL, body: body, timeouts: limits) }
                #expect(error?.code == .totalTimeout)
            } else {
                let response = try await session.post(someURL, body: body, timeouts: limits)
                let text = try await response.text()
                #expect(text == "ok")
                #expect(peer.open == 1)
                if how == 1 { try await sleep(for: .seconds(101)) } else { await session.close() }
            }
            #expect(peer.open == 0)
            held.withLock { $0 }?.resume()
        }
    }

    @Test("a body that goes on writing after its request failed writes nothing, and learns it each time")
    func writesOn() async throws {
        let refused = Counter()
        let writers = Mutex<RequestBodyWriter?>(nil)
        try await withScripts([.expectHead, .wait(.seconds(1)), .reset]) { session, peer in
            let error = await clientError {
                try await session.post(
                    someURL,
                    body: .written { writer in
                        writers.withLock { $0 = writer }
                        for _ in 0..<100 {
                            do { try await writer.write("tick") } catch { refused.add() }
                            if refused.value == 0 { try await sleep(for: .milliseconds(100)) }
                        }
                    }
                )
            }
            #expect(error?.code == .connectionClosed)
            await until { refused.value > 80 }
            let sent = peer.written().utf8.count
            let writer = writers.withLock { $0 }
            await #expect(throws: (any Error).self) { try await writer?.write("much later") }
            #expect(peer.written().utf8.count == sent)
            writers.withLock { $0 = nil }
        }
    }

    @Test("what a body's own source throws is the body's error, whatever type it has")
    func foreignErrors() async throws {
        try await withScripts(script: { _ in [.expectHead, .stall] }) { session, _ in
            let foreign: [any Error] = [
                NetError(.connectionReset, "another connection"), NetError(.timedOut, "another connection"),
                CancellationError(),
            ]
            for foreign in foreign {
                let error = await clientError {
                    try await session.post(
                        someURL,
                        body: .written { writer in
                            try await writer.write("begun")
                            throw foreign
                        }
                    )
                }
                #expect(error?.code == .bodyFailed, "\(foreign)")
                #expect(error?.cause.map { type(of: $0) == type(of: foreign) } == true)
                #expect(error?.description.contains("POST http://script.test/path") == true)
            }
            let now = EventLoop.current?.clock.now
            #expect(now == LoopClock.Instant(nanoseconds: 0), "something waited for a timeout")
        }
    }

    @Test("another response that breaks while it is passed on is the cause, and both are named")
    func sourceBreaks() async throws {
        try await withScripts(
            [
                .expectRequest, .send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789"), .wait(.seconds(1)),
                .finish,
            ],
            [.expectHead, .stall]
        ) { session, _ in
            let source = try await session.get("http://source.test/")
            let error = await clientError {
                try await session.put("http://target.test/", body: .stream(source.body))
            }
            #expect(error?.code == .bodyFailed)
            #expect((error?.cause as? ClientError)?.code == .closedInBody)
            #expect(error?.description.contains("PUT http://target.test/") == true)
            #expect(error?.description.contains("GET http://source.test/") == true)
        }
    }

    @Test("a body may bound its own writes, and its request then fails without waiting for other limits")
    func ownTimeout() async throws {
        try await withScripts(script: { _ in [.take(1_000), .stall] }) { session, _ in
            for swallows in [false, true] {
                let error = await clientError {
                    try await session.post(
                        someURL,
                        body: .written { writer in
                            do {
                                try await withTimeout(.seconds(5)) {
                                    try await writer.write([UInt8](repeating: 0, count: 100_000))
                                }
                            } catch  where swallows {}
                        }
                    )
                }
                #expect(error?.code == .bodyFailed, "\(String(describing: error))")
            }
            let now = EventLoop.current?.clock.now
            #expect(now == LoopClock.Instant(nanoseconds: 10_000_000_000))
        }
    }

    @Test("a body that fails while its response is being read fails the response, with the reason")
    func failsBesideResponse() async throws {
        struct Broken: Error {}
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"
        try await withScripts([.expectHead, .send(head), .stall]) { session, peer in
            let response = try await session.post(
                someURL,
                body: .written { _ in
                    try await sleep(for: .seconds(3))
                    throw Broken()
                }
            )
            let error = await clientError { try await response.text() }
            #expect(error?.code == .bodyFailed)
            #expect(error?.cause is Broken)
            #expect(peer.open == 0)
            let now = EventLoop.current?.clock.now
            #expect(now == LoopClock.Instant(nanoseconds: 3_000_000_000))
        }
    }

    @Test("a file that becomes shorter while it is sent is the body's error, at once")
    func shrinkingFile() async throws {
        try await withScratchFolder { (folder: String) async throws in
            let path = "\(folder)/body"
            try Data([UInt8](repeating: 1, count: 400_000)).write(to: URL(filePath: path))
            try await withScripts(
                [
                    .take(100_000), .expect(count: 100_000), .perform { truncate(path, 150_000) }, .takeAll, .stall,
                ]
            ) { session, _ in
                let error = await clientError { try await session.put(someURL, body: .file(path)) }
                #expect(error?.code == .bodyFailed)
                #expect(error?.message.contains("became shorter") == true, "\(String(describing: error))")
                let now = EventLoop.current?.clock.now
                #expect(now == LoopClock.Instant(nanoseconds: 0), "something waited for a timeout")
            }
        }
    }

    // MARK: Redirects

    @Test("a redirect while the body is sent ends it there, before it begins anew", arguments: [303, 307])
    func redirectedMeanwhile(_ status: Int) async throws {
        let redirect = "HTTP/1.1 \(status) X\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n"
        let running = Counter()
        let second: [ScriptStep] = status == 307 ? [.expectHead, .expect("4\r\nbody\r\n0\r\n\r\n")] : [.expectRequest]
        try await withScripts([.expectHead, .send(redirect), .stall], second + [.send(okResponse)]) { session, peer in
            let response = try await session.post(
                someURL,
                body: .written { writer in
                    running.add()
                    let first = running.value == 1
                    if first { try await sleep(for: .seconds(3600)) }
                    try await writer.write("body")
                }
            )
            #expect(response.status == .ok)
            #expect(response.history.count == 1)
            #expect(peer.end(0) == .closed)
            #expect(peer.written(1).hasPrefix(status == 307 ? "POST /there" : "GET /there"))
            #expect(running.value == (status == 307 ? 2 : 1))
            let now = EventLoop.current?.clock.now
            #expect(now == LoopClock.Instant(nanoseconds: 0), "the first body was waited for")
        }
    }
}
