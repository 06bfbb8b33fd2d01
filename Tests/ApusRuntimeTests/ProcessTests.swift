import Testing

@Suite("The process: signals, pipes, fork, the main thread")
struct ProcessTests {
    @Test("the first Ctrl-C cancels the closure of run, and the default comes back after it")
    func interrupt() async throws {
        let result = try await play("sigint")
        #expect(
            result.output == "round 1: cancelled, default again: true\nround 2: cancelled, default again: true\n"
        )
        #expect(result.status == 0)
    }

    @Test("the second Ctrl-C ends the process with 130")
    func secondInterrupt() async throws {
        let result = try await play("sigint-second")
        #expect(result.output == "cancelled\n")
        #expect(result.status == 130)
    }

    @Test("a SIGINT handler of the program's own is left alone")
    func ownHandler() async throws {
        let result = try await play("sigint-custom")
        #expect(result.output == "mine\ncancelled: false, still mine: true\n")
        #expect(result.status == 0)
    }

    @Test("with signals: .none SIGINT does what it always does")
    func noSignals() async throws {
        let result = try await play("sigint-none")
        #expect(result.output == "")
        #expect(result.status == 128 + 2)
    }

    @Test("loops off the main thread leave signals alone")
    func offMain() async throws {
        let result = try await play("sigint-off-main")
        #expect(
            result.output
                == "inside with, still the outer run's: true\nrun on another thread leaves the default: true\n"
        )
        #expect(result.status == 0)
    }

    @Test("a broken pipe is an error, never the end of the process")
    func brokenPipe() async throws {
        let result = try await play("sigpipe")
        #expect(result.output == "pipe: true\nsocket: true\n")
        #expect(result.status == 0)
    }

    @Test("a SIGPIPE handler of the program's own is left alone")
    func ownPipeHandler() async throws {
        let result = try await play("sigpipe-custom")
        #expect(result.output == "mine\n")
        #expect(result.status == 0)
    }

    @Test("after fork the parent's loops are dead in the child and say so; a new one works there, threads included")
    func fork() async throws {
        let result = try await play("fork")
        #expect(result.output == "child: 0\nparent goes on\n")
        #expect(result.status == 0)
    }

    @Test("Ctrl-C of a forked child ends the child, and leaves the parent alone")
    func forkInterrupted() async throws {
        let result = try await play("fork-sigint")
        #expect(result.output == "child ended by 2, parent cancelled: false\n")
        #expect(result.status == 0)
    }

    @Test("a loop on the main thread serves the main actor, and neither starves the other")
    func mainActor() async throws {
        let result = try await play("main-actor-served")
        #expect(result.output == "round 1: true\nround 2: true\nleft over: -1\n")
        #expect(result.status == 0)
    }

    @Test("run inside run is an error, in tasks and in main-actor code; after it, run works again")
    func nestedRun() async throws {
        let result = try await play("nested-run")
        #expect(result.output == "task: nestedRun\nmain actor: nestedRun\nrun\n")
        #expect(result.status == 0)
    }

    @Test("loops, calls, connections and cancellations leave no descriptor behind")
    func leaks() async throws {
        let result = try await play("leaks")
        #expect(result.output == "left: 0\n")
        #expect(result.status == 0)
    }

    @Test("every descriptor is closed on exec")
    func closeOnExec() async throws {
        let result = try await play("close-on-exec")
        #expect(result.output == "opened true, inherited: 0\n")
        #expect(result.status == 0)
    }

    @Test("an error that nobody received is logged, with the task's name")
    func unhandled() async throws {
        let result = try await play("unhandled")
        #expect(result.output.contains("Task “loser” on event loop “main” ended with an error that nobody received"))
        #expect(result.status == 0)
    }

    @Test("children forked from anywhere make loops whose threads meet at their locks, in debug mode too")
    func forkStorm() async throws {
        let result = try await play("fork-storm")
        let lines = result.output.split(separator: "\n")
        #expect(lines.count == 12, "\(result)")
        #expect(lines.allSatisfy { $0.hasSuffix(": 0 of 10 failed") }, "\(result)")
    }

    @Test("a child that is forked while a report of debug mode is being written ends its loop, and writes its own")
    func forkDuringReport() async throws {
        let result = try await play("fork-during-report")
        let lines = result.output.split(separator: "\n")
        #expect(lines.count { $0.contains("“refused” on event loop “main” ended with an error") } == 1, "\(result)")
        #expect(lines.contains("child: 0"), "\(result)")
        #expect(result.status == 0)
    }

    @Test("A61: the tasks of a loop are told to the main actor though Swift's pool is busy")
    func busyPool() async throws {
        let result = try await play("busy-pool")
        #expect(result.output == "tasks: 1\n", "\(result)")
    }

    @Test("a forked child has a shared loop of its own, its child too, and the parent keeps its one")
    func forkShared() async throws {
        let result = try await play("fork-shared")
        #expect(result.output == "child: 0\nchild: 0\nparent: true\n")
        #expect(result.status == 0)
    }

    @Test(
        "code that is isolated to a loop, and state that it owns, stop the process off it",
        arguments: [
            ("off-loop-isolation", "on the loop\n", "isolated to event loop “main”, but runs on another thread"),
            ("off-loop-actor", "on the loop: 0\n", "Incorrect actor executor assumption"),
            ("off-loop-value", "on the loop: 1\n", "loop-owned state was read off its loop"),
        ]
    )
    func traps(scene: String, before: String, message: String) async throws {
        let result = try await play(scene)
        #expect(result.output.hasPrefix(before))
        #expect(result.output.contains(message), "\(result.output)")
        #expect(!result.output.contains("not stopped"))
        // SIGILL on x86-64, SIGTRAP on arm64.
        #expect([128 + 4, 128 + 5].contains(result.status))
    }
}
