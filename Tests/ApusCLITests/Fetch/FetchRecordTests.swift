import Apus
import ApusTesting
import HTTPTypes
import Synchronization
import Testing

/// What is stored and written down: options of the real command.
struct FetchRecordTests {
    @Test func theReportHasALineForEachURL() async throws {
        try await withBench { bench in
            let handler: HTTPServer.Handler = { request in
                request.path == "/abc" ? .text("abc") : .status(.notFound)
            }
            try await TestServer.with(handler) { server in
                let run = try await bench.fetch(
                    "-o",
                    "out",
                    "--report",
                    "r",
                    "--sha256",
                    "-i",
                    "-",
                    server.url("/abc?token=1"),
                    input: "\(server.url("/none"))\n\nno url\n"
                )
                #expect(run.code == 1)
                #expect(bench.mode("r") == 0o600)
                let lines = try bench.report("r")
                #expect(lines.map(\.n) == [1, 2, 4])
                #expect(lines[0].outcome == "fetched")
                #expect(lines[0].url == server.url("/abc?token=1"))
                #expect(lines[0].bytes == 3)
                #expect(lines[0].content_type == "text/plain; charset=utf-8")
                #expect(lines[0].sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
                #expect(lines[0].file.flatMap { bench.read("out/\($0)") } == "abc")
                #expect(lines[0].timings?["first_byte"] != nil)
                #expect(lines[1].status == 404)
                #expect(lines[1].error == "status")
                #expect(lines[2].error == "invalidURL")
                #expect(lines[2].attempts == 0)
                // A terminal's line has no query.
                #expect(!run.output.contains("token"))
            }
        }
    }

    @Test func userAndPasswordOfAURLAreWrittenNowhere() async throws {
        try await withBench { bench in
            try await TestServer.with({ .text($0.headers[.authorization] ?? "-") }) { server in
                let url = server.url("/x").replacing("http://", with: "http://ada:secret@")
                let run = try await bench.fetch("-o", "out", "--report", "r", "--state", "s", "-v", url)
                #expect(run.code == 0)
                #expect(bench.read("out/x") == "Basic YWRhOnNlY3JldA==")
                for text in [run.output, run.errors, bench.read("r") ?? "", bench.read("s") ?? ""] {
                    #expect(!text.contains("secret"))
                }
            }
        }
    }

    @Test func thePageIsWrittenForItsOwnerAndSaysWhatHappened() async throws {
        try await withBench { bench in
            try await TestServer.with({ $0.path == "/1" ? .status(.notFound) : .text("abc") }) { server in
                let run = try await bench.fetch("--html-report", "page.html", server.url("/{1..30}"))
                #expect(run.code == 1)
                #expect(bench.mode("page.html") == 0o600)
                let page = bench.read("page.html") ?? ""
                #expect(page.hasPrefix("<!doctype html>") || page.hasPrefix("<!DOCTYPE html>"))
                for text in ["Content-Security-Policy", "404", "p99.9", "\(server.server.address)", "</html>"] {
                    #expect(page.contains(text), "\(text)")
                }
            }
        }
    }

    @Test func linesGoToStandardOutputUnlessItIsATerminal() async throws {
        try await withBench { bench in
            try await TestServer.with({ _ in .text("abc") }) { server in
                let run = try await bench.fetch(server.url("/a"), server.url("/b"))
                #expect(run.code == 0)
                #expect(run.lines.count == 2)
                #expect(run.lines.allSatisfy { $0.hasPrefix("200") && $0.contains(" 3 ") })
                #expect(run.errors.contains("2 URLs"))
                let quiet = try await bench.fetch("-q", server.url("/a"), server.url("/b"))
                #expect(quiet.errors.isEmpty)
            }
        }
    }

    @Test func filesThatHaveNotChangedAreLeftAlone() async throws {
        try await withBench { bench in
            let counter = Counter()
            let handler: HTTPServer.Handler = { request in
                counter.add(request.headers[.ifModifiedSince] ?? "-")
                if request.headers[.ifModifiedSince] == "Sun, 06 Nov 1994 08:49:37 GMT" { return .status(.notModified) }
                return ServerResponse(
                    headers: [.lastModified: "Sun, 06 Nov 1994 08:49:37 GMT"],
                    bytes: Array("abc".utf8)
                )
            }
            try await TestServer.with(handler) { server in
                let arguments = ["--if-modified", "-o", "out", "--report", "r"]
                for outcome in ["fetched", "unchanged"] {
                    let run = try await bench.fetch(
                        arguments[0],
                        arguments[1],
                        arguments[2],
                        arguments[3],
                        arguments[4],
                        server.url("/x")
                    )
                    #expect(run.code == 0)
                    #expect(try bench.report("r").map(\.outcome) == [outcome])
                    #expect(bench.read("out/x") == "abc")
                }
                #expect(counter.names == ["-": 1, "Sun, 06 Nov 1994 08:49:37 GMT": 1])
            }
        }
    }

