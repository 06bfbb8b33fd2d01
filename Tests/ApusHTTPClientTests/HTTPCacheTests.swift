import ApusNet
import ApusRuntime
import ApusTesting
import ApusWire
import HTTPTypes
import Synchronization
import Testing

@testable import ApusHTTPClient

/// When the tests' clocks begin: Sun, 06 Nov 1994 08:49:37 GMT.
let cacheStart = 784_111_777

func httpDate(_ seconds: Int) -> String { HTTPTimestamp(secondsSince1970: cacheStart + seconds).description }

func memoryCache(
    _ limit: Int = 1 << 20,
    entryLimit: Int = 100_000,
    credentials: HTTPCache.Credentials = .skipped
) -> HTTPCache {
    HTTPCache(.memory(limit: limit), entryLimit: entryLimit, credentials: credentials, clock: .starting(at: cacheStart))
}

/// Fetches a URL: body, and what the cache had to do with it.
func fetch(
    _ session: ClientSession,
    _ url: String = "http://host.example/path",
    _ headers: HTTPFields = [:]
) async throws -> String {
    let response = try await session.get(url, headers: headers)
    let status = response.cacheStatus.map { "\($0)" } ?? "-"
    return "\(try await response.text()) \(status)"
}

@Suite("HTTPCache")
struct HTTPCacheTests {
    /// Answers “1”, “2” and so on, with these fields.
    private static func counting(_ headers: HTTPFields, status: HTTPResponse.Status = .ok) -> MockTransport {
        let count = Counter()
        return MockTransport { _ in
            count.add()
            return .text("\(count.value)", status: status, headers: headers)
        }
    }

