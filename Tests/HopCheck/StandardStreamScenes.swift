import Apus
import ApusTesting
@preconcurrency import Glibc

/// Scenes with the standard descriptors, as the shell gives them or as they are put there first.
extension Scene {
    /// Whether nobody has made the description behind a descriptor non-blocking.
    private static func isBlocking(_ fd: Int32) -> Bool { fcntl(fd, F_GETFL) & O_NONBLOCK == 0 }

    private static func say(_ text: String) { fputs(text + "\n", stderr) }

    /// Runs `body` on a loop, and tells whether the stream that it made left descriptors behind, or closed the standard ones.
    private static func playCleanly(_ body: @escaping @Sendable () async throws -> Void) -> Int32 {
        play {
            try EventLoop.run {
                let before = openDescriptors()
                do {
                    try await body()
                } catch let error as NetError {
                    say("error: \(error.code)\(error.errno.map { " \($0)" } ?? "")")
                }
                // A thread that waits for a descriptor closes it when it has woken up.
                while openDescriptors() != before { try await sleep(for: .milliseconds(1)) }
            }
        }
    }

    // MARK: Input

    /// Every line of what the shell gives.
    static func stdinLines() -> Int32 {
        playCleanly {
            let input = try await PipeStream.standardInput()
            say("blocking: \(isBlocking(0))")
            for try await line in BufferedReader(input).lines { say("line: \(line)") }
            let again = try await input.read()
            say("end, and again: \(again.isEmpty)")
            await input.close()
        }
    }

    /// Only the first four bytes: the rest is for somebody else.
    static func stdinFirst() -> Int32 {
        playCleanly {
            let input = try await PipeStream.standardInput()
            let bytes = try await input.read(upTo: 4)
            say("first: \(String(decoding: bytes, as: UTF8.self))")
            await input.close()
        }
    }

    static func stdinTerminal() -> Int32 {
        guard let pty = PseudoTerminal() else { return 1 }
        // As a shell does it: one description for the three of them, and for itself.
        let shell = open(pty.path, O_RDWR | O_NOCTTY)
        dup2(shell, 0)
        let flags = fcntl(shell, F_GETFL)
        return playCleanly {
            let person = try await PipeStream.adopt(reading: dup(pty.person), writing: dup(pty.person))
            let input = try await PipeStream.standardInput()
            try await person.write("one\ntwo\n")
            let reader = BufferedReader(input)
            for _ in 0..<2 { say("line: \(try await reader.readLine() ?? "none")") }
            say("unchanged: \(fcntl(shell, F_GETFL) == flags && isBlocking(0))")
            async let last = reader.readLine()
            try await person.write([4])
            let end = try await last
            say("Ctrl-D: \(end ?? "end")")
            await input.close()
            await person.close()
            say("unchanged: \(fcntl(shell, F_GETFL) == flags && fcntl(0, F_GETFL) == flags)")
        }
    }

    static func stdinSocket() -> Int32 {
        var fds: [Int32] = [-1, -1]
        socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &fds)
        dup2(fds[0], 0)
        close(fds[0])
        let far = fds[1]
        return playCleanly {
            let input = try await PipeStream.standardInput()
            async let first = input.read()
            try await sleep(for: .nanoseconds(1))
            _ = write(far, "question", 8)
            let question = try await first
            say("read: \(String(decoding: question, as: UTF8.self)), blocking: \(isBlocking(0))")
            shutdown(far, Int32(SHUT_WR))
            let end = try await input.read()
            say("end: \(end.isEmpty)")
            await input.close()
            say("still open: \(fcntl(0, F_GETFD) >= 0)")
        }
    }

    /// What must not be opened anew is read on a thread: the master of a pseudo-terminal, which would be another one then.
    static func stdinThread() -> Int32 {
        guard let pty = PseudoTerminal() else { return 1 }
        dup2(pty.person, 0)
        close(pty.person)
        let screen = open(pty.path, O_RDWR | O_NOCTTY)
        return playCleanly {
            let input = try await PipeStream.standardInput()
            let reading = EventLoop.spawn { try await input.read() }
            try await sleep(for: .milliseconds(1))
            reading.cancel()
            do {
                _ = try await reading.value
                say("not cancelled")
            } catch is CancellationError {
                say("cancelled")
            }
            _ = write(screen, "hello", 5)
            var bytes: [UInt8] = []
            // What the cancelled read had asked for is more than these do.
            while bytes.count < 5 { bytes += try await input.read(upTo: 2) }
            say("read: \(String(decoding: bytes, as: UTF8.self)), blocking: \(isBlocking(0))")
            async let last = input.read()
            try await sleep(for: .milliseconds(1))
            await input.close()
            do {
                _ = try await last
            } catch let error as NetError {
                say("closed: \(error.code)")
            }
        }
    }

    // MARK: Output

    /// A reader that comes late and is slow, while others on the loop go on.
    static func stdoutSlow() -> Int32 {
        var fds: [Int32] = [-1, -1]
        pipe(&fds)
        dup2(fds[1], 1)
        close(fds[1])
        let far = fds[0]
        return playCleanly {
            let output = try await PipeStream.standardOutput()
            let reader = try await PipeStream.adopt(reading: dup(far), writing: nil)
            let bytes = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 % 251) }
            let writing = EventLoop.spawn { try await output.write(bytes) }
            // The loop is not held while the pipe is full.
            for _ in 0..<100 { try await sleep(for: .nanoseconds(1)) }
            var got: [UInt8] = []
            while got.count < bytes.count { got += try await reader.read(upTo: 1_000) }
            try await writing.value
            say("all: \(got == bytes), blocking: \(isBlocking(1))")
            await output.close()
            await reader.close()
            say("still open: \(fcntl(1, F_GETFD) >= 0)")
        }
    }

    static func stdoutClosed() -> Int32 {
        var fds: [Int32] = [-1, -1]
        pipe(&fds)
        dup2(fds[1], 1)
        close(fds[1])
        close(fds[0])
        return playCleanly {
            let output = try await PipeStream.standardOutput()
            do {
                try await output.write("x")
            } catch let error as NetError {
                say("error: \(error.code)")
            }
            await output.close()
        }
    }

    /// `print` and the stream take turns.
    static func stdoutOrder() -> Int32 {
        setvbuf(stdout, nil, Int32(_IOFBF), 4_096)
        return playCleanly {
            let output = try await PipeStream.standardOutput()
            for round in 1...3 {
                print("print \(round)")
                fflush(stdout)
                try await output.write("stream \(round)\n")
            }
            await output.finishWriting()
            let late = await codeOfWriting(to: output)
            await output.close()
            print("after: \(late)")
        }
    }

    private static func codeOfWriting(to output: PipeStream) async -> String {
        do {
            try await output.write("x")
            return "written"
        } catch {
            return (error as? NetError)?.code.description ?? "\(error)"
        }
    }

    static func stdoutFull() -> Int32 {
        playCleanly {
            let output = try await PipeStream.standardOutput()
            do {
                try await output.write("x")
                say("written")
            } catch let error as NetError {
                say("error: \(error.code), no space: \(error.errno == ENOSPC)")
            }
            await output.close()
        }
    }
}
