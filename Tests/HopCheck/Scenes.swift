import Apus
import ApusRuntime
import ApusTesting
import CApus
import Glibc

/// One scene each, told by its output and its exit status: what signals, fork and the main thread do to a whole process.
enum Scene {
    static let all: [String: @Sendable () -> Int32] = [
        "sigint": sigint,
        "sigint-second": sigintSecond,
        "sigint-custom": sigintCustom,
        "sigint-none": sigintNone,
        "sigint-off-main": sigintOffMain,
        "sigpipe": sigpipe,
        "sigpipe-custom": sigpipeCustom,
        "fork": forkDeadLoop,
        "fork-sigint": forkInterrupted,
        "main-actor-served": mainActorServed,
        "nested-run": nestedRun,
        "leaks": leaks,
        "close-on-exec": closeOnExec,
        "unhandled": unhandled,
        "fork-shared": forkShared,
        "fork-storm": forkStorm,
        "fork-during-report": forkDuringReport,
        "busy-pool": tasksWhilePoolIsBusy,
        "off-loop-isolation": offLoopIsolation,
        "off-loop-actor": offLoopActor,
        "off-loop-value": offLoopValue,
        "no-epoll-pwait2-ENOSYS": { withoutPreciseWait(ENOSYS) },
        "no-epoll-pwait2-EPERM": { withoutPreciseWait(EPERM) },
        "stdin-lines": stdinLines,
        "stdin-first": stdinFirst,
        "stdin-terminal": stdinTerminal,
        "stdin-socket": stdinSocket,
        "stdin-thread": stdinThread,
        "stdout-slow": stdoutSlow,
        "stdout-closed": stdoutClosed,
        "stdout-order": stdoutOrder,
        "stdout-full": stdoutFull,
    ]

    /// Prints the error that a scene should not have.
    static func play(_ body: () throws -> Void) -> Int32 {
        do {
            try body()
            return 0
        } catch {
            print("error: \(error)")
            return 1
        }
    }

    static func untilCancelled() async throws { try await sleep(for: .seconds(Int64.max)) }

    static var sigintIsDefault: Bool {
        // The function, which has the same name as its structure.
        let look: (Int32, UnsafePointer<sigaction>?, UnsafeMutablePointer<sigaction>?) -> Int32 = sigaction
        var action = sigaction()
        _ = look(SIGINT, nil, &action)
        return action.__sigaction_handler.sa_handler == nil
    }

    // MARK: Ctrl-C

    /// The first cancels the closure; afterwards SIGINT is at its default again, and another run starts anew.
    static func sigint() -> Int32 {
        play {
            for round in 1...2 {
                do {
                    try EventLoop.run {
                        kill(getpid(), SIGINT)
                        try await untilCancelled()
                    }
                    print("not cancelled")
                } catch is CancellationError {
                    print("round \(round): cancelled, default again: \(sigintIsDefault)")
                }
            }
        }
    }

    /// The second ends the process with status 130, though the closure does not end.
    static func sigintSecond() -> Int32 {
        play {
            try EventLoop.run {
                kill(getpid(), SIGINT)
                try? await untilCancelled()
                print("cancelled")
                kill(getpid(), SIGINT)
                // Not cancelled with this task.
                try await EventLoop.spawn { try await untilCancelled() }.value
            }
            print("not ended")
        }
    }

    /// A handler of the program's own is left alone.
    static func sigintCustom() -> Int32 {
        play {
            signal(SIGINT) { _ in _ = write(1, "mine\n", 5) }
            let value = try EventLoop.run {
                kill(getpid(), SIGINT)
                try await sleep(for: .milliseconds(1))
                return Task.isCancelled
            }
            print("cancelled: \(value), still mine: \(!sigintIsDefault)")
        }
    }

