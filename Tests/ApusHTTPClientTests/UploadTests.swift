import ApusHTTPClient
import ApusHTTPServer
import ApusNet
import ApusRuntime
import ApusTesting
import Foundation
import HTTPTypes
import Synchronization
import Testing

/// Bodies that are sent beside the response: files, and what is written while it is sent. Rows C15, C17, C19, C32.
@Suite struct UploadTests {
    private struct Broken: Error {}

    @Test func `C17: a body of unknown length goes in chunks, one per piece, with its trailers`() async throws {
        try await withScripts([.expectHead, .send(okResponse)]) { session, peer in
            let response = try await session.post(
                someURL,
                body: .written(contentType: "text/csv") { writer in
                    try await writer.write("a,b\n")
                    try await writer.write([])
                    try await writer.write("c,d\n")
                    try await writer.setTrailers([.init("X-Rows")!: "2"])
                }
            )
            #expect(response.status == .ok)
            let sent = peer.written()
            #expect(sent.contains("Transfer-Encoding: chunked\r\n"))
            #expect(sent.contains("Content-Type: text/csv\r\n"))
            #expect(sent.hasSuffix("\r\n\r\n4\r\na,b\n\r\n4\r\nc,d\n\r\n0\r\nX-Rows: 2\r\n\r\n"))
            // The connection is as good as before.
            #expect(await session.statistics.idle == 1)
        }
    }

    @Test func `C17: a stated length frames the body, and more or fewer bytes are an error`() async throws {
        try await withScripts(
            [.expectRequest, .send(okResponse), .expectHead, .stall],
            [.expectHead, .stall]
        ) { session, peer in
            func post(_ text: String) async throws -> ClientResponse {
                try await session.post(someURL, body: .written(length: 4) { try await $0.write(text) })
            }
            _ = try await post("four")
            #expect(peer.written().hasSuffix("Content-Length: 4\r\n\r\nfour"))
            let long = await clientError { try await post("fives") }
            #expect(long?.code == .invalidRequest)
            #expect(long?.message.contains("Content-Length") == true)
            let short = await clientError { try await post("one") }
            #expect(short?.code == .invalidRequest)
            #expect(short?.message.contains("1 bytes of its Content-Length missing") == true)
            let negative = await clientError { try await session.post(someURL, body: .written(length: -1) { _ in }) }
            #expect(negative?.code == .invalidRequest)
        }
    }

    @Test func `what a body throws is the cause of the request's error, and its connection is closed`() async throws {
        try await withScripts([.expectHead, .stall]) { session, peer in
            let error = await clientError {
                try await session.post(
                    someURL,
                    body: .written { writer in
                        try await writer.write("begun")
                        throw Broken()
                    }
                )
            }
            #expect(error?.code == .bodyFailed)
            #expect(error?.cause is Broken)
            #expect(peer.open == 0)
        }
    }

