import ApusTesting
import Testing

@testable import ApusRuntime

@Suite("DurationHistogram")
struct DurationHistogramTests {
    @Test("each percentile is the true one, or up to one part in 32 more", arguments: [1, 2, 3, 4, 5] as [UInt64])
    func percentiles(seed: UInt64) {
        var random = SplitMix(seed: seed)
        var values: [Int64] = []
        var histogram = DurationHistogram()
        for _ in 0..<5_000 {
            // Of all magnitudes alike.
            let value = Int64.random(in: 0...(1 << Int64.random(in: 0...41, using: &random)), using: &random)
            values.append(value)
            histogram.record(.nanoseconds(value))
        }
        values.sort()
        for percentage in [0, 0.02, 1, 10, 50, 90, 99, 99.9, 99.99, 100] {
            let rank = max(1, Int((percentage / 100 * 5_000).rounded(.up)))
            let truth = values[rank - 1]
            let found = histogram.percentile(percentage).clampedNanoseconds
            #expect(
                found >= truth && found <= truth + truth / 32,
                "p\(percentage): \(found), not \(truth), seed \(seed)"
            )
        }
        #expect(histogram.maximum == .nanoseconds(values[4_999]))
        #expect(histogram.mean == .nanoseconds(values.reduce(0, +)) / 5_000)
        #expect(histogram.count == 5_000)
    }

    @Test("small values are exact")
    func small() {
        for value in 0...63 as ClosedRange<Int64> {
            var histogram = DurationHistogram()
            histogram.record(.nanoseconds(value))
            histogram.record(.seconds(1))
            #expect(histogram.percentile(50) == .nanoseconds(value))
        }
    }

    @Test("without values all is zero; negative, overlong and senseless ones do not trap")
    func bad() {
        var histogram = DurationHistogram()
        for percentage in [-1, 0, 50, 100, 101, .nan, .infinity, -Double.infinity] {
            #expect(histogram.percentile(percentage) == .zero)
        }
        #expect(histogram.mean == .zero && histogram.maximum == .zero)
        histogram.record(.seconds(-5))
        #expect(histogram.percentile(100) == .zero && histogram.count == 1)
        histogram.record(.seconds(Int64.max))
        histogram.record(.seconds(Int64.max))
        #expect(histogram.maximum == .nanoseconds(Int64.max))
        #expect(histogram.percentile(1) == .zero)
        #expect(histogram.percentile(50) >= .seconds(4_000), "the longest that is told apart")
        for percentage in [-1, .nan, .infinity, -Double.infinity] { _ = histogram.percentile(percentage) }
        #expect(histogram.percentile(.nan) == histogram.maximum)
    }

    @Test("several are added, and what came since a copy is told apart")
    func arithmetic() {
        var one = DurationHistogram()
        var two = DurationHistogram()
        for value in 1...100 { one.record(.milliseconds(value)) }
        two.record(.seconds(9))
        let before = one
        one.add(two)
        #expect(one.count == 101 && one.maximum == .seconds(9))
        let added = one.since(before)
        #expect(added.count == 1 && added.maximum == .seconds(9) && added.percentile(1) == .seconds(9))
        let nothing = one.since(one)
        #expect(nothing.count == 0 && nothing.maximum == .zero && nothing.percentile(99) == .zero)
        let copy = one
        one.record(.milliseconds(3))
        let third = one.since(copy)
        #expect(third.count == 1 && third.maximum >= .milliseconds(3) && third.maximum < .milliseconds(4))
    }
}
