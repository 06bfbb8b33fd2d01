import ApusNet
import ApusRuntime
import ApusTesting
import Testing

@Suite("TCP streams", .serialized)
struct StreamTests {
    @Test("what is written on one end is read on the other, both ways")
    func roundTrip() async throws {
        try await withStreams { client, server in
            try await client.write("hello")
            let up = try await server.read(exactly: 5)
            try await server.write([1, 2, 3])
            let down = try await client.read()
            #expect(up == Array("hello".utf8))
            #expect(down == [1, 2, 3])
            #expect(client.remoteAddress == server.localAddress)
            #expect(client.localAddress == server.remoteAddress)
        }
    }

    @Test("read(upTo:) returns no more than asked for, and loses nothing")
    func upTo() async throws {
        try await withStreams { client, server in
            try await client.write("abcdef")
            await client.finishWriting()
            var pieces: [String] = []
            while true {
                let piece = try await server.read(upTo: 4)
                if piece.isEmpty { break }
                #expect(piece.count <= 4)
                pieces.append(String(decoding: piece, as: UTF8.self))
            }
            #expect(pieces.joined() == "abcdef")
            let again = try await server.read()
            #expect(again.isEmpty)
        }
    }

    @Test("half-close: the other side reads to the end, and can still answer")
    func halfClose() async throws {
        try await withStreams { client, server in
            try await client.write("question")
            await client.finishWriting()
            var question: [UInt8] = []
            while true {
                let piece = try await server.read()
                if piece.isEmpty { break }
                question += piece
            }
            #expect(question == Array("question".utf8))
            try await server.write("answer")
            await server.close()
            let answer = try await client.read(exactly: 6)
            #expect(answer == Array("answer".utf8))
            let end = try await client.read()
            #expect(end.isEmpty)
            let error = await netError { try await client.write("more") }
            #expect(error?.code == .brokenPipe)
        }
    }

    @Test("data and FIN in one segment: both are read")
    func dataAndEnd() async throws {
        for waitsFirst in [true, false] {
            try await withStreams { client, server in
                async let reading = server.read(exactly: 3)
                if waitsFirst { await turn() }
                try await client.write("end")
                await client.close()
                let data = try await reading
                #expect(data == Array("end".utf8))
                let end = try await server.read()
                #expect(end.isEmpty)
            }
        }
    }

    @Test("closing ends the waits of this side with .closed, is safe twice, and later calls say so")
    func close() async throws {
        try await withStreams { client, _ in
            let reading = EventLoop.spawn { try await client.read() }
            let writing = EventLoop.spawn { try await client.write([UInt8](repeating: 0, count: 64 << 20)) }
            await turn()
            await client.close()
            await client.close()
            let codes = [
                await netError { try await reading.value }?.code, await netError { try await writing.value }?.code,
                await netError { try await client.read() }?.code, await netError { try await client.write("x") }?.code,
            ]
            #expect(codes == [.closed, .closed, .closed, .closed])
            await client.finishWriting()
        }
    }

    @Test("a reset by the peer is connectionReset")
    func reset() async throws {
        try await withStreams { client, server in
            let reading = EventLoop.spawn { try await client.read() }
            await turn()
            await server.abort()
            let error = await netError { try await reading.value }
            #expect(error?.code == .connectionReset)
            #expect(error?.errno != nil)
        }
    }

    @Test("two readers, or two writers, at once: the second is told .busy, and the first goes on")
    func busy() async throws {
        try await withStreams { client, server in
            let first = EventLoop.spawn { try await client.read() }
            await turn()
            let second = await netError { try await client.read() }
            #expect(second?.code == .busy)
            try await server.write("for the first")
            let text = try await first.value
            #expect(text == Array("for the first".utf8))
            let large = EventLoop.spawn { try await client.write([UInt8](repeating: 1, count: 16 << 20)) }
            await turn()
            let other = await netError { try await client.write("x") }
            #expect(other?.code == .busy)
            // The pieces of two writers must not mix even when there is room again and the first has not run yet.
            let bytes = try await server.read(exactly: 16 << 20)
            #expect(bytes == [UInt8](repeating: 1, count: 16 << 20))
            try await large.value
        }
    }

    @Test("a second writer is told .busy even when room has come and the first has not run yet")
    func busyWithRoom() async throws {
        try await withVirtualTime {
            let (left, right) = try memoryStreams(capacity: 4)
            let first = EventLoop.spawn { try await left.write("11111111") }
            await turn()
            let bytes = try await right.read()
            // Now the first writer is ready, and behind this task in the queue.
            let error = await netError { try await left.write("22") }
            #expect(error?.code == .busy)
            let rest = try await right.read(exactly: 4)
            #expect(bytes + rest == Array("11111111".utf8))
            try await first.value
            await left.close()
            await right.close()
        }
    }

    @Test("reading while writing is allowed")
    func fullDuplex() async throws {
        try await withStreams { client, server in
            let count = 4 << 20
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            let echo = EventLoop.spawn {
                while true {
                    let piece = try await server.read()
                    if piece.isEmpty { return await server.close() }
                    try await server.write(piece)
                }
            }
            async let writing: Void = client.write(bytes)
            let back = try await client.read(exactly: count)
            try await writing
            #expect(back == bytes)
            await client.finishWriting()
            try await echo.value
        }
    }

    // MARK: Deadlines

