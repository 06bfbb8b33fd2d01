import ApusHTTPClient
import ApusRuntime
import ApusTesting
import HTTPTypes
import Logging
import Testing

@Suite("RequestLogging")
struct RequestLoggingTests {
    private static let apiKey = HTTPField.Name("X-Api-Key")!

    @Test("a line per request: method, URL, status or error, and time, at the level that was asked for")
    func lines() async throws {
        let log = LogRecorder()
        let mock = MockTransport { request in
            switch request.path {
            case "/down": .refused
            case "/503": .status(.serviceUnavailable)
            case "/r": .redirect(to: "/ok")
            default: MockResponse.text("ok").delayed(by: .milliseconds(12))
            }
        }
        let logging = RequestLogging(logger: log.logger, level: .info, failureLevel: .warning)
        try await withMock(around(logging), mock) { session in
            _ = try await session.get("http://h.example/r").bytes()
            _ = try await session.get("http://h.example/503")
            _ = try? await session.get("http://h.example/down")
            let task = EventLoop.spawn { _ = try await session.get("http://h.example/ok") }
            try await sleep(for: .milliseconds(5))
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
        }
        #expect(
            log.texts(.info) == [
                "GET http://h.example/r: 302 in 0 ms", "GET http://h.example/ok: 200 in 12 ms",
                "GET http://h.example/ok: cancelled in 5 ms",
            ]
        )
        #expect(
            log.texts(.warning) == [
                "GET http://h.example/503: 503 in 0 ms",
                "GET http://h.example/down: failed (connectionRefused) in 0 ms",
            ]
        )
        #expect(log.everything.count == 5)
        let facts = log.metadata.filter { $0.contains("\"status\": 200") && $0.contains("\"milliseconds\": 12") }
        #expect(facts.count == 1 && facts.first?.contains("\"redirects\": 1") == true, "\(log.metadata)")
    }

    @Test("no secret is logged, however much was asked for", arguments: [false, true])
    func secrets(hasAnswer: Bool) async throws {
        let log = LogRecorder()
        let names: [HTTPField.Name] = [
            .authorization, .cookie, .setCookie, .location, .referer, .contentLocation, Self.apiKey, .contentType,
            .init("X-Plain")!, .init("X-Marked")!, .init("Link")!,
        ]
        let logging = RequestLogging(logger: log.logger, level: .info, headers: .values(Set(names)))
        let mock = MockTransport { _ in
            guard hasAnswer else { return .disconnected }
            return .text(
                "canary",
                headers: [
                    .setCookie: "id=canary", .location: "http://u:canary@h.example/p?canary#canary",
                    .contentLocation: "/p?k=canary", .init("Link")!: "<http://u:canary@h/>; rel=next",
                    .init("X-Plain")!: "shown-answer",
                ]
            )
        }
        try await withMock(around(logging), mock) { session in
            var headers: HTTPFields = [
                .authorization: "Bearer canary", .cookie: "a=canary", Self.apiKey: "canary",
                .referer: "http://h.example/?q=canary", .init("X-Plain")!: "shown-request",
            ]
            var marked = HTTPField(name: .init("X-Marked")!, value: "canary")
            marked.indexingStrategy = .disallow
            headers.append(marked)
            _ = try? await session.post(
                "http://h.example/path?key=canary#canary",
                headers: headers,
                body: .text("canary")
            )
        }
        #expect(log.everything.count == 1)
        for text in log.everything + log.metadata where text.contains("canary") { Issue.record("\(text)") }
        let line = log.everything.first ?? ""
        #expect(line.contains("X-Plain: shown-request") && line.contains("http://h.example/path?…"), "\(line)")
        #expect(line.contains("Authorization") && line.contains("X-Api-Key"), "names are shown: \(line)")
        #expect(line.contains("X-Plain: shown-answer") == hasAnswer)
    }

    @Test("without being asked, no fields are shown; with names only, no values")
    func headers() async throws {
        let log = LogRecorder()
        for headers in [RequestLogging.Headers.none, .names] {
            try await withMock(
                around(RequestLogging(logger: log.logger, headers: headers)),
                MockTransport([.text("ok")])
            ) {
                _ = try await $0.get("http://h.example/", headers: ["X-A": "value"]).bytes()
            }
        }
        let lines = log.texts(.debug)
        #expect(lines.count == 2 && lines[0] == "GET http://h.example/: 200 in 0 ms")
        #expect(lines[1].contains("X-A") && !lines[1].contains("value"))
    }

    @Test("what the logger does not take is not made")
    func quiet() async throws {
        let log = LogRecorder()
        var logger = log.logger
        logger.logLevel = .warning
        try await withMock(around(RequestLogging(logger: logger)), MockTransport([.text("ok")])) {
            _ = try await $0.get("http://h.example/").bytes()
        }
        #expect(log.everything.isEmpty)
    }

    @Test("what came from a cache says so")
    func cached() async throws {
        let log = LogRecorder()
        let mock = MockTransport([.text("ok", headers: [.cacheControl: "max-age=9"])])
        try await withMock(around(RequestLogging(logger: log.logger), HTTPCache()), mock) { session in
            for _ in 0..<2 { _ = try await session.get("http://h.example/").bytes() }
        }
        let isMiss = log.everything.map { $0.hasSuffix("miss") }
        #expect(isMiss == [true, false])
        #expect(log.everything.last?.hasSuffix("hit") == true)
    }
}
