import Apus
import ApusTesting
import Testing

@testable import ApusCLI

/// The run's own files, beside each other and beside the bodies.
struct RunFilesTests {
    @Test(arguments: [
        ["--report", "urls"], ["--state", "urls"], ["--html-report", "./urls"], ["--cookie-jar", "link"],
        ["--report", "new", "--state", "new"], ["--report", "new", "--html-report", "out/../new"],
    ])
    func noFileServesTwice(_ options: [String]) async throws {
        try await withBench { bench in
            let list = "http://127.0.0.1:1/\n"
            try bench.write(list, to: "urls")
            let script = try ApusProcess.shell("mkdir out && ln -s urls link", [], folder: bench.folder)
            let made = try await script.wait()
            #expect(made.code == 0)
            let process = try ApusProcess(["fetch", "-i", "urls", "-o", "out"] + options, folder: bench.folder)
            let run = try await process.wait()
            #expect(run.code == 2)
            #expect(run.errors.contains("the same file"))
            #expect(bench.read("urls") == list)
            #expect(bench.read("new") == nil)
        }
    }

    @Test func aDeviceMayServeTwice() async throws {
        try await withBench { bench in
            try await TestServer.with({ .text($0.path) }) { server in
                let url = server.url("/a")
                let run = try await bench.fetch("--report", "/dev/null", "--html-report", "/dev/null", url)
                #expect(run.code == 0)
            }
        }
    }

    @Test func noBodyTakesTheirPlace() async throws {
        try await withBench { bench in
            try await TestServer.with({ .text($0.path) }) { server in
                let names = ["s", "r", "jar", "h", "urls", "ok"]
                let list =
                    names.map { "{\"url\":\"\(server.url("/" + $0))\",\"output\":\"\($0)\"}\n" }.joined()
                    + "{\"url\":\"\(server.url("/x"))\",\"output\":\"s/x\"}\n"
                    + "{\"url\":\"\(server.url("/x"))\",\"output\":\"cache/x\"}\n"
                try bench.write(list, to: "urls")
                let options = [
                    "--state", "s", "--report", "r", "--cookie-jar", "jar", "--html-report", "h", "--http-cache",
                    "cache",
                ]
                let process = try ApusProcess(["fetch", "-i", "urls", "-o", "."] + options, folder: bench.folder)
                let run = try await process.wait()
                #expect(run.code == 1)
                #expect(bench.read("urls") == list)
                #expect(bench.read("ok") == "/ok")
                let lines = try bench.report("r")
                #expect(
                    lines.map(\.outcome) == [String](repeating: "failed", count: 5) + ["fetched", "failed", "failed"]
                )
                #expect(lines.first?.message?.contains("--state") == true)
                #expect(bench.read("s")?.hasPrefix("apus-fetch-state") == true)
            }
        }
    }

    @Test func aRunWithoutRangesIsNotContinuedWithThem() async throws {
        try await withBench { bench in
            try await TestServer.with({ .text($0.path) }) { server in
                let first = try await bench.fetch("--state", "s", "-g", server.url("/1"))
                #expect(first.code == 0)
                let second = try await bench.fetch("--state", "s", "--resume", server.url("/1"))
                #expect(second.code == 2)
            }
        }
    }

    @Test func messagesNameOptionsAndNotTheLibrarysSettings() async throws {
        try await withBench { bench in
            let handler: HTTPServer.Handler = { _ in ServerResponse(status: .found, headers: [.location: "/again"]) }
            try await TestServer.with(handler) { server in
                let run = try await bench.fetch("-o", "out", server.url("/again"))
                #expect(run.output.contains("--max-redirects"))
                #expect(!run.output.contains("`"))
            }
            let field = "HTTP/1.1 200 OK\r\nX: " + String(repeating: "x", count: 100_000) + "\r\n\r\n"
            let server = try await FaultyServer.start { _ in [.expectRequest, .send(field)] }
            let run = try await bench.fetch("-o", "out", "--retries", "0", server.url + "/")
            #expect(run.output.contains("a field line is longer than"))
            #expect(!run.output.contains("HTTP1Limits"))
            await server.stop()
            #expect(
                SettingNames.replaced(in: "A bomb. `decompress: false` gives it as it came.")
                    == "A bomb. Leaving out --compressed gives it as it came."
            )
        }
    }

    @Test func whatIsRefusedLeavesNothingBehind() async throws {
        try await withBench { bench in
            let twice = try await bench.fetch("-o", "out", "-u", "a:b", "-H", "Authorization: c", "http://127.0.0.1:1/")
            #expect(twice.code == 2)
            #expect(twice.errors.contains("--user"))
            let report = try await bench.fetch("-o", "out", "--report", "none/r", "http://127.0.0.1:1/")
            #expect(report.code == 2)
            #expect(try listFolder(bench.folder + "/out").isEmpty)
        }
    }

    @Test func aCookieJarThatCannotBeUsedIsRefusedBeforeAnythingIsFetched() async throws {
        try await withBench { bench in
            let counter = Counter()
            try await TestServer.with({ _ in
                counter.add()
                return .text("x")
            }) { server in
                try bench.write("no jar", to: "text")
                let text = try await bench.fetch("--cookie-jar", "text", server.url("/"))
                #expect(text.code == 2)
                #expect(bench.read("text") == "no jar")
                let nowhere = try await bench.fetch("--cookie-jar", "none/jar", server.url("/"))
                #expect(nowhere.code == 2)
                #expect(counter.total == 0)
            }
        }
    }
}
