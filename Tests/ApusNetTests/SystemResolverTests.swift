import ApusNet
import ApusRuntime
import Glibc
import Synchronization
import Testing

/// The resolver with a query of the test's own in place of getaddrinfo.
@Suite
struct SystemResolverTests {
    /// Queries that block until they are let go, and say when they have begun.
    private final class Gate: Sendable {
        private struct State {
            var begun: [String] = []
            var isOpen = false
            var waiters: [(count: Int, continuation: CheckedContinuation<Void, Never>)] = []
        }

        private let state = Mutex(State())
        private let condition = Mutex(())

        var begun: [String] { state.withLock { $0.begun } }

        func open() { state.withLock { $0.isOpen = true } }

        /// The query: runs on a thread of the resolver's pool.
        @Sendable
        func query(_ host: String) throws(NetError) -> [SocketAddress] {
            let due = state.withLock { state -> [CheckedContinuation<Void, Never>] in
                state.begun.append(host)
                let due = state.waiters.filter { $0.count <= state.begun.count }
                state.waiters.removeAll { $0.count <= state.begun.count }
                return due.map(\.continuation)
            }
            for continuation in due { continuation.resume() }
            // Its thread is the resolver's own, made to be blocked.
            while !state.withLock({ $0.isOpen }) { sched_yield() }
            return [try SocketAddress("192.0.2.1", port: 0), try SocketAddress("192.0.2.2", port: 0)]
        }

        /// Waits until `count` queries have begun.
        func hasBegun(_ count: Int) async {
            await withCheckedContinuation { continuation in
                let isDue = state.withLock { state in
                    if state.begun.count >= count { return true }
                    state.waiters.append((count, continuation))
                    return false
                }
                if isDue { continuation.resume() }
            }
        }
    }

    private func resolver(_ gate: Gate, timeToLive: Duration = .seconds(600)) -> SystemResolver {
        SystemResolver(timeToLive: timeToLive, negativeTimeToLive: timeToLive, query: gate.query)
    }

    @Test func `figures are answered without a query`() async throws {
        let gate = Gate()
        let addresses = try await resolver(gate).addresses(of: "::1", port: 80)
        #expect(addresses.map(\.description) == ["[::1]:80"])
        #expect(gate.begun.isEmpty)
    }

    @Test func `all who ask for one name at once share one query`() async throws {
        let gate = Gate()
        let resolver = resolver(gate)
        async let answers = gather(0..<20) { _ in try await resolver.addresses(of: "One.Example", port: 80) }
        await gate.hasBegun(1)
        gate.open()
        let received = try await answers
        #expect(received.count == 20)
        #expect(gate.begun == ["one.example"])
    }

    @Test func `an answer is kept, and each time another address comes first`() async throws {
        let gate = Gate()
        gate.open()
        let resolver = resolver(gate)
        var first: [String] = []
        for _ in 0..<4 { first.append(try await resolver.addresses(of: "two.example", port: 443)[0].description) }
        #expect(first == ["192.0.2.1:443", "192.0.2.2:443", "192.0.2.1:443", "192.0.2.2:443"])
        #expect(gate.begun.count == 1)
        #expect(resolver.statistics.hits == 3)
    }

    @Test func `an answer that is over is asked for again`() async throws {
        let gate = Gate()
        gate.open()
        let resolver = resolver(gate, timeToLive: .zero)
        for _ in 0..<3 { _ = try await resolver.addresses(of: "three.example", port: 1) }
        #expect(gate.begun.count == 3)
    }

    @Test func `an unknown name is remembered, a silent name server is not`() async throws {
        let count = Mutex(0)
        let resolver = SystemResolver(timeToLive: .seconds(600), negativeTimeToLive: .seconds(600)) {
            host throws(NetError) in
            count.withLock { $0 += 1 }
            throw NetError(host.hasPrefix("no") ? .unknownHost : .nameLookupFailed, "no answer for \(host)")
        }
        for _ in 0..<3 {
            await #expect(throws: NetError.self) { try await resolver.addresses(of: "nowhere.example", port: 1) }
        }
        #expect(count.withLock { $0 } == 1)
        for _ in 0..<3 {
            await #expect(throws: NetError.self) { try await resolver.addresses(of: "silent.example", port: 1) }
        }
        #expect(count.withLock { $0 } == 4)
    }

