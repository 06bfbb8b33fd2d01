import Apus
import ApusTesting
import HTTPTypes
import Synchronization
import Testing

/// How many at a time, how long, how often: options of the real command.
struct FetchLimitTests {
    @Test func noMoreThanTheConcurrencyAreFetchedAtATime() async throws { try await atMost(3, "-c", "3") }

    @Test func aServerGetsNoMoreThanPerHost() async throws { try await atMost(2, "--per-host", "2") }

    /// With an option and its value, so many of 40 are fetched at a time: not more, and not fewer.
    private func atMost(_ limit: Int, _ option: String, _ value: String) async throws {
        try await withBench { bench in
            let counter = Counter()
            let isFull = AsyncEvent()
            let handler: HTTPServer.Handler = { request in
                defer { counter.leave() }
                // The first one alone, as its host is not known yet; then so many meet, or the run stands still.
                if counter.add() > 1 {
                    if counter.peak == limit { isFull.set() }
                    try await isFull.wait()
                }
                return .text("x")
            }
            try await TestServer.with(handler) { server in
                let run = try await bench.fetch(option, value, "-o", "out", server.url("/{1..40}"))
                #expect(run.code == 0)
                #expect(counter.total == 40)
                #expect(counter.peak == limit)
            }
        }
    }

    @Test func severalLoopsFetchEverythingOnce() async throws {
        try await withBench { bench in
            try await withCountingServer { server, counter in
                let run = try await bench.fetch("--loops", "3", "-o", "out", "--report", "r", server.url("/{1..300}"))
                #expect(run.code == 0)
                #expect(counter.names.count == 300)
                #expect(counter.total == 300)
                #expect(bench.files("out").count == 300)
                #expect(bench.read("out/17") == "/17")
                #expect(try bench.report("r").map(\.n) == Array(1...300))
            }
        }
    }

    @Test func anAttemptMayTakeNoLongerThanTheTimeout() async throws {
        try await withBench { bench in
            let server = try await FaultyServer.start { _ in [.expectRequest, .stall] }
            let run = try await bench.fetch(
                "--timeout",
                "0.2",
                "--retries",
                "1",
                "--report",
                "r",
                "-o",
                "o",
                server.url + "/"
            )
            #expect(run.code == 1)
            let line = try bench.report("r").first
            #expect(line?.error == "totalTimeout")
            #expect(line?.attempts == 2)
            #expect(server.connections == 2)
            await server.stop()
        }
    }

    @Test func aBodyThatNeverEndsIsGivenUp() async throws {
        try await withBench { bench in
            let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbegin"
            let server = try await FaultyServer.start { _ in [.expectRequest, .send(head), .stall] }
            let run = try await bench.fetch(
                "--idle-timeout",
                "0.2",
                "--retries",
                "0",
                "--report",
                "r",
                "-o",
                "o",
                server.url + "/"
            )
            #expect(run.code == 1)
            #expect(try bench.report("r").first?.error == "idleTimeout")
            #expect(bench.files("o").isEmpty)
            await server.stop()
        }
    }

    @Test func aServerThatDoesNotFinishItsHandshakeIsGivenUp() async throws {
        try await withBench { bench in
            let server = try await FaultyServer.start { _ in [.stall] }
            let url = "https://\(server.address)/"
            let run = try await bench.fetch(
                "--connect-timeout",
                "0.2",
                "--retries",
                "0",
                "--report",
                "r",
                "-o",
                "o",
                url
            )
            #expect(run.code == 1)
            #expect(try bench.report("r").first?.error == "connectTimeout")
            await server.stop()
        }
    }

    @Test func aBodyThatDripsIsTooSlow() async throws {
        try await withBench { bench in
            let head = "HTTP/1.1 200 OK\r\n\r\n"
            let drip = String(repeating: ".", count: 100_000)
            let server = try await FaultyServer.start { _ in
                [.expectRequest, .send(head), .send(drip, pieces: 1, every: .milliseconds(20))]
            }
            let run = try await bench.fetch(
                "--min-rate",
                "10000:1",
                "--retries",
                "0",
                "--report",
                "r",
                "-o",
                "o",
                server.url + "/"
            )
            #expect(run.code == 1)
            #expect(try bench.report("r").first?.error == "tooSlow")
            #expect(bench.files("o").isEmpty)
            await server.stop()
        }
    }

    @Test func bodiesThatAreTooLargeAreGivenUp() async throws {
        try await withBench { bench in
            let handler: HTTPServer.Handler = { request in
                switch request.path {
                case "/told": .text(String(repeating: "x", count: 101))
                case "/chunked": .stream { writer in for _ in 0..<101 { try await writer.write("x") } }
                default: .text(String(repeating: "x", count: 100))
                }
            }
            try await TestServer.with(handler) { server in
                let run = try await bench.fetch(
                    "--max-size",
                    "100",
                    "--report",
                    "r",
                    "-o",
                    "o",
                    server.url("/{told,chunked,fits}")
                )
                #expect(run.code == 1)
                #expect(try bench.report("r").map(\.error) == ["tooLarge", "tooLarge", nil])
                #expect(bench.files("o") == ["fits"])
            }
        }
    }

    @Test func failuresThatMayPassAreTriedAgain() async throws {
        try await withBench { bench in
            let counter = Counter()
            let handler: HTTPServer.Handler = { request in
                counter.add(request.path)
                let isThird = counter.names[request.path] == 3
                switch request.path {
                case "/408": return isThird ? .text("x") : .status(.requestTimeout)
                case "/429": return isThird ? .text("x") : .status(.tooManyRequests, headers: [.retryAfter: "0"])
                case "/503": return isThird ? .text("x") : .status(.serviceUnavailable)
                case "/500": return .status(.internalServerError)
                case "/later": return .status(.serviceUnavailable, headers: [.retryAfter: "61"])
                case "/501": return .status(.notImplemented)
                default: return .status(.notFound)
                }
            }
            try await TestServer.with(handler) { server in
                let run = try await bench.fetch(
                    "--report",
                    "r",
                    "-o",
                    "o",
                    server.url("/{408,429,503,500,later,501,404}")
                )
                #expect(run.code == 1)
                let lines = try bench.report("r")
                #expect(lines.map(\.attempts) == [3, 3, 3, 3, 1, 1, 1])
                #expect(lines.map(\.status) == [200, 200, 200, 500, 503, 501, 404])
                let never = try await bench.fetch("--retries", "0", "--report", "r", "-o", "o", server.url("/500"))
                #expect(never.code == 1)
                #expect(try bench.report("r").map(\.attempts) == [1])
                let post = try await bench.fetch("-d", "x", "--report", "r", "-o", "o", server.url("/500"))
                #expect(post.code == 1)
                #expect(try bench.report("r").map(\.attempts) == [1])
            }
        }
    }

    @Test func connectionsThatBreakAreTriedAgain() async throws {
        try await withBench { bench in
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"
            let server = try await FaultyServer.start { connection in
                switch connection {
                case 0: [.expectRequest, .reset]
                case 1: [.expectRequest, .send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbo"), .reset]
                default: [.expectRequest, .send(answer)]
                }
            }
            let run = try await bench.fetch("--report", "r", "-o", "o", server.url + "/file")
            #expect(run.code == 0)
            #expect(bench.read("o/file") == "body")
            #expect(try bench.report("r").first?.attempts == 3)
            await server.stop()
        }
    }
}
