import Apus
import ApusTesting
import HTTPTypes
import Synchronization
import Testing

@testable import ApusCLI

/// Bodies, parts and reports of different runs, users and names, which must not be taken for one another.
struct FetchMixTests {
    private func fetch(_ arguments: [String], _ bench: FetchBench) async throws -> ApusProcess.Outcome {
        try await ApusProcess(["fetch"] + arguments, folder: bench.folder).wait()
    }

    @Test func aPartIsNotGoneOnWithForAnotherUserOrInAnotherLanguage() async throws {
        let ways = [["-u", "alice:a", "-u", "bob:b"], ["-H", "Accept-Language: de", "-H", "Accept-Language: fr"]]
        for options in ways {
            try await withBench { bench in
                let size = 600_000
                let fields = "Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\nDate: Tue, 02 Jan 2024 00:00:00 GMT\r\n"
                let head = "HTTP/1.1 200 OK\r\n\(fields)Content-Length: \(size)\r\n\r\n"
                let server = try await FaultyServer.start { connection in
                    if connection == 0 {
                        return [.expectRequest, .send(head + String(repeating: "a", count: 400_000)), .finish]
                    }
                    return [.expectRequest, .send(head + String(repeating: "b", count: size))]
                }
                let url = server.url + "/me"
                let first = try await fetch(["-o", "out", "--retries", "0"] + options[0...1] + [url], bench)
                #expect(first.code == 1)
                #expect(bench.read("out/.apus-partial/1") != nil)
                let second = try await fetch(["-o", "out"] + options[2...3] + [url], bench)
                #expect(second.code == 0)
                #expect(bench.read("out/me") == String(repeating: "b", count: size))
                await server.stop()
            }
        }
    }

