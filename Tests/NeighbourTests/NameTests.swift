// Apus beside the libraries that a program is most likely to import too.
import Apus
import ApusTesting
import AsyncAlgorithms
import Foundation
import NIOCore
import Testing
import Tracing

/// What both have: `EventLoop` is NIOCore's as well, and so are `TimeAmount`'s neighbours and `SocketAddress`. With the module's name
/// before it Apus's is always meant; no type of ours is called `Apus`, which would hide the module.
@Suite("Names beside Foundation, Tracing, NIOCore and AsyncAlgorithms")
struct NameTests {
    @Test("names that are NIOCore's too resolve with the module's name before them")
    func shared() async throws {
        try await Apus.EventLoop.with {
            let loop: Apus.EventLoop? = Apus.EventLoop.current
            #expect(loop != nil)
            #expect(try await Apus.EventLoop.spawn { 1 }.value == 1)
            let address: Apus.SocketAddress = try Apus.SocketAddress("127.0.0.1", port: 80)
            let theirs: NIOCore.SocketAddress = try NIOCore.SocketAddress(ipAddress: "127.0.0.1", port: 80)
            #expect(address.port == theirs.port)
            func takesTheirs(_ loop: (any NIOCore.EventLoop)?) -> Bool { loop == nil }
            #expect(takesTheirs(nil))
        }
    }

    @Test("functions resolve with the module's name and without")
    func functions() async throws {
        try await withVirtualTime {
            let clock = try #require(Apus.EventLoop.current).clock
            let start = clock.now
            try await Apus.sleep(for: .seconds(1))
            try await sleep(for: .seconds(1))
            try await Apus.sleep(until: clock.now.advanced(by: .seconds(1)))
            #expect(start.duration(to: clock.now) == .seconds(3))
            #expect(try await Apus.gather(1...3) { $0 } == [1, 2, 3])
            #expect(try await gather(1...3) { $0 } == [1, 2, 3])
            #expect(try await Apus.withTimeout(.seconds(5)) { 1 } == 1)
            #expect(try await withTimeout(.seconds(5)) { 1 } == 1)
            #expect(try await Apus.offload { Data("x".utf8) }.count == 1)
            #expect(try await offload(to: .cpu) { 2 } == 2)
        }
    }

    @Test("types resolve with the module's name and without, and mean what they say")
    func types() async throws {
        let timeout: any Error = Apus.TimeoutError(duration: .seconds(1))
        #expect((timeout as? TimeoutError)?.duration == .seconds(1))
        let uri: URI = try Apus.URI("http://localhost/a")
        #expect(URL(string: uri.description)?.path() == "/a")
        var configuration = ClientSession.Configuration()
        configuration.pool.limit = 3
        #expect(configuration.pool.limit == 3)
        try await Apus.EventLoop.with {
            let server = try await HTTPServer.start { _ in ServerResponse.text("hello") }
            let text = try await Apus.ClientSession.with { try await $0.get("http://\(server.address)/").text() }
            #expect(text == "hello")
            await server.shutdown()
        }
        #expect(HTTPResponse.Status.ok.code == 200, "HTTPTypes, by re-export")
    }

    @Test("a span of Tracing's covers a request, and its task-locals reach offloaded calls")
    func tracing() async throws {
        try await Apus.EventLoop.with {
            var context = ServiceContext.topLevel
            context[UserKey.self] = "alice"
            let seen = try await ServiceContext.withValue(context) {
                try await withSpan("offload") { _ in
                    try await offload { ServiceContext.current?[UserKey.self] }
                }
            }
            #expect(seen == "alice")
        }
    }

    private enum UserKey: ServiceContextKey {
        typealias Value = String
    }
}
