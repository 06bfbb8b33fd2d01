import ApusNet
import ApusRuntime
import ApusTesting
import Synchronization
import Testing

/// Lines, messages and exact lengths, however the bytes arrive.
@Suite("BufferedReader")
struct BufferedReaderTests {
    /// How input reaches the reader.
    enum Arrival: CaseIterable, Sendable {
        case whole, byteByByte, inThrees
    }

    /// Runs `body` with a reader of `text`, however it arrives; nothing may be left.
    private func reading(
        _ text: String,
        limit: Int = BufferedReader.defaultLimit,
        endsWriting: Bool = true,
        _ body: @escaping @Sendable (BufferedReader) async throws -> Void
    ) async throws {
        for arrival in Arrival.allCases {
            try await withVirtualTime {
                let left = try await leaks {
                    let (near, far) = try memoryStreams()
                    let writer = EventLoop.spawn {
                        let bytes = Array(text.utf8)
                        switch arrival {
                        case .whole: try await far.write(bytes)
                        case .byteByByte:
                            for byte in bytes {
                                try await far.write([byte])
                                await turn()
                            }
                        case .inThrees:
                            for start in stride(from: 0, to: bytes.count, by: 3) {
                                try await far.write(bytes[start..<min(start + 3, bytes.count)])
                                await turn()
                            }
                        }
                        if endsWriting { await far.finishWriting() }
                    }
                    try await body(BufferedReader(near, limit: limit))
                    try await writer.value
                    await near.close()
                    await far.close()
                }
                #expect(left.isEmpty, "\(left), \(arrival)")
            }
        }
    }

    /// The ``ReadError`` that `body` throws.
    private func readError<Success>(_ body: () async throws -> Success) async -> ReadError? {
        do {
            _ = try await body()
            Issue.record("no error")
        } catch let error as ReadError {
            return error
        } catch {
            Issue.record("not a ReadError: \(error)")
        }
        return nil
    }

    // MARK: Lines

    @Test("lines end with LF or CR LF, the last one with the stream, and a lone CR ends none")
    func lines() async throws {
        try await reading("one\ntwo\r\n\r\n\nfi\rve\nsix") { reader in
            var lines: [String] = []
            for try await line in reader.lines { lines.append(line) }
            #expect(lines == ["one", "two", "", "", "fi\rve", "six"])
            let end = try await reader.readLine()
            #expect(end == nil)
        }
    }

    @Test("characters of several bytes survive being cut, and what is no UTF-8 is replaced")
    func characters() async throws {
        try await reading("雨燕 🐦\nZürich\n") { reader in
            let first = try await reader.readLine()
            let second = try await reader.readLine()
            #expect(first == "雨燕 🐦")
            #expect(second == "Zürich")
        }
        try await withVirtualTime {
            let (near, far) = try memoryStreams()
            try await far.write([0x61, 0xFF, 0x0A])
            let line = try await BufferedReader(near).readLine()
            #expect(line == "a\u{FFFD}")
        }
    }

    @Test("a line of exactly the limit is read, one byte more is limitExceeded and still there")
    func lineLimit() async throws {
        try await reading("1234567\n12345678\nrest\n", limit: 8) { reader in
            let fits = try await reader.readLine()
            #expect(fits == "1234567")
            let error = await readError { try await reader.readLine() }
            #expect(error?.code == .limitExceeded)
            #expect(error?.partial.starts(with: Array("12345678".utf8)) == true)
            let raised = try await reader.readLine(limit: 100)
            #expect(raised == "12345678")
            let rest = try await reader.readLine()
            #expect(rest == "rest")
        }
    }