    @Test func whatIsAskedWithCanBeToldApartAndNotRead() throws {
        func asking(_ change: (inout FetchPlan) -> Void, headers: HTTPFields? = nil, url: String = "http://h/") throws
            -> String
        {
            var plan = FetchPlan()
            change(&plan)
            return plan.asking(FetchItem(number: 1, place: "", uri: try URI(url), headers: headers))
        }
        #expect(try asking { _ in } == "")
        let texts = [
            try asking { $0.user = "alice:secret" }, try asking { $0.user = "bob:secret" },
            try asking { $0.user = "alice:other" }, try asking { $0.headers = [.authorization: "Bearer secret"] },
            try asking({ _ in }, headers: [.acceptLanguage: "de"]),
            try asking({ _ in }, headers: [.acceptLanguage: "fr"]),
            try asking({ _ in }, url: "http://alice:secret@h/"), try asking({ _ in }, url: "http://bob:secret@h/"),
        ]
        #expect(Set(texts).count == texts.count)
        for text in texts { #expect(!text.contains("secret") && !text.contains("alice")) }
    }

    @Test func aBodyThatIsTooLargeLeavesNoPart() async throws {
        try await withBench { bench in
            let server = try await FaultyServer.start { _ in
                let head = "HTTP/1.1 200 OK\r\nETag: \"one\"\r\nConnection: close\r\n\r\n"
                return [.expectRequest, .send(head + String(repeating: "x", count: 800_000)), .finish]
            }
            let run = try await bench.fetch("-o", "out", "--max-size", "700000", "--retries", "0", server.url + "/f")
            #expect(run.code == 1)
            #expect(bench.read("out/.apus-partial/1") == nil)
            #expect(bench.files("out") == [])
            await server.stop()
        }
    }

    @Test func aNameAndItsRefugeAreNotOneFile() async throws {
        try await withBench { bench in
            try await TestServer.with({ .text($0.path) }) { server in
                let made = try await ApusProcess.shell("mkdir -p out/a out/b", [], folder: bench.folder).wait()
                #expect(made.code == 0)
                let urls = ["/a", "/a.file", "/b.file", "/b"].map { server.url($0) }
                let run = try await fetch(["-o", "out", "--report", "r"] + urls, bench)
                #expect(run.code == 0)
                let names = try bench.report("r").sorted { $0.n < $1.n }.map(\.file)
                #expect(names == ["a.file", "a.file-2", "b.file", "b-4"])
                #expect(bench.read("out/a.file") == "/a")
                #expect(bench.read("out/a.file-2") == "/a.file")
                #expect(bench.read("out/b.file") == "/b.file")
                #expect(bench.read("out/b-4") == "/b")
            }
        }
    }

    @Test func noBodyMovesToTheNameOfTheRunsOwnFile() async throws {
        try await withBench { bench in
            try await TestServer.with({ .text($0.path) }) { server in
                let made = try await ApusProcess.shell("mkdir -p out/a", [], folder: bench.folder).wait()
                #expect(made.code == 0)
                let run = try await bench.fetch(
                    "-o",
                    "out",
                    "--report",
                    "out/a.file",
                    server.url("/a"),
                    server.url("/b")
                )
                #expect(run.code == 1)
                #expect(try bench.report("out/a.file").map(\.outcome) == ["failed", "fetched"])
            }
        }
    }

    @Test func aLinkToTheRunsOwnFileIsItsOwnToo() async throws {
        try await withBench { bench in
            try await TestServer.with({ .text($0.path) }) { server in
                let script = "mkdir -p out else && : >else/r && ln -s ../else/r out/r"
                let made = try await ApusProcess.shell(script, [], folder: bench.folder).wait()
                #expect(made.code == 0)
                let run = try await bench.fetch("-o", "out", "--report", "out/r", server.url("/r"), server.url("/b"))
                #expect(run.code == 1)
                #expect(try bench.report("else/r").map(\.outcome) == ["failed", "fetched"])
                #expect(bench.files("out").contains("b"))
            }
        }
    }

    @Test func whatAnotherRunHasReportedIsNotStoredHere() async throws {
        try await withBench { bench in
            let counter = Counter()
            let handler: HTTPServer.Handler = { request in
                let count = counter.add(request.path)
                return count == 2 ? .status(.notFound) : .text(request.path)
            }
            try await TestServer.with(handler) { server in
                try bench.write(server.url("/1") + "\n" + server.url("/2") + "\n", to: "urls")
                func run(_ name: String) async throws -> Int32 {
                    let options = [
                        "-i", "urls", "-c", "1", "-o", name, "--state", name + ".s", "--report", "r", "--resume",
                    ]
                    return try await ApusProcess(["fetch"] + options, folder: bench.folder).wait().code
                }
                #expect(try await run("a") == 1)
                #expect(try await run("b") == 0)
                #expect(bench.files("b") == ["1", "2"])
                #expect(try await run("a") == 0)
                #expect(bench.files("a") == ["1", "2"])
            }
        }
    }

    @Test(arguments: [
        ["--html-report", "/nonexistent/x"], ["--cookie-jar", "/nonexistent/x"], ["--cacert", "/nonexistent/x"],
    ])
    func aCommandLineThatIsWrongLeavesTheReport(_ options: [String]) async throws {
        try await withBench { bench in
            try bench.write("{\"n\":1}\n", to: "r")
            let run = try await fetch(["--report", "r"] + options + ["http://127.0.0.1:1/"], bench)
            #expect(run.code == 2)
            #expect(bench.read("r") == "{\"n\":1}\n")
        }
    }

    @Test func aListThatBeginsWithManyLinesThatAreNoURLsIsReported() async throws {
        try await withBench { bench in
            try await TestServer.with({ .text($0.path) }) { server in
                try bench.write(String(repeating: "x\n", count: 20_000) + server.url("/1") + "\n", to: "urls")
                let process = try ApusProcess(["fetch", "-i", "urls", "--report", "r"], folder: bench.folder)
                let run = try await process.wait()
                #expect(run.code == 1)
                #expect(try bench.report("r").count == 20_001)
                #expect(try bench.report("r").last?.outcome == "fetched")
            }
        }
    }
}