    @Test("what is fresh is given without asking, with its age; what is not is asked for")
    func fresh() async throws {
        let cache = memoryCache()
        let mock = Self.counting([.cacheControl: "max-age=60", .init("X-A")!: "kept"])
        try await withMock(around(cache), mock) { session in
            var seen = [try await fetch(session)]
            try await sleep(for: .seconds(59))
            let response = try await session.get("http://host.example/path")
            #expect(response.cacheStatus == .hit && response.age == .seconds(59))
            #expect(
                response.headers[.init("X-A")!] == "kept"
                    && response.headers[.contentType] == "text/plain; charset=utf-8"
            )
            #expect(response.uri.path == "/path" && response.method == .get && response.contentLength == 1)
            seen.append(try await response.text())
            try await sleep(for: .seconds(1))
            seen.append(try await fetch(session))
            seen.append(try await fetch(session))
            // The fragment is not sent; the query is.
            seen.append(try await fetch(session, "http://host.example/path#part"))
            seen.append(try await fetch(session, "http://host.example/path?q"))
            #expect(seen == ["1 miss", "1", "2 miss", "2 hit", "2 hit", "3 miss"])
        }
        let statistics = cache.statistics
        #expect(statistics.hits == 3 && statistics.misses == 3 && statistics.stored == 3 && statistics.entries == 2)
        #expect(statistics.bytes > 0 && statistics.bytes < 4_000)
    }

    @Test("a server that says that nothing changed sends no body, and what it says anew counts")
    func validates() async throws {
        let mock = MockTransport { request in
            guard request.headers[.ifNoneMatch] == "\"a\"" else {
                return .text(
                    "body",
                    headers: [.eTag: "\"a\"", .cacheControl: "max-age=10", .lastModified: httpDate(-100)]
                )
            }
            #expect(request.headers[.ifModifiedSince] == httpDate(-100))
            return .status(.notModified, headers: [.eTag: "\"a\"", .cacheControl: "max-age=100", .init("X-New")!: "1"])
        }
        let cache = memoryCache()
        try await withMock(around(cache), mock) { session in
            var seen = [try await fetch(session)]
            try await sleep(for: .seconds(10))
            let response = try await session.get("http://host.example/path")
            #expect(response.status == .ok && response.headers[.init("X-New")!] == "1")
            #expect(response.cacheStatus == .revalidated && response.age == .zero)
            seen.append(try await response.text())
            try await sleep(for: .seconds(99))
            seen.append(try await fetch(session))
            try await sleep(for: .seconds(1))
            seen.append(try await fetch(session))
            #expect(seen == ["body miss", "body", "body hit", "body revalidated"])
        }
        #expect(mock.requests.count == 3 && cache.statistics.revalidations == 2)
    }

    @Test("a changed one replaces the old one, and so does one behind a 304 that is about another")
    func changed() async throws {
        let tag = Mutex("\"a\"")
        let mock = MockTransport { request in
            let now = tag.withLock { $0 }
            // A broken server: it confirms whatever it is asked, with another tag.
            if request.headers[.ifNoneMatch] == "\"broken\"" {
                return .status(.notModified, headers: [.eTag: "\"other\""])
            }
            return .text(now, headers: [.eTag: now, .cacheControl: "no-cache"])
        }
        try await withMock(around(memoryCache()), mock) { session in
            var seen = [try await fetch(session)]
            tag.withLock { $0 = "\"broken\"" }
            seen.append(try await fetch(session))
            tag.withLock { $0 = "\"c\"" }
            seen.append(try await fetch(session))
            #expect(seen == ["\"a\" miss", "\"broken\" miss", "\"c\" miss"])
        }
        #expect(mock.requests.count == 4)
    }

    @Test("a request's own Cache-Control is followed, and Pragma where there is none")
    func requestDirectives() async throws {
        let mock = Self.counting([.cacheControl: "max-age=60"])
        try await withMock(around(memoryCache()), mock) { session in
            let url = "http://host.example/path"
            let missing = try await session.get(url, headers: ["Cache-Control": "only-if-cached"])
            #expect(missing.status == .gatewayTimeout && mock.requests.isEmpty)
            var seen = [try await fetch(session)]
            for directive in ["only-if-cached", "no-cache", "no-store", "max-age=0", "min-fresh=61", "min-fresh=30"] {
                seen.append(try await fetch(session, url, [.cacheControl: directive]))
            }
            seen.append(try await fetch(session, url, [.init("Pragma")!: "no-cache"]))
            try await sleep(for: .seconds(70))
            seen.append(try await fetch(session, url, [.cacheControl: "max-stale=20"]))
            let stale = try await session.get(url, headers: ["Cache-Control": "only-if-cached"])
            #expect(stale.status == .gatewayTimeout)
            #expect(
                seen == [
                    "1 miss", "1 hit", "2 miss", "3 -", "4 miss", "5 miss", "5 hit", "6 miss", "6 stale",
                ]
            )
        }
    }

    @Test("requests with ranges, conditions or a body, and those that may not be kept, go by")
    func bypasses() async throws {
        let mock = Self.counting([.cacheControl: "max-age=60", .eTag: "\"a\""])
        let cache = memoryCache()
        try await withMock(around(cache), mock) { session in
            let url = "http://host.example/path"
            for name in [
                "Range", "If-None-Match", "If-Modified-Since", "If-Match", "If-Range", "If-Unmodified-Since", "Host",
            ] {
                _ = try await session.get(url, headers: [name: name == "Host" ? "evil.example" : "bytes=0-1"]).bytes()
            }
            _ = try await session.head(url)
            _ = try await session.post(url, body: .text("x")).bytes()
            _ = try await session.request(.get, url, body: .text("x")).bytes()
            #expect(cache.statistics.entries == 0 && mock.requests.count == 10)
        }
    }

    @Test("what was changed by a request is forgotten, its Location too, but nothing of others'")
    func invalidates() async throws {
        let mock = MockTransport { request in
            switch (request.method, request.path) {
            case (.post, "/fails"): .status(.badRequest)
            case (.post, _): .status(.created, headers: [.location: "/b", .contentLocation: "http://other.example/c"])
            default: .text("x", headers: [.cacheControl: "max-age=60"])
            }
        }
        try await withMock(around(memoryCache()), mock) { session in
            let urls = [
                "http://host.example/fails", "http://host.example/a", "http://host.example/b", "http://other.example/c",
            ]
            for url in urls { _ = try await fetch(session, url) }
            _ = try await session.post(urls[0])
            _ = try await session.post(urls[1])
            var seen: [String] = []
            for url in urls { seen.append(try await fetch(session, url)) }
            #expect(seen == ["x hit", "x miss", "x miss", "x hit"])
        }
    }

    @Test("a response that was asked for before a change is not kept after it")
    func race() async throws {
        let mock = MockTransport { request in
            request.method == .get
                ? MockResponse.text("old", headers: [.cacheControl: "max-age=60"]).delayed(by: .seconds(5))
                : .status(.ok)
        }
        try await withMock(around(memoryCache()), mock) { session in
            let slow = EventLoop.spawn { try await fetch(session) }
            try await sleep(for: .seconds(1))
            _ = try await session.put("http://host.example/path", body: .text("new"))
            let first = try await slow.value
            let second = try await fetch(session)
            #expect(first == "old miss" && second == "old miss")
        }
    }

    @Test(
        "where the server fails, a kept response stands in for as long as was said, and not where it must be validated"
    )
    func staleIfError() async throws {
        let answer = Mutex<MockResponse?>(nil)
        let mock = MockTransport { request in
            if let answer = answer.withLock({ $0 }) { return answer }
            let directives = request.path == "/strict" ? "max-age=10, must-revalidate" : "max-age=10"
            return .text("ok", headers: [.cacheControl: "\(directives), stale-if-error=100"])
        }
        let cache = memoryCache()
        try await withMock(around(cache), mock) { session in
            _ = try await fetch(session)
            _ = try await fetch(session, "http://host.example/strict")
            try await sleep(for: .seconds(20))
            for failure in [MockResponse.refused, .disconnected, .silent, .status(.serviceUnavailable)] {
                answer.withLock { $0 = failure }
                let text = try await fetch(session)
                #expect(text == "ok stale")
            }
            answer.withLock { $0 = .status(.serviceUnavailable) }
            let strict = try await session.get("http://host.example/strict")
            #expect(strict.status == .serviceUnavailable)
            answer.withLock { $0 = .status(.notFound) }
            let missing = try await session.get("http://host.example/path")
            #expect(missing.status == .notFound, "an answer is no failure")
            try await sleep(for: .seconds(100))
            answer.withLock { $0 = .refused }
            let error = await clientError { try await session.get("http://host.example/path") }
            #expect(error?.code == .connectionRefused)
        }
        #expect(cache.statistics.stale == 4)
    }

    @Test("with stale-while-revalidate the old one is given at once, and one request asks behind it")
    func staleWhileRevalidate() async throws {
        let count = Counter()
        let mock = MockTransport { _ in
            count.add()
            return MockResponse.text(
                "\(count.value)",
                headers: [.cacheControl: "max-age=10, stale-while-revalidate=100"]
            )
            .delayed(by: .seconds(2))
        }
        try await withMock(around(memoryCache()), mock) { session in
            _ = try await fetch(session)
            try await sleep(for: .seconds(20))
            let start = try loopSeconds()
            var seen = try await gather(Array(0..<5)) { _ in try await fetch(session) }
            let end = try loopSeconds()
            #expect(start == end)
            try await sleep(for: .seconds(3))
            seen.append(try await fetch(session))
            #expect(seen == Array(repeating: "1 stale", count: 5) + ["2 hit"])
            #expect(mock.requests.count == 2)
        }
    }

    @Test("redirects, errors and empty answers are kept like others, and each hop for itself")
    func kinds() async throws {
        let mock = MockTransport { request in
            let lasting: HTTPFields = [.cacheControl: "max-age=60"]
            return switch request.path {
            case "/moved":
                MockResponse(status: .movedPermanently, headers: [.location: "/404", .cacheControl: "max-age=60"])
            case "/404": .text("no", status: .notFound, headers: lasting)
            default: .status(.noContent, headers: lasting)
            }
        }
        try await withMock(around(memoryCache()), mock) { session in
            for _ in 0..<2 {
                let response = try await session.get("http://host.example/moved")
                #expect(response.status == .notFound && response.history.map(\.status) == [.movedPermanently])
                let empty = try await session.get("http://host.example/204")
                #expect(empty.status == .noContent)
            }
        }
        #expect(mock.requests.count == 3)
    }

    @Test("a body that comes in pieces is kept when it was read to its end, and only then")
    func streams() async throws {
        let pieces = (0..<5).map { [UInt8](repeating: UInt8($0), count: 1_000) }
        let mock = MockTransport { _ in .pieces(pieces, every: .seconds(1), headers: [.cacheControl: "max-age=600"]) }
        let cache = memoryCache()
        try await withMock(around(cache), mock) { session in
            let url = "http://host.example/path"
            try await session.get(url) { response in
                for try await _ in response.body { break }
            }
            do { _ = try await session.get(url) }
            #expect(cache.statistics.entries == 0)
            try await session.get(url) { response in
                var bytes: [UInt8] = []
                for try await piece in response.body { bytes += piece }
                #expect(bytes == Array(pieces.joined()))
            }
            #expect(cache.statistics.entries == 1)
            let response = try await session.get(url)
            let bytes = try await response.bytes()
            #expect(response.cacheStatus == .hit && bytes == Array(pieces.joined()))
            var lines = 0
            for try await _ in response.body { lines += 1 }
            #expect(lines == 1, "what is there can be read again")
        }
    }

    @Test("coded bodies are kept decoded, and apart from those that were wanted as they come")
    func coded() async throws {
        let body = Encoders.deflate(Array("decoded".utf8))
        let mock = MockTransport { _ in
            var response = MockResponse(headers: [.contentEncoding: "gzip", .cacheControl: "max-age=60"])
            response.pieces = [body]
            return response
        }
        try await withMock(around(memoryCache()), mock) { session in
            var seen: [String] = []
            for _ in 0..<2 { seen.append(try await fetch(session)) }
            let raw = RequestOptions(decompress: false)
            for _ in 0..<2 {
                let response = try await session.get("http://host.example/path", options: raw)
                let bytes = try await response.bytes()
                #expect(bytes == body && response.headers[.contentEncoding] == "gzip")
                seen.append("\(response.cacheStatus.map { "\($0)" } ?? "-")")
            }
            #expect(seen == ["decoded miss", "decoded hit", "miss", "hit"])
        }
    }

    @Test("the least recently used go first, and all together stay within the limit")
    func bounded() async throws {
        let mock = MockTransport { _ in
            MockResponse(headers: [.cacheControl: "max-age=600"], bytes: [UInt8](repeating: 1, count: 10_000))
        }
        let cache = memoryCache(50_000)
        try await withMock(around(cache), mock) { session in
            for round in 0..<100 {
                _ = try await session.get("http://host.example/\(round)").bytes()
                _ = try await session.get("http://host.example/0").bytes()
                #expect(cache.statistics.bytes <= 50_000)
            }
            #expect(cache.statistics.entries == 4 && cache.statistics.evictions == 96)
        }
        #expect(mock.requests.count == 100, "the one that was in use all the time stayed")
        try await cache.remove("http://host.example/0")
        #expect(cache.statistics.entries == 3)
        try await cache.removeAll()
        #expect(cache.statistics.entries == 0 && cache.statistics.bytes == 0)
    }

    @Test("a cache may stand in several sessions on several loops")
    func shared() async throws {
        let cache = HTTPCache()
        let mock = Self.counting([.cacheControl: "max-age=600"])
        try await LoopGroup.with(count: 2) { group in
            for loop in group.loops {
                try await loop.call {
                    let session = ClientSession.mocked(mock, around(cache))
                    _ = try await gather(Array(0..<20), limit: 4) { number in
                        try await session.get("http://host.example/\(number % 5)").bytes()
                    }
                    await session.close()
                }
            }
        }
        let statistics = cache.statistics
        #expect(statistics.hits + statistics.misses == 40 && statistics.entries == 5 && statistics.hits >= 20)
    }
}
