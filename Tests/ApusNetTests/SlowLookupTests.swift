import ApusRuntime
import Glibc
import Logging
import Testing

@testable import ApusNet

@Suite("Slow look-ups: A57")
struct SlowLookupTests {
    @Test(
        "A57: in debug mode a look-up of 100 ms and more is told at level info; others, and out of debug mode, none",
        arguments: [true, false]
    )
    func slow(debug: Bool) async throws {
        let log = LogRecorder()
        var options = EventLoop.Options()
        options.debug = debug
        options.blockThreshold = .seconds(3600)
        options.logger = log.logger
        try await EventLoop.with(options) {
            let resolver = SystemResolver(timeToLive: .seconds(600), negativeTimeToLive: .seconds(600)) {
                host throws(NetError) in
                // On a thread of the resolver's own.
                if host == "slow.test" { usleep(100_000) }
                return [try SocketAddress("192.0.2.1", port: 0)]
            }
            _ = try await resolver.addresses(of: "slow.test", port: 1)
            // From the cache.
            _ = try await resolver.addresses(of: "slow.test", port: 1)
        }
        let lines = log.texts(.info)
        #expect(lines.count == (debug ? 1 : 0), "\(lines)")
        #expect(lines.allSatisfy { $0.hasPrefix("Looking up “slow.test” took ") && $0.hasSuffix(" ms.") })
    }
}