    @Test("a line without end is limitExceeded after the limit, and not after more memory")
    func endlessLine() async throws {
        try await withVirtualTime {
            let (near, far) = try memoryStreams(capacity: 1_000)
            let writer = EventLoop.spawn {
                do {
                    while true { try await far.write([UInt8](repeating: 65, count: 1_000)) }
                } catch let error as NetError where error.code == .brokenPipe {
                    // The reader has closed its end.
                }
            }
            let reader = BufferedReader(near, limit: 10_000)
            let error = await readError { try await reader.readLine() }
            #expect(error?.code == .limitExceeded)
            // What was read in one go beyond the limit, and no more.
            #expect((10_000...80_000).contains(error?.partial.count ?? 0))
            await near.close()
            try await writer.value
        }
    }

    @Test("a line far beyond the reader's own limit is read when the read allows it, in few steps")
    func longLine() async throws {
        try await withVirtualTime {
            let (near, far) = try memoryStreams()
            let reader = BufferedReader(near, limit: 100)
            let line = [UInt8](repeating: 65, count: 4_000_000) + [10]
            async let sent: Void = far.write(line)
            let got = try await reader.readLine(limit: 5_000_000)
            try await sent
            #expect(got?.utf8.count == 4_000_000)
            await near.close()
            await far.close()
        }
    }

    // MARK: Separators

    @Test("the separator whose end comes first wins, and comes along")
    func separators() async throws {
        try await reading("a--b-c==d") { reader in
            let separators = [Array("==".utf8), Array("--".utf8), Array("-".utf8)]
            var pieces: [String] = []
            for _ in 0..<4 {
                pieces.append(String(decoding: try await reader.readUntil(separators: separators), as: UTF8.self))
            }
            #expect(pieces == ["a-", "-", "b-", "c=="])
            let error = await readError { try await reader.readUntil(separators: separators) }
            #expect(error?.code == .incomplete)
            #expect(error?.partial == Array("d".utf8))
            #expect(error?.description.contains("1 byte") == true)
        }
    }

    @Test("a separator that begins like itself is found")
    func overlappingSeparator() async throws {
        try await reading("xaab aaab|aaabz") { reader in
            let first = try await reader.readUntil("aab")
            let second = try await reader.readUntil("aaab")
            let third = try await reader.readUntil("|aaab")
            #expect(first == Array("xaab".utf8))
            #expect(second == Array(" aaab".utf8))
            #expect(third == Array("|aaab".utf8))
        }
    }

    @Test("no separator, or an empty one, is refused")
    func emptySeparator() async throws {
        try await withVirtualTime {
            let (near, _) = try memoryStreams()
            let reader = BufferedReader(near)
            for separators in [[], [[]], [[10], []]] as [[[UInt8]]] {
                let error = await netError { try await reader.readUntil(separators: separators) }
                #expect(error?.code == .invalidArgument)
            }
        }
    }

    // MARK: Exact lengths

    @Test("exactly as many bytes as asked for, and an early end keeps what there was")
    func exactly() async throws {
        try await reading("abcdefgh") { reader in
            let none = try await reader.readExactly(0)
            let three = try await reader.readExactly(3)
            #expect(none.isEmpty)
            #expect(three == Array("abc".utf8))
            let error = await readError { try await reader.readExactly(6) }
            #expect(error?.code == .incomplete)
            #expect(error?.partial == Array("defgh".utf8))
            #expect(error?.isTimeout == false)
            let end = try await reader.read()
            #expect(end.isEmpty)
        }
    }

    @Test("a negative length is refused")
    func negativeLength() async throws {
        try await withVirtualTime {
            let (near, _) = try memoryStreams()
            let error = await netError { try await BufferedReader(near).readExactly(-1) }
            #expect(error?.code == .invalidArgument)
        }
    }

