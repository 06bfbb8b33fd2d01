import ArgumentParser
import Glibc

/// The command `apus`.
@main
struct ApusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apus",
        abstract: "Asynchronous I/O for Swift: an event loop, and an HTTP session on it.",
        discussion: """
            Examples:

                apus demo                         what the library does, with figures
                apus fetch http://example.com/    one page, to standard output
                apus fetch -i urls.txt -o pages   many at once, stored under pages/
                apus bench http://127.0.0.1:8000/ how fast a server of yours answers
            """,
        version: "apus 0.1.0",
        subcommands: [DemoCommand.self, FetchCommand.self, BenchCommand.self]
    )

    /// Instead of ArgumentParser's own `main`, whose exit code for wrong usage is 64: here it is 2, as with most commands.
    static func main() {
        // Before anything else opens a descriptor.
        StandardDescriptors.fill()
        // Swift reads them from there, and without it sees none, not even the name: help and success would be a wrong answer.
        guard !CommandLine.arguments.isEmpty else {
            StandardError.write("apus: no arguments can be read: /proc is not mounted (mount -t proc proc /proc)\n")
            Glibc.exit(ExitStatus.usage)
        }
        if let number = Self.firstThatIsNoText {
            StandardError.write("apus: argument \(number) is not UTF-8; put such a URL, header or body into a file\n")
            Glibc.exit(ExitStatus.usage)
        }
        do {
            var command = try parsed(Array(CommandLine.arguments.dropFirst()))
            try command.run()
        } catch let error where exitCode(for: error) == .validationFailure {
            StandardError.write(fullMessage(for: error) + "\n")
            Glibc.exit(ExitStatus.usage)
        } catch {
            exit(withError: error)
        }
    }

    /// The number of an argument that is not UTF-8. Swift would put U+FFFD in the place of what it cannot read, and another URL be fetched, or
    /// another body be sent, than was asked for.
    private static var firstThatIsNoText: Int? {
        let bytes = CommandLine.unsafeArgv
        return (1..<max(1, Int(CommandLine.argc))).first { number in
            bytes[number].map { String(validatingCString: $0) == nil } ?? false
        }
    }

    /// As ``parseAsRoot(_:)``, but what is right for `fetch` alone goes there directly: looking for a wish for completion scripts among its
    /// arguments is a seventh of what starting costs. Anything else goes the usual way, and has its help and its messages from there.
    static func parsed(_ arguments: [String]) throws -> any ParsableCommand {
        if arguments.first == "fetch", let command = try? FetchCommand.parse(Array(arguments.dropFirst())) {
            return command
        }
        return try parseAsRoot(arguments)
    }
}

/// What the command tells its caller.
enum ExitStatus {
    /// Something failed: at least one URL, or the demo.
    static let failure: Int32 = 1
    /// Arguments that cannot be meant, or name a file or folder that cannot be used.
    static let usage: Int32 = 2
    /// 128 + SIGINT.
    static let interrupted: Int32 = 130

    /// Ends as a program does that is killed by SIGPIPE, which is what shells expect behind `| head`.
    static func dieOfBrokenPipe() -> Never {
        signal(SIGPIPE, SIG_DFL)
        raise(SIGPIPE)
        Glibc.exit(128 + SIGPIPE)
    }
}
