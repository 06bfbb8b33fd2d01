import ApusHTTPClient
import ApusNet
import ApusRuntime
import ApusTesting
import Synchronization
import Testing

@Suite("A server that goes after any byte of its response, plain and over TLS")
struct CutTests {
    static let heads = [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Field: value\r\n\r\n": "hello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n":
            "3;ext=1\r\nhel\r\n2\r\nlo\r\n0\r\nX-Trailer: value\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n": "hello",
    ]

    @Test("C44: an end at any byte is the error of that place, by FIN and by RST", arguments: [false, true])
    func plain(byReset: Bool) async throws {
        for (head, body) in Self.heads {
            let bytes = Array((head + body).utf8)
            try await withScripts(script: { number in
                // Each byte arrives before the end does: an end that comes together with bytes is another row.
                [.expectRequest, .send(Array(bytes[..<number]), pieces: max(1, number)), byReset ? .reset : .finish]
            }) { session, peer in
                for number in 0..<bytes.count {
                    let error = await clientError { try await session.get(someURL).bytes() }
                    let expected: ClientError.Code =
                        number == 0 ? .connectionClosed : number < head.utf8.count ? .closedInHead : .closedInBody
                    #expect(error?.code == expected, "after \(number) of \(head): \(String(describing: error))")
                    #expect(peer.open == 0)
                }
                #expect(peer.opened == bytes.count)
                let now = EventLoop.current?.clock.now
                #expect(now == LoopClock.Instant(nanoseconds: 0), "something waited for a timeout")
            }
        }
    }

