import Apus
import ApusTesting
import Foundation
import Glibc
import HTTPTypes
import Synchronization
import Testing

@testable import ApusCLI

/// Fields of `-H`: each request's own, with all that this means for its framing, its redirects and the cache. And arguments that are no
/// text, methods without bodies, and a process that is stopped.
struct FetchFieldTests {
    @Test(arguments: ["Content-Length: 5", "Transfer-Encoding: chunked", "Content-Length: 0"])
    func fieldsThatContradictTheBodyAreNotSent(_ field: String) async throws {
        try await withBench { bench in
            let counter = Counter()
            let handler: HTTPServer.Handler = { request in
                counter.add(request.path)
                return .text(request.path)
            }
            try await TestServer.with(handler) { server in
                let data = field.hasSuffix("5") ? [] : ["-d", "hello"]
                let process = try ApusProcess(
                    ["fetch", "-H", field] + data + [server.url("/{1..3}")],
                    folder: bench.folder
                )
                let run = try await process.wait()
                #expect(run.code == 1)
                #expect(counter.total == 0)
                #expect(run.lines.count == 3)
            }
        }
    }

    @Test func aConnectionThatIsToCloseIsNotUsedAgain() async throws {
        try await withBench { bench in
            try await TestServer.with({ .text($0.path) }) { server in
                let run = try await bench.fetch("-H", "Connection: close", "-d", "x", server.url("/{1..200}"))
                #expect(run.code == 0)
                #expect(run.lines.count == 200)
            }
        }
    }

    @Test func theCacheLooksAtFieldsOfTheCommandLine() async throws {
        try await withBench { bench in
            let counter = Counter()
            let handler: HTTPServer.Handler = { request in
                counter.add(request.path)
                return ServerResponse(
                    headers: [.cacheControl: "max-age=600"],
                    bytes: Array((request.headers[HTTPField.Name("X-Who")!] ?? "nobody").utf8)
                )
            }
            try await TestServer.with(handler) { server in
                let url = server.url("/a")
                for (round, field) in ["A: b", "Cache-Control: no-cache", "If-None-Match: \"x\"", "Range: bytes=0-1"]
                    .enumerated()
                {
                    let run = try await bench.fetch("--http-cache", "cache", "-H", field, url)
                    #expect(run.code == 0, "\(field)")
                    #expect(counter.total == round + 1, "\(field)")
                }
                let cached = try await bench.fetch("--http-cache", "cache", url)
                #expect(cached.code == 0 && counter.total == 4)
            }
        }
    }

    @Test func aHostOfTheCommandLineStaysWithItsServer() async throws {
        try await withBench { bench in
            let hosts = Mutex<[String]>([])
            try await TestServer.with({ request in
                hosts.withLock { $0.append(request.headers[HTTPField.Name("Host")!] ?? "") }
                return .text("there")
            }) { other in
                let away = other.url("/there")
                try await TestServer.with({ _ in ServerResponse(status: .found, headers: [.location: away]) }) {
                    server in
                    let run = try await bench.fetch("-H", "Host: internal.example", server.url("/"))
                    #expect(run.code == 0)
                    #expect(run.output == "there")
                    let seen = hosts.withLock { $0 }
                    #expect(seen.count == 1 && seen[0].hasPrefix("127.0.0.1:"), "\(seen)")
                }
            }
        }
    }

    @Test func fieldsOfALineTakeThePlaceOfTheCommandLines() throws {
        var plan = FetchPlan()
        plan.fields = [.accept: "a", .acceptLanguage: "de"]
        let plain = FetchItem(number: 1, place: "", uri: try URI("http://h/"))
        #expect(plan.fields(of: plain) == plan.fields)
        let own = FetchItem(number: 1, place: "", uri: try URI("http://h/"), headers: [.accept: "b"])
        #expect(plan.fields(of: own) == [.accept: "b", .acceptLanguage: "de"])
    }

    @Test func aBodyThatIsToBeShownIsTriedAgainAfterAnErrorWithABody() async throws {
        try await withBench { bench in
            let counter = Counter()
            let handler: HTTPServer.Handler = { request in
                counter.add(request.path) == 1 ? .text("busy", status: .serviceUnavailable) : .text("here")
            }
            try await TestServer.with(handler) { server in
                let run = try await bench.fetch("--retries", "1", server.url("/a"))
                #expect(run.code == 0)
                #expect(run.output == "here")
                #expect(counter.total == 2)
            }
        }
    }

    @Test func theLengthInAnAnswerToHEADIsNoBodys() async throws {
        try await withBench { bench in
            let handler: HTTPServer.Handler = { _ in .text(String(repeating: "x", count: 100)) }
            try await TestServer.with(handler) { server in
                let run = try await bench.fetch("-X", "HEAD", "--max-size", "10", server.url("/{a,b}"))
                #expect(run.code == 0)
            }
        }
    }

    @Test func whatCannotBeMeantIsRefused() async throws {
        try await withBench { bench in
            let tunnel = try await bench.fetch("-X", "CONNECT", "http://127.0.0.1:1/")
            #expect(tunnel.code == 2)
            let script = "exec \"$0\" fetch \"$(printf 'http://127.0.0.1:1/caf\\351')\""
            let raw = try await ApusProcess.shell(script, [ApusProcess.path], folder: bench.folder).wait()
            #expect(raw.code == 2)
            #expect(raw.errors.contains("argument 2 is not UTF-8"))
        }
    }

    /// As by Ctrl-Z: what has come meanwhile has come before the timeouts that are over by then.
    @Test func aProcessThatWasStoppedLooksAtItsAnswersFirst() async throws {
        try await withBench { bench in
            let victim = Mutex<pid_t>(0)
            let handler: HTTPServer.Handler = { request in
                while victim.withLock({ $0 }) == 0 { await Task.yield() }
                kill(victim.withLock { $0 }, SIGSTOP)
                return .text(request.path)
            }
            try await TestServer.with(handler) { server in
                let process = try bench.start("--idle-timeout", "1", "--retries", "0", "-d", "x", server.url("/a"))
                victim.withLock { $0 = process.identifier }
                let stopped = "/proc/\(process.identifier)/stat"
                while bench.state(of: stopped) != "T" { await Task.yield() }
                // Its timeout passes, and the answer is there.
                let end = ContinuousClock.now + .seconds(1.2)
                while ContinuousClock.now < end { await Task.yield() }
                process.send(SIGCONT)
                let run = try await process.wait()
                #expect(run.code == 0)
                #expect(run.output == "/a")
            }
        }
    }
}

extension FetchBench {
    /// The letter of a process's state.
    fileprivate func state(of path: String) -> String {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8), let end = text.lastIndex(of: ")") else {
            return ""
        }
        return String(text[text.index(after: end)...].drop { $0 == " " }.prefix(1))
    }
}
