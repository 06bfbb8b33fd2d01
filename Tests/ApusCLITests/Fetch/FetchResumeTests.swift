import Apus
import ApusTesting
import Glibc
import HTTPTypes
import Synchronization
import Testing

/// Runs that are interrupted and killed, of the real command, and continued.
struct FetchResumeTests {
    @Test func whatIsDoneIsSkippedAndWhatFailedIsTriedAgain() async throws {
        try await withBench { bench in
            let counter = Counter()
            let handler: HTTPServer.Handler = { request in
                counter.add(request.path)
                return request.path == "/3" && counter.names["/3"] == 1 ? .status(.notFound) : .text(request.path)
            }
            try await TestServer.with(handler) { server in
                let urls = server.url("/{1..5}")
                let first = try await bench.fetch("-o", "out", "--state", "s", "--report", "r", urls)
                #expect(first.code == 1)
                #expect(bench.mode("s") == 0o600)
                let again = try await bench.fetch("-o", "out", "--state", "s", urls)
                #expect(again.code == 2)
                #expect(again.errors.contains("--resume"))
                let second = try await bench.fetch("-o", "out", "--state", "s", "--report", "r", "--resume", urls)
                #expect(second.code == 0)
                #expect(counter.names == ["/1": 1, "/2": 1, "/3": 2, "/4": 1, "/5": 1])
                #expect(try bench.report("r").map(\.n) == [1, 2, 3, 3, 4, 5])
                let other = try await bench.fetch("-o", "out", "--state", "s", "--resume", server.url("/{1..6}"))
                #expect(other.code == 2)
            }
        }
    }

    /// Killed in the middle of whatever it is doing, again and again: in the end all is there, and what was done stays done.
    @Test func aRunThatIsKilledAgainAndAgainComesToItsEnd() async throws {
        try await withBench { bench in
            let counter = Counter()
            let victim = Mutex<(process: pid_t, at: Int)>((0, 0))
            let handler: HTTPServer.Handler = { request in
                let count = counter.add(request.path)
                victim.withLock { if $0.process != 0, count >= $0.at { kill($0.process, SIGKILL) } }
                return .text(String(repeating: request.path, count: 50))
            }
            try await TestServer.with(handler) { server in
                try bench.write((1...400).map { server.url("/\($0)") }.joined(separator: "\n"), to: "urls")
                let arguments = ["-i", "urls", "-o", "out", "--state", "s", "--report", "r", "--sha256", "--resume"]
                var kills = 0
                for round in 1...6 {
                    let process = try ApusProcess(["fetch"] + arguments, folder: bench.folder)
                    victim.withLock { $0 = (process.identifier, counter.total + 40 + 7 * round) }
                    let run = try await process.wait()
                    victim.withLock { $0 = (0, 0) }
                    if run.code == 128 + SIGKILL { kills += 1 }
                    // Nobody ever sees half a body under its own name.
                    for name in bench.files("out") {
                        #expect(bench.read("out/\(name)") == String(repeating: "/\(name)", count: 50))
                    }
                }
                #expect(kills == 6)
                let last = try await ApusProcess(["fetch"] + arguments, folder: bench.folder).wait()
                #expect(last.code == 0)
                #expect(bench.files("out").count == 400)
                for name in bench.files("out") {
                    #expect(bench.read("out/\(name)") == String(repeating: "/\(name)", count: 50))
                }
                #expect(Set(try bench.report("r").map(\.n)) == Set(1...400))
                // What was done before a kill was not fetched again.
                #expect(counter.total < 400 + 6 * 200)
                let idle = try await ApusProcess(["fetch"] + arguments, folder: bench.folder).wait()
                #expect(idle.code == 0)
                #expect(idle.lines.isEmpty)
            }
        }
    }

    @Test func aBodyThatBrokeOffIsContinued() async throws {
        try await withBench { bench in
            let whole = String((0..<600_000).map { Character(UnicodeScalar(UInt8(97 + $0 % 26))) })
            let head = "HTTP/1.1 200 OK\r\nETag: \"one\"\r\nContent-Length: 600000\r\n\r\n"
            let server = try await FaultyServer.start { connection in
                if connection == 0 { return [.expectRequest, .send(head + whole.prefix(400_000)), .finish] }
                return [
                    .expect("GET /file HTTP/1.1\r\n"), .expectHead,
                    .send(
                        "HTTP/1.1 206 Partial Content\r\nETag: \"one\"\r\nContent-Range: bytes 400000-599999/600000\r\n"
                    ),
                    .send("Content-Length: 200000\r\n\r\n" + whole.suffix(200_000)),
                ]
            }
            let run = try await bench.fetch("-o", "out", "--report", "r", server.url + "/file")
            #expect(run.code == 0)
            #expect(bench.read("out/file") == whole)
            #expect(try bench.report("r").first?.bytes == 600_000)
            await server.stop()
        }
    }

    @Test func theRestIsAskedForOnTheConditionThatTheFileIsTheSame() async throws {
        try await withBench { bench in
            let old = String(repeating: "old", count: 200_000)
            let new = String(repeating: "new", count: 200_000)
            let asked = Mutex<[String]>([])
            let server = try await FaultyServer.start { connection in
                connection == 0
                    ? [
                        .expectRequest,
                        .send(
                            "HTTP/1.1 200 OK\r\nETag: \"one\"\r\nContent-Length: 600000\r\n\r\n" + old.prefix(400_000)
                        ),
                        .finish,
                    ] : [.expectRequest, .reset]
            }
            let first = try await bench.fetch("-o", "out", "--state", "s", "--retries", "0", server.url + "/file")
            #expect(first.code == 1)
            let port = server.address.port
            await server.stop()
            var configuration = HTTPServer.Configuration()
            configuration.reusePort = false
            let second = try await HTTPServer.start(host: "127.0.0.1", port: port ?? 0, configuration: configuration) {
                request in
                asked.withLock { $0 += [request.headers[.range] ?? "-", request.headers[.ifRange] ?? "-"] }
                return ServerResponse(headers: [.eTag: "\"two\""], bytes: Array(new.utf8))
            }
            let run = try await bench.fetch("-o", "out", "--state", "s", "--resume", server.url + "/file")
            #expect(run.code == 0)
            #expect(bench.read("out/file") == new)
            let fields = asked.withLock { $0 }
            #expect(fields.first?.hasPrefix("bytes=") == true)
            #expect(fields.last == "\"one\"")
            await second.shutdown()
        }
    }

    @Test func standardInputIsContinuedByTheNumberOfTheLine() async throws {
        try await withBench { bench in
            let counter = Counter()
            let handler: HTTPServer.Handler = { request in
                counter.add(request.path)
                return request.path == "/2" && counter.names["/2"] == 1 ? .status(.gone) : .text("x")
            }
            try await TestServer.with(handler) { server in
                let input = (1...3).map { server.url("/\($0)") + "\n" }.joined()
                let outcome1 = try await bench.fetch("-i", "-", "--state", "s", input: input)
                #expect(outcome1.code == 1)
                let outcome2 = try await bench.fetch("-i", "-", "--state", "s", "--resume", input: input)
                #expect(outcome2.code == 0)
                #expect(counter.names == ["/1": 1, "/2": 2, "/3": 1])
            }
        }
    }
}
