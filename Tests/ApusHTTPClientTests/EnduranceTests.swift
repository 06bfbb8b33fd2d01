import ApusHTTPClient
import ApusNet
import ApusRuntime
import ApusTesting
import Foundation
import Glibc
import Testing

/// Many requests, anything may go wrong, and nothing may be left.
///
/// `APUS_ENDURANCE=1` runs 100,000, and looks at the heap too: then no other test may run beside it.
@Suite("Endurance", .serialized)
struct EnduranceTests {
    private static let isLong = ProcessInfo.processInfo.environment["APUS_ENDURANCE"] == "1"
    private static let count = isLong ? 100_000 : 5_000

    /// What a connection does: some good responses, and then a fault.
    @Sendable
    private static func script(_ number: Int, seed: UInt64) -> [ScriptStep] {
        var random = SplitMix(seed: seed &+ UInt64(number) &* 7_919)
        let pause = Duration.milliseconds(5)
        let steps = RandomFaults.responses(to: .expectHead, size: 20_000, pause: pause, using: &random)
        switch Int.random(in: 0..<RandomFaults.count + 4, using: &random) {
        case RandomFaults.count: return [.refuse]
        case RandomFaults.count + 1: return [.wait(.milliseconds(20))] + steps + [.finish]
        case RandomFaults.count + 2: return steps + [.take(100), .stall]
        case RandomFaults.count + 3:
            let answer = "HTTP/1.1 413 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            return steps + [.expectHead, .send(answer), .finish]
        case let number: return steps + RandomFaults.fault(number, after: .expectHead)
        }
    }

    @Sendable
    private static func request(_ session: ClientSession, _ number: Int, _ seed: UInt64) async throws -> String {
        var random = SplitMix(seed: seed ^ UInt64(number) &* 104_729)
        let kind = Int.random(in: 0..<6, using: &random)
        // Many hosts, so that the table of hosts is swept too.
        let url = "http://host\(Int.random(in: 0..<(number % 100 == 0 ? 5_000 : 3), using: &random)).test/"
        return try await RandomFaults.outcome(using: &random) {
            switch kind {
            case 0: try await session.post(url, body: .text("order"))
            case 1: try await session.put(url, body: .bytes([UInt8](repeating: 1, count: 70_000)))
            case 2:
                try await session.put(
                    url,
                    body: .written { writer in
                        for _ in 0..<3 { try await writer.write([UInt8](repeating: 1, count: 5_000)) }
                    }
                )
            default: try await session.get(url)
            }
        }
    }

    private typealias MallocInfo = @convention(c) (Int32, UnsafeMutablePointer<FILE>) -> Int32

    /// The process's heap in use, in bytes, of all arenas: malloc_info(3), whose header is no part of the module Glibc.
    private static func memory() throws -> Int {
        let address = try #require(dlsym(nil, "malloc_info"))
        let report = unsafeBitCast(address, to: MallocInfo.self)
        var (text, count): (UnsafeMutablePointer<CChar>?, Int) = (nil, 0)
        let file = try #require(open_memstream(&text, &count))
        try #require(report(0, file) == 0)
        fclose(file)
        defer { free(text) }
        // The sums are behind the last arena: <total type="fast|rest|mmap" count="…" size="…"/>, <system type="current" size="…"/>.
        let sums = String(cString: try #require(text)).components(separatedBy: "</heap>").last ?? ""
        func size(_ kind: String) throws -> Int {
            let line = try #require(sums.split(separator: "\n").first { $0.contains(kind) })
            let digits = try #require(line.components(separatedBy: " size=\"").last).prefix { $0.isNumber }
            return try #require(Int(digits))
        }
        return try size("system type=\"current\"") + size("total type=\"mmap\"") - size("total type=\"fast\"")
            - size("total type=\"rest\"")
    }

    /// The handlers that the test library has the runtime call before each throw: it keeps a backtrace of every error until the test
    /// has ended, some 200 bytes each, which is more than all that these requests may leave.
    private static func withoutErrorBacktraces(_ body: () async throws -> Void) async throws {
        var handlers: [UnsafeMutablePointer<UnsafeRawPointer?>] = []
        for name in ["_swift_willThrow", "_swift_willThrowTypedImpl"] {
            let address = try #require(
                dlsym(nil, name),
                "The runtime has no \(name) any more: how are errors noted now?"
            )
            handlers.append(address.assumingMemoryBound(to: UnsafeRawPointer?.self))
        }
        let former = handlers.map(\.pointee)
        for handler in handlers { handler.pointee = nil }
        defer { for (handler, value) in zip(handlers, former) { handler.pointee = value } }
        try await body()
    }

