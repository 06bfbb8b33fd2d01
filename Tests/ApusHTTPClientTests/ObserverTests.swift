import ApusHTTPClient
import ApusHTTPServer
import ApusNet
import ApusRuntime
import ApusTesting
import ApusWire
import HTTPTypes
import Synchronization
import Testing

@Suite("What observers are told")
struct ObserverTests {
    private static func configuration(_ log: EventLog) -> ClientSession.Configuration {
        var configuration = ClientSession.Configuration()
        configuration.observers = [log]
        return configuration
    }

    @Test("C90, C91: a first request, one on the kept connection, and a redirect, in the documented order")
    func order() async throws {
        let log = EventLog()
        let away = "HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n"
        try await withScripts(
            [.expectRequest, .send(okResponse), .expectRequest, .send(okResponse)]
                + [.expectRequest, .send(away), .expectRequest, .send(okResponse)],
            configuration: Self.configuration(log)
        ) { session, _ in
            _ = try await session.get("http://script.test/a").text()
            #expect(log.take() == ["start GET /a", "open", "opened", "head /a", "received 2", "end /a 200"])
            _ = try await session.post("http://script.test/p", body: .text("abc")).text()
            #expect(log.take() == ["start POST /p", "reuse", "head /p", "sent 3", "received 2", "end /p 200"])
            _ = try await session.get("http://script.test/a").text()
            #expect(
                log.take() == [
                    "start GET /a", "reuse", "head /a", "redirect /a 302 /b", "reuse", "head /b", "received 2",
                    "end /b 200",
                ]
            )
        }
    }

    @Test("C90: the pieces of bodies in both directions, as they come")
    func pieces() async throws {
        let log = EventLog()
        try await withScripts(
            [
                .expectRequest, .send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nab"), .wait(.seconds(1)),
                .send("cdef"),
            ],
            configuration: Self.configuration(log)
        ) { session, _ in
            let response = try await session.post(
                "http://script.test/p",
                body: .written { writer in
                    try await writer.write("one")
                    try await writer.write("second")
                }
            )
            #expect(
                log.take() == ["start POST /p", "open", "opened", "head /p", "sent 3", "sent 6", "end /p 200"]
            )
            let text = try await response.text()
            #expect(text == "abcdef")
            #expect(log.take() == ["received 2", "received 4"])
        }
    }

    @Test("C90: waiting for a place, and what fails")
    func waits() async throws {
        let log = EventLog()
        var configuration = Self.configuration(log)
        configuration.pool.limit = 1
        try await withScripts(
            [.expectRequest, .wait(.seconds(1)), .send(okResponse), .expectRequest, .finish],
            configuration: configuration
        ) { session, _ in
            async let first = session.get("http://script.test/1").text()
            try await sleep(for: .milliseconds(1))
            let error = await clientError { try await session.post("http://script.test/2") }
            #expect(error?.code == .connectionClosed)
            _ = try await first
            #expect(
                log.take() == [
                    "start GET /1", "open", "opened", "head /1", "start POST /2", "wait /2", "received 2", "end /1 200",
                    "waited /2", "reuse", "head /2", "fail /2 connectionClosed",
                ]
            )
            let refused = await clientError { try await session.get("http://script.test/3") }
            #expect(refused?.code == .connectionRefused)
            #expect(log.take() == ["start GET /3", "open", "not opened", "fail /3 connectionRefused"])
            await #expect(throws: TimeoutError.self) {
                try await withTimeout(.zero) { _ = try await session.get("http://script.test/4") }
            }
            #expect(log.take().last == "fail /4 CancellationError")
        }
    }

    @Test("C90: names are missed, looked up, and remembered; figures are not looked up")
    func lookups() async throws {
        try await withTestLoop {
            let log = EventLog()
            var configuration = Self.configuration(log)
            configuration.resolver = SystemResolver()
            configuration.pool.maximumUses = 1
            let given = configuration
            try await TestServer.with({ _ in .text("ok") }) { server in
                try await ClientSession.with(given) { session in
                    let port = server.server.address.port ?? 0
                    let named = "http://localhost:\(port)/"
                    _ = try await session.get(named).text()
                    #expect(
                        log.take().prefix(6) == [
                            "start GET /", "open", "miss localhost", "lookup localhost", "looked up localhost",
                            "opened",
                        ]
                    )
                    _ = try await session.get(named).text()
                    #expect(log.take().prefix(4) == ["start GET /", "open", "hit localhost", "opened"])
                    _ = try await session.get("http://127.0.0.1:\(port)/").text()
                    #expect(log.take().prefix(3) == ["start GET /", "open", "opened"])
                }
            }
        }
    }

    @Test(
        "C90: behind a SOCKS proxy names that are looked up here are told of, the server's and the proxy's, once each"
    )
    func proxiedLookups() async throws {
        try await withTestLoop {
            let log = EventLog()
            var configuration = Self.configuration(log)
            configuration.resolver = SystemResolver()
            let given = configuration
            try await TestServer.with({ _ in .text("ok") }) { server in
                let port = server.server.address.port ?? 0
                try await TestProxy.with(.socks5(user: "", password: "")) { proxy in
                    var system = given
                    system.proxy = try Proxy("socks5://127.0.0.1:\(proxy.port)")
                    try await ClientSession.with(system) { session in
                        _ = try await session.get("http://localhost:\(port)/").text()
                        #expect(
                            log.take().prefix(6) == [
                                "start GET /", "open", "miss localhost", "lookup localhost", "looked up localhost",
                                "opened",
                            ]
                        )
                    }
                    var own = given
                    own.resolver = StaticResolver(["server.test": ["127.0.0.1"], "proxy.test": ["127.0.0.1"]])
                    own.proxy = try Proxy("socks5://proxy.test:\(proxy.port)")
                    try await ClientSession.with(own) { session in
                        let response = try await session.get("http://server.test:\(port)/")
                        #expect(
                            log.take().prefix(7) == [
                                "start GET /", "open", "lookup server.test", "looked up server.test",
                                "lookup proxy.test", "looked up proxy.test", "opened",
                            ]
                        )
                        let timings = await response.timings
                        #expect(timings.lookup != nil && timings.connect != nil)
                        _ = try await response.text()
                    }
                }
            }
        }
    }

    @Test(
        "C90: an observer has a number, the time since the call, and what the caller gave; several are told in their order"
    )
    func contexts() async throws {
        final class Asking: SessionObserver {
            let name: String
            let seen: Mutex<[String]>
            init(_ name: String) {
                self.name = name
                seen = Mutex([])
            }
            func requestStarted(_ request: ObservedRequest) { note("start", request) }
            func requestEnded(_ request: ObservedRequest, _ response: ClientResponse) { note("end", request) }
            private func note(_ event: String, _ request: ObservedRequest) {
                let context = request.context as? Int ?? 0
                seen.withLock { $0.append("\(event) \(request.id) \(context) \(request.elapsed)") }
            }
        }
        try await withVirtualTime {
            let observer = Asking("1")
            let log = EventLog()
            var configuration = Self.configuration(log)
            configuration.observers.append(observer)
            let session = ClientSession.mocked(
                MockTransport { _ in .text("ok").delayed(by: .seconds(2)) },
                configuration
            )
            _ = try await session.get("http://a.test/", options: RequestOptions(observerContext: 7)).text()
            _ = try await session.get("http://a.test/").text()
            await session.close()
            let seen = observer.seen.withLock { $0 }
            try #require(seen.count == 4)
            let ids = seen.map { $0.split(separator: " ")[1] }
            #expect(ids[0] == ids[1] && ids[2] == ids[3] && ids[0] != ids[2])
            #expect(seen[0].hasSuffix(" 7 0.0 seconds") && seen[1].hasSuffix(" 7 2.0 seconds"))
            #expect(seen[3].hasSuffix(" 0 2.0 seconds"))
            #expect(log.all.count { $0.hasPrefix("start") } == 2)
        }
    }

    @Test("C91: retries of a middleware are one request; an answer that it makes has start and end alone")
    func middleware() async throws {
        try await withVirtualTime {
            let log = EventLog()
            var configuration = Self.configuration(log)
            configuration.middleware = [
                MiddlewareFunction { request, next in
                    guard request.uri.path == "/sent" else { return try ClientResponse(to: request, status: .ok) }
                    try await next(request).release()
                    return try await next(request)
                }
            ]
            let session = ClientSession.mocked(MockTransport { _ in .status(.ok) }, configuration)
            _ = try await session.get("http://a.test/made").text()
            #expect(log.take() == ["start GET /made", "end /made 200"])
            _ = try await session.get("http://a.test/sent").text()
            let sent = log.take()
            #expect(sent.count { $0 == "head /sent" } == 2)
            #expect(sent.count { $0.hasPrefix("start") } == 1 && sent.last == "end /sent 200")
            await session.close()
        }
    }
}
