import ApusHTTPClient
import ApusHTTPServer
import ApusNet
import ApusRuntime
import ApusTesting
import HTTPTypes
import Testing

@Suite("A session's life, and use from anywhere")
struct SessionTests {
    @Test("`with` closes the session on return, on an error and on cancellation")
    func with() async throws {
        struct Stop: Error {}
        try await withServer({ _ in .text("ok") }) { _, server in
            let url = server.url()
            var kept: [ClientSession] = []
            let returned = try await ClientSession.with { session in
                _ = try await session.get(url).text()
                return session
            }
            kept.append(returned)
            let holder = Holder()
            await #expect(throws: Stop.self) {
                try await ClientSession.with { session in
                    holder.session = session
                    _ = try await session.get(url).text()
                    throw Stop()
                }
            }
            kept += [holder.session].compactMap { $0 }
            let begun = Flag()
            let task = EventLoop.spawn {
                try await ClientSession.with { session in
                    holder.session = session
                    _ = try await session.get(url).text()
                    begun.raise()
                    try await sleep(for: .seconds(3_600))
                }
            }
            await until { begun.isRaised }
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            kept += [holder.session].compactMap { $0 }
            #expect(kept.count == 3)
            for session in kept {
                let error = await clientError { try await session.get(url) }
                #expect(error?.code == .sessionClosed)
                #expect(await session.statistics.open == 0)
            }
        }
    }

    /// A place for a session that a closure hands out. Used on one loop.
    private final class Holder: @unchecked Sendable {
        var session: ClientSession?
    }

    @Test("dropping a session without closing it closes its connections, and never traps")
    func dropped() async throws {
        try await withVirtualTime {
            let peer = ScriptedPeer { _ in [.expectRequest, .send(okResponse)] }
            let left = try await leaks {
                let session = ClientSession.scripted(peer)
                _ = try await session.get(someURL).text()
                #expect(peer.open == 1)
            }
            #expect(left.isEmpty, "\(left)")
            #expect(peer.end(0) == .closed)
        }
    }

    @Test("dropping a session while a body is read ends the body with sessionClosed")
    func droppedWhileReading() async throws {
        try await withVirtualTime {
            let peer = ScriptedPeer(
                [.expectRequest, .send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", pieces: 99), .stall]
            )
            let left = try await leaks {
                var session: ClientSession? = ClientSession.scripted(peer)
                let response = try await session?.get(someURL)
                session = nil
                let error = await clientError { try await response?.bytes() }
                #expect(error?.code == .sessionClosed)
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test("a session made and dropped without a request opens nothing")
    func unused() async throws {
        try await withVirtualTime {
            let left = try await leaks {
                _ = ClientSession()
                try await ClientSession.with { _ in }
                let session = ClientSession()
                await session.close()
                await session.close()
                let error = await clientError { try await session.get(someURL) }
                #expect(error?.code == .sessionClosed)
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test("a response outlives its session and its loop without a trap")
    func outlives() async throws {
        let response = try await withVirtualTime {
            let peer = ScriptedPeer(
                [.expectRequest, .send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", pieces: 99), .stall]
            )
            return try await ClientSession.scripted(peer).get(someURL)
        }
        #expect(response.status.code == 200)
        await #expect(throws: (any Error).self) { try await response.bytes() }
    }

    // MARK: From anywhere

    @Test("on its own loop a request does not hop; from the pool each hops once, whatever it waits for")
    func hops() async throws {
        try await withServer({ request in
            request.path == "/redirect"
                ? .status(.found, headers: [.location: "/"]) : .text(String(repeating: "x", count: 100_000))
        }) { session, server in
            for _ in 0..<3 { _ = try await session.get(server.url()).text() }
            #expect(await session.statistics.hops == 0)
            let url = server.url("/redirect")
            // `Task.detached` leaves the loop.
            let count = try await Task.detached {
                #expect(EventLoop.current == nil)
                let response = try await session.get(url)
                return response.history.count
            }.value
            #expect(count == 1)
            #expect(await session.statistics.hops == 1)
            try await Task.detached {
                let response = try await session.post(url, body: .text("b"))
                let text = try await response.text()
                #expect(text.count == 100_000)
            }.value
            #expect(await session.statistics.hops == 2)
        }
    }

    @Test("from another loop it works, and hops")
    func otherLoop() async throws {
        try await withServer({ _ in .text("ok") }) { session, server in
            let url = server.url()
            let text = try await withTestLoop { try await session.get(url).text() }
            #expect(text == "ok")
            #expect(await session.statistics.hops == 1)
        }
    }

    @Test("from the main actor it works, and hops")
    func mainActor() async throws {
        try await withServer({ _ in .text("ok") }) { session, server in
            let url = server.url()
            let task = Task { @MainActor in
                let text = try await session.get(url).text()
                MainActor.assertIsolated()
                return text
            }
            let text = try await task.value
            #expect(text == "ok")
            #expect(await session.statistics.hops == 1)
        }
    }

    @Test("from an actor it works")
    func actor() async throws {
        actor Fetcher {
            var count = 0
            func fetch(_ session: ClientSession, _ url: String) async throws -> Int {
                let text = try await session.get(url).text()
                count += text.count
                return count
            }
        }
        try await withServer({ _ in .text("ok") }) { session, server in
            let fetcher = Fetcher()
            let counts = [
                try await fetcher.fetch(session, server.url()), try await fetcher.fetch(session, server.url()),
            ]
            #expect(counts == [2, 4])
        }
    }

    @Test("a session made off every loop serves callers of the pool, and closes from there")
    func madeElsewhere() async throws {
        let server = try await HTTPServer.start { _ in .text("ok") }
        let session = ClientSession()
        for _ in 0..<3 {
            let text = try await session.get("http://\(server.address)/").text()
            #expect(text == "ok")
        }
        let statistics = await session.statistics
        #expect((statistics.requests, statistics.connectionsOpened, statistics.hops) == (3, 1, 3))
        await session.close()
        let error = await clientError { try await session.get("http://\(server.address)/") }
        #expect(error?.code == .sessionClosed)
        await server.shutdown()
    }

    @Test("cancelling a caller on another thread ends the request there")
    func cancelFromPool() async throws {
        let reached = Canceller()
        try await withScripts([.expectRequest, .perform { reached.fire() }, .stall]) { session, peer in
            // Virtual time must not run while the other thread is on its way.
            let loop = EventLoop.current
            loop?.beginExternalWork()
            defer { loop?.endExternalWork() }
            let task = await withCheckedContinuation { continuation in
                let task = Task.detached { try await session.get(someURL).text() }
                reached.arm { continuation.resume(returning: task) }
            }
            task.cancel()
            let result = await task.result
            #expect(throws: CancellationError.self) { try result.get() }
            await until { peer.end(0) == .closed }
        }
    }

    @Test("an unknown host is told from an unreachable one")
    func unknownHost() async throws {
        try await withTestLoop {
            let left = try await leaks {
                try await ClientSession.with { session in
                    let error = await clientError { try await session.get("http://nobody.invalid/") }
                    // A machine without any name server cannot know that the name does not exist.
                    #expect(error?.code == .unknownHost || error?.code == .connectionFailed)
                    #expect(error?.description.contains("nobody.invalid") == true)
                    #expect(error?.cause is NetError)
                    #expect(await session.statistics.open == 0)
                }
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test("a refused connection says so, with its address")
    func refused() async throws {
        try await withTestLoop {
            let listener = try await TCPListener.bind(host: "127.0.0.1", port: 0)
            let url = "http://\(listener.address)/"
            await listener.close()
            let left = try await leaks {
                try await ClientSession.with { session in
                    let error = await clientError { try await session.get(url) }
                    #expect(error?.code == .connectionRefused)
                    #expect(error?.description.contains("\(listener.address)") == true)
                }
            }
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test("a request that is cancelled during its name lookup ends at once and leaves nothing")
    func cancelLookup() async throws {
        try await withTestLoop {
            let left = try await leaks {
                try await ClientSession.with { session in
                    for turns in 0..<5 {
                        let task = EventLoop.spawn { try await session.get("http://nobody\(turns).invalid/").text() }
                        for _ in 0..<turns { await turn() }
                        task.cancel()
                        let result = await task.result
                        // The lookup may have been quicker.
                        #expect(throws: (any Error).self) { try result.get() }
                        #expect(await session.statistics.open == 0)
                    }
                }
            }
            #expect(left.isEmpty, "\(left)")
        }
    }
}