    /// With `signals: .none` the signal ends the process.
    static func sigintNone() -> Int32 {
        play {
            var options = EventLoop.Options()
            options.signals = .none
            try EventLoop.run(options) {
                kill(getpid(), SIGINT)
                try await untilCancelled()
            }
        }
    }

    /// A loop on another thread than the main one leaves signals alone.
    static func sigintOffMain() -> Int32 {
        play {
            try EventLoop.run {
                let isDefault = try await EventLoop.with { sigintIsDefault }
                print("inside with, still the outer run's: \(!isDefault)")
            }
            var options = EventLoop.Options()
            options.signals = .none
            try EventLoop.run(options) {
                let isDefault = try await offload { try EventLoop.run { sigintIsDefault } }
                print("run on another thread leaves the default: \(isDefault)")
            }
        }
    }

    // MARK: Broken pipes

    /// Writing to a closed socket or pipe is an error, never the end of the process.
    static func sigpipe() -> Int32 {
        play {
            try EventLoop.run {
                var ends: [Int32] = [-1, -1]
                _ = pipe(&ends)
                close(ends[0])
                let result = write(ends[1], "x", 1)
                print("pipe: \(result == -1 && errno == EPIPE)")
                close(ends[1])
                let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
                async let accepted = listener.accept()
                let stream = try await TCPStream.connect(to: listener.address)
                await (try await accepted).close()
                do {
                    while true { try await stream.write([UInt8](repeating: 0, count: 65_536)) }
                } catch let error as NetError {
                    print("socket: \(error.code == .brokenPipe || error.code == .connectionReset)")
                }
                await stream.close()
                await listener.close()
            }
        }
    }

    /// A handler of the program's own is left alone.
    static func sigpipeCustom() -> Int32 {
        play {
            signal(SIGPIPE) { _ in _ = write(1, "mine\n", 5) }
            try EventLoop.run {
                var ends: [Int32] = [-1, -1]
                _ = pipe(&ends)
                close(ends[0])
                _ = write(ends[1], "x", 1)
                close(ends[1])
            }
        }
    }

    // MARK: fork

    /// The loops of the parent are dead in the child, and say so; a new loop works there, threads included.
    /// Ctrl-C of the child ends the child, and does not reach the parent's loop.
    static func forkInterrupted() -> Int32 {
        play {
            try EventLoop.run {
                let child = systemFork()
                if child == 0 {
                    kill(getpid(), SIGINT)
                    _exit(0)
                }
                var status: Int32 = 0
                waitpid(child, &status, 0)
                try await sleep(for: .milliseconds(1))
                print("child ended by \(status & 0x7f), parent cancelled: \(Task.isCancelled)")
            }
        }
    }

    static func forkDeadLoop() -> Int32 {
        play {
            try EventLoop.run {
                guard let loop = EventLoop.current else { return }
                // The pool has a thread, which the child will not have.
                try await offload {}
                let child = systemFork()
                if child == 0 { _exit(inChild(of: loop)) }
                var status: Int32 = 0
                waitpid(child, &status, 0)
                print("child: \(status)")
                try await sleep(for: .nanoseconds(1))
                print("parent goes on")
            }
        }
    }

    private static func inChild(of loop: EventLoop) -> Int32 {
        guard EventLoop.current == nil, !loop.isCurrent else { return 1 }
        do {
            let outcome = try EventLoop.run {
                do {
                    try await loop.clock.sleep(until: loop.clock.now.advanced(by: .seconds(1)))
                    return Int32(2)
                } catch let error as LoopError where error.code == .loopForked {
                    return try await offload { 0 }
                }
            }
            return outcome
        } catch {
            print("child: \(error)")
            return 3
        }
    }

    // MARK: The main thread

