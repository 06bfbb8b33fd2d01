#if TLS
import ApusNet
import ApusRuntime
import ApusTesting
import Synchronization
import Testing

@Suite("TLS: records and ends")
struct TLSRecordTests {
    /// A client of ours that has shaken hands with OpenSSL, and the plain stream below OpenSSL.
    private func withRawServer(
        _ version: TLSVersion,
        _ body: (_ client: TCPStream, _ server: RawTLSPeer, _ below: TCPStream) async throws -> Void
    ) async throws {
        let fixture = try TLSFixture(version: version)
        let left = try await leaks {
            let (near, far) = try memoryStreams()
            let number: Int32 = version == .tls12 ? 0x0303 : 0x0304
            let server = try RawTLSPeer(fixture.server.identity, over: far, version: number)
            async let serving: Void = server.handshake()
            try await near.startTLS(host: "localhost", configuration: fixture.client)
            try await serving
            try await body(near, server, far)
            await near.close()
            await far.close()
        }
        #expect(left.isEmpty, "\(left)")
    }

    @Test(
        "an end without close_notify is no end, at whatever byte, and stays so",
        arguments: [TLSVersion.tls12, .tls13]
    )
    func truncated(version: TLSVersion) async throws {
        try await withVirtualTime {
            for count in [0, 1, 4, 5, 6, 20, 33] {
                try await withRawServer(version) { client, server, below in
                    try await server.write("all of it?")
                    let record = server.record("more")
                    #expect(record.count == (version == .tls12 ? 33 : 26))
                    try await below.write(record.prefix(min(count, record.count - 1)))
                    await below.finishWriting()
                    let got = try await client.read(exactly: 10)
                    #expect(got == Array("all of it?".utf8))
                    for _ in 0..<3 {
                        let error = await netError { try await client.read() }
                        #expect(error?.code == .unexpectedEnd)
                        #expect((error?.cause as? TLSError)?.code == .truncated)
                    }
                    // The other direction is not concerned.
                    try await client.write("an answer")
                    let answer = try await server.read(upTo: 9)
                    #expect(answer == Array("an answer".utf8))
                }
            }
        }
    }