    @Test("a read's, a write's and a connection's timeout end with .timedOut, and the stream goes on")
    func timeouts() async throws {
        try await withVirtualTime {
            let left = try await leaks {
                let (left, right) = try memoryStreams(capacity: 10)
                let read = await netError { try await left.read(timeout: .seconds(5)) }
                #expect(read?.code == .timedOut)
                #expect(read?.isTimeout == true)
                #expect(EventLoop.current?.clock.now == LoopClock.Instant(nanoseconds: 5_000_000_000))
                let write = await netError { try await left.write("more than ten bytes", timeout: .seconds(7)) }
                #expect(write?.code == .timedOut)
                #expect(EventLoop.current?.clock.now == LoopClock.Instant(nanoseconds: 12_000_000_000))
                try await right.write("late")
                let late = try await left.read(timeout: .seconds(1))
                #expect(late == Array("late".utf8))
                await left.close()
                await right.close()
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test("a timeout of zero looks once")
    func zero() async throws {
        try await withStreams { client, server in
            let error = await netError { try await client.read(timeout: .zero) }
            #expect(error?.code == .timedOut)
            try await server.write("x")
            let bytes = try await client.read(timeout: .seconds(60))
            #expect(bytes == [0x78])
        }
    }

    // MARK: Cancellation

    @Test("a cancelled read leaves the stream as it was: the next read gets every byte")
    func cancelRead() async throws {
        try await withStreams { client, server in
            for round in 0..<20 {
                let reading = EventLoop.spawn { try await client.read() }
                for _ in 0..<round % 3 { await turn() }
                reading.cancel()
                await #expect(throws: CancellationError.self) { try await reading.value }
                try await server.write("round \(round)\n")
                let text = try await client.read()
                #expect(String(decoding: text, as: UTF8.self) == "round \(round)\n")
            }
        }
    }

    @Test("cancelled from another thread, while bytes arrive, no byte is lost and none comes twice")
    func cancelFromElsewhere() async throws {
        try await withStreams { client, server in
            let count = 20_000
            let writer = EventLoop.spawn {
                for start in stride(from: 0, to: count, by: 50) {
                    try await server.write((start..<start + 50).map { UInt8(truncatingIfNeeded: $0) })
                    await turn()
                }
                await server.finishWriting()
            }
            var received: [UInt8] = []
            var isAtEnd = false
            while !isAtEnd {
                let reading = EventLoop.spawn { try await client.read() }
                Task.detached { reading.cancel() }
                do {
                    let piece = try await reading.value
                    isAtEnd = piece.isEmpty
                    received += piece
                } catch is CancellationError {
                    continue
                }
            }
            try await writer.value
            #expect(received == (0..<count).map { UInt8(truncatingIfNeeded: $0) })
        }
    }

    @Test("a cancellation that comes late, from another thread, does not end the next task's wait")
    func lateCancellation() async throws {
        try await withStreams { client, server in
            for _ in 0..<200 {
                let first = EventLoop.spawn { try? await client.read() }
                await turn()
                let cancelling = Task.detached { first.cancel() }
                _ = try await first.value
                let second = EventLoop.spawn { try await client.read() }
                await cancelling.value
                await turn()
                try await server.write("x")
                let bytes = try await second.value
                #expect(bytes == [0x78])
            }
        }
    }

    @Test("64 MB to a reader that never reads: bounded, and ended by cancellation, by close or by the peer")
    func backPressure() async throws {
        for ending in 0..<3 {
            try await withStreams { client, server in
                let writing = EventLoop.spawn { try await client.write([UInt8](repeating: 9, count: 64 << 20)) }
                for _ in 0..<100 { await turn() }
                switch ending {
                case 0:
                    writing.cancel()
                    await #expect(throws: CancellationError.self) { try await writing.value }
                case 1:
                    await client.close()
                    let error = await netError { try await writing.value }
                    #expect(error?.code == .closed)
                default:
                    await server.close()
                    let error = await netError { try await writing.value }
                    #expect(error?.code == .connectionReset || error?.code == .brokenPipe)
                }
            }
        }
    }

    // MARK: From elsewhere

    @Test("a stream works from the pool, from the main actor and from another loop")
    func elsewhere() async throws {
        try await withStreams { client, server in
            try await Task.detached {
                #expect(EventLoop.current == nil)
                try await client.write("from the pool")
                let text = try await server.read()
                #expect(text == Array("from the pool".utf8))
            }.value
            let task = Task { @MainActor in
                try await server.write("from the main actor")
                let text = try await client.read()
                MainActor.assertIsolated()
                return text
            }
            let text = try await task.value
            #expect(text == Array("from the main actor".utf8))
            try await withTestLoop {
                #expect(EventLoop.current !== client.eventLoop)
                try await client.write("from another loop")
                let text = try await server.read()
                #expect(text == Array("from another loop".utf8))
            }
            // Cancelled there.
            let reading = Task.detached { try await client.read() }
            for _ in 0..<10 { await turn() }
            reading.cancel()
            let result = await reading.result
            #expect(throws: CancellationError.self) { try result.get() }
            await Task.detached { await client.close() }.value
        }
    }

    @Test("dropping the last reference closes the connection, on the loop and elsewhere")
    func dropped() async throws {
        for elsewhere in [false, true] {
            try await withTestLoop {
                let left = try await leaks {
                    let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
                    async let accepting = listener.accept()
                    if elsewhere {
                        let address = listener.address
                        try await Task.detached { [loop = listener.eventLoop] in
                            _ = try await loop.hop { try await TCPStream.connect(to: address) }
                        }.value
                    } else {
                        _ = try await TCPStream.connect(to: listener.address)
                    }
                    let server = try await accepting
                    let end = try await server.read()
                    #expect(end.isEmpty)
                    await server.close()
                    await listener.close()
                }
                #expect(left.isEmpty, "\(left)")
            }
        }
    }

    @Test("streams of a loop that has ended say so, and do not trap")
    func afterTheLoop() async throws {
        let (stream, other) = try await withTestLoop { try memoryStreams() }
        await #expect(throws: (any Error).self) { try await stream.read() }
        await stream.close()
        await other.close()
    }
}