    @Test func `an error answer ends the body, also one that waits for something else`() async throws {
        let ended = Flag()
        try await withScripts(
            [.expectHead, .send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")]
        ) { session, peer in
            let response = try await session.post(
                someURL,
                body: .written { _ in
                    do {
                        try await sleep(for: .seconds(3600))
                    } catch {
                        ended.raise()
                        throw error
                    }
                }
            )
            #expect(response.status == .forbidden)
            let text = try await response.text()
            #expect(text == "no")
            await until { peer.open == 0 }
        }
        #expect(ended.isRaised)
    }

    @Test func `a complete answer does not end the body: the connection comes back when all is sent`() async throws {
        let sent = Flag()
        try await withScripts(
            [.expectHead, .send(okResponse), .expect(count: 11), .send(okResponse)]
        ) { session, _ in
            let response = try await session.post(
                someURL,
                body: .written(length: 6) { writer in
                    try await sleep(for: .seconds(5))
                    try await writer.write("behind")
                    sent.raise()
                }
            )
            let text = try await response.text()
            #expect(text == "ok")
            #expect(!sent.isRaised)
            #expect(await session.statistics.idle == 0)
            try await sleep(for: .seconds(6))
            #expect(sent.isRaised)
            #expect(await session.statistics.idle == 1)
        }
    }

    @Test func `what is echoed while it is sent arrives, however large it is`() async throws {
        let pieces = 64
        let piece = [UInt8](repeating: 42, count: 256 * 1024)
        try await withTestLoop {
            try await TestServer.with({ request in
                .stream(length: pieces * piece.count) { writer in
                    for try await bytes in request.body { try await writer.write(bytes) }
                }
            }) { server in
                try await ClientSession.with { session in
                    var received = 0
                    let bodies: [RequestBody] = [
                        .written(length: pieces * piece.count) { writer in
                            for _ in 0..<pieces { try await writer.write(piece) }
                        },
                        .written { writer in for _ in 0..<pieces { try await writer.write(piece) } },
                        .bytes([UInt8](repeating: 42, count: pieces * piece.count)),
                    ]
                    for body in bodies {
                        let response = try await session.post(server.url(), body: body)
                        for try await bytes in response.body {
                            received += bytes.count
                            #expect(bytes.allSatisfy { $0 == 42 })
                        }
                    }
                    #expect(received == 3 * pieces * piece.count)
                    // Nothing hangs on a body that was complete on one side only.
                    await until {
                        let statistics = await session.statistics
                        return statistics.open == statistics.idle
                    }
                }
            }
        }
    }

    @Test func `a body whose request is cancelled is cancelled, and writes nothing more`() async throws {
        let ended = Flag()
        let canceller = Canceller()
        try await withScripts([.expectHead, canceller.step, .stall]) { session, peer in
            let task = EventLoop.spawn {
                try await session.post(
                    someURL,
                    body: .written { writer in
                        do {
                            while true {
                                try await writer.write("tick")
                                try await sleep(for: .seconds(1))
                            }
                        } catch {
                            ended.raise()
                            throw error
                        }
                    }
                )
            }
            canceller.arm { task.cancel() }
            let result = await task.result
            #expect(throws: CancellationError.self) { try result.get() }
            await until { peer.open == 0 }
        }
        #expect(ended.isRaised)
    }

    @Test func `a server that takes nothing more is a write timeout`() async throws {
        try await withScripts([.take(1000), .stall]) { session, _ in
            let error = await clientError {
                try await session.put(
                    someURL,
                    body: .written { writer in
                        while true { try await writer.write([UInt8](repeating: 0, count: 100_000)) }
                    }
                )
            }
            #expect(error?.code == .writeTimeout)
        }
    }

    @Test func `two tasks cannot write one body`() async throws {
        let other = Mutex<(any Error)?>(nil)
        try await withScripts([.take(1000), .stall]) { session, _ in
            let error = await clientError {
                try await session.put(
                    someURL,
                    body: .written { writer in
                        try await withThrowingTaskGroup(of: Void.self) { group in
                            for _ in 0..<2 {
                                group.addTask { try await writer.write([UInt8](repeating: 0, count: 100_000)) }
                            }
                            do {
                                try await group.waitForAll()
                            } catch {
                                other.withLock { $0 = error }
                                throw error
                            }
                        }
                    }
                )
            }
            #expect(error?.code == .invalidRequest)
            #expect(error?.message.contains("one writes at a time") == true)
        }
        #expect(other.withLock { $0 } is ClientError)
    }

    // MARK: Files

    @Test func `C15: a file is sent as it is, whole or a part, and again after a redirect`() async throws {
        let content = [UInt8]((0..<300_000).map { UInt8(truncatingIfNeeded: $0 / 7) })
        try await withScratchFolder { (folder: String) async throws in
            let path = "\(folder)/body.bin"
            try Data(content).write(to: URL(filePath: path))
            try await withTestLoop {
                try await TestServer.with({ request in
                    if request.path == "/moved" {
                        return .status(.temporaryRedirect, headers: [.location: "/"])
                    }
                    let bytes = try await request.body.bytes(limit: 1 << 20)
                    return ServerResponse(
                        headers: [.init("X-Length")!: request.headers[.contentLength] ?? "-"],
                        bytes: bytes
                    )
                }) { server in
                    try await ClientSession.with { session in
                        let whole = try await session.put(server.url(), body: .file(path))
                        #expect(whole.headers[.init("X-Length")!] == "300000")
                        let bytes = try await whole.bytes()
                        #expect(bytes == content)
                        let part = try await session.put(server.url(), body: .file(path, range: 10..<70_010)).bytes()
                        #expect(part == [UInt8](content[10..<70_010]))
                        let none = try await session.put(server.url(), body: .file(path, range: 10..<10)).bytes()
                        #expect(none == [])
                        let moved = try await session.put(server.url("/moved"), body: .file(path))
                        #expect(moved.history.count == 1)
                        let again = try await moved.bytes()
                        #expect(again == content)
                        let missing = await clientError {
                            try await session.put(server.url(), body: .file("\(folder)/missing"))
                        }
                        #expect(missing?.code == .bodyFailed)
                        #expect(missing?.message.contains("missing") == true)
                        let beyond = await clientError {
                            try await session.put(server.url(), body: .file(path, range: 0..<300_001))
                        }
                        #expect(beyond?.code == .bodyFailed)
                    }
                }
            }
        }
    }

    // MARK: Once more

    @Test func `a body that cannot be made again stops a redirect that asks for it`() async throws {
        let redirect = "HTTP/1.1 307 Temporary Redirect\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n"
        let runs = Counter()
        try await withScripts(
            (0..<2).flatMap { _ in [.expectHead, .expect(count: 13), .send(redirect)] }
                + [.expectHead, .expect(count: 13), .send(okResponse)]
        ) { session, _ in
            func body(isRestartable: Bool) -> RequestBody {
                .written(isRestartable: isRestartable) { writer in
                    runs.add()
                    try await writer.write("abc")
                }
            }
            let error = await clientError { try await session.post(someURL, body: body(isRestartable: false)) }
            #expect(error?.code == .bodyNotRestartable)
            #expect(runs.value == 1)
            let response = try await session.post(someURL, body: body(isRestartable: true))
            #expect(response.history.count == 1)
            #expect(runs.value == 3)
        }
    }

    // MARK: Asking first

    private static let asking = RequestOptions(expectContinue: .seconds(1))

    @Test func `C19: after 100 the body follows`() async throws {
        try await withScripts(
            [.expectHead, .send("HTTP/1.1 100 Continue\r\n\r\n"), .expect("body"), .send(okResponse)]
        ) { session, peer in
            let response = try await session.put(someURL, body: .text("body"), options: Self.asking)
            #expect(response.status == .ok)
            #expect(peer.written().contains("Expect: 100-continue\r\n"))
            #expect(await session.statistics.idle == 1)
        }
    }

    @Test func `C19: after a final status the body stays here`() async throws {
        try await withScripts(
            [.expectHead, .send("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"), .expect(count: 1)]
        ) { session, peer in
            let response = try await session.put(someURL, body: .text("body"), options: Self.asking)
            #expect(response.status == .unauthorized)
            #expect(peer.written().hasSuffix("\r\n\r\n"))
            // What the server waits for next on this connection would be the body.
            #expect(peer.open == 0)
        }
    }

    @Test func `C19: silence is consent after the wait`() async throws {
        try await withScripts([.expectHead, .expect("body"), .send(okResponse)]) { session, _ in
            let clock = try #require(EventLoop.current).clock
            let start = clock.now
            let response = try await session.put(someURL, body: .text("body"), options: Self.asking)
            #expect(response.status == .ok)
            #expect(start.duration(to: clock.now) == .seconds(1))
        }
    }

    @Test func `C19: who does not know the question is not asked again`() async throws {
        try await withScripts(
            [.expectHead, .send("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n")],
            [.expectRequest, .send(okResponse)]
        ) { session, peer in
            let response = try await session.put(someURL, body: .text("body"), options: Self.asking)
            #expect(response.status == .ok)
            #expect(!peer.written(1).contains("Expect"))
        }
    }

    // MARK: Fields and progress

    @Test func `C14: what each request has of itself, a length of nothing among it where a body is usual`() async throws
    {
        let methods: [(HTTPRequest.Method, Bool)] = [
            (.get, false), (.head, false), (.options, false), (.delete, false), (.post, true), (.put, true),
            (.patch, true),
        ]
        for (method, statesLength) in methods {
            try await withScripts([.expectRequest, .send("HTTP/1.1 204 None\r\n\r\n")]) { session, peer in
                _ = try await session.request(method, someURL)
                let lines = peer.written().split(separator: "\r\n").dropFirst().map(String.init)
                let names = lines.map { $0.prefix { $0 != ":" } }
                #expect(
                    names == ["Host", "User-Agent", "Accept", "Accept-Encoding"]
                        + (statesLength ? ["Content-Length"] : [])
                )
                #expect(lines.contains("Accept: */*") && lines[1].hasPrefix("User-Agent: Apus/"))
                #expect(lines.contains("Content-Length: 0") == statesLength)
            }
        }
    }

