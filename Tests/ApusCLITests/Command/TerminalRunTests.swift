import Apus
import ApusTesting
import Foundation
import HTTPTypes
import Testing

@testable import ApusCLI

/// What a person sees: the real command on a terminal.
struct TerminalRunTests {
    /// The widest line that is drawn, without what moves and colours.
    private func width(_ text: String) -> Int {
        text.replacing(#/\u{1B}\[[0-9;]*[A-Za-z]/#, with: "").split { $0 == "\r\n" || $0 == "\n" || $0 == "\r" }
            .map { TerminalText.columns(of: String($0)) }.max() ?? 0
    }

    @Test func theViewFollowsTheWidthOfTheWindow() async throws {
        try await withBench { bench in
            let gate = AsyncEvent()
            try await TestServer.with({ request in
                if request.path != "/1" { try await gate.wait() }
                return .text("x")
            }) { server in
                let arguments = ["fetch", "-o", "out", server.url("/{1..9}")]
                let run = try TerminalProcess(arguments, folder: bench.folder, columns: 100)
                #expect(try await run.read { $0.contains("1 done") && $0.contains("8 in flight") })
                #expect(run.text.contains("\u{1B}[1m"))
                #expect(width(run.text) <= 99)
                run.resize(columns: 24)
                run.forget()
                // The first frame may have been on its way.
                #expect(try await run.read { $0.components(separatedBy: "1 done").count > 3 })
                let last = run.text.components(separatedBy: "1 done").dropFirst(2).joined(separator: "1 done")
                #expect(width(last) <= 23, "\(last)")
                gate.set()
                #expect(try await run.wait() == 0)
                #expect(run.text.contains("9 URLs: 9 fetched"))
                // A line for each URL is only for those who ask for it.
                #expect(!run.text.contains("/out/"))
            }
        }
    }

    @Test func nothingIsColouredWithNoColor() async throws {
        try await withBench { bench in
            let gate = AsyncEvent()
            try await TestServer.with({ request in
                if request.path == "/2" { try await gate.wait() }
                return .status(.notFound)
            }) { server in
                let arguments = ["fetch", "--retries", "0", server.url("/{1,2}")]
                let environment = ["NO_COLOR": "1"]
                let run = try TerminalProcess(arguments, folder: bench.folder, columns: 80, environment: environment)
                #expect(try await run.read { $0.contains("1 in flight") })
                gate.set()
                #expect(try await run.wait() == 1)
                #expect(run.text.contains("\u{1B}[K"))
                #expect(!run.text.contains(#/\u{1B}\[[0-9;]*m/#))
            }
        }
    }

    @Test func aBodyCommandsNoTerminal() async throws {
        try await withBench { bench in
            let body = "a\u{1B}[31mred\u{9B}1m\u{202E}z\n"
            try await TestServer.with({ _ in .text(body) }) { server in
                let run = try TerminalProcess(["fetch", server.url()], folder: bench.folder, columns: 80)
                #expect(try await run.wait() == 0)
                #expect(run.text.hasPrefix("a\\u{1B}[31mred\\u{9B}1m\\u{202E}z\r\n200 "))
                // A pipe gets it as it is.
                let outcome = try await bench.fetch(server.url())
                #expect(outcome.output == body)
            }
        }
    }

    @Test func verboseHasALineForEachURLAndQuietNothing() async throws {
        try await withBench { bench in
            try await TestServer.with({ _ in .text("x") }) { server in
                let lines = { (text: String) in text.split(separator: "\r\n").filter { $0.contains("200 ") } }
                for (option, count) in [("--verbose", 3), ("--quiet", 0), ("-v", 3), ("-q", 0)] {
                    let arguments = ["fetch", option, server.url("/{1..3}")]
                    let run = try TerminalProcess(arguments, folder: bench.folder, columns: 80)
                    #expect(try await run.wait() == 0)
                    #expect(lines(run.text).count { $0.contains("http://") } == count, "\(run.text)")
                    #expect(!option.contains("q") || run.text.isEmpty)
                }
            }
        }
    }

    @Test func aBenchIsShownUnlessItIsQuiet() async throws {
        try await withBench { bench in
            let gate = AsyncEvent()
            let started = AsyncEvent()
            try await TestServer.with({ _ in
                started.set()
                try await gate.wait()
                return .text("x")
            }) { server in
                let arguments = ["bench", "--connections", "2", "--requests", "4", server.url()]
                let run = try TerminalProcess(arguments, folder: bench.folder, columns: 60)
                #expect(try await run.read { $0.contains("\u{1B}[K") })
                gate.set()
                #expect(try await run.wait() == 0)
                let quiet = try TerminalProcess(arguments + ["--quiet"], folder: bench.folder, columns: 60)
                #expect(try await quiet.wait() == 0)
                #expect(!quiet.text.contains("\u{1B}[K"))
            }
        }
    }

    @Test func whatABenchSaysAtItsEndFollowsTheWidthOfTheWindow() async throws {
        try await withBench { bench in
            try await TestServer.with({ _ in .text("x") }) { server in
                for columns in [40, 80, 200] {
                    let arguments = [
                        "bench", "--requests", "500", "--rate", "100000", "--quiet", server.url("/a/b/c/d"),
                    ]
                    let run = try TerminalProcess(arguments, folder: bench.folder, columns: columns)
                    #expect(try await run.wait() == 0)
                    #expect(run.text.contains("p99.9") && run.text.contains("of this program"))
                    #expect(width(run.text) <= columns, "\(run.text)")
                }
            }
        }
    }
}
