import ApusRuntime
import Glibc
import Testing

/// In this process only signals that nobody minds; the others in processes of their own.
@Suite("Signals as a sequence", .serialized)
struct SignalTests {
    /// The error of `signals`.
    private func refusal(_ wanted: [Signal]) -> LoopError? {
        do {
            _ = try signals(wanted)
            return nil
        } catch {
            return error
        }
    }

    @Test(
        "what cannot be waited for is an error that names it",
        arguments: [SIGKILL, SIGSTOP, SIGSEGV, SIGILL, 0, -1, 65]
    )
    func uncatchable(number: Int32) async throws {
        try await onCleanLoop {
            let error = refusal([.winch, Signal(number)])
            #expect(error?.code == .invalidArgument)
            let text = error.map { "\($0)" } ?? ""
            #expect(text.contains(Signal(number).description) || text.contains("\(number) is not"), "\(text)")
        }
    }

    @Test("the numbers that the C library keeps for itself are refused by it")
    func reserved() async throws {
        try await onCleanLoop {
            #expect(refusal([.winch, Signal(32)])?.code == .invalidArgument)
            #expect(refusal([])?.code == .invalidArgument)
        }
    }

    @Test("signals have names")
    func names() {
        #expect(Signal.term.description == "SIGTERM" && Signal(SIGINT) == .int)
        #expect(Signal(44).description == "signal 44" && Signal.usr1.number == SIGUSR1)
    }

    @Test("a signal that comes before the first wait is kept; several wait and each has its own")
    func kept() async throws {
        try await onCleanLoop {
            let windows = try signals(.winch)
            kill(getpid(), SIGWINCH)
            let iterator = windows.makeAsyncIterator()
            let first = await iterator.next()
            #expect(first == .winch)
            // Two tasks share one sequence: one signal each.
            let loop = try currentLoop()
            let tasks = (0..<2).map { _ in
                loop.spawn { await windows.first { _ in true } }
            }
            await turns()
            kill(getpid(), SIGWINCH)
            let one = try await tasks[0].value
            kill(getpid(), SIGWINCH)
            let two = try await tasks[1].value
            #expect(one == .winch && two == .winch)
        }
    }

    @Test("a signal that comes again before it was taken counts once, however often the loop has looked meanwhile")
    func again() async throws {
        try await onCleanLoop {
            let windows = try signals(.winch)
            for _ in 0..<3 {
                // This thread has handled it when it returns.
                raise(SIGWINCH)
                await turns()
            }
            let first = await windows.first { _ in true }
            #expect(first == .winch)
            let waiting = EventLoop.spawn { await windows.first { _ in true } }
            await turns()
            #expect(!waiting.isFinished)
            waiting.cancel()
            let nothing = try await waiting.value
            #expect(nothing == nil)
        }
    }

    @Test("cancelling ends the wait, before it begins too, and loses no signal")
    func cancelled() async throws {
        try await onCleanLoop {
            let urgent = try signals([Signal(SIGURG)])
            let loop = try currentLoop()
            let waiting = loop.spawn { await urgent.first { _ in true } }
            await turns()
            waiting.cancel()
            let nothing = try await waiting.value
            #expect(nothing == nil)
            kill(getpid(), SIGURG)
            let late = loop.spawn { await urgent.first { _ in true } }
            late.cancel()
            let still = try await late.value
            #expect(still == nil)
            let signal = await urgent.first { _ in true }
            #expect(signal == Signal(SIGURG))
        }
    }

    @Test("a closed loop refuses")
    func closed() async throws {
        let error = try await EventLoop.with { try currentLoop() }.call { () -> LoopError? in
            do {
                _ = try signals(.winch)
                return nil
            } catch let error as LoopError {
                return error
            }
        }
        #expect(error?.code == .loopClosed)
    }

    @Test("each listener gets each signal once however often it came, and the last one puts the default back")
    func all() async throws {
        let result = try await play("signals")
        #expect(
            result.output == """
                SIGUSR1 and SIGUSR1
                with one of two: handled
                SIGUSR1 and SIGUSR2
                afterwards: default, default, default

                """
        )
        #expect(result.status == 0)
    }

    @Test("a listener takes Ctrl-C over, twice too, and gives it back to run")
    func interrupt() async throws {
        let result = try await play("signals-interrupt")
        #expect(
            result.output == """
                SIGINT, cancelled: false
                again, cancelled: false
                given back: cancelled
                afterwards: default

                """
        )
        #expect(result.status == 0)
    }

    @Test("a listener from before run keeps Ctrl-C during and after it")
    func beforeRun() async throws {
        let result = try await play("signals-before-run")
        #expect(result.output == "SIGINT, cancelled: false\nafter the run: handled\n")
        #expect(result.status == 0)
    }

    @Test("a handler of the program's own comes back, and one that is installed meanwhile stays")
    func ownHandler() async throws {
        let result = try await play("signals-own-handler")
        let round = "SIGUSR1\nmine\nbetween: ignored\n"
        #expect(result.output == "mine\n" + round + round + "newer\n")
        #expect(result.status == 0)
    }

    @Test("children get the defaults, executed and forked, and the parent does not hear of their signals")
    func children() async throws {
        let result = try await play("signals-children")
        #expect(result.output == "forked child ended by 15\nexecuted child ended by 15\nparent: SIGUSR1\n")
        #expect(result.status == 0)
    }

    @Test("works off every loop, on another loop, and on the main actor")
    func offLoop() async throws {
        let result = try await play("signals-off-loop")
        #expect(
            result.output
                == "SIGUSR2, on a loop: false\nSIGUSR2 on main\nSIGUSR2 on the main actor\nafterwards: default\n"
        )
        #expect(result.status == 0)
    }

    @Test("the loop's end ends its sequences, wherever they are kept or waited for")
    func loopEnd() async throws {
        let result = try await play("signals-loop-end")
        #expect(result.output == "waiting: ended, default\nkept: ended\nleft: 0\n")
        #expect(result.status == 0)
    }

    @Test("a process that has inherited a mask which blocks everything hears its signals")
    func blocked() async throws {
        let result = try await play("signals-blocked")
        #expect(result.output == "SIGTERM\n")
        #expect(result.status == 0)
    }

    @Test("listeners that come and go in a storm of signals lose none and leave nothing")
    func storm() async throws {
        let result = try await play("signals-storm")
        #expect(result.output == "taken: 600, left: 0, ignored\n")
        #expect(result.status == 0)
    }
}
