import Apus
import ApusTesting
import Glibc
import HTTPTypes
import Synchronization
import Testing

/// Ctrl-C and its relatives, and readers that go away: the real command.
struct FetchInterruptTests {
    @Test func theFirstFinishesWhatIsUnderWayAndSaysHowToGoOn() async throws {
        try await withBench { bench in
            let counter = Counter()
            let isUnderWay = AsyncEvent()
            let mayAnswer = AsyncEvent()
            let handler: HTTPServer.Handler = { request in
                counter.add(request.path)
                if counter.total == 5 { isUnderWay.set() }
                if counter.total >= 5 { try await mayAnswer.wait() }
                return .text(request.path)
            }
            try await TestServer.with(handler) { server in
                let urls = server.url("/{1..50}")
                let process = try bench.start("--per-host", "4", "-o", "out", "--state", "s", "--grace", "600", urls)
                try await isUnderWay.wait()
                process.send(SIGINT)
                while !process.errors.contains("finishing") { await Task.yield() }
                mayAnswer.set()
                let run = try await process.wait()
                #expect(run.code == 130)
                // Four had been answered, and four were under way.
                let begun = counter.total
                #expect(begun <= 8)
                #expect(bench.files("out").count == begun)
                #expect(run.errors.contains("--resume"))
                let rest = try await bench.fetch("-o", "out", "--state", "s", "--resume", urls)
                #expect(rest.code == 0)
                #expect(counter.total == 50)
                #expect(bench.files("out").count == 50)
            }
        }
    }

    @Test func whatDoesNotEndWithinTheGracePeriodIsGivenUp() async throws {
        try await withBench { bench in
            let asked = AsyncEvent()
            let server = try await FaultyServer.start { _ in
                [
                    .expectRequest, .perform { asked.set() }, .send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"),
                    .stall,
                ]
            }
            let process = try bench.start("-o", "out", "--grace", "0", server.url + "/")
            try await asked.wait()
            process.send(SIGTERM)
            let run = try await process.wait()
            #expect(run.code == 143)
            #expect(bench.files("out").isEmpty)
            await server.stop()
        }
    }

    @Test func theSecondStopsAtOnceAndCorruptsNothing() async throws {
        try await withBench { bench in
            let counter = Counter()
            let isUnderWay = AsyncEvent()
            let mayAnswer = AsyncEvent()
            let handler: HTTPServer.Handler = { request in
                let count = counter.add(request.path)
                if count == 10 { isUnderWay.set() }
                if count >= 10 { try await mayAnswer.wait() }
                return .text(request.path)
            }
            try await TestServer.with(handler) { server in
                let urls = server.url("/{1..50}")
                let process = try bench.start("-o", "out", "--state", "s", "--grace", "600", urls)
                try await isUnderWay.wait()
                process.send(SIGINT)
                while !process.errors.contains("finishing") { await Task.yield() }
                process.send(SIGINT)
                let outcome1 = try await process.wait()
                #expect(outcome1.code == 130)
                mayAnswer.set()
                for name in bench.files("out") { #expect(bench.read("out/\(name)") == "/\(name)") }
                let rest = try await bench.fetch("-o", "out", "--state", "s", "--resume", urls)
                #expect(rest.code == 0)
                #expect(bench.files("out").count == 50)
            }
        }
    }

    @Test func aReaderThatGoesAwayEndsItQuietly() async throws {
        try await withBench { bench in
            try await TestServer.with({ _ in .text(String(repeating: "x", count: 100)) }) { server in
                try bench.write((1...5_000).map { server.url("/\($0)") }.joined(separator: "\n"), to: "urls")
                let command = "\"$0\" fetch -q -i urls 2>err | head -n 1 | wc -l; cat err"
                let run = try await ApusProcess.shell(command, [ApusProcess.path], folder: bench.folder).wait()
                #expect(run.output.split(separator: "\n").map { $0.filter(\.isNumber) } == ["1"])
            }
        }
    }

    /// The reader of standard output takes nothing, and lives.
    @Test func aRunEndsAlthoughItsLinesAreNotRead() async throws {
        try await withBench { bench in
            let counter = Counter()
            let isEnough = AsyncEvent()
            let handler: HTTPServer.Handler = { request in
                // More lines than a pipe holds.
                if counter.add(request.path) + counter.total > 2_500 { isEnough.set() }
                return .text(request.path)
            }
            try await TestServer.with(handler) { server in
                try bench.write((1...3_000).map { server.url("/\($0)") }.joined(separator: "\n"), to: "urls")
                let script = "mkfifo p; exec 3<>p; exec \"$0\" fetch -i urls --grace 0 --state s --per-host 64 >p"
                let process = try ApusProcess.shell(script, [ApusProcess.path], folder: bench.folder)
                try await isEnough.wait()
                process.send(SIGINT)
                let run = try await process.wait()
                #expect(run.code == 130)
                #expect(run.errors.contains("--resume"))
            }
        }
    }
}