    @Test func `eight queries run at a time, and one that nobody waits for gives up its slot`() async throws {
        let gate = Gate()
        let resolver = resolver(gate)
        try await EventLoop.with {
            let hanging = (0..<8).map { index in
                EventLoop.spawn { try await resolver.addresses(of: "hang\(index).example", port: 1) }
            }
            await gate.hasBegun(8)
            let ninth = EventLoop.spawn { try await resolver.addresses(of: "ninth.example", port: 1) }
            while resolver.statistics.queued == 0 { await Task.yield() }
            #expect(gate.begun.count == 8)
            hanging[3].cancel()
            await gate.hasBegun(9)
            #expect(gate.begun.last == "ninth.example")
            gate.open()
            _ = try await ninth.value
            for (index, task) in hanging.enumerated() {
                let result = await task.result
                #expect((try? result.get()) == nil ? index == 3 : index != 3)
            }
        }
        #expect(resolver.statistics.running == 0)
    }

    @Test func `cancelling one who waits does not disturb the others`() async throws {
        let gate = Gate()
        let resolver = resolver(gate)
        try await EventLoop.with {
            let one = EventLoop.spawn { try await resolver.addresses(of: "shared.example", port: 1) }
            let two = EventLoop.spawn { try await resolver.addresses(of: "shared.example", port: 1) }
            await gate.hasBegun(1)
            while resolver.statistics.joined == 0 { await Task.yield() }
            one.cancel()
            await #expect(throws: CancellationError.self) { try await one.value }
            gate.open()
            let count = try await two.value.count
            #expect(count == 2)
        }
    }

    @Test func `a table answers in place of the system, and a name that is not in it is unknown`() async throws {
        let table = StaticResolver(["api.example": ["127.0.0.1", "::1"]])
        let addresses = try await table.addresses(of: "API.example", port: 8080)
        #expect(addresses.map(\.description) == ["127.0.0.1:8080", "[::1]:8080"])
        await #expect(throws: NetError.self) { try await table.addresses(of: "other.example", port: 80) }
        let figures = try await table.addresses(of: "192.0.2.1", port: 80)
        #expect(figures.map(\.description) == ["192.0.2.1:80"])
    }

    @Test("A74: an address has a name, or an error that says which it has not, without holding the loop")
    func namesOfAddresses() async throws {
        try await EventLoop.with {
            let address = try SocketAddress("192.0.2.7", port: 80)
            let resolver = SystemResolver.shared
            let isElsewhere = EventLoop.current
            let name = try await resolver.hostName(of: address) { (asked) throws(NetError) in
                isElsewhere?.isCurrent == true ? "on the loop" : "host-of-\(asked.host)"
            }
            #expect(name == "host-of-192.0.2.7")
            await #expect {
                _ = try await resolver.hostName(of: address) { (_) throws(NetError) in
                    throw NetError(.unknownHost, "none")
                }
            } throws: {
                ($0 as? NetError)?.code == .unknownHost
            }
            let unix = try SocketAddress(unixPath: "/run/some.socket")
            await #expect {
                _ = try await resolver.hostName(of: unix)
            } throws: {
                ($0 as? NetError)?.code == .invalidAddress
            }
            // The system's own file has the name of this one.
            let localhost = try await resolver.hostName(of: .loopback(port: 0))
            #expect(!localhost.isEmpty && localhost != "127.0.0.1")
        }
    }

    @Test("A74: names resolve while every thread of the loop's pool is held: lookups have a pool of their own")
    func ownPool() async throws {
        var options = EventLoop.Options()
        options.blockingPool = OffloadPool(name: "held", maximumThreads: 1, maximumQueue: 1)
        let hold = Gate()
        try await EventLoop.with(options) {
            let holder = EventLoop.spawn { try await offload { try hold.query("holder") } }
            await hold.hasBegun(1)
            let resolver = SystemResolver(timeToLive: .zero, negativeTimeToLive: .zero) { _ throws(NetError) in
                [try SocketAddress("192.0.2.7", port: 0)]
            }
            let addresses = try await resolver.addresses(of: "a.test", port: 1)
            #expect(addresses.count == 1)
            hold.open()
            _ = try await holder.value
        }
    }
}