    @Test("the heap does not grow with the number of faulty requests")
    func growth() async throws {
        // Other tests beside it move more than it looks for.
        guard Self.isLong else { return }
        let seed: UInt64 = 4_711
        let count = Self.count / 10
        // A quarter of a byte per request: what tables do that grow late. One lost object in a hundred requests is more.
        let slack = 6 * count / 4
        try await Self.withoutErrorBacktraces {
            try await withVirtualTime {
                var sizes: [Int] = []
                for _ in 0..<14 {
                    try await Self.phase(count, seed)
                    sizes.append(try Self.memory())
                }
                // The first phases fill tables that stay, as large as they were ever needed. Some of those grow and shrink by doubling,
                // so sizes go up and down; the smallest of several would go up only with a loss.
                let (early, late) = (sizes[2..<8].min() ?? 0, sizes[8...].min() ?? .max)
                #expect(late - early < slack, "bytes in use after each phase of \(count) requests: \(sizes)")
                print("Endurance: bytes in use after each phase of \(count) requests: \(sizes)")
            }
        }
    }

    /// The same requests each time, on a session of their own, until nothing is left.
    private static func phase(_ count: Int, _ seed: UInt64) async throws {
        let peer = ScriptedPeer { script($0, seed: seed) }
        peer.forgetsEndedConnections()
        var configuration = ClientSession.Configuration()
        configuration.pool.limit = 64
        configuration.timeouts.idle = .milliseconds(50)
        configuration.timeouts.head = .milliseconds(80)
        configuration.timeouts.total = .milliseconds(120)
        let session = ClientSession.scripted(peer, configuration)
        _ = try await gather(0..<count, limit: 100) { try await request(session, $0, seed) }
        try await sleep(for: .seconds(2))
        await session.close()
        for _ in 0..<100 { await turn() }
    }

    @Test("requests with random faults leave no connection, place, timer and task")
    func faults() async throws {
        let seed: UInt64 = 20_261
        let count = Self.count
        try await withVirtualTime {
            let left = try await leaks {
                let peer = ScriptedPeer { Self.script($0, seed: seed) }
                peer.forgetsEndedConnections()
                var configuration = ClientSession.Configuration()
                configuration.pool.limit = 64
                configuration.timeouts.idle = .milliseconds(50)
                configuration.timeouts.head = .milliseconds(80)
                configuration.timeouts.total = .milliseconds(120)
                let session = ClientSession.scripted(peer, configuration)
                var outcomes: Set<String> = []
                for round in 0..<10 {
                    let numbers = round * count / 10..<(round + 1) * count / 10
                    outcomes.formUnion(
                        try await gather(numbers, limit: 100) { try await Self.request(session, $0, seed) }
                    )
                    let statistics = await session.statistics
                    #expect(statistics.waiting == 0, "seed \(seed): \(statistics)")
                }
                // Uploads that were answered early end by themselves.
                try await sleep(for: .seconds(2))
                let statistics = await session.statistics
                #expect(statistics.open == statistics.idle, "seed \(seed): \(statistics)")
                await session.close()
                let closed = await session.statistics
                #expect(closed.open == 0)
                #expect(peer.open == 0)
                // It is endurance only if some of each happened.
                for outcome in [
                    "ok", "cancelled", "connectionRefused", "connectionClosed", "closedInHead", "closedInBody",
                    "malformedResponse", "idleTimeout", "headTimeout",
                ] {
                    #expect(outcomes.contains(outcome), "seed \(seed): no \(outcome)")
                }
                #expect(
                    outcomes.isSubset(of: [
                        "ok", "cancelled", "connectionRefused", "connectionClosed", "closedInHead", "closedInBody",
                        "malformedResponse", "idleTimeout", "headTimeout", "writeTimeout", "totalTimeout",
                    ]),
                    "seed \(seed): \(outcomes)"
                )
            }
            #expect(left.isEmpty, "seed \(seed): \(left)")
        }
    }

    @Test("a pool of four places, 2,000 requests, and storms of cancellations lose no place")
    func exhaustion() async throws {
        let seed: UInt64 = 99
        var configuration = ClientSession.Configuration()
        configuration.pool.limit = 4
        try await withScripts(
            configuration: configuration,
            script: { _ in
                (0..<3_000).flatMap { _ in [.expectRequest, .wait(.milliseconds(10)), .send(okResponse)] }
            }
        ) { session, peer in
            var random = SplitMix(seed: seed)
            var ended = (ok: 0, cancelled: 0)
            for _ in 0..<20 {
                let tasks = (0..<100).map { _ in EventLoop.spawn { try await session.get(someURL).text() } }
                for _ in 0..<Int.random(in: 0..<30, using: &random) { await turn() }
                for task in tasks.shuffled(using: &random).prefix(Int.random(in: 0...100, using: &random)) {
                    task.cancel()
                    if Int.random(in: 0..<5, using: &random) == 0 { await turn() }
                }
                for task in tasks {
                    switch await task.result {
                    case .success: ended.ok += 1
                    case .failure(let error):
                        #expect(error is CancellationError)
                        ended.cancelled += 1
                    }
                }
                let statistics = await session.statistics
                #expect(statistics.open <= 4 && statistics.waiting == 0, "seed \(seed): \(statistics)")
            }
            #expect(ended.ok > 100 && ended.cancelled > 100, "seed \(seed): \(ended)")
            #expect(peer.open <= 4)
            try await expectOK(session)
        }
    }
}
