import Apus
import ApusTesting
import Glibc
import HTTPTypes
import Synchronization
import Testing

/// Disks, inputs and hosts that are not as they should be: the run goes on, and counts.
struct FetchTroubleTests {
    @Test func aDiskThatTakesNoMoreIsTheMatterOfEachURL() async throws {
        try await withBench { bench in
            let handler: HTTPServer.Handler = { request in
                .text(String(repeating: "x", count: request.path.hasPrefix("/large") ? 400_000 : 10))
            }
            try await TestServer.with(handler) { server in
                let run = try await bench.fetch(
                    "-o",
                    "out",
                    "--report",
                    "r",
                    server.url("/{large1,small1,large2,small2}"),
                    blocks: 300
                )
                #expect(run.code == 1)
                let lines = try bench.report("r")
                #expect(lines.map(\.outcome) == ["failed", "fetched", "failed", "fetched"])
                #expect(lines[0].error == "storage")
                #expect(bench.files("out") == ["small1", "small2"])
            }
        }
    }

    @Test func fewDescriptorsMeanFewURLsAtATimeAndNoFailures() async throws {
        try await withBench { bench in
            try await TestServer.with({ .text($0.path) }) { server in
                let run = try await bench.fetch(
                    "-o",
                    "out",
                    "-c",
                    "200",
                    "--per-host",
                    "200",
                    server.url("/{1..300}"),
                    descriptors: 64
                )
                #expect(run.code == 0)
                #expect(bench.files("out").count == 300)
                #expect(
                    run.errors.contains(
                        "only 64 descriptors are allowed (ulimit -n), so 5 of --concurrency 200 go at a time"
                    )
                )
            }
        }
    }

    @Test func aReportThatTakesNoMoreDoesNotEndTheRun() async throws {
        try await withBench { bench in
            try await TestServer.with({ .text($0.path) }) { server in
                let run = try await bench.fetch("-o", "out", "--report", "/dev/full", server.url("/{1..20}"))
                #expect(run.code == 1)
                #expect(bench.files("out").count == 20)
                #expect(run.errors.contains("/dev/full"))
            }
        }
    }

    /// The largest file that the process may write stands for the disk; somebody makes room when half of the URLs are there.
    @Test func theReportGoesOnWhenThereIsRoomAgainAndAResumedRunCompletesIt() async throws {
        try await withBench { bench in
            let counter = Counter()
            let process = Mutex<ApusProcess?>(nil)
            let handler: HTTPServer.Handler = { request in
                // A URL is asked for when the lines of those before it are written, or nearly.
                if counter.add() == 200 {
                    try await process.withLock { $0 }?.setLargestFile(bytes: 1 << 30, folder: bench.folder)
                }
                return .text(request.path)
            }
            try await TestServer.with(handler) { server in
                let input = (1...400).map { server.url("/\($0)") + "\n" }.joined()
                try bench.write(input, to: "urls")
                let arguments = ["-i", "urls", "-o", "out", "--report", "r", "--state", "s", "--rate", "2000"]
                // The lines on standard output, which is a file too, are a fifth of the report's: all of them fit.
                let run = try ApusProcess(["fetch"] + arguments, folder: bench.folder, blocks: 60)
                process.withLock { $0 = run }
                let outcome = try await run.wait()
                #expect(outcome.code == 1)
                #expect(bench.files("out").count == 400, "\(outcome.errors)")
                #expect(outcome.errors.contains("cannot write the report r: File too large"))
                #expect(outcome.errors.contains("lines that could not be written; --resume fetches their URLs again"))
                let before = try bench.report("r").map(\.n)
                #expect(Set(before).count == before.count)
                #expect(before.count < 400 && before.last.map { $0 > 300 } == true)
                let second = try ApusProcess(["fetch", "--resume"] + arguments, folder: bench.folder)
                let completed = try await second.wait()
                #expect(completed.code == 0)
                #expect(try bench.report("r").map(\.n) == Array(1...400))
                #expect(counter.total == 800 - before.count)
            }
        }
    }

    @Test func linesThatCannotBeMeantAreReportedAndTheOthersFetched() async throws {
        try await withBench { bench in
            let counter = Counter()
            try await TestServer.with({ request in
                counter.add(request.path)
                return .text("x")
            }) { server in
                let good = server.url("/good")
                let long = server.url("/" + String(repeating: "a", count: 1 << 20))
                var input = Array(
                    "\u{FEFF}\(good)\r\n\r\n# a remark\r\n\(good)\n\(long)\nftp://h/\nno url\nhttp://[::1\n".utf8
                )
                input += Array("http://h/".utf8) + [0xFF, 0xFE, 0x0A]
                input += Array("http://\u{1B}[31m/\n{\"url\":1}\n\(good)".utf8)
                let process = try ApusProcess(
                    ["fetch", "-i", "-", "--report", "r"],
                    input: input,
                    folder: bench.folder
                )
                let run = try await process.wait()
                #expect(run.code == 1)
                let lines = try bench.report("r")
                #expect(lines.filter { $0.outcome == "fetched" }.map(\.n) == [1, 4, 12])
                #expect(lines.filter { $0.outcome == "failed" }.map(\.n) == [5, 6, 7, 8, 9, 10, 11])
                #expect(counter.names == ["/good": 3])
                #expect(!run.output.unicodeScalars.contains("\u{1B}"))
            }
        }
    }

    @Test func anEmptyInputIsNoFailure() async throws {
        try await withBench { bench in
            let outcome1 = try await bench.fetch("-i", "-", input: "")
            #expect(outcome1.code == 0)
            let outcome2 = try await bench.fetch("-i", "-", input: "\n# nothing\n")
            #expect(outcome2.code == 0)
        }
    }

    @Test func hostileNamesStayInsideTheFolder() async throws {
        try await withBench { bench in
            let handler: HTTPServer.Handler = { _ in
                ServerResponse(
                    headers: [.contentDisposition: "attachment; filename=\"../../evil\""],
                    bytes: Array("x".utf8)
                )
            }
            try await TestServer.with(handler) { server in
                let names = [
                    "/..%2f..%2fevil", "/%2e%2e/%2e%2e/evil", "//etc/passwd", "/a%00b", "/CON",
                    "/" + String(repeating: "n", count: 300),
                ]
                try bench.write(names.map { server.url($0) }.joined(separator: "\n"), to: "urls")
                for tree in [[], ["--tree"]] {
                    let process = try ApusProcess(
                        ["fetch", "-i", "urls", "-o", "deep/out", "--report", "r"] + tree,
                        folder: bench.folder
                    )
                    _ = try await process.wait()
                    let outside = bench.files(".").filter { !$0.hasPrefix("deep/out/") && $0 != "urls" && $0 != "r" }
                    #expect(outside.isEmpty)
                    for line in try bench.report("r") where line.outcome == "fetched" {
                        #expect(bench.read("deep/out/\(line.file ?? "-")") == "x")
                    }
                }
            }
        }
    }

    /// A hundred hosts that accept, and never answer, before nine hundred that do: these are all fetched while those are still silent.
    @Test func deadHostsHoldUpNobody() async throws {
        try await withBench { bench in
            let counter = Counter()
            let allAlive = AsyncEvent()
            let isOver = AsyncEvent()
            let server = try await HTTPServer.start(host: "0.0.0.0", port: 0) { request in
                let host = request.headers[HTTPField.Name("Host")!] ?? ""
                if host.hasPrefix("127.0.9.") { try await isOver.wait() }
                if counter.add(host) == 1_800 { allAlive.set() }
                return .text("x")
            }
            let port = server.address.port ?? 0
            var urls: [String] = []
            for host in 1...100 {
                for number in 1...2 { urls.append("http://127.0.9.\(host):\(port)/\(number)") }
            }
            for host in 0..<900 {
                for number in 1...2 { urls.append("http://127.1.\(host / 250).\(host % 250 + 1):\(port)/\(number)") }
            }
            try bench.write(urls.joined(separator: "\n"), to: "urls")
            let process = try bench.start("-i", "urls", "--report", "r", "--grace", "0", "--timeout", "500")
            try await allAlive.wait()
            process.send(SIGINT)
            isOver.set()
            let outcome3 = try await process.wait()
            #expect(outcome3.code == 130)
            #expect(try bench.report("r").filter { $0.outcome == "fetched" }.count >= 1_700)
            await server.shutdown()
        }
    }

    @Test func hostsThatRefuseHoldUpNobodyAndAreCounted() async throws {
        try await withBench { bench in
            let server = try await HTTPServer.start(host: "0.0.0.0", port: 0) { _ in .text("x") }
            let port = server.address.port ?? 0
            let dead = try await FaultyServer.start { _ in [.reset] }
            let nobody = dead.address.port ?? 0
            await dead.stop()
            var urls: [String] = []
            for host in 1...1_000 {
                let address = "127.2.\(host / 250).\(host % 250 + 1)"
                urls.append("http://\(address):\(host % 10 == 0 ? nobody : port)/")
            }
            try bench.write(urls.joined(separator: "\n"), to: "urls")
            let run = try await bench.fetch("-i", "urls", "--report", "r", "--retries", "1")
            #expect(run.code == 1)
            let lines = try bench.report("r")
            #expect(lines.filter { $0.outcome == "fetched" }.count == 900)
            #expect(lines.filter { $0.error == "connectionRefused" && $0.attempts == 2 }.count == 100)
            await server.shutdown()
        }
    }
}
