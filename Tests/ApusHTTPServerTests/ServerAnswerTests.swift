import ApusNet
import ApusRuntime
import ApusTesting
import HTTPTypes
import Testing

@testable import ApusHTTPServer

@Suite("What a server answers, in memory and on virtual time")
struct ServerAnswerTests {
    private static func get(_ path: String, _ more: String = "") -> String {
        "GET \(path) HTTP/1.1\r\nHost: test\r\n\(more)\r\n"
    }

    @Test(
        "a text's Content-Type is the usual one until the handler states another, and is there to be read and changed"
    )
    func plainText() async throws {
        var changed = ServerResponse.text("x")
        #expect(changed.headers == [.contentType: "text/plain; charset=utf-8"])
        changed.headers[.server] = "apus"
        #expect(changed.headers == [.contentType: "text/plain; charset=utf-8", .server: "apus"])
        changed.headers[.contentType] = "text/html"
        let responses: [(ServerResponse, String)] = [
            (.text("x"), "Content-Type: text/plain; charset=utf-8\r\n"),
            (.text("x", headers: [.contentType: "text/csv"]), "Content-Type: text/csv\r\n"),
            (.text("x", headers: [.server: "apus"]), "Server: apus\r\nContent-Type: text/plain; charset=utf-8\r\n"),
            (changed, "Content-Type: text/html\r\nServer: apus\r\n"),
            (.text("x", status: .notFound), "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\n"),
            (.text("x", status: .init(code: 200, reasonPhrase: "Fine")), "HTTP/1.1 200 Fine\r\n"),
            (.text("x", headers: [.date: "mine"]), "Date: mine\r\n"),
        ]
        for (response, lines) in responses {
            try await withConnection({ _ in response }) { client in
                try await client.write(Self.get("/"))
                let answer = try await client.read(until: "\r\n\r\nx")
                #expect(answer.contains(lines), "\(answer)")
                #expect(answer.ranges(of: "Date: ").count == 1)
                #expect(answer.ranges(of: "Content-Type: ").count == 1)
            }
        }
    }

    @Test("a text that is larger than what is copied, and one of foreign memory, arrive whole")
    func largeText() async throws {
        let large = String(repeating: "é", count: 100_000)
        try await withConnection({ _ in .text(large) }) { client in
            let answer = try await client.exchange(Self.get("/", "Connection: close\r\n"))
            #expect(answer.body == large)
        }
    }

    @Test("a request whose first bytes have come when the server shuts down is still answered")
    func begunBeforeShutdown() async throws {
        try await withVirtualTime {
            let loop = try #require(EventLoop.current)
            let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
            let core = try ServerCore(
                listener: listener.handle,
                configuration: quiet,
                handler: { .text("hello \($0.path)") }
            )
            let (near, far) = try MemoryTransport.pair(capacity: 65_536, on: loop)
            core.adopt(far, on: loop)
            let client = TCPStream(near, on: loop)
            let request = Self.get("/late")
            try await client.write(String(request.prefix(10)))
            await turn()
            let bound = LoopBound(core, on: loop)
            let shutting = loop.spawn { await bound.value.shutDown() }
            await until { core.isShuttingDown }
            for piece in [request.dropFirst(10).prefix(10), request.dropFirst(20)] {
                try await client.write(String(piece))
                await turn()
            }
            let answer = try await client.readAll()
            #expect(answer.statuses == [200])
            #expect(answer.contains("Connection: close\r\n") && answer.hasSuffix("hello /late"))
            await client.close()
            _ = await shutting.result
        }
    }
}
