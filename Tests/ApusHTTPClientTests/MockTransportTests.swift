import ApusHTTPClient
import ApusNet
import ApusRuntime
import ApusTesting
import ApusWire
import HTTPTypes
import Testing

@Suite("Answers without a server, for tests of what makes requests")
struct MockTransportTests {
    private struct User: Codable, Equatable {
        var name: String
    }

    /// Runs `body` on virtual time, and checks that nothing is left.
    private func check(_ body: @escaping @Sendable () async throws -> Void) async throws {
        try await withVirtualTime {
            let left = try await leaks { try await body() }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test("a closure sees the whole request, and its answer is the response")
    func closure() async throws {
        try await check {
            let mock = MockTransport { request in
                switch (request.method, request.path) {
                case (.get, "/user"): try .json(User(name: "Ada"))
                case (.post, _):
                    .text("\(request.text) \(request.query ?? "-")", status: .created, headers: [.eTag: "1"])
                default: .status(.notFound)
                }
            }
            let session = ClientSession.mocked(mock)
            let user = try await session.get("https://api.example/user").json(User.self)
            #expect(user == User(name: "Ada"))
            let post = try await session.post(
                "http://api.example:8080/new?a=b",
                headers: ["X-Key": "1"],
                body: .json(User(name: "Bob"))
            )
            #expect(post.status == .created)
            #expect(post.headers[.eTag] == "1")
            let text = try await post.text()
            #expect(text == #"{"name":"Bob"} a=b"#)
            let missing = try await session.put(
                "https://api.example:8443/",
                body: .written { try await $0.write("abc") }
            )
            #expect(missing.status == .notFound)
            #expect(
                mock.requests.map(\.description) == [
                    "GET https://api.example/user", "POST http://api.example:8080/new?a=b",
                    "PUT https://api.example:8443/",
                ]
            )
            #expect(mock.requests[1].headers[.init("X-Key")!] == "1")
            let sent = try mock.requests[1].json(User.self)
            #expect(sent == User(name: "Bob"))
            #expect(mock.requests[2].text == "abc")
            #expect(mock.problems.isEmpty)
            await session.close()
        }
    }

    @Test("a script answers in its order, and what does not fit it is told")
    func script() async throws {
        try await check {
            let mock = MockTransport([.status(.serviceUnavailable), .redirect(to: "/there"), .text("at last")])
            let session = ClientSession.mocked(mock)
            #expect(mock.problems == ["3 of the script's answers were not asked for: 0 requests came."])
            let first = try await session.get(someURL)
            #expect(first.status == .serviceUnavailable)
            let text = try await session.get(someURL).text()
            #expect(text == "at last")
            #expect(mock.requests.map(\.path) == ["/path", "/path", "/there"])
            #expect(mock.problems.isEmpty)
            let error = await clientError { try await session.get(someURL) }
            #expect(error?.code == .connectionFailed)
            let problem = "GET \(someURL) was not expected: it is request 4, and the script has 3 answers."
            #expect(error?.message == problem)
            #expect(mock.problems == [problem])
            await session.close()
        }
    }

    @Test("what the closure throws fails the request, and is not hidden")
    func throwing() async throws {
        struct Surprise: Error {}
        try await check {
            let mock = MockTransport { _ in throw Surprise() }
            let session = ClientSession.mocked(mock)
            let error = await clientError { try await session.get(someURL) }
            #expect(error?.code == .connectionFailed)
            #expect((error?.cause as? NetError)?.cause is Surprise)
            #expect(error?.message.contains("Surprise") == true)
            #expect(mock.problems.count == 1)
            await session.close()
        }
    }

    @Test("failures are those of real servers, each hits its own request, and time is virtual")
    func failures() async throws {
        try await check {
            let mock = MockTransport([
                .text("fine"), .refused, .disconnected, .text("0123456789").broken(after: 4), .silent,
                .text("slow").delayed(by: .seconds(59)),
                .pieces([[1], [2], [3]], every: .seconds(50)),
                .pieces([[1], [2]], every: .seconds(61)),
            ])
            let session = ClientSession.mocked(mock)
            let clock = try #require(EventLoop.current).clock
            var codes: [ClientError.Code?] = []
            var seconds: [Int64] = []
            for _ in 0..<8 {
                let start = clock.now
                do {
                    _ = try await session.get(someURL).bytes()
                    codes.append(nil)
                } catch let error as ClientError {
                    codes.append(error.code)
                }
                seconds.append(start.duration(to: clock.now).components.seconds)
            }
            #expect(
                codes == [
                    nil, .connectionRefused, .connectionClosed, .closedInBody, .headTimeout, nil, nil, .idleTimeout,
                ]
            )
            #expect(seconds == [0, 0, 0, 0, 60, 59, 100, 60])
            #expect(mock.problems.isEmpty)
            await session.close()
        }
    }

    @Test("HEAD, 204, 304, interim answers and redirects are as from a real server")
    func protocolRules() async throws {
        try await check {
            let session = ClientSession.mocked { request in
                switch request.path {
                case "/moved": .redirect(to: "https://other.example/end", status: .temporaryRedirect)
                case "/none": .status(.noContent)
                case "/same": .status(.notModified)
                default: .text("body of \(request.text)")
                }
            }
            let head = try await session.head(someURL)
            #expect(head.contentLength == 8)
            let none = try await session.get("http://x.test/none").bytes()
            let same = try await session.get("http://x.test/same").bytes()
            #expect(none.isEmpty && same.isEmpty)
            let moved = try await session.post("http://x.test/moved", body: .text("me"))
            #expect(moved.uri.description == "https://other.example/end")
            let text = try await moved.text()
            #expect(text == "body of me")
            let asked = try await session.post(
                someURL,
                body: .text("after 100"),
                options: RequestOptions(expectContinue: .seconds(1))
            ).text()
            #expect(asked == "body of after 100")
            let now = EventLoop.current?.clock.now
            #expect(now == LoopClock.Instant(nanoseconds: 0), "the word to go on was waited for")
            await session.close()
        }
    }

    @Test("a cancelled request cancels its answer, and a session is closed in spite of one")
    func cancelled() async throws {
        let ended = Flag()
        try await check {
            let mock = MockTransport { _ in
                defer { ended.raise() }
                try await sleep(for: .seconds(3600))
                return .status(.ok)
            }
            let session = ClientSession.mocked(mock)
            let task = EventLoop.spawn { try await session.get(someURL).status }
            await until { mock.requests.count == 1 }
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            await until { ended.isRaised }
            let other = EventLoop.spawn { try await session.get(someURL).status }
            await until { mock.requests.count == 2 }
            await session.close()
            let error = await clientError { try await other.value }
            #expect(error?.code == .sessionClosed)
            #expect(mock.problems.isEmpty)
        }
    }

    @Test("it works without a loop of one's own")
    func offLoop() async throws {
        let session = ClientSession.mocked { .text("hello \($0.path)") }
        let text = try await session.get("http://x.test/you").text()
        #expect(text == "hello /you")
        await session.close()
    }
}