    @Test("close_notify is the end, also when the connection stays or breaks", arguments: [TLSVersion.tls12, .tls13])
    func ended(version: TLSVersion) async throws {
        try await withVirtualTime {
            for breaks in [false, true] {
                try await withRawServer(version) { client, server, below in
                    try await server.write("all")
                    try await server.closeNotify()
                    let got = try await client.read(exactly: 3)
                    #expect(got == Array("all".utf8))
                    if breaks { await below.abort() }
                    for _ in 0..<3 {
                        let end = try? await client.read()
                        if !breaks { #expect(end == []) }
                    }
                    if !breaks {
                        try await client.write("an answer")
                        let answer = try await server.read(upTo: 9)
                        #expect(answer == Array("an answer".utf8))
                    }
                }
            }
        }
    }

    @Test("a record that was changed on the way, and one that is too long, end the connection, and stay errors")
    func tampered() async throws {
        try await withVirtualTime {
            for version in [TLSVersion.tls12, .tls13] {
                for fault in 0..<3 {
                    try await withRawServer(version) { client, server, below in
                        var record = server.record("pay 10 to Alice")
                        switch fault {
                        case 0: record[record.count - 1] ^= 1
                        case 1: record.replaceSubrange(3..<5, with: [0x48, 0x01])
                        default: record = Array("HTTP/1.1 200 OK\r\n\r\n".utf8)
                        }
                        try await below.write(record)
                        for _ in 0..<2 {
                            let error = await netError { try await client.read() }
                            #expect(error?.code == .connectionReset)
                            #expect(error?.cause is TLSError, "\(String(describing: error))")
                            #expect(error?.description.contains("localhost") == true)
                        }
                        let error = await netError { try await client.write("x") }
                        #expect(error?.code == .brokenPipe)
                    }
                }
            }
        }
    }

    @Test("a client that asks to renegotiate is refused")
    func renegotiation() async throws {
        let fixture = try TLSFixture(version: .tls12)
        try await withVirtualTime {
            let left = try await leaks {
                let (near, far) = try memoryStreams()
                let client = try RawTLSPeer(nil, over: near)
                async let accepting: Void = far.startTLS(server: fixture.server)
                try await client.handshake()
                try await accepting
                async let reading = error { _ = try await far.read() }
                let refusal = await error { try await client.renegotiate() }
                #expect((refusal as? RawTLSPeer.Failure)?.description == "no renegotiation")
                await near.close()
                _ = await reading
                await far.close()
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test("a server that asks to renegotiate is refused")
    func helloRequest() async throws {
        try await withVirtualTime {
            try await withRawServer(.tls12) { client, server, _ in
                async let reading = error { _ = try await client.read() }
                async let refusal = error {
                    try await server.renegotiate()
                    // The client's answer comes with what is read next.
                    _ = try await server.read(upTo: 1)
                }
                let answer = await refusal
                #expect((answer as? RawTLSPeer.Failure)?.description == "no renegotiation")
                await client.close()
                _ = await reading
            }
        }
    }

    @Test("a peer that makes us answer for ever, and never reads, costs a bounded memory and then its connection")
    func asksForEver() async throws {
        try await withVirtualTime {
            try await withRawServer(.tls12) { client, server, _ in
                async let asking = error {
                    while true {
                        for _ in 0..<500 { try await server.renegotiate() }
                        try await server.write("x")
                    }
                }
                let refusal = await netError { while true { _ = try await client.read() } }
                await client.close()
                let broken = await asking
                #expect((broken as? NetError)?.code == .brokenPipe)
                #expect((refusal?.cause as? TLSError)?.code == .protocolError)
                #expect(refusal?.description.contains("takes no answer") == true)
            }
        }
    }

    @Test("keys may be changed on the way (TLS 1.3)")
    func keyUpdate() async throws {
        try await withVirtualTime {
            try await withRawServer(.tls13) { client, server, _ in
                for round in 0..<3 {
                    try await server.updateKeys()
                    try await server.write("round \(round)")
                    let got = try await client.read(exactly: 7)
                    #expect(got == Array("round \(round)".utf8))
                    try await client.write("reply \(round)")
                    let answer = try await server.read(upTo: 7)
                    #expect(answer == Array("reply \(round)".utf8))
                }
            }
        }
    }

    @Test(
        "a peer that changes its keys again and again lets others have their turn, and does so for ever only with data between"
    )
    func keyUpdateForEver() async throws {
        try await withVirtualTime {
            try await withRawServer(.tls13) { client, server, below in
                for _ in 0..<2 {
                    try await below.write(try server.keyUpdates(2_400) + server.record("data"))
                    let isDone = Mutex(false)
                    async let reading = {
                        defer { isDone.withLock { $0 = true } }
                        return try await client.read(exactly: 4)
                    }()
                    var turns = 0
                    while !isDone.withLock({ $0 }) {
                        await turn()
                        turns += 1
                    }
                    let got = try await reading
                    #expect(got == Array("data".utf8))
                    #expect(turns >= 3)
                }
                for _ in 0..<2 {
                    try await below.write(try server.keyUpdates(2_400))
                    let error = await netError { try await client.read(timeout: .seconds(1)) }
                    #expect(error?.code == .timedOut)
                }
                try await below.write(try server.keyUpdates(100))
                for _ in 0..<2 {
                    let refusal = await netError { try await client.read() }
                    #expect((refusal?.cause as? TLSError)?.code == .protocolError)
                    #expect(refusal?.description.contains("records over TLS without data") == true)
                }
            }
        }
    }

    // MARK: Writing and ending against a peer that does not read

    @Test("a write after one that was given up sends its own bytes", arguments: [TLSVersion.tls12, .tls13])
    func abandonedWrite(version: TLSVersion) async throws {
        let fixture = try TLSFixture(version: version)
        try await withVirtualTime {
            for byTimeout in [true, false] {
                let (near, far) = try await fixture.streams(capacity: 1_000)
                let large = [UInt8](repeating: 1, count: 100_000)
                if byTimeout {
                    let error = await netError { try await near.write(large, timeout: .seconds(1)) }
                    #expect(error?.code == .timedOut)
                } else {
                    let writing = EventLoop.spawn { try await near.write(large) }
                    for _ in 0..<10 { await turn() }
                    writing.cancel()
                    _ = await writing.result
                }
                async let sent: Void = {
                    try await near.write("and this")
                    await near.close()
                }()
                var got: [UInt8] = []
                while case let piece = try await far.read(), !piece.isEmpty { got += piece }
                try await sent
                #expect(Array(got.suffix(8)) == Array("and this".utf8))
                #expect(got.dropLast(8).allSatisfy { $0 == 1 })
                await far.close()
            }
        }
    }

    @Test("a peer that never reads delays a close by a limit, in the background, and then is broken off")
    func closeLimit() async throws {
        let fixture = try TLSFixture()
        try await withVirtualTime {
            let loop = try #require(EventLoop.current)
            let left = try await leaks {
                let (near, far) = try await fixture.streams(capacity: 100)
                _ = await netError { try await near.write([UInt8](repeating: 1, count: 1_000), timeout: .seconds(1)) }
                let begun = loop.clock.now
                await near.close()
                // The caller does not wait.
                #expect(begun.duration(to: loop.clock.now) == .zero)
                let errors = [
                    await netError { try await near.read() }?.code, await netError { try await near.write("x") }?.code,
                ]
                #expect(errors == [.closed, .closed])
                try await sleep(for: .seconds(11))
                let error = await netError { while try await !far.read().isEmpty {} }
                #expect(error?.code == .connectionReset)
                await far.close()
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test("breaking off does not wait, also after a close that does")
    func abort() async throws {
        let fixture = try TLSFixture()
        try await withVirtualTime {
            for closesFirst in [false, true] {
                let left = try await leaks {
                    let (near, far) = try await fixture.streams(capacity: 100)
                    _ = await netError {
                        try await near.write([UInt8](repeating: 1, count: 1_000), timeout: .seconds(1))
                    }
                    if closesFirst { await near.close() }
                    await near.abort()
                    let error = await netError { while try await !far.read().isEmpty {} }
                    #expect(error?.code == .connectionReset)
                    await far.close()
                }
                #expect(left.isEmpty, "\(left)")
            }
        }
    }
}
#endif
