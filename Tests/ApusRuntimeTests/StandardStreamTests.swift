import Testing

/// The standard streams belong to a whole process: `Tests/HopCheck/StandardStreamScenes.swift`.
@Suite("Standard streams")
struct StandardStreamTests {
    private static let lines = "blocking: true\nline: one\nline: two\nline: last\nend, and again: true\n"

    @Test("standard input from a pipe, and from a file, ends with it, and keeps its flags")
    func input() async throws {
        let piped = try await play("stdin-lines") { "printf 'one\\ntwo\\nlast' | \($0) 2>&1" }
        #expect(piped.output == Self.lines)
        #expect(piped.status == 0)
        let file = try await play("stdin-lines") {
            Self.withFile { "printf 'one\\ntwo\\nlast' > $f; \($0) < $f 2>&1" }($0)
        }
        #expect(file.output == Self.lines)
        #expect(file.status == 0)
    }

    @Test("a program that reads on after us in a file begins where we have stopped")
    func middle() async throws {
        let result = try await play("stdin-first") {
            Self.withFile { "printf 'one\\ntwo\\nthree\\n' > $f; { \($0) 2>&1; cat; } < $f" }($0)
        }
        #expect(result.output == "first: one\n\ntwo\nthree\n")
    }

    @Test("/dev/null ends at once; a closed standard input and a directory are errors")
    func nothing() async throws {
        let null = try await play("stdin-lines") { "exec \($0) </dev/null 2>&1" }
        #expect(null.output == "blocking: true\nend, and again: true\n")
        let closed = try await play("stdin-lines") { "exec \($0) <&- 2>&1" }
        #expect(closed.output == "error: closed\n")
        let directory = try await play("stdin-lines") { "exec \($0) </ 2>&1" }
        #expect(directory.output == "error: invalidArgument\n")
        let writeOnly = try await play("stdin-lines") { "exec \($0) 0>/dev/null 2>&1" }
        #expect(writeOnly.output == "error: invalidArgument\n")
    }

    @Test("a FIFO whose writer has left already has ended, and waits for no other")
    func fifo() async throws {
        let result = try await play("stdin-lines") {
            Self.withFile {
                "rm $f; mkfifo $f; printf 'one\\ntwo\\nlast' > $f & exec 3<$f; wait; \($0) <&3 2>&1"
            }($0)
        }
        #expect(result.output == Self.lines)
    }

    @Test("a terminal is read line by line until Ctrl-D, and the shell finds its flags as they were")
    func terminal() async throws {
        let result = try await play("stdin-terminal")
        #expect(result.output == "line: one\nline: two\nunchanged: true\nCtrl-D: end\nunchanged: true\n")
        #expect(result.status == 0)
    }

    @Test("a socket is read without making it non-blocking for others")
    func socket() async throws {
        let result = try await play("stdin-socket")
        #expect(result.output == "read: question, blocking: true\nend: true\nstill open: true\n")
        #expect(result.status == 0)
    }

    @Test(
        "what cannot be opened anew is read on a thread; a cancelled read loses nothing, and closing ends the thread's wait"
    )
    func thread() async throws {
        let result = try await play("stdin-thread")
        #expect(result.output == "cancelled\nread: hello, blocking: true\nclosed: closed\n")
        #expect(result.status == 0)
    }

    @Test("a slow reader slows the writer down and nobody else; all bytes arrive; descriptor 1 stays as it was")
    func slowReader() async throws {
        let result = try await play("stdout-slow")
        #expect(result.output == "all: true, blocking: true\nstill open: true\n")
        #expect(result.status == 0)
    }

    @Test("a reader that is gone, and a full disk, are errors and not the end of the program")
    func closedOutput() async throws {
        let gone = try await play("stdout-closed")
        #expect(gone.output == "error: brokenPipe\n")
        #expect(gone.status == 0)
        let full = try await play("stdout-full") { "exec \($0) 2>&1 >/dev/full" }
        #expect(full.output == "error: system, no space: true\n")
        #expect(full.status == 0)
        let closed = try await play("stdout-full") { "exec \($0) 2>&1 >&-" }
        #expect(closed.output == "error: closed\n")
    }

    @Test(
        "what is printed and flushed, and what is written, keep their order in a pipe and in a file",
        arguments: ["| cat", "> $f; cat $f"]
    )
    func order(into target: String) async throws {
        let result = try await play("stdout-order") { Self.withFile { "\($0) \(target)" }($0) }
        #expect(
            result.output
                == "print 1\nstream 1\nprint 2\nstream 2\nprint 3\nstream 3\nafter: brokenPipe\n"
        )
    }

    /// A command line with a scratch file, `$f`, in a folder of the build's.
    private static func withFile(_ command: @escaping (String) -> String) -> (String) -> String {
        let folder = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/") + "/.build/tmp"
        return { program in
            "mkdir -p '\(folder)'; f=$(mktemp '\(folder)/scene.XXXXXX'); \(command(program)); s=$?; rm -f $f; exit $s"
        }
    }
}
