#if TLS
import ApusNet
import ApusRuntime
import ApusTesting
import Testing

/// Bytes that a peer sends where TLS belongs, and what this side has to say about it.
struct WireFault: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var bytes: [UInt8]
    var code: TLSError.Code
    var word: String

    /// What a server may answer to our hello.
    static let toClients = [
        WireFault("an http response", "HTTP/1.1 400 Bad Request\r\n\r\n", .notTLS, "not TLS"),
        WireFault("an ssh banner", "SSH-2.0-OpenSSH_9.2\r\n", .notTLS, "not TLS"),
        WireFault("an smtp greeting", "220 mail.example ESMTP\r\n", .notTLS, "not TLS"),
        WireFault("zeros", [UInt8](repeating: 0, count: 64), .notTLS, "not TLS"),
        WireFault("ones", [UInt8](repeating: 255, count: 64), .notTLS, "not TLS"),
        WireFault("a refusal", [21, 3, 3, 0, 2, 2, 40], .alert, "handshake failure"),
        WireFault("a refusal of the version", [21, 3, 3, 0, 2, 2, 70], .protocolError, "no TLS version"),
        WireFault("a refusal of the name", [21, 3, 3, 0, 2, 2, 112], .alert, "unrecognized name"),
        WireFault("an end", [21, 3, 3, 0, 2, 1, 0], .truncated, "during the TLS handshake"),
        WireFault("nothing, and an end", [], .truncated, "during the TLS handshake"),
        WireFault("a record that is cut off", [22, 3, 3, 0, 80, 2, 0], .truncated, "during the TLS handshake"),
        WireFault(
            "a record of more than 16 KiB",
            [22, 3, 3, 0x48, 1] + [UInt8](repeating: 2, count: 64),
            .protocolError,
            "length"
        ),
        WireFault("the longest record that a header can name", [22, 3, 3, 255, 255, 2, 0], .protocolError, "length"),
        WireFault("an empty handshake record", [22, 3, 3, 0, 0], .truncated, "during the TLS handshake"),
        WireFault("application data", [23, 3, 3, 0, 5, 1, 2, 3, 4, 5], .protocolError, "failed"),
        WireFault("a server hello of nonsense", [22, 3, 3, 0, 8, 2, 0, 0, 4, 9, 9, 9, 9], .protocolError, "failed"),
        WireFault("a message of 16 MB", [22, 3, 3, 0, 4, 2, 255, 255, 255], .protocolError, "failed"),
        WireFault("SSL 2", [0x80, 0x2E, 1, 0, 2, 0, 0x15, 0, 0, 0, 16], .notTLS, "not TLS"),
    ]

    /// What a client may send to a port for TLS.
    static let toServers = [
        WireFault("an http request", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", .notTLS, "plain http"),
        WireFault("an http request for a proxy", "CONNECT localhost:443 HTTP/1.1\r\n\r\n", .notTLS, "plain http"),
        WireFault("an ssh banner", "SSH-2.0-OpenSSH_9.2\r\n", .notTLS, "not TLS"),
        WireFault("zeros", [UInt8](repeating: 0, count: 64), .notTLS, "not TLS"),
        WireFault("an alert", [21, 3, 3, 0, 2, 2, 40], .protocolError, "failed"),
        WireFault("nothing, and an end", [], .truncated, "during the TLS handshake"),
        WireFault("a hello that is cut off", [22, 3, 1, 0, 80, 1, 0], .truncated, "during the TLS handshake"),
        WireFault(
            "a record of more than 16 KiB",
            [22, 3, 1, 0x48, 1] + [UInt8](repeating: 1, count: 64),
            .protocolError,
            "length"
        ),
        WireFault("application data", [23, 3, 3, 0, 5, 1, 2, 3, 4, 5], .protocolError, "failed"),
        WireFault("a hello of nonsense", [22, 3, 1, 0, 8, 1, 0, 0, 4, 9, 9, 9, 9], .protocolError, "failed"),
        WireFault("a message of 16 MB", [22, 3, 1, 0, 4, 1, 255, 255, 255], .protocolError, "failed"),
    ]

    private init(_ description: String, _ bytes: [UInt8], _ code: TLSError.Code, _ word: String) {
        testDescription = description
        self.bytes = bytes
        self.code = code
        self.word = word
    }

    private init(_ description: String, _ text: String, _ code: TLSError.Code, _ word: String) {
        self.init(description, Array(text.utf8), code, word)
    }
}

@Suite("TLS: faults on the wire")
struct TLSWireTests {
    // MARK: In the handshake

