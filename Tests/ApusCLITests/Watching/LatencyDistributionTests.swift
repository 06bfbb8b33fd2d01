import Apus
import Testing

@testable import ApusCLI

@Suite struct LatencyDistributionTests {
    @Test func barsHaveAllAndFitTheRoom() {
        var latency = LatencyDistribution()
        for microseconds in stride(from: 50, to: 5_000_000, by: 997) { latency.record(.microseconds(microseconds)) }
        for limit in [5, 18, 30, 70] {
            let bars = latency.bars(atMost: limit)
            #expect(bars.reduce(0) { $0 + $1.count } == latency.count)
            #expect(bars.count <= max(limit, 7))
            for (bar, next) in zip(bars, bars.dropFirst()) { #expect(bar.upper == next.lower) }
        }
    }

    @Test func aBarHasWhatIsInIt() throws {
        var latency = LatencyDistribution()
        latency.record(.milliseconds(2))
        latency.record(.microseconds(2_001))
        let bars = latency.bars(atMost: 10)
        #expect(bars.map(\.count) == [1, 1])
        #expect(bars.map(\.upper) == [.milliseconds(2), .microseconds(2_500)])
    }

    @Test func theShortestAndTheLongestHaveTheirBars() {
        var latency = LatencyDistribution()
        latency.record(.zero)
        latency.record(.seconds(-3))
        latency.record(.seconds(100_000_000_000))
        let bars = latency.bars(atMost: 200)
        #expect(bars.first?.lower == .zero)
        #expect(bars.first?.count == 2)
        #expect(bars.last?.upper == nil)
        #expect(bars.last?.count == 1)
    }

    @Test func nothingIsNoBars() { #expect(LatencyDistribution().bars(atMost: 10).isEmpty) }
}
