import ArgumentParser
import Testing

@testable import ApusCLI

/// `apus fetch` is parsed by a shorter way, which nobody may notice.
struct FetchParsingTests {
    private static let lines = [
        "", "fetch", "fetch http://h/", "fetch http://h/ -c 3 --per-host 2 -q", "fetch -i urls.txt -o out --tree",
        "fetch -H a:b -H c:d http://h/ http://i/", "fetch -- -x", "fetch fetch", "fetch help", "fetch bench", "help",
        "help fetch",
        "fetch --help", "fetch -h", "fetch http://h/ --help", "fetch --help-hidden", "fetch --version", "--version",
        "fetch -i", "fetch -i --help", "fetch --bogus", "fetch http://h/ --bogus 3", "fetch -c", "fetch -c x",
        "fetch -c 0 http://h/",
        "fetch --tree http://h/", "fetch --resume http://h/", "fetch -qv http://h/", "fetch -c=3 http://h/",
        "fetch --concurrency=3 http://h/",
        "fetch --generate-completion-script bash", "fetch --generate-completion-script",
        "fetch --generate-completion-script x",
        "fetch -i --generate-completion-script zsh", "fetch -- --generate-completion-script zsh",
        "fetch http://h/ --generate-completion-script=fish", "--generate-completion-script zsh",
        "fetch --experimental-dump-help",
        "fetch ---completion", "---completion fetch -- --input 0 0", "-q fetch", "fetchx", "bench", "demo --bogus",
        "fetch --user ada:secret --header Authorization:x http://h/", "fetch --user= http://h/",
    ]

    @Test(arguments: lines) func theShortWayEndsAsTheLongOne(_ line: String) {
        let arguments = line.split(separator: " ").map(String.init)
        #expect(
            Self.outcome { try ApusCommand.parsed(arguments) }
                == Self.outcome { try ApusCommand.parseAsRoot(arguments) }
        )
    }

    @Test func whatIsRightGoesTheShortWay() throws {
        #expect(try FetchCommand.parse(["http://h/", "-q"]).urls == ["http://h/"])
        #expect(try ApusCommand.parsed(["fetch", "http://h/"]) is FetchCommand)
    }

    private static func outcome(_ parse: () throws -> any ParsableCommand) -> String {
        do {
            var text = ""
            dump(try parse(), to: &text)
            return text
        } catch {
            return "\(ApusCommand.exitCode(for: error)) \(ApusCommand.fullMessage(for: error))"
        }
    }
}
