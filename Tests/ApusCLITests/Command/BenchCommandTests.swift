import Apus
import ApusTesting
import Foundation
import HTTPTypes
import Testing

/// `apus bench` and what all commands have, of the real program.
struct BenchCommandTests {
    private func run(_ bench: FetchBench, _ arguments: String...) async throws -> ApusProcess.Outcome {
        try await ApusProcess(arguments, folder: bench.folder).wait()
    }

    private struct Result: Decodable {
        var method: String
        var connections: Int
        var wantedRate: Double?
        var requests: Int
        var failed: Int
        var statuses: [String: Int]
        var errors: [String: Int]
    }

    private func result(_ outcome: ApusProcess.Outcome) throws -> Result {
        try JSONDecoder().decode(Result.self, from: Data(outcome.output.utf8))
    }

    @Test func itSendsWhatItsOptionsSay() async throws {
        try await withBench { bench in
            let counter = Counter()
            try await TestServer.with({ request in
                let body = try await request.body.text()
                let type = request.headers[.contentType] ?? "-"
                counter.add("\(request.method) \(request.headers[.accept] ?? "-") \(type) \(body)")
                return .text("x")
            }) { server in
                let plain = try await run(bench, "bench", "-c", "3", "-n", "30", "--json", server.url())
                #expect(plain.code == 0)
                let first = try result(plain)
                #expect((first.requests, first.failed, first.connections) == (30, 0, 3))
                #expect(first.statuses == ["200": 30])
                let post = try await run(
                    bench,
                    "bench",
                    "--connections",
                    "1",
                    "--requests",
                    "2",
                    "--data",
                    "a=b",
                    "--header",
                    "Accept: text/x",
                    "--method",
                    "PUT",
                    "--json",
                    "--quiet",
                    server.url()
                )
                #expect(try result(post).method == "PUT")
                #expect(post.errors.isEmpty)
                #expect(counter.names["PUT text/x application/x-www-form-urlencoded a=b"] == 2)
                try bench.write("file", to: "body")
                let short = try await run(
                    bench,
                    "bench",
                    "-X",
                    "PATCH",
                    "-H",
                    "Accept: b",
                    "--data",
                    "@body",
                    "-n",
                    "1",
                    "-q",
                    server.url()
                )
                #expect(short.code == 0)
                #expect(short.output.contains("1 request"))
                #expect(counter.names["PATCH b application/x-www-form-urlencoded file"] == 1)
            }
        }
    }

    @Test func itEndsWithItsTimeAndKeepsItsRate() async throws {
        try await withBench { bench in
            let counter = Counter()
            try await TestServer.with({ _ in
                counter.add()
                return .text("x")
            }) { server in
                let timed = try await run(bench, "bench", "--duration", "0.2", "--rate", "50", "--json", server.url())
                let first = try result(timed)
                // What was due in a fifth of a second, on a machine of any speed.
                #expect(first.wantedRate == 50 && first.requests <= 10)
                #expect(counter.total == first.requests)
                let short = try await run(bench, "bench", "-d", "0.05", "-c", "1", "--json", server.url())
                #expect(short.code == 0)
                #expect(try result(short).requests > 0)
            }
        }
    }

    @Test func aRequestMayTakeNoLongerThanItsTimeout() async throws {
        try await withBench { bench in
            // Or the server's end would wait for these requests as long as it may.
            let gate = AsyncEvent()
            try await TestServer.with({ _ in
                try await gate.wait()
                return .text("never")
            }) { server in
                defer { gate.set() }
                let late = try await run(
                    bench,
                    "bench",
                    "--timeout",
                    "0.05",
                    "-n",
                    "2",
                    "-c",
                    "1",
                    "--json",
                    server.url()
                )
                #expect(late.code == 1)
                let first = try result(late)
                #expect(first.failed == 2 && first.statuses.isEmpty && first.errors.values.reduce(0, +) == 2)
            }
        }
    }

    #if TLS
    @Test func serversAndClientsAreCheckedAsTheTLSOptionsSay() async throws {
        try await withBench { bench in
            try await bench.withServerThatKnowsItsClients { url in
                let client = ["--cert", "client.pem", "--key", "client.key"]
                for (options, code) in [
                    (client, 1), (["--cacert", "ca.pem"], 1), (client + ["--cacert", "ca.pem"], 0),
                    (client + ["--insecure"], 0),
                ] as [([String], Int32)] {
                    let arguments = ["bench", "-n", "2", "-c", "1", "-q"] + options + [url]
                    let outcome = try await ApusProcess(arguments, folder: bench.folder).wait()
                    #expect(outcome.code == code, "\(options) \(outcome.errors)")
                }
            }
        }
    }
    #endif

    @Test func versionAndHelpAreSaidByEachCommand() async throws {
        try await withBench { bench in
            let version = try await run(bench, "--version")
            #expect(version.code == 0)
            #expect(version.output.contains(#/^apus [0-9]+\.[0-9]+/#))
            for command in [["fetch"], ["bench"], ["demo"]] {
                let own = try await ApusProcess(command + ["--version"], folder: bench.folder).wait()
                #expect(own.output == version.output)
                let help = try await ApusProcess(command + ["--help"], folder: bench.folder).wait()
                #expect(help.code == 0)
                #expect(help.output.contains("USAGE: apus \(command[0])"))
                let short = try await ApusProcess(command + ["-h"], folder: bench.folder).wait()
                #expect(short.output == help.output)
            }
        }
    }

    /// No Swift, no HOME and no PATH either.
    @Test func itNeedsNoEnvironment() async throws {
        try await withBench { bench in
            try await TestServer.with({ _ in .text("hello") }) { server in
                let words = [ApusProcess.path, "fetch", server.url()]
                let run = try ApusProcess.shell("exec env -i \"$0\" \"$@\"", words, folder: bench.folder)
                let outcome = try await run.wait()
                #expect(outcome.output == "hello")
                #expect(outcome.errors.hasPrefix("200 ") && outcome.code == 0)
            }
        }
    }

    @Test(arguments: ["bash", "zsh", "fish"])
    func completionsAreScriptsThatTheShellReads(shell: String) async throws {
        try await withBench { bench in
            let script = try await run(bench, "--generate-completion-script", shell)
            #expect(script.code == 0)
            for word in ["fetch", "bench", "demo", "html-report", "rate-per-host"] {
                #expect(script.output.contains(word), "\(word)")
            }
            try bench.write(script.output, to: "script")
            // Where there is no such shell, the script is only looked at.
            let check = "if command -v \"$0\" >/dev/null; then exec \"$0\" -n script; fi"
            let outcome = try await ApusProcess.shell(check, [shell], folder: bench.folder).wait()
            #expect(outcome.code == 0, "\(outcome.errors)")
        }
    }

    @Test func bashCompletesOptions() async throws {
        try await withBench { bench in
            let script = try await run(bench, "--generate-completion-script", "bash")
            try bench.write(script.output, to: "script")
            let complete = """
                bash -c 'source ./script
                function=$(complete -p apus | sed "s/.*-F \\([^ ]*\\).*/\\1/")
                COMP_WORDS=(apus fetch --retr) COMP_CWORD=2 COMP_LINE="apus fetch --retr" COMP_POINT=17
                $function apus --retr fetch
                printf "%s\\n" "${COMPREPLY[@]}"'
                """
            let outcome = try await ApusProcess.shell(complete, [], folder: bench.folder).wait()
            #expect(outcome.lines == ["--retries"], "\(outcome.errors)")
        }
    }
}
