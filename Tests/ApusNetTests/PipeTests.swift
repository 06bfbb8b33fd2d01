import ApusNet
import ApusRuntime
import ApusTesting
import Glibc
import Testing

@Suite("Pipes", .serialized)
struct PipeTests {
    @Test("a pair of pipes is a byte stream")
    func pairConforms() async throws {
        try await withLoopAndNoLeaks {
            try await checkByteStream { try await PipeStream.pair() }
        }
    }

    @Test("two FIFOs are a byte stream")
    func fifosConform() async throws {
        try await withLoopAndNoLeaks {
            try await withFifos { there, back in
                try await checkByteStream {
                    async let left = PipeStream.open(reading: back, writing: there)
                    let right = try await PipeStream.open(reading: there, writing: back)
                    return (try await left, right)
                }
            }
        }
    }

    @Test("a socket's two directions, adopted, are a byte stream without a half-close")
    func socketsConform() async throws {
        try await withLoopAndNoLeaks {
            try await checkByteStream(canFinishWriting: false) {
                var fds: [Int32] = [-1, -1]
                socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &fds)
                let left = try await PipeStream.adopt(reading: fds[0], writing: fds[0])
                return (left, try await PipeStream.adopt(reading: fds[1], writing: fds[1]))
            }
        }
    }

    @Test("a pair of Unix sockets is a byte stream")
    func unixConforms() async throws {
        try await withLoopAndNoLeaks {
            try await checkByteStream { try await UnixStream.pair() }
        }
    }

    @Test("a direction that is not there is an error, and not a wait")
    func oneDirection() async throws {
        try await withLoopAndNoLeaks {
            var fds: [Int32] = [-1, -1]
            pipe(&fds)
            let reader = try await PipeStream.adopt(reading: fds[0], writing: nil)
            let writer = try await PipeStream.adopt(reading: nil, writing: fds[1])
            for _ in 0..<2 {
                let read = await netError { try await writer.read() }
                let write = await netError { try await reader.write("x") }
                let pieces = await netError { try await reader.write(vector: [[1], [2]]) }
                #expect(read?.code == .invalidArgument)
                #expect(write?.code == .invalidArgument)
                #expect(pieces?.code == .invalidArgument)
            }
            await reader.finishWriting()
            try await writer.write("x")
            await writer.close()
            let bytes = try await reader.read()
            let end = try await reader.read()
            #expect(bytes == [120])
            #expect(end.isEmpty)
            await reader.close()
        }
    }

    @Test("what cannot be a stream is refused, and closed")
    func adoptRefuses() async throws {
        try await withLoopAndNoLeaks {
            var fds: [Int32] = [-1, -1]
            pipe(&fds)
            // A file of its own, which nobody else can have open.
            let file = try await withFolder { open($0 + "/file", O_CREAT | O_RDWR, 0o600) }
            let identities = (fds + [file]).map(FileIdentity.init)
            #expect(!identities.contains(nil))
            for (reading, writing) in [(fds[1], nil), (nil, fds[0]), (file, nil)] as [(Int32?, Int32?)] {
                let error = await netError { try await PipeStream.adopt(reading: reading, writing: writing) }
                #expect(error?.code == .invalidArgument)
            }
            for (fd, identity) in zip(fds + [file], identities) { #expect(FileIdentity(fd) != identity) }
            let none = await netError { try await PipeStream.adopt(reading: nil, writing: nil) }
            #expect(none?.code == .invalidArgument)
            let gone = await netError { try await PipeStream.adopt(reading: 1_000_000, writing: nil) }
            #expect(gone?.code == .invalidArgument)
        }
    }

    @Test("a FIFO waits for its other end, whichever comes first, and a wait for a reader has a limit")
    func fifoWaits() async throws {
        try await withLoopAndNoLeaks {
            try await withFifos { path, _ in
                let late = await netError {
                    try await PipeStream.open(path: path, for: .writing, timeout: .milliseconds(1))
                }
                #expect(late?.code == .timedOut)
                let task = EventLoop.spawn { try await PipeStream.open(path: path, for: .writing) }
                await turn()
                task.cancel()
                await #expect(throws: CancellationError.self) { _ = try await task.value }
                let reader = try await PipeStream.open(path: path, for: .reading)
                async let first = reader.read()
                await turn()
                let writer = try await PipeStream.open(path: path, for: .writing)
                try await writer.write("now")
                let bytes = try await first
                #expect(bytes == Array("now".utf8))
                await writer.close()
                let end = try await reader.read()
                #expect(end.isEmpty)
                await reader.close()
                let both = await netError { try await PipeStream.open(path: path, for: .both) }
                #expect(both?.code == .invalidArgument)
            }
            for (path, code) in [
                ("/dev", NetError.Code.invalidArgument), (#filePath, .invalidArgument), ("", .invalidArgument),
                ("a\0b", .invalidArgument), ("/nonexistent/fifo", .system),
            ] {
                let error = await netError { try await PipeStream.open(path: path, for: .reading) }
                #expect(error?.code == code, "\(path)")
            }
        }
    }

    @Test("devices that are always ready, and a terminal that gives a line at a time")
    func devices() async throws {
        try await withLoopAndNoLeaks {
            let null = try await PipeStream.open(path: "/dev/null", for: .both)
            try await null.write([UInt8](repeating: 0, count: 1_000_000))
            let end = try await null.read()
            #expect(end.isEmpty)
            await null.close()
            let zero = try await PipeStream.open(path: "/dev/zero", for: .reading)
            let zeros = try await zero.read(upTo: 100)
            #expect(zeros == [UInt8](repeating: 0, count: 100))
            await zero.close()

            let pty = try #require(PseudoTerminal())
            let terminal = try await PipeStream.open(path: pty.path, for: .both)
            let person = try await PipeStream.adopt(reading: pty.person, writing: pty.person)
            try await person.write("one\ntwo\nthree\n")
            let reader = BufferedReader(terminal)
            for line in ["one", "two", "three"] {
                let read = try await reader.readLine()
                #expect(read == line)
            }
            // Ctrl-D.
            try await person.write([4])
            let last = try await reader.readLine()
            #expect(last == nil)
            await terminal.close()
            await person.close()
        }
    }

    @Test("half-closing ends the peer's reads while the other direction goes on, also while a write waits")
    func halfClose() async throws {
        try await withLoopAndNoLeaks {
            let (near, far) = try await PipeStream.pair()
            let writing = EventLoop.spawn { try await near.write([UInt8](repeating: 0, count: 1_000_000)) }
            await turn()
            await near.finishWriting()
            let code = await netError { try await writing.value }?.code
            #expect(code == .brokenPipe)
            while try await !far.read().isEmpty {}
            try await far.write("still here")
            let bytes = try await near.read()
            #expect(bytes == Array("still here".utf8))
            await near.close()
            await far.close()
        }
    }

    @Test("10,000 pairs opened and dropped leave no descriptor")
    func dropped() async throws {
        try await withLoopAndNoLeaks {
            for number in 0..<10_000 {
                let (near, far) = try await PipeStream.pair()
                if number.isMultiple(of: 1_000) {
                    try await near.write("x")
                    _ = try await far.read()
                }
            }
        }
    }
}

/// Gives `body` the paths of two FIFOs, in a folder that goes afterwards.
private func withFifos(_ body: (String, String) async throws -> Void) async throws {
    // In a folder of the build's.
    let parent = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    mkdir(parent + "/.build", 0o755)
    mkdir(parent + "/.build/tmp", 0o755)
    var template = Array((parent + "/.build/tmp/fifos.XXXXXX").utf8CString)
    let folder = try #require(mkdtemp(&template).map { String(cString: $0) })
    let paths = ["there", "back"].map { "\(folder)/\($0)" }
    for path in paths { mkfifo(path, 0o600) }
    defer {
        for path in paths { unlink(path) }
        rmdir(folder)
    }
    try await body(paths[0], paths[1])
}
