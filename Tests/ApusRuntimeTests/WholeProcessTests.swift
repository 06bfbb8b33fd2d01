#if WholeProcess
import Testing

/// Each in a process of its own: `Tests/HopCheck/WholeProcessScenes.swift`. `apus-hop-check` plays them in a release build too.
@Suite("Whole-process mode")
struct WholeProcessTests {
    @Test(
        "tasks of all kinds, default actors, the main actor and Task.sleep are on the loop's thread, Apus's operations without a hop"
    )
    func onTheLoop() async throws {
        let result = try await play("whole-process")
        let failures = result.output.split(separator: "\n").filter { !$0.hasPrefix("ok ") }
        #expect(failures.count == 1 && failures[0].hasSuffix(" passed, 0 failed"), "\(result.output)")
        #expect(result.status == 0)
    }

    @Test("what run leaves behind goes on to its end, new tasks run as in any process, and a second run is an error")
    func end() async throws {
        let result = try await play("whole-process-end")
        #expect(
            result.output == """
                blocked: read closed, sleep loopClosed, after sleep visited an actor, Task.sleep over, offload 1
                new task: new elsewhere
                main actor: main loopClosed
                again: tooLate

                """
        )
        #expect(result.status == 0)
    }

    @Test("after Swift's pool has run a task it is an error, and the process goes on as usual")
    func late() async throws {
        let result = try await play("whole-process-late")
        #expect(result.output == "tooLate\nwithout: true\n")
        #expect(result.status == 0)
    }

    @Test("off the main thread, nested, and by other ways than run it is an error, which uses nothing up")
    func refused() async throws {
        let result = try await play("whole-process-refused")
        #expect(
            result.output == """
                another thread: wrongThread
                runner: invalidArgument
                nested: nestedRun
                with: invalidArgument
                nested: nestedRun

                """
        )
        #expect(result.status == 0)
    }

    @Test("on virtual time Task.sleep is virtual, and in order with the loop's own timers")
    func virtualTime() async throws {
        let result = try await play("whole-process-virtual")
        #expect(result.output == "[\"five seconds\", \"half an hour\", \"a second more\", \"hour\"]\n")
        #expect(result.status == 0)
    }

    @Test("a hundred thousand tasks at once, and tasks from eight threads, are all run, on the loop's thread")
    func storm() async throws {
        let result = try await play("whole-process-storm")
        #expect(result.output == "tasks: 100000, elsewhere: 0\nfrom threads: 3996000\nactor: 2000\n")
        #expect(result.status == 0)
    }

    @Test("a forked child's tasks run in Swift's pool, and the parent goes on")
    func fork() async throws {
        let result = try await play("whole-process-fork")
        #expect(result.output == "child: 0\nparent goes on: true\n")
        #expect(result.status == 0)
    }

    @Test("the watchdog finds a blocking call in a Task { }")
    func watchdog() async throws {
        let result = try await play("whole-process-debug")
        #expect(result.output == "names it: true\n")
        #expect(result.status == 0)
    }
}
#endif
