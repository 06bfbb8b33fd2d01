// swift-subprocess beside Apus: other programs, awaited by tasks of a loop.
import Apus
import ApusTesting
import Subprocess
import Synchronization
import Testing

#if canImport(System)
import System
#else
import SystemPackage
#endif

/// asyncio's subprocesses are not Apus's business, since swift-subprocess works beside the loop: its own thread watches pidfds and
/// pipes, no SIGCHLD handler is involved, and each wait ends with one hop back to the loop.
@Suite("Subprocesses, by swift-subprocess")
struct SubprocessTests {
    private static let shell = Executable.path("/bin/sh")

    /// Runs `body` on a loop, and checks that each wait came back to it.
    private func onLoop<Success: Sendable>(
        _ body: @escaping @Sendable () async throws -> Success
    ) async throws -> Success {
        try await Apus.EventLoop.with {
            let loop = try #require(Apus.EventLoop.current)
            let result = try await body()
            #expect(Apus.EventLoop.current === loop, "the task is on its loop again")
            #expect(loop.statistics()?.timers == 0 && loop.statistics()?.descriptors == 0)
            return result
        }
    }

    @Test("A110, A112: a program's output and how it ended", arguments: [0, 3])
    func exitCode(_ code: Int32) async throws {
        let result = try await onLoop {
            try await run(
                Self.shell,
                arguments: ["-c", "echo $0; exit $1", "hello", "\(code)"],
                output: .string(limit: 100)
            )
        }
        #expect(result.standardOutput == "hello\n")
        #expect(result.terminationStatus == .exited(code))
    }

    @Test("A110: a program that is not there is an error, not a hang")
    func missing() async throws {
        await #expect(throws: SubprocessError.self) {
            try await onLoop { try await run(.name("no-such-program-1b2c"), output: .discarded).terminationStatus }
        }
    }

    @Test("A111: standard input is fed while both pipes are drained, far beyond what a pipe holds")
    func communicate() async throws {
        let size = 1 << 20
        let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let result = try await onLoop {
            try await run(
                Self.shell,
                arguments: ["-c", "tee /dev/stderr"],
                input: .array(bytes),
                output: .bytes(limit: size),
                error: .bytes(limit: size)
            )
        }
        #expect(result.terminationStatus == .exited(0))
        #expect(result.standardOutput == bytes)
        #expect(result.standardError == bytes)
    }

    // With `.array` or `.string` a broken pipe ends the process in 1.0.2, with or without Apus: the writer is dropped unclosed, which is
    // a trap there.
    @Test("A111: a program that does not read its input is no hang, and an error that can be left alone")
    func inputNotRead() async throws {
        let bytes = [UInt8](repeating: 1, count: 1 << 20)
        let result = try await onLoop {
            try await run(
                Self.shell,
                arguments: ["-c", "echo done"],
                input: .inputWriter,
                output: .string(limit: 100),
                error: .string(limit: 100)
            ) { execution in
                do {
                    _ = try await execution.standardInputWriter.write(bytes)
                } catch is SubprocessError {}
            }
        }
        #expect(result.terminationStatus == .exited(0) && result.standardOutput == "done\n")
    }

    @Test("A114: the loop goes on meanwhile, and a program can be talked to")
    func conversation() async throws {
        let answers = try await onLoop {
            try await run(.path("/bin/cat"), input: .inputWriter, output: .sequence, error: .discarded) { execution in
                var lines = execution.standardOutput.strings().makeAsyncIterator()
                var answers: [String] = []
                for word in ["one", "two", "three"] {
                    _ = try await execution.standardInputWriter.write("\(word)\n")
                    if let line = try await lines.next() { answers.append(line) }
                }
                try await execution.standardInputWriter.finish()
                return answers
            }.closureResult
        }
        #expect(answers.map { $0.filter { $0 != "\n" } } == ["one", "two", "three"])
    }

    @Test("A112: one that takes too long is asked to end, and has ended when the timeout is thrown")
    func timeout() async throws {
        let process = Mutex<Int32>(0)
        await #expect(throws: Apus.TimeoutError.self) {
            try await onLoop {
                try await withTimeout(.milliseconds(50)) {
                    var options = PlatformOptions()
                    options.teardownSequence = [.gracefulShutDown(allowedDurationToNextStep: .seconds(60))]
                    return try await run(
                        .path("/bin/sleep"),
                        arguments: ["3600"],
                        platformOptions: options,
                        input: .none,
                        output: .discarded,
                        error: .discarded
                    ) { execution in
                        process.withLock { $0 = execution.processIdentifier.value }
                        try await sleep(for: .seconds(3600))
                    }.terminationStatus
                }
            }
        }
        let number = process.withLock { $0 }
        // Reaped: not even a zombie has the number.
        if number != 0 { #expect(!exists("/proc/\(number)/exe")) }
    }

    @Test("A112: one that ignores SIGTERM is killed")
    func killed() async throws {
        let status = try await onLoop {
            var options = PlatformOptions()
            options.teardownSequence = [.gracefulShutDown(allowedDurationToNextStep: .milliseconds(1))]
            return try await run(
                Self.shell,
                arguments: ["-c", "trap '' TERM; echo ready; while :; do sleep 0.01; done"],
                platformOptions: options,
                input: .none,
                output: .sequence,
                error: .discarded
            ) { execution in
                var lines = execution.standardOutput.strings().makeAsyncIterator()
                _ = try await lines.next()
                await execution.teardown(using: [.gracefulShutDown(allowedDurationToNextStep: .milliseconds(1))])
            }.terminationStatus
        }
        #expect(status == .signaled(9))
    }

    @Test("A113: it works from several loops at once, while another listens to SIGCHLD, and every program is reaped")
    func manyLoops() async throws {
        let ended = try await LoopGroup.with(count: 4) { group in
            try await group.each { _ in
                let children = try Apus.signals(.chld)
                let codes = try await gather(0..<20, limit: 5) { number in
                    try await run(Self.shell, arguments: ["-c", "exit $0", "\(number)"], output: .discarded)
                        .terminationStatus
                }
                let heard = children.makeAsyncIterator()
                let signal = await heard.next()
                #expect(signal == .chld)
                return codes
            }
        }
        for codes in ended { #expect(codes == (0..<20).map { .exited($0) }) }
    }

    @Test("A113: a program has no signal blocked and none ignored, SIGPIPE among them, although the loop ignores it")
    func signals() async throws {
        let text = try await onLoop {
            try await run(.path("/bin/cat"), arguments: ["/proc/self/status"], output: .string(limit: 1 << 16))
                .standardOutput
        }
        func mask(_ name: String) -> UInt64? {
            text.split(separator: "\n").first { $0.hasPrefix("\(name):") }
                .flatMap { UInt64($0.dropFirst(name.count + 1).filter { $0.isHexDigit }, radix: 16) }
        }
        #expect(mask("SigBlk") == 0)
        // All but the two that glibc keeps for itself, which nobody can set.
        let own: UInt64 = 3 << 31
        #expect(mask("SigIgn").map { $0 & ~own } == 0)
    }

    @Test("A110: a program inherits no descriptor of the loop's")
    func descriptors() async throws {
        let text = try await onLoop {
            try await run(.path("/bin/ls"), arguments: ["/proc/self/fd"], output: .string(limit: 4096)).standardOutput
        }
        // The three, and the one that ls reads the folder with.
        #expect(text.split(whereSeparator: \.isNewline).map(String.init) == ["0", "1", "2", "3"])
    }

    private func exists(_ path: String) -> Bool {
        (try? FileDescriptor.open(FilePath(path), .readOnly)).map { try? $0.close() } != nil
    }
}