    @Test("a large message takes its size, and a claimed length takes no memory before its bytes")
    func largeMessage() async throws {
        try await withVirtualTime {
            let (near, far) = try memoryStreams()
            let bytes = (0..<600_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
            async let sent: Void = far.write(bytes)
            let reader = BufferedReader(near)
            let got = try await reader.readExactly(bytes.count)
            try await sent
            #expect(got == bytes)
            await far.close()
            // A peer may claim anything: this must not be allocated.
            let error = await readError { try await reader.readExactly(Int.max) }
            #expect(error?.code == .incomplete)
            await near.close()
        }
    }

    /// Gives a byte at a time, and notes the room that it is offered for it.
    private final class Trickle: ByteStream {
        private let offers = Mutex<[Int]>([])
        /// How often it was offered as much room as before, or more.
        var growths: Int {
            let offers = offers.withLock { $0 }
            return zip(offers, offers.dropFirst()).count { $1 >= $0 }
        }

        func read(into buffer: inout [UInt8], startingAt offset: Int, timeout: Duration?) async throws -> Int {
            let count = offers.withLock { offers in
                offers.append(buffer.count - offset)
                return offers.count
            }
            buffer[offset] = count == 30_000 ? 0x0A : 0x61
            return 1
        }
        func read(upTo count: Int, timeout: Duration?) async throws -> [UInt8] { [0x61] }
        func write(_ bytes: ArraySlice<UInt8>, timeout: Duration?) async throws {}
        func finishWriting() async {}
        func close() async {}
        func abort() async {}
    }

    @Test("a stream that gives a byte at a time does not have new room made for each")
    func trickle() async throws {
        try await withTestLoop {
            let stream = Trickle()
            let reader = BufferedReader(stream)
            let bytes = try await reader.readExactly(10_000)
            #expect(bytes.count == 10_000)
            let line = try await reader.readLine()
            #expect(line?.utf8.count == 19_999)
            #expect(stream.growths < 20, "\(stream.growths)")
        }
    }

    @Test("peeking takes nothing, and sees less only at the end")
    func peeking() async throws {
        try await reading("abc") { reader in
            let two = try await reader.peek(2)
            let more = try await reader.peek(10)
            let all = try await reader.read()
            #expect(two == Array("ab".utf8))
            #expect(more == Array("abc".utf8))
            #expect(all == Array("abc".utf8))
            let error = await netError { try await reader.peek(0) }
            #expect(error?.code == .invalidArgument)
            let beyond = await netError { try await reader.peek(reader.limit + 1) }
            #expect(beyond?.code == .invalidArgument)
        }
    }

    @Test("reading to the end has a limit, beyond which nothing is lost")
    func toEnd() async throws {
        try await reading("0123456789") { reader in
            let error = await readError { try await reader.readToEnd(limit: 5) }
            #expect(error?.code == .limitExceeded)
            let all = try await reader.readToEnd(limit: 10)
            #expect(all == Array("0123456789".utf8))
        }
    }

    // MARK: Waiting

    @Test("a read that times out or is cancelled in the middle of a line loses nothing")
    func interrupted() async throws {
        try await withVirtualTime {
            let (near, far) = try memoryStreams()
            let reader = BufferedReader(near)
            try await far.write("first ha")
            let error = await netError { try await reader.readLine(timeout: .seconds(5)) }
            #expect(error?.code == .timedOut)
            #expect(reader.bufferedCount == 8)
            do {
                try await withTimeout(.seconds(1)) { _ = try await reader.readLine() }
                Issue.record("the line came from nowhere")
            } catch is TimeoutError {
                // What was read stays.
            }
            try await far.write("lf\n")
            let line = try await reader.readLine()
            #expect(line == "first half")
            await near.close()
            await far.close()
        }
    }

    @Test("what was read ahead can be taken by whoever goes on with the stream")
    func readAhead() async throws {
        try await reading("STARTTLS\r\nsecret") { reader in
            let line = try await reader.readLine()
            #expect(line == "STARTTLS")
            var rest = reader.takeBuffered()
            while true {
                let more = try await reader.stream.read()
                if more.isEmpty { break }
                rest += more
            }
            #expect(rest == Array("secret".utf8))
            #expect(reader.bufferedCount == 0)
        }
    }
}
