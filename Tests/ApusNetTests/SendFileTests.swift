import ApusNet
import ApusRuntime
import ApusTesting
import Glibc
import Testing

/// Files and pieces, sent with as little copying as the system allows.
@Suite("Sending files and pieces")
struct SendFileTests {
    private static func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
    }

    /// Runs `body` with the path of a file that holds `content`, and two streams: over TCP, where sendfile(2) does the work, and in memory, where
    /// it cannot.
    private func withFile(
        _ content: [UInt8],
        _ body: @escaping @Sendable (_ path: String, _ near: TCPStream, _ far: TCPStream) async throws -> Void
    ) async throws {
        for isInMemory in [false, true] {
            try await withTestLoop {
                try await withFolder { folder in
                    let path = folder + "/file"
                    let fd = open(path, O_CREAT | O_WRONLY, 0o600)
                    #expect(content.withUnsafeBytes { write(fd, $0.baseAddress, $0.count) } == content.count)
                    close(fd)
                    let left = try await leaks {
                        let (near, far) =
                            isInMemory ? try memoryStreams(capacity: 10_000) : try await TCPStream.testPair()
                        try await body(path, near, far)
                        await near.close()
                        await far.close()
                    }
                    #expect(left.isEmpty, "\(left)")
                }
            }
        }
    }

    @Test("a file arrives whole, and a part of it as it was asked for")
    func wholeAndPart() async throws {
        let content = Self.bytes(3_000_001)
        try await withFile(content) { path, near, far in
            for range in [nil, 0..<0, 0..<1, 1_234_567..<2_345_678, 3_000_000..<3_000_001] as [Range<Int64>?] {
                let expected = range.map { content[Int($0.lowerBound)..<Int($0.upperBound)] } ?? content[...]
                async let sent = near.sendFile(path, range: range)
                let got = try await far.read(exactly: expected.count)
                let count = try await sent
                #expect(count == Int64(expected.count))
                #expect(got.elementsEqual(expected))
            }
        }
    }

    @Test("an empty file is sent, and what is written afterwards arrives behind it")
    func empty() async throws {
        try await withFile([]) { path, near, far in
            let count = try await near.sendFile(path)
            #expect(count == 0)
            try await near.write("after")
            let got = try await far.read(exactly: 5)
            #expect(got == Array("after".utf8))
        }
    }

    @Test("a range beyond the end, a folder, a device and a file that is not there are errors, and nothing is sent")
    func refusals() async throws {
        try await withFile(Self.bytes(10)) { path, near, far in
            for range in [0..<11, 11..<12, -1..<5] as [Range<Int64>] {
                let error = await netError { try await near.sendFile(path, range: range) }
                #expect(error?.code == .invalidArgument)
            }
            for other in ["/dev/null", ".build", path + "-missing"] {
                let error = await netError { try await near.sendFile(other) }
                #expect(error?.code == .file)
                #expect(error?.description.contains(other) == true)
            }
            try await near.write("clean")
            let got = try await far.read(exactly: 5)
            #expect(got == Array("clean".utf8))
        }
    }

    @Test("a file that becomes shorter while it is sent is an error that says so")
    func shrinking() async throws {
        try await withFile([UInt8](repeating: 7, count: 8_000_000)) { path, near, far in
            let sending = EventLoop.spawn { try await near.sendFile(path) }
            // The rest waits for the reader.
            let first = try await far.read(exactly: 1_000)
            truncate(path, 2_000)
            #expect(first == [UInt8](repeating: 7, count: 1_000))
            let reading = EventLoop.spawn { while try await !far.read().isEmpty {} }
            let error = await netError { try await sending.value }
            #expect(error?.code == .file)
            #expect(error?.description.contains("shorter") == true)
            await near.close()
            try await reading.value
        }
    }

    @Test("a peer that goes away in the middle is an error, and a cancelled send ends")
    func brokenOff() async throws {
        try await withFile([UInt8](repeating: 7, count: 8_000_000)) { path, near, far in
            let sending = EventLoop.spawn { try await near.sendFile(path) }
            _ = try await far.read(exactly: 1_000)
            await far.abort()
            let error = await netError { try await sending.value }
            #expect([.connectionReset, .brokenPipe].contains(error?.code))
        }
        try await withFile([UInt8](repeating: 7, count: 8_000_000)) { path, near, far in
            let sending = EventLoop.spawn { try await near.sendFile(path) }
            _ = try await far.read(exactly: 1_000)
            sending.cancel()
            await #expect(throws: CancellationError.self) { try await sending.value }
        }
    }

    @Test("while a file is sent, another writer is told .busy")
    func busy() async throws {
        try await withFile([UInt8](repeating: 7, count: 8_000_000)) { path, near, far in
            let sending = EventLoop.spawn { try await near.sendFile(path) }
            _ = try await far.read(exactly: 1_000)
            let error = await netError { try await near.write("x") }
            #expect(error?.code == .busy)
            sending.cancel()
            _ = await sending.result
        }
    }

    @Test("a thousand pieces of every size go out in their order")
    func vector() async throws {
        let pieces = (0..<1_000).map { Self.bytes($0 % 10 == 0 ? 20_000 : $0 % 7) }
        try await withFile([]) { _, near, far in
            async let sent: Void = near.write(vector: pieces)
            let whole = pieces.flatMap(\.self)
            let got = try await far.read(exactly: whole.count)
            try await sent
            #expect(got == whole)
        }
    }
}