    /// `await` of main-actor code works inside run; neither the main actor nor the loop starves the other.
    static func mainActorServed() -> Int32 {
        play {
            for round in 1...2 {
                let count = try EventLoop.run {
                    let busy = EventLoop.spawn { @MainActor in
                        while !Task.isCancelled {
                            Counter.shared.count += 1
                            await Task.yield()
                        }
                    }
                    for _ in 0..<20 { try await sleep(for: .microseconds(100)) }
                    while await Counter.shared.count < 100 { await Task.yield() }
                    busy.cancel()
                    try await busy.value
                    let detached = Task.detached { await Counter.shared.add(1) }
                    return await detached.value
                }
                print("round \(round): \(count > 100)")
            }
            // A leftover of one run's main-actor work is served by the next.
            Task { @MainActor in Counter.shared.count = -1 }
            let left = try EventLoop.run {
                while await Counter.shared.count != -1 { await Task.yield() }
                return await Counter.shared.count
            }
            print("left over: \(left)")
        }
    }

    @MainActor
    private final class Counter {
        static let shared = Counter()
        var count = 0
        func add(_ number: Int) -> Int {
            count += number
            return count
        }
    }

    static func nestedRun() -> Int32 {
        play {
            try EventLoop.run {
                do {
                    try callsRun()
                } catch let error as LoopError {
                    print("task: \(error.code)")
                }
                await fromMainActor()
            }
            try callsRun()
        }
    }

    @MainActor
    private static func fromMainActor() {
        do {
            try callsRun()
        } catch {
            print("main actor: \((error as? LoopError)?.code.description ?? "\(error)")")
        }
    }

    private static func callsRun() throws {
        _ = try EventLoop.run { print("run") }
    }

    // MARK: What is left

    /// Loops, sleeps, calls, connections and cancellations leave no descriptor behind.
    static func leaks() -> Int32 {
        play {
            // What the process keeps once it is there: the shared loop, the main queue's descriptor.
            try EventLoop.run { try await EventLoop.shared.spawn { try await busyScene() }.value }
            let before = openDescriptors()
            for _ in 0..<20 {
                try EventLoop.run { try await busyScene() }
                do {
                    _ = try EventLoop.run {
                        try await gather({ try await busyScene() }, { throw CancellationError() })
                    }
                } catch is CancellationError {}
                _ = try EventLoop.run {
                    try await gather(0..<5) { _ in try await EventLoop.with { try await busyScene() } }
                }
            }
            let after = openDescriptors()
            print("left: \(after.subtracting(before).count)")
        }
    }

    /// Every descriptor of a loop, a listener and both ends of a connection is closed on exec.
    static func closeOnExec() -> Int32 {
        play {
            let before = openDescriptors()
            try EventLoop.run {
                let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
                async let accepted = listener.accept()
                let stream = try await TCPStream.connect(to: listener.address)
                let peer = try await accepted
                let new = openDescriptors().subtracting(before)
                let inherited = new.filter { fcntl($0, F_GETFD) & FD_CLOEXEC == 0 }
                print("opened \(new.count >= 5), inherited: \(inherited.count)")
                await stream.close()
                await peer.close()
                await listener.close()
            }
        }
    }

    private static func busyScene() async throws {
        let echo = try await EchoServer.start()
        let server = try await HTTPServer.start { _ in .text("x") }
        try await ClientSession.with { session in
            _ = try await gather(0..<5) { _ in try await session.get("http://\(server.address)/").text() }
        }
        let stream = try await TCPStream.connect(to: echo.address)
        try await stream.write("x")
        _ = try await stream.read()
        await stream.close()
        try await offload {}
        await echo.stop()
        await server.shutdown()
    }

    /// Without a handler, an error that nobody received is logged.
    static func unhandled() -> Int32 {
        play {
            try EventLoop.run {
                EventLoop.spawn(name: "loser") { throw LeftAlone() }
                try await sleep(for: .nanoseconds(1))
            }
        }
    }

    private struct LeftAlone: Error {}
}

/// Swift marks `fork` unavailable, for good reasons; what the library does then must still be known.
@_silgen_name("fork")
func systemFork() -> Int32