    #if TLS
    @Test("over TLS, at any byte of the records", arguments: [false, true])
    func secure(byReset: Bool) async throws {
        let authority = try TestCertificateAuthority()
        let server = TLSServerConfiguration(identity: try authority.issue(names: ["script.test"]))
        var configuration = TLSConfiguration()
        configuration.trust = .roots([authority.certificate])
        let tls = configuration
        try await withVirtualTime {
            let left = try await leaks {
                let cuts = Cuts()
                let session = Self.session(tls, cuts, byReset: byReset) { stream in
                    // One request in five records.
                    await Self.serve(
                        stream,
                        server,
                        ["HTTP/1.1 200", " OK\r\nContent-Length: 5\r\nConnection: close\r\n", "\r\n", "he", "llo"]
                    ) { _ = try await $0.read() }
                }
                let text = try await session.get("https://script.test/").text()
                #expect(text == "hello")
                let total = cuts.received
                #expect(total > 500)
                var codes: Set<String> = []
                for count in Array(stride(from: 0, to: total - 250, by: 37)) + Array(total - 250..<total - 6) {
                    cuts.limit = count
                    let error = await clientError { try await session.get("https://script.test/").bytes() }
                    let code = error.map { "\($0.code)" } ?? "none"
                    codes.insert(code)
                    #expect(
                        ["connectionClosed", "closedInHead", "closedInBody", "tlsFailed"].contains(code),
                        "after \(count) of \(total): \(String(describing: error))"
                    )
                    let open = await session.statistics.open
                    #expect(open == 0)
                }
                #expect(codes.isSuperset(of: ["connectionClosed", "closedInHead", "closedInBody"]), "\(codes)")
                cuts.forget()
                await session.close()
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test(
        "over TLS, a body without length is whole with close_notify behind it, and cut off without",
        arguments: [false, true]
    )
    func endWithoutNotice(byReset: Bool) async throws {
        let authority = try TestCertificateAuthority()
        let server = TLSServerConfiguration(identity: try authority.issue(names: ["script.test"]))
        var configuration = TLSConfiguration()
        configuration.trust = .roots([authority.certificate])
        let tls = configuration
        try await withVirtualTime {
            let left = try await leaks {
                let cuts = Cuts()
                let session = Self.session(tls, cuts, byReset: byReset) { stream in
                    await Self.serve(stream, server, ["HTTP/1.1 200 OK\r\n\r\n", "hello"]) { _ in }
                }
                let text = try await session.get("https://script.test/").text()
                #expect(text == "hello")
                // All of the body, and half of the record of 24 bytes that says that this is all.
                cuts.limit = cuts.received - 12
                let response = try await session.get("https://script.test/")
                var bytes: [UInt8] = []
                let error = await clientError { for try await piece in response.body { bytes += piece } }
                #expect(error?.code == .closedInBody, "\(String(describing: error))")
                #expect(bytes == Array("hello".utf8))
                cuts.forget()
                await session.close()
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    /// A session to `script.test` over connections that ``Cuts`` cuts off, each of which `serve` answers.
    private static func session(
        _ tls: TLSConfiguration,
        _ cuts: Cuts,
        byReset: Bool,
        serve: @escaping @Sendable (TCPStream) async -> Void
    ) -> ClientSession {
        ClientSession(.init()) { host, _, loop in
            // A configuration of its own each time, so that no session is resumed: all handshakes are alike, but for some bytes of
            // their signatures.
            var tls = tls
            tls.applicationProtocols = ["http/1.1", "\(10_000 + cuts.next())"]
            let own = tls
            let (near, far) = try MemoryTransport.pair(capacity: 65_536, on: loop)
            let stream = LoopBound(TCPStream(far, on: loop), on: loop)
            loop.spawn { await serve(stream.value) }
            let cut = CutTransport(near, after: cuts.limit, byReset: byReset)
            cuts.made(cut)
            return try await TLSTransport.connect(over: cut, host: host, configuration: own, deadline: .max)
        }
    }

    /// Answers a request in as many records as there are pieces.
    private static func serve(
        _ stream: TCPStream,
        _ configuration: TLSServerConfiguration,
        _ pieces: [String],
        beforeClosing: (TCPStream) async throws -> Void
    ) async {
        do {
            try await stream.startTLS(server: configuration)
            var request: [UInt8] = []
            while !request.suffix(4).elementsEqual([13, 10, 13, 10]) {
                let bytes = try await stream.read()
                if bytes.isEmpty { break }
                request += bytes
            }
            for piece in pieces { try await stream.write(piece) }
            try await beforeClosing(stream)
        } catch {
            // The client has gone.
        }
        await stream.close()
    }
    #endif
}

/// Where connections are cut off, and what came on the last one.
private final class Cuts: Sendable {
    private struct State {
        var limit = Int.max
        var connections = 0
        var last: CutTransport?
    }

    private let state = Mutex(State())

    /// The bytes that arrive on the next connections.
    var limit: Int {
        get { state.withLock { $0.limit } }
        set { state.withLock { $0.limit = newValue } }
    }

    /// Bytes that have arrived on the last connection.
    var received: Int { state.withLock { $0.last?.received ?? 0 } }

    /// A number of its own for each connection.
    func next() -> Int {
        state.withLock { state in
            state.connections += 1
            return state.connections
        }
    }

    func made(_ transport: CutTransport) { state.withLock { $0.last = transport } }
    func forget() { state.withLock { $0.last = nil } }
}

/// A connection of which no more than so many bytes arrive. Loop thread only.
private final class CutTransport: Transport, @unchecked Sendable {
    private let lower: MemoryTransport
    private let limit: Int
    private let byReset: Bool
    private(set) var received = 0

    init(_ lower: MemoryTransport, after limit: Int, byReset: Bool) {
        self.lower = lower
        self.limit = limit
        self.byReset = byReset
    }

    var descriptor: Descriptor { lower.descriptor }

    func receive(into buffer: UnsafeMutableRawBufferPointer) throws(NetError) -> Int? {
        let room = min(buffer.count, limit - received)
        if room == 0, !buffer.isEmpty {
            guard byReset else { return 0 }
            throw NetError(.connectionReset, "cut after \(received) bytes")
        }
        guard let count = try lower.receive(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<room])) else {
            return nil
        }
        received += count
        if received == limit { descriptor.noteReadable() }
        return count
    }

    func send(_ bytes: UnsafeRawBufferPointer) throws(NetError) -> Int? { try lower.send(bytes) }
    func finishSending() { lower.finishSending() }
    func close() { lower.close() }
    func abort() { lower.abort() }
    var remoteAddress: SocketAddress? { nil }
    var localAddress: SocketAddress? { nil }
}