    @Test("a client says what came instead of an answer", arguments: WireFault.toClients)
    func answers(fault: WireFault) async throws {
        let fixture = try TLSFixture()
        try await withVirtualTime {
            let left = try await leaks {
                let (near, far) = try memoryStreams()
                async let refusal = tlsError {
                    try await near.startTLS(host: "localhost", configuration: fixture.client)
                }
                // The peer takes the hello, as one that speaks something else would.
                _ = try await far.read()
                try await far.write(fault.bytes)
                await far.finishWriting()
                let error = await refusal
                #expect(error?.code == fault.code, "\(String(describing: error))")
                let text = error?.description ?? ""
                for word in [fault.word, "localhost"] { #expect(text.contains(word), "“\(word)” is not in: \(text)") }
                await far.close()
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test("a server says what came instead of a hello", arguments: WireFault.toServers)
    func hellos(fault: WireFault) async throws {
        let fixture = try TLSFixture()
        try await withVirtualTime {
            let left = try await leaks {
                let (near, far) = try memoryStreams()
                try await near.write(fault.bytes)
                await near.finishWriting()
                let error = await tlsError { try await far.startTLS(server: fixture.server) }
                #expect(error?.code == fault.code, "\(String(describing: error))")
                let text = error?.description ?? ""
                for word in [fault.word, "the client"] { #expect(text.contains(word), "“\(word)” is not in: \(text)") }
                await near.close()
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test("TLS to a port that sends back what comes is an error of the protocol")
    func echo() async throws {
        let fixture = try TLSFixture()
        try await withVirtualTime {
            let (near, far) = try memoryStreams()
            async let refusal = tlsError { try await near.startTLS(host: "localhost", configuration: fixture.client) }
            let hello = try await far.read()
            try await far.write(hello)
            let error = await refusal
            #expect(error?.code == .protocolError)
            await far.close()
        }
    }

    @Test(
        "a peer that stops in the handshake, or goes on a byte at a time, ends with its deadline",
        arguments: [0, 1, 5, 6, 40]
    )
    func deadline(sent: Int) async throws {
        let fixture = try TLSFixture()
        try await withVirtualTime {
            let loop = try #require(EventLoop.current)
            let left = try await leaks {
                for isClient in [true, false] {
                    let (near, far) = try memoryStreams()
                    let dripping = loop.spawn {
                        // A record that is announced and never whole.
                        let bytes = [22, 3, 3, 0x3F, 0xFF, isClient ? 2 : 1] + [UInt8](repeating: 0, count: 16_000)
                        for byte in bytes.prefix(sent) { try await far.write([byte]) }
                        for byte in bytes.dropFirst(sent) where sent > 0 {
                            try await sleep(for: .milliseconds(900))
                            try await far.write([byte])
                        }
                    }
                    let begun = loop.clock.now
                    let error = await tlsError {
                        if isClient {
                            try await near.startTLS(
                                host: "localhost",
                                configuration: fixture.client,
                                timeout: .seconds(7)
                            )
                        } else {
                            try await near.startTLS(server: fixture.server, timeout: .seconds(7))
                        }
                    }
                    #expect(error?.code == .timedOut)
                    #expect(error?.isTimeout == true)
                    #expect(error?.description.contains(isClient ? "localhost" : "the client") == true)
                    #expect(begun.duration(to: loop.clock.now) == .seconds(7))
                    dripping.cancel()
                    _ = await dripping.result
                    await far.close()
                }
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    /// How a client's and a server's handshake end if only so many bytes of the server's (or the client's) come through.
    private func cut(
        _ fixture: TLSFixture,
        after count: Int,
        ofServer: Bool,
        byAbort: Bool
    ) async throws -> (client: (any Error)?, server: (any Error)?) {
        let (near, nearRelay) = try memoryStreams()
        let (farRelay, far) = try memoryStreams()
        @Sendable func forward(_ from: TCPStream, _ to: TCPStream, _ limit: Int) async {
            var left = limit
            while left > 0, let bytes = try? await from.read(upTo: left), !bytes.isEmpty {
                guard (try? await to.write(bytes)) != nil else { break }
                left -= bytes.count
            }
            if limit == .max { return await to.finishWriting() }
            if byAbort {
                await nearRelay.abort()
                await farRelay.abort()
            } else {
                await nearRelay.close()
                await farRelay.close()
            }
        }
        async let up: Void = forward(nearRelay, farRelay, ofServer ? .max : count)
        async let down: Void = forward(farRelay, nearRelay, ofServer ? count : .max)
        // What they write afterwards reaches any limit.
        let filler = [UInt8](repeating: 1, count: 3_000)
        async let serving = error {
            try await far.startTLS(server: fixture.server)
            try await far.write(filler)
            _ = try await far.read(exactly: filler.count + 1)
        }
        let client = await error {
            try await near.startTLS(host: "localhost", configuration: fixture.client)
            try await near.write(filler)
            _ = try await near.read(exactly: filler.count + 1)
        }
        let server = await serving
        for stream in [near, far, nearRelay, farRelay] { await stream.abort() }
        _ = await (up, down)
        return (client, server)
    }

    @Test(
        "a connection that ends or breaks at any point of the handshake is an error of its own",
        arguments: [false, true]
    )
    func cutOff(byAbort: Bool) async throws {
        let fixture = try TLSFixture()
        try await withVirtualTime {
            let left = try await leaks {
                for ofServer in [true, false] {
                    for count in Array(0..<20) + stride(from: 21, to: 1_500, by: 59) {
                        let (client, server) = try await cut(
                            fixture,
                            after: count,
                            ofServer: ofServer,
                            byAbort: byAbort
                        )
                        for error in [client, server] {
                            switch error {
                            case let error as TLSError:
                                #expect(error.code == .truncated, "\(error) after \(count) bytes")
                            case let error as NetError:
                                #expect(
                                    (byAbort ? [.connectionReset, .brokenPipe] : [.unexpectedEnd, .brokenPipe])
                                        .contains(error.code),
                                    "\(error.code): \(error) after \(count) bytes"
                                )
                            default: Issue.record("\(String(describing: error)) after \(count) bytes")
                            }
                        }
                    }
                }
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test("a reset in the handshake is said to be that, by both sides", arguments: [0, 100])
    func reset(read count: Int) async throws {
        let fixture = try TLSFixture()
        try await withTestLoop {
            let left = try await leaks {
                for isClient in [true, false] {
                    let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
                    async let accepting = listener.accept()
                    let ours = try await TCPStream.connect(to: listener.address)
                    let peer = try await accepting
                    await listener.close()
                    async let shaking = error {
                        if isClient {
                            try await ours.startTLS(host: "localhost", configuration: fixture.client)
                        } else {
                            try await ours.startTLS(server: fixture.server)
                        }
                    }
                    if isClient, count > 0 { _ = try await peer.read(exactly: count) }
                    if !isClient, count > 0 { try await peer.write([22, 3, 1, 2, 0, 1]) }
                    await peer.abort()
                    let error = await shaking as? NetError
                    #expect(error?.code == .connectionReset || error?.code == .brokenPipe)
                    let name = isClient ? "localhost" : "127.0.0.1"
                    #expect(
                        error?.description.contains("The TLS handshake with \(name)") == true,
                        "\(String(describing: error))"
                    )
                }
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test("records may come in pieces of a single byte", arguments: [TLSVersion.tls12, .tls13])
    func byteByByte(version: TLSVersion) async throws {
        let fixture = try TLSFixture(version: version)
        try await withVirtualTime {
            let left = try await leaks {
                let (near, far) = try await fixture.streams(capacity: 1)
                async let sent: Void = near.write([UInt8](repeating: 7, count: 40_000))
                let got = try await far.read(exactly: 40_000)
                try await sent
                #expect(got.allSatisfy { $0 == 7 })
                // Ends too, although there is never room for more than their first byte.
                await near.finishWriting()
                let end = try await far.read()
                #expect(end.isEmpty)
                async let answered: Void = far.write("answer")
                let answer = try await near.read(exactly: 6)
                try await answered
                #expect(answer == Array("answer".utf8))
                await far.close()
                let other = try await near.read()
                #expect(other.isEmpty)
                await near.close()
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test("inside TLS the reason of a failure is told as outside, on both sides")
    func failureInside() async throws {
        var fixture = try TLSFixture()
        fixture.client.applicationProtocols = ["h2"]
        fixture.server.applicationProtocols = ["http/1.1"]
        let mismatch = fixture
        let plain = try TLSFixture()
        try await withVirtualTime {
            let left = try await leaks {
                let (near, far) = try await plain.streams()
                async let accepting = tlsError { try await far.startTLS(server: mismatch.server) }
                let refusal = await tlsError {
                    try await near.startTLS(host: "localhost", configuration: mismatch.client)
                }
                let reason = await accepting
                #expect(refusal?.code == .alert)
                #expect(refusal?.description.contains("no application protocol") == true)
                #expect(reason?.code == .protocolError)
                #expect(reason?.description.contains("ALPN") == true)
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test("TLS inside TLS goes through a pipe of one byte")
    func byteByByteInside() async throws {
        let fixture = try TLSFixture()
        try await withVirtualTime {
            let left = try await leaks {
                let (near, far) = try await fixture.streams(capacity: 1)
                try await fixture.shakeHands(near, far)
                async let sent: Void = near.write("inside")
                let got = try await far.read(exactly: 6)
                try await sent
                #expect(got == Array("inside".utf8))
                await near.close()
                let end = try await far.read()
                #expect(end.isEmpty)
                await far.close()
            }
            #expect(left.isEmpty, "\(left)")
        }
    }
}
#endif
