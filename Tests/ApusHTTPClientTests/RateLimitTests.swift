import ApusHTTPClient
import ApusRuntime
import ApusTesting
import Synchronization
import Testing

@Suite("RateLimit and ConcurrencyLimit")
struct RateLimitTests {
    private final class Times: Sendable {
        private let list = Mutex<[(path: String, time: Double)]>([])
        func add(_ path: String) throws {
            let time = try loopSeconds()
            list.withLock { $0.append((path, time)) }
        }
        var all: [(path: String, time: Double)] { list.withLock { $0 } }
    }

    private static func noting(_ times: Times) -> MockTransport {
        MockTransport { request in
            try times.add(request.path)
            return .text("ok")
        }
    }

    @Test("a burst goes at once, then one at a time, in the order of their calls")
    func bucket() async throws {
        let times = Times()
        try await withMock(around(RateLimit(2, per: .seconds(1), burst: 3)), Self.noting(times)) { session in
            _ = try await gather(Array(0..<9)) { try await session.get("http://a.example/\($0)").bytes() }
            try await sleep(for: .seconds(100))
            _ = try await gather(Array(9..<13)) { try await session.get("http://a.example/\($0)").bytes() }
        }
        let paths = (0..<13).map { "/\($0)" }
        #expect(times.all.map(\.path) == paths)
        let expected = [0, 0, 0, 0.5, 1, 1.5, 2, 2.5, 3, 103, 103, 103, 103.5]
        #expect(times.all.map(\.time) == expected, "\(times.all)")
    }

    @Test("each host has a bucket of its own, unless all share one")
    func scopes() async throws {
        for (scope, expected) in [(RateLimit.Scope.perHost, [0.0, 0, 1, 1]), (.all, [0, 1, 2, 3])] {
            let times = Times()
            try await withMock(around(RateLimit(1, per: .seconds(1), scope: scope)), Self.noting(times)) { session in
                let urls = ["http://a.example/", "http://b.example/", "http://a.example/", "http://b.example/"]
                _ = try await gather(urls) { try await session.get($0).bytes() }
            }
            #expect(times.all.map(\.time) == expected, "\(scope)")
        }
    }

    @Test("who is cancelled while waiting has taken nothing, at the head of the line or in it")
    func cancelled() async throws {
        let times = Times()
        try await withMock(around(RateLimit(1, per: .seconds(10))), Self.noting(times)) { session in
            let tasks = (0..<5).map { number in
                EventLoop.spawn { _ = try await session.get("http://a.example/\(number)").bytes() }
            }
            try await sleep(for: .seconds(1))
            tasks[1].cancel()
            tasks[3].cancel()
            for (number, task) in tasks.enumerated() {
                if number == 1 || number == 3 {
                    await #expect(throws: CancellationError.self) { try await task.value }
                } else {
                    try await task.value
                }
            }
        }
        #expect(times.all.map(\.path) == ["/0", "/2", "/4"])
        #expect(times.all.map(\.time) == [0, 10, 20])
    }

    @Test("the wait ends with the total timeout, and takes no token then")
    func total() async throws {
        let times = Times()
        try await withMock(around(RateLimit(1, per: .seconds(10))), Self.noting(times)) { session in
            _ = try await session.get("http://a.example/0").bytes()
            let error = await clientError {
                try await session.get("http://a.example/1", timeouts: .total(.seconds(3)))
            }
            let passed = try loopSeconds()
            #expect(error?.code == .totalTimeout && passed == 3)
            _ = try await session.get("http://a.example/2").bytes()
        }
        #expect(times.all.map(\.time) == [0, 10])
    }

    @Test("100 tasks under any schedule keep the rate")
    func model() async throws {
        try await forEachSchedule(20) {
            let times = Times()
            let mock = Self.noting(times)
            let session = ClientSession.mocked(mock, around(RateLimit(10, per: .seconds(1), burst: 5)))
            _ = try await gather(Array(0..<100)) { number in
                try await sleep(for: .milliseconds(number * 7 % 300))
                _ = try await session.get("http://a.example/\(number)").bytes()
            }
            await session.close()
            let all = times.all.map(\.time)
            for first in all.indices {
                let end = all.index(first, offsetBy: 15, limitedBy: all.count - 1) ?? all.count
                if end < all.count { #expect(all[end] - all[first] >= 0.999, "16 within a second") }
            }
        }
    }

    @Test("so many requests are under way at a time, to the end of their bodies")
    func concurrency() async throws {
        let running = Mutex((now: 0, most: 0))
        let mock = MockTransport { request in
            running.withLock {
                $0.now += 1
                $0.most = max($0.most, $0.now)
            }
            try await sleep(for: .seconds(1))
            running.withLock { $0.now -= 1 }
            return .pieces([[1], [2]], every: .seconds(1))
        }
        try await withMock(around(ConcurrencyLimit(3)), mock) { session in
            _ = try await gather(Array(0..<9)) { _ in try await session.get("http://a.example/").bytes() }
            let passed = try loopSeconds()
            #expect(passed == 6, "three times three, each two seconds to the end of its body")
        }
        let most = running.withLock { $0.most }
        #expect(most == 3)
    }

    @Test("a place comes back however the request ends: read, dropped, released, failed or cancelled")
    func places() async throws {
        let mock = MockTransport { request in
            switch request.path {
            case "/refused": .refused
            case "/broken": MockResponse.pieces([[1], [2]], every: .seconds(1)).broken(after: 1)
            case "/silent": .silent
            case "/big": MockResponse(bytes: [UInt8](repeating: 7, count: 2_000_000))
            default: .text("ok")
            }
        }
        try await withMock(around(ConcurrencyLimit(1, scope: .all)), mock) { session in
            for _ in 0..<2 {
                _ = try? await session.get("http://a.example/refused")
                _ = try? await session.get("http://b.example/broken").bytes()
                do { _ = try await session.get("http://c.example/big") }
                let released = try await session.get("http://d.example/big")
                released.release()
                _ = try await session.get("http://d.example/big").bytes()
                let task = EventLoop.spawn { _ = try await session.get("http://e.example/silent") }
                try await sleep(for: .seconds(1))
                let waiting = EventLoop.spawn { _ = try await session.get("http://e.example/waiting") }
                try await sleep(for: .seconds(1))
                waiting.cancel()
                task.cancel()
                await #expect(throws: CancellationError.self) { try await task.value }
                await #expect(throws: CancellationError.self) { try await waiting.value }
                let late = await clientError {
                    // Held by this very request while another waits for it, and gives up.
                    try await session.get("http://f.example/big") { _ in
                        _ = try await session.get("http://f.example/", timeouts: .total(.seconds(2)))
                    }
                }
                #expect(late?.code == .totalTimeout)
                let text = try await session.get("http://g.example/").text()
                #expect(text == "ok")
            }
        }
    }
}
