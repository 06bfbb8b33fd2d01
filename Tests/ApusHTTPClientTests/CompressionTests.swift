import ApusHTTPClient
import ApusHTTPServer
import ApusRuntime
import ApusTesting
import Foundation
import HTTPTypes
import Synchronization
import Testing

/// Request bodies that are compressed on their way. Row C18.
///
/// The server sends back what it got, with the coding that it was told: the client's decoders, which are tested against the libraries'
/// own encoders, say whether it is the body.
@Suite("C18: compressed requests")
struct CompressionTests {
    private static let codings: [RequestCompression] = [.gzip, .deflate, .brotli, .zstd].filter(\.isAvailable)
    private static let prose = Encoders.prose(700_000)

    /// What a request looked like to its server.
    private struct Seen: Sendable {
        var bytes: [UInt8]
        var coding: String?
        var length: String?
        var isChunked: Bool
    }

    private func send(
        _ body: RequestBody?,
        _ options: RequestOptions?,
        headers: HTTPFields = [:]
    ) async throws -> (seen: Seen, back: [UInt8]) {
        let seen = Mutex<Seen?>(nil)
        let back = try await TestServer.with({ request in
            let bytes = try await request.body.bytes(limit: 100_000_000)
            let fields = request.headers
            seen.withLock {
                $0 = Seen(
                    bytes: bytes,
                    coding: fields[.contentEncoding],
                    length: fields[.contentLength],
                    isChunked: fields[.transferEncoding] == "chunked"
                )
            }
            var answer = HTTPFields()
            answer[.contentEncoding] = fields[.contentEncoding]
            return ServerResponse(headers: answer, bytes: bytes)
        }) { server in
            try await ClientSession.with { session in
                try await session.post(server.url(), headers: headers, body: body, options: options).bytes()
            }
        }
        return (try #require(seen.withLock { $0 }), back)
    }

    /// A body of each kind, made in `folder`.
    private static func bodies(_ folder: String) throws -> [(name: String, body: RequestBody, isSmall: Bool)] {
        let file = "\(folder)/prose"
        try Data(prose).write(to: URL(filePath: file))
        var form = Multipart()
        form.append("title", "Holiday")
        form.append("text", file: file)
        @Sendable func write(_ writer: RequestBodyWriter) async throws {
            for start in stride(from: 0, to: prose.count, by: 50_000) {
                try await writer.write(prose[start..<min(start + 50_000, prose.count)])
            }
        }
        return [
            ("small", .bytes(Array(prose.prefix(5_000))), true),
            ("64 KiB", .bytes(Array(prose.prefix(65_536))), true),
            ("64 KiB and a byte", .bytes(Array(prose.prefix(65_537))), false),
            ("bytes", .bytes(prose), false),
            ("text", .text(String(decoding: prose, as: UTF8.self)), false),
            ("form", .form(["q": String(repeating: "a b", count: 1_000)]), true),
            ("file", .file(file), false),
            ("part of a file", .file(file, range: 100..<600_000), false),
            ("multipart", .multipart(form), false),
            ("written", .written(write), false),
            ("measured", .written(length: prose.count, write), false),
        ]
    }

    @Test("every kind of body in every coding is read as it was, and is smaller", arguments: codings)
    func kinds(_ compression: RequestCompression) async throws {
        try await withScratchFolder { (folder: String) async throws in
            for (name, body, isSmall) in try Self.bodies(folder) {
                try await withTestLoop {
                    let plain = try await send(body, nil)
                    let coded = try await send(body, RequestOptions(compression: compression))
                    #expect(plain.seen.coding == nil)
                    #expect(coded.seen.coding == compression.description, "\(name)")
                    #expect(coded.back == plain.back, "\(name)")
                    #expect(coded.seen.bytes.count < plain.seen.bytes.count / 2, "\(name)")
                    // What is small and in memory has a length.
                    #expect(coded.seen.isChunked == !isSmall, "\(name)")
                    let length = isSmall ? "\(coded.seen.bytes.count)" : nil
                    #expect(coded.seen.length == length, "\(name)")
                }
            }
        }
    }

    @Test("what does not shrink arrives too", arguments: codings)
    func incompressible(_ compression: RequestCompression) async throws {
        var random = SplitMix(seed: 3)
        let bytes = (0..<300_000).map { _ in UInt8.random(in: 0...255, using: &random) }
        try await withTestLoop {
            let answer = try await send(.bytes(bytes), RequestOptions(compression: compression))
            #expect(answer.back == bytes)
            #expect(answer.seen.bytes.count > bytes.count)
        }
    }

    @Test("an empty body stays as it is")
    func empty() async throws {
        try await withScratchFolder { (folder: String) async throws in
            let file = "\(folder)/empty"
            try Data().write(to: URL(filePath: file))
            let bodies: [RequestBody?] = [nil, .bytes([]), .file(file), .written(length: 0) { _ in }]
            for body in bodies {
                try await withTestLoop {
                    let answer = try await send(body, RequestOptions(compression: .gzip))
                    #expect(answer.seen.coding == nil)
                    #expect(answer.seen.length == "0")
                }
            }
        }
    }

    @Test("with a Content-Encoding of one's own, the request's or the session's, it is an error")
    func conflict() async throws {
        var configuration = ClientSession.Configuration()
        try await withScripts { session, peer in
            for body in [RequestBody.text("x"), .bytes(Self.prose), .written { try await $0.write("x") }] {
                let error = await clientError {
                    try await session.post(
                        someURL,
                        headers: ["Content-Encoding": "gzip"],
                        body: body,
                        options: RequestOptions(compression: .gzip)
                    )
                }
                #expect(error?.code == .invalidRequest)
                #expect(error?.message.contains("Content-Encoding") == true)
            }
            #expect(peer.attempts == 0)
        }
        configuration.headers[.contentEncoding] = "br"
        try await withScripts(configuration: configuration) { session, _ in
            let error = await clientError {
                try await session.post(someURL, body: .text("x"), options: RequestOptions(compression: .gzip))
            }
            #expect(error?.code == .invalidRequest)
        }
    }

    @Test("a stated length is held to, although it is not what is sent")
    func length() async throws {
        for (text, says) in [("fives", "has 4 left"), ("one", "1 bytes missing")] {
            try await withScripts([.expectHead, .stall]) { session, peer in
                let error = await clientError {
                    try await session.post(
                        someURL,
                        body: .written(length: 4) { try await $0.write(text) },
                        options: RequestOptions(compression: .gzip)
                    )
                }
                #expect(error?.code == .invalidRequest)
                #expect(error?.message.contains(says) == true, "\(String(describing: error))")
                #expect(peer.open == 0)
            }
        }
    }

    @Test("it is compressed anew after a redirect that keeps the body, and forgotten by one that does not")
    func redirects() async throws {
        for body in [RequestBody.text("small"), .bytes(Self.prose)] {
            for (status, isKept) in [(307, true), (303, false)] {
                let head = "HTTP/1.1 \(status) X\r\nConnection: close\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n"
                try await withScripts(
                    [.expectHead, .send(head)],
                    [.expectHead, .send(okResponse)]
                ) { session, peer in
                    _ = try await session.post(someURL, body: body, options: RequestOptions(compression: .gzip)).bytes()
                    let sent = (0..<peer.opened).map { peer.written($0) }.joined()
                    let codings = sent.components(separatedBy: "Content-Encoding: gzip\r\n").count - 1
                    #expect(codings == (isKept ? 2 : 1))
                }
            }
        }
    }

    @Test("asked first, it sends the compressed body when it may")
    func expecting() async throws {
        try await withTestLoop {
            let options = RequestOptions(expectContinue: .seconds(10), compression: .gzip)
            for body in [RequestBody.text("small small small"), .bytes(Self.prose)] {
                let plain = try await send(body, nil)
                let answer = try await send(body, options)
                #expect(answer.back == plain.back)
                #expect(answer.seen.coding == "gzip")
            }
        }
    }

    @Test("progress counts the body before it is compressed")
    func progress() async throws {
        for count in [5_000, Self.prose.count] {
            let body = RequestBody.bytes(Array(Self.prose.prefix(count)))
            let reports = Mutex<[UploadProgress]>([])
            try await withTestLoop {
                let options = RequestOptions(compression: .gzip) { report in reports.withLock { $0.append(report) } }
                _ = try await send(body, options)
            }
            let all = reports.withLock { $0 }
            #expect(all.last?.sent == Int64(count) && all.last?.isComplete == true)
            #expect(all.allSatisfy { $0.sent <= Int64(count) && $0.total == Int64(count) })
            #expect(zip(all, all.dropFirst()).allSatisfy { $0.sent <= $1.sent })
            #expect(all.count > (count == 5_000 ? 1 : 10))
        }
    }

    @Test("others on the loop have their turns while a large body is compressed")
    func fairness() async throws {
        try await withTestLoop {
            let peer = ScriptedPeer([.expectHead, .stall])
            let session = ClientSession.scripted(peer)
            let body = RequestBody.bytes(Encoders.prose(6_000_000))
            let isSent = Flag()
            let options = RequestOptions(compression: .gzip) { if $0.isComplete { isSent.raise() } }
            let task = EventLoop.spawn { try await session.post(someURL, body: body, options: options) }
            var turns = 0
            await until {
                turns += 1
                return isSent.isRaised
            }
            // It takes 184 steps.
            #expect(turns > 20)
            task.cancel()
            _ = await task.result
            await session.close()
        }
    }

    @Test("a cancellation in any pass ends it, and leaves nothing", arguments: codings)
    func cancelled(_ compression: RequestCompression) async throws {
        let body = RequestBody.bytes(Array(Self.prose.prefix(200_000)))
        let script: [ScriptStep] =
            [.take(3_000)] + (0..<4).flatMap { _ in [.expect(count: 3_000), .take(3_000)] }
            + [.takeAll, .wait(.zero), .wait(.zero), .send(okResponse, pieces: 9)]
        var (passes, hasEnded) = (0, false)
        while !hasEnded {
            let count = passes
            let isOver = Mutex(false)
            try await withScripts(script) { session, peer in
                let task = EventLoop.spawn {
                    try await session.put(someURL, body: body, options: RequestOptions(compression: compression)).text()
                }
                for _ in 0..<count { await turn() }
                task.cancel()
                switch await task.result {
                case .success(let text):
                    #expect(text == "ok")
                    isOver.withLock { $0 = true }
                case .failure(let error):
                    #expect(error is CancellationError)
                    #expect(peer.open == 0)
                }
            }
            hasEnded = isOver.withLock { $0 }
            passes += 1
            if passes > 1_000 { break }
        }
        #expect(hasEnded && passes > 5)
    }

    @Test("a reused connection that is dead is replaced, and the body compressed again")
    func resent() async throws {
        try await withScripts(
            [.expectRequest, .send(okResponse), .expectHead, .finish],
            [.expectHead, .expect(count: 20), .send(okResponse)]
        ) { session, peer in
            try await expectOK(session)
            let body = RequestBody.written { try await $0.write("again and again and again") }
            let text = try await session.put(someURL, body: body, options: RequestOptions(compression: .gzip)).text()
            #expect(text == "ok")
            #expect(peer.opened == 2)
            #expect(await session.statistics.resends == 1)
        }
    }
}
