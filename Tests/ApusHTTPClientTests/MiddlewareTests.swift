import ApusHTTPClient
import ApusNet
import ApusRuntime
import ApusTesting
import ApusWire
import HTTPTypes
import Synchronization
import Testing

@Suite("What stands around an exchange")
struct MiddlewareTests {
    /// Notes when a request passes, and when its response does.
    private final class Note: ClientMiddleware {
        static let seen = HTTPField.Name("X-Seen")!
        let name: String
        let notes: Notes

        init(_ name: String, _ notes: Notes) {
            self.name = name
            self.notes = notes
        }

        func handle(_ request: ClientRequest, next: ClientRequest.Next) async throws -> ClientResponse {
            notes.add("\(name) > \(request.uri.path)")
            var request = request
            request.headers.append(HTTPField(name: Self.seen, value: name))
            let response = try await next(request)
            notes.add("\(name) < \(response.status.code)")
            return response
        }
    }

    private final class Notes: Sendable {
        private let list = Mutex<[String]>([])
        func add(_ note: String) { list.withLock { $0.append(note) } }
        var all: [String] { list.withLock { $0 } }
    }

    private func check(_ body: @escaping @Sendable () async throws -> Void) async throws {
        try await withVirtualTime {
            let left = try await leaks { try await body() }
            #expect(left.isEmpty, "\(left)")
        }
    }

    private static func configuration(_ middleware: [any ClientMiddleware]) -> ClientSession.Configuration {
        var configuration = ClientSession.Configuration()
        configuration.middleware = middleware
        return configuration
    }