    @Test func theCacheAnswersTheNextRun() async throws {
        try await withBench { bench in
            let counter = Counter()
            try await TestServer.with({ _ in
                counter.add()
                return ServerResponse(headers: [.cacheControl: "max-age=1000"], bytes: Array("abc".utf8))
            }) { server in
                // What a run fetched last is in the cache, too.
                for number in 1...10 {
                    for _ in 1...2 {
                        let run = try await bench.fetch("--http-cache", "cache", server.url("/\(number)"))
                        #expect(run.output == "abc")
                    }
                    #expect(counter.total == number)
                }
            }
        }
    }

    @Test func aTreeIsStoredAsTheServerHasIt() async throws {
        try await withBench { bench in
            try await TestServer.with({ .text($0.target) }) { server in
                let host = "\(server.server.address)".replacing(":", with: "_")
                let run = try await bench.fetch(
                    "--tree",
                    "-o",
                    "out",
                    server.url("/a/b"),
                    server.url("/c/"),
                    server.url("/d?e=f")
                )
                #expect(run.code == 0)
                #expect(bench.files("out") == ["\(host)/a/b", "\(host)/c/index.html", "\(host)/d@e=f"])
            }
        }
    }

    @Test func linesOfJSONSayWhatToAskAndWhereToPutIt() async throws {
        try await withBench { bench in
            let handler: HTTPServer.Handler = { request in
                let body = try await request.body.text()
                return .text("\(request.method) \(request.headers[.accept] ?? "-") \(body)")
            }
            try await TestServer.with(handler) { server in
                let url = server.url("/x")
                try bench.write(
                    #"""
                    {"url":"\#(url)","method":"PUT","headers":{"Accept":"text/csv"},"body":"b","output":"deep/er.txt"}
                    {"url":"\#(url)","output":"../out.txt"}
                    {"url":"\#(url)","output":"/etc/out.txt"}
                    """#,
                    to: "urls"
                )
                let run = try await bench.fetch("-i", "urls", "-o", "out", "--report", "r")
                #expect(run.code == 1)
                #expect(bench.read("out/deep/er.txt") == "PUT text/csv b")
                #expect(try bench.report("r").map(\.outcome) == ["fetched", "failed", "failed"])
                #expect(bench.files("out") == ["deep/er.txt"])
                #expect(bench.read("out.txt") == nil)
            }
        }
    }

    @Test func bracesStandForSeveralUnlessTurnedOff() async throws {
        try await withBench { bench in
            let counter = Counter()
            try await TestServer.with({ request in
                counter.add(request.path)
                return .text("x")
            }) { server in
                let outcome1 = try await bench.fetch(server.url("/{08..10}-{a,b}"))
                #expect(outcome1.code == 0)
                #expect(counter.names.keys.sorted() == ["/08-a", "/08-b", "/09-a", "/09-b", "/10-a", "/10-b"])
                let literal = try await bench.fetch("-g", server.url("/%7B1..9%7D"))
                #expect(literal.code == 0)
                #expect(counter.total == 7)
            }
        }
    }

    @Test func wrongUsageIsCodeTwo() async throws {
        try await withBench { bench in
            for arguments in [
                ["--retries", "x"], ["-c", "0"], ["--rate", "0"], ["--timeout", "0"], ["--min-rate", "a:b"],
                ["--resume"], ["--sha256"], ["--tree"], ["--if-modified"], ["--cert", "x"], ["--header", "none"],
                ["--auth-host", "ftp://x"], ["--proxy", "ftp://x"], ["-o", ""], ["--loops", "0"],
                ["--max-redirects", "-1"],
                ["--bogus"], ["--data", "@"], ["--grace", "-1"], ["--per-host", "0"], ["--method", "a b"],
            ] {
                let process = try ApusProcess(["fetch", "http://127.0.0.1:1/"] + arguments, folder: bench.folder)
                let run = try await process.wait()
                #expect(run.code == 2, "\(arguments)")
                #expect(run.output.isEmpty)
            }
            let outcome2 = try await bench.fetch("-i", "missing")
            #expect(outcome2.code == 2)
            let outcome3 = try await bench.fetch("--state", "/nowhere/s", "http://127.0.0.1:1/")
            #expect(outcome3.code == 2)
            let outcome4 = try await bench.fetch("--report", "/nowhere/r", "http://127.0.0.1:1/")
            #expect(outcome4.code == 2)
        }
    }
}
