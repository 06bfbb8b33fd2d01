import Apus
import ApusTesting
import HTTPTypes
import Testing

@testable import ApusCLI

/// Servers that answer a request for the rest of a body with something else, or send parts that nobody asked for.
struct FetchRangeTests {
    private static let size = 600_000
    private static let stored = 400_000

    /// What a server sends instead of the rest.
    struct Lie: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var status = "206 Partial Content"
        var fields = "ETag: \"one\"\r\n"
        var range: String?
        var length = size - stored
    }

    private static let lies = [
        Lie(
            testDescription: "of another body",
            fields: "ETag: \"two\"\r\n",
            range: "bytes 400000-599999/600000"
        ),
        Lie(testDescription: "from another place", range: "bytes 400001-600000/600001"),
        Lie(testDescription: "only a part of the rest", range: "bytes 400000-400009/600000", length: 10),
        Lie(testDescription: "less than it says", range: "bytes 400000-599999/600000", length: 10),
        Lie(testDescription: "without a place"),
        Lie(testDescription: "that nothing has changed", status: "304 Not Modified", length: 0),
        Lie(testDescription: "a size", status: "416 Range Not Satisfiable", range: "bytes */10", length: 0),
    ]

    /// Without another attempt: it is no failure of the server's to have another file by now.
    @Test(arguments: lies)
    private func whatIsNoRestOfTheBodyBeginsItAnew(_ lie: Lie) async throws {
        try await withBench { bench in
            let new = String(repeating: "n", count: Self.size)
            let server = try await FaultyServer.start { connection in
                switch connection {
                case 0:
                    let head = "HTTP/1.1 200 OK\r\nETag: \"one\"\r\nContent-Length: \(Self.size)\r\n\r\n"
                    return [.expectRequest, .send(head + String(repeating: "o", count: Self.stored)), .finish]
                case 1:
                    var head = "HTTP/1.1 \(lie.status)\r\n\(lie.fields)Content-Length: \(lie.length)\r\n"
                    if let range = lie.range { head += "Content-Range: \(range)\r\n" }
                    head += "Connection: close\r\n\r\n"
                    return [.expectRequest, .send(head + String(repeating: "x", count: lie.length)), .finish]
                default:
                    let head = "HTTP/1.1 200 OK\r\nETag: \"two\"\r\nContent-Length: \(Self.size)\r\n\r\n"
                    return [.expectRequest, .send(head + new)]
                }
            }
            let run = try await bench.fetch("-o", "out", "--report", "r", "--retries", "1", server.url + "/file")
            #expect(run.code == 0)
            #expect(bench.read("out/file") == new)
            #expect(try bench.report("r").first?.attempts == 2)
            #expect(bench.read("out/.apus-partial/1") == nil)
            await server.stop()
        }
    }

    @Test func aPartThatNobodyAskedForIsNotTheWhole() async throws {
        try await withBench { bench in
            let handler: HTTPServer.Handler = { _ in
                ServerResponse(
                    status: .partialContent,
                    headers: [.contentRange: "bytes 5-8/100"],
                    bytes: Array("part".utf8)
                )
            }
            try await TestServer.with(handler) { server in
                try bench.write(
                    "{\"url\":\"\(server.url("/line"))\",\"headers\":{\"Range\":\"bytes=5-8\"}}\n",
                    to: "lines"
                )
                let run = try await bench.fetch("-o", "out", "--retries", "0", server.url("/a"))
                #expect(run.code == 1)
                #expect(run.output.contains("wrongRange"))
                let asked = try await bench.fetch("-o", "out", "-H", "Range: bytes=5-8", server.url("/b"))
                #expect(asked.code == 0)
                let line = try await bench.fetch("-o", "out", "-i", "lines")
                #expect(line.code == 0)
                #expect(bench.files("out") == ["b", "line"])
            }
        }
    }

    @Test func thePartOfAPartIsNotGoneOnWith() async throws {
        try await withBench { bench in
            let whole = String(repeating: "p", count: 400_000)
            let server = try await FaultyServer.start { connection in
                let fields = "ETag: \"one\"\r\nContent-Range: bytes 100-400099/500000\r\nContent-Length: 400000\r\n"
                let head = "HTTP/1.1 206 Partial Content\r\n\(fields)\r\n"
                if connection == 0 { return [.expectRequest, .send(head + whole.prefix(300_000)), .finish] }
                return [.expect("GET /file HTTP/1.1\r\n"), .expectHead, .send(head + whole)]
            }
            let run = try await bench.fetch("-o", "out", "-H", "Range: bytes=100-400099", server.url + "/file")
            #expect(run.code == 0)
            #expect(bench.read("out/file") == whole)
            await server.stop()
        }
    }

    @Test func anAnswerWithoutABodyReplacesNoFile() async throws {
        try await withBench { bench in
            let handler: HTTPServer.Handler = { request in
                request.method == .head || request.path != "/304" ? .text("new") : .status(.notModified)
            }
            try await TestServer.with(handler) { server in
                let first = try await bench.fetch("-o", "out", server.url("/{304,head}"))
                #expect(first.code == 1)
                #expect(bench.files("out") == ["head"])
                try bench.write("old", to: "out/304")
                let asked = try await bench.fetch("-o", "out", "-H", "If-None-Match: \"x\"", server.url("/304"))
                #expect(asked.code == 0)
                #expect(bench.read("out/304") == "old")
                try bench.write("old", to: "out/head")
                let head = try await bench.fetch("-o", "out", "-X", "HEAD", server.url("/head"))
                #expect(head.code == 0)
                #expect(bench.read("out/head") == "old")
            }
        }
    }
}
