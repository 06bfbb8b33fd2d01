import ApusTesting
import HTTPTypes
import Testing

@testable import ApusHTTPServer

@Suite("What a handler sees of its request")
struct ServerRequestTests {
    @Test("what the handler sees of a request is what was sent")
    func request() async throws {
        try await withConnection({ request in
            let name = HTTPField.Name("X-Own")!
            return .text("\(request.method) \(request.path) \(request.query ?? "-") \(request.headers[name] ?? "-")")
        }) { client in
            let answer = try await client.exchange(
                "PURGE /a%20b?c=d&e HTTP/1.1\r\nHost: test\r\nx-own: v\r\nConnection: close\r\n\r\n"
            )
            #expect(answer.body == "PURGE /a%20b c=d&e v")
        }
    }

    @Test(
        "a target has the path before its first question mark, and the query behind it",
        arguments: [
            ("/", "/ -"), ("/?", "/ "), ("/a?b?c", "/a b?c"),
            ("/long/enough/for/the/heap?x=1", "/long/enough/for/the/heap x=1"),
            ("http://test/p?q", "/p q"), ("http://test?q", "/ q"), ("*", "* -"),
        ]
    )
    func targets(target: String, parts: String) async throws {
        try await withConnection({ request in
            .text("\(request.path) \(request.query ?? "-")|\(request.target)")
        }) { client in
            let method = target == "*" ? "OPTIONS" : "GET"
            let answer = try await client.exchange(
                "\(method) \(target) HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
            )
            #expect(answer.body == "\(parts)|\(target)")
        }
    }
}