    @Test func `C14: automatic fields are left out on request, but not Host`() async throws {
        try await withScripts([.expectRequest, .send(okResponse)]) { session, peer in
            let options = RequestOptions(omittedHeaders: [
                .userAgent, .accept, .acceptEncoding, .contentType, .init("Host")!,
            ])
            _ = try await session.post(someURL, body: .text("x"), options: options)
            let lines = peer.written().split(separator: "\r\n").map(String.init)
            #expect(lines.dropFirst().map { $0.split(separator: ":")[0] } == ["Host", "Content-Length", "x"])
        }
    }

    @Test func `C32: progress names every byte once, and the end`() async throws {
        let reports = Mutex<[UploadProgress]>([])
        let size = 200_000
        try await withScripts([.expectRequest, .send(okResponse)]) { session, _ in
            let options = RequestOptions(onUploadProgress: { report in reports.withLock { $0.append(report) } })
            _ = try await session.post(someURL, body: .bytes([UInt8](repeating: 1, count: size)), options: options)
        }
        let seen = reports.withLock { $0 }
        #expect(seen.map(\.sent) == seen.map(\.sent).sorted())
        #expect(seen.allSatisfy { $0.total == Int64(size) })
        #expect(seen.last?.sent == Int64(size))
        #expect(seen.last?.isComplete == true)
        #expect(seen.dropLast().allSatisfy { !$0.isComplete })
    }
}