    @Test("C92: the first is the outermost, each runs once per hop, and a request's own list replaces the session's")
    func order() async throws {
        try await check {
            let notes = Notes()
            let mock = MockTransport { request in
                request.path == "/a" ? .redirect(to: "/b") : .text(request.headers[values: Note.seen].joined())
            }
            let session = ClientSession.mocked(
                mock,
                Self.configuration([Note("1", notes), Note("2", notes)])
            )
            let response = try await session.get("http://host.example/a")
            let text = try await response.text()
            #expect(text == "12")
            #expect(response.history.map(\.uri.path) == ["/a"])
            #expect(
                notes.all == ["1 > /a", "2 > /a", "2 < 302", "1 < 302", "1 > /b", "2 > /b", "2 < 200", "1 < 200"]
            )
            let own = RequestOptions(middleware: [Note("3", notes)])
            let replaced = try await session.get("http://host.example/c", options: own).text()
            #expect(replaced == "3")
            let none = try await session.get("http://host.example/d", options: RequestOptions(middleware: [])).text()
            #expect(none.isEmpty)
            await session.close()
        }
    }

    @Test("C92: method, URL, fields, body and timeouts can be replaced")
    func changes() async throws {
        try await check {
            let mock = MockTransport { request in
                request.path == "/slow" ? .silent : .text("\(request.method) \(request.url) \(request.text)")
            }
            let change = MiddlewareFunction { request, next in
                var request = request
                if request.uri.path == "/slow" {
                    request.timeouts.head = .seconds(1)
                } else {
                    request.method = .put
                    request.uri = try request.uri.appendingQuery([("x", "1")])
                    request.body = .text("new")
                }
                return try await next(request)
            }
            let session = ClientSession.mocked(mock, Self.configuration([change]))
            let text = try await session.post("http://host.example/p", body: .text("old")).text()
            #expect(text == "PUT http://host.example/p?x=1 new")
            let start = try #require(EventLoop.current).now
            let error = await #expect(throws: ClientError.self) { try await session.get("http://host.example/slow") }
            #expect(error?.code == .headTimeout)
            let end = try #require(EventLoop.current).now
            #expect(end - start == 1_000_000_000)
            await session.close()
        }
    }

    @Test("C92: a request can be sent again, with its body, within the caller's total time")
    func again() async throws {
        try await check {
            let mock = MockTransport { request in
                request.headers[Note.seen] == "2" ? .text(request.text) : .status(.serviceUnavailable)
            }
            let again = MiddlewareFunction { request, next in
                let first = try await next(request)
                first.release()
                #expect(request.canSend)
                #expect(request.remainingTime == .seconds(10))
                try await sleep(for: .seconds(4))
                #expect(request.remainingTime == .seconds(6))
                var second = request
                second.headers[Note.seen] = "2"
                return try await next(second)
            }
            let session = ClientSession.mocked(mock, Self.configuration([again]))
            let url = "http://host.example/"
            let bodies: [RequestBody] = [
                .text("abc"), .written { try await $0.write("abc") }, .bytes(Array(repeating: 65, count: 100_000)),
            ]
            for body in bodies {
                let response = try await session.post(url, body: body, timeouts: .total(.seconds(10)))
                let text = try await response.text()
                #expect(text == "abc" || text.utf8.count == 100_000)
            }
            #expect(mock.requests.count == 6)
            await session.close()
        }
    }

    @Test("C92: a body that cannot be made again is known to be one, and sending it all the same is an error")
    func onlyOnce() async throws {
        try await check {
            let mock = MockTransport { _ in .status(.serviceUnavailable) }
            let again = MiddlewareFunction { request, next in
                #expect(request.canSend)
                try await next(request).release()
                #expect(!request.canSend)
                return try await next(request)
            }
            let session = ClientSession.mocked(mock, Self.configuration([again]))
            let error = await #expect(throws: ClientError.self) {
                try await session.post(
                    "http://host.example/",
                    body: .written(isRestartable: false) { try await $0.write("abc") }
                )
            }
            #expect(error?.code == .bodyNotRestartable)
            await session.close()
        }
    }

    @Test("C92: an answer can be made without a server, coded or as a redirect, and reads like a server's")
    func made() async throws {
        try await check {
            let mock = MockTransport { _ in .status(.internalServerError) }
            let answer = MiddlewareFunction { request, _ in
                switch request.uri.path {
                case "/gzip":
                    try ClientResponse(
                        to: request,
                        status: .ok,
                        headers: [.contentEncoding: "gzip", .contentType: "text/plain"],
                        body: gzipOfHello
                    )
                case "/away": try ClientResponse(to: request, status: .found, headers: [.location: "/gzip"])
                case "/bad": try ClientResponse(to: request, status: .ok, headers: [.transferEncoding: "chunked"])
                default: try ClientResponse(to: request, status: .notFound, headers: [.eTag: "\"1\""])
                }
            }
            let session = ClientSession.mocked(mock, Self.configuration([answer]))
            let text = try await session.get("http://host.example/away").text()
            #expect(text == "hello")
            let missing = try await session.get("http://host.example/x")
            #expect(missing.status == .notFound)
            #expect(missing.headers[.eTag] == "\"1\"")
            let error = await #expect(throws: ClientError.self) {
                try await session.get("http://host.example/x", options: RequestOptions(raiseForStatus: true))
            }
            #expect(error?.status == .notFound)
            let bad = await #expect(throws: ClientError.self) { try await session.get("http://host.example/bad") }
            #expect(bad?.code == .invalidRequest)
            #expect(mock.requests.isEmpty)
            await session.close()
        }
    }

    @Test("C92: secrets of the session stay behind where a middleware sends the request elsewhere")
    func elsewhere() async throws {
        try await check {
            let mock = MockTransport { request in
                .text("\(request.url) \(request.headers[.authorization] ?? "-")")
            }
            let move = MiddlewareFunction { request, next in
                var request = request
                if request.uri.path == "/move" { request.uri = try URI("http://other.example/there") }
                return try await next(request)
            }
            var configuration = Self.configuration([move])
            configuration.baseURL = try URI("http://host.example/")
            configuration.headers = [.authorization: "Bearer secret"]
            let session = ClientSession.mocked(mock, configuration)
            let here = try await session.get("/").text()
            #expect(here == "http://host.example/ Bearer secret")
            let there = try await session.get("/move").text()
            #expect(there == "http://other.example/there -")
            await session.close()
        }
    }

    @Test("C92: what a middleware throws reaches the caller as it is, and cancelling reaches the exchange")
    func errors() async throws {
        struct Refused: Error, Equatable {}
        try await check {
            let mock = MockTransport { _ in .silent }
            let refuse = MiddlewareFunction { request, next in
                if request.uri.path == "/refused" { throw Refused() }
                return try await next(request)
            }
            let session = ClientSession.mocked(mock, Self.configuration([refuse]))
            await #expect(throws: Refused()) { try await session.get("http://host.example/refused") }
            await #expect(throws: TimeoutError.self) {
                try await withTimeout(.seconds(1)) { try await session.get("http://host.example/silent") }
            }
            await session.close()
        }
    }

    @Test("C92: a middleware may come back from an actor and from another loop")
    func isolations() async throws {
        actor Counting {
            var count = 0
            func next() -> Int {
                count += 1
                return count
            }
        }
        try await withTestLoop {
            let counting = Counting()
            let mock = MockTransport { request in .text(request.headers[Note.seen] ?? "-") }
            let count = MiddlewareFunction { request, next in
                var request = request
                request.headers[Note.seen] = "\(await counting.next())"
                return try await next(request)
            }
            let away = MiddlewareFunction { request, next in
                try await EventLoop.with { try await next(request) }
            }
            let session = ClientSession.mocked(mock, Self.configuration([count, away]))
            let home = EventLoop.current
            for number in 1...3 {
                let text = try await session.get("http://host.example/").text()
                #expect(text == "\(number)")
                #expect(EventLoop.current === home)
            }
            await session.close()
        }
    }
}

/// "hello", compressed.
private let gzipOfHello: [UInt8] = [
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x86, 0xa6,
    0x10, 0x36, 0x05, 0x00, 0x00, 0x00,
]
