/// How often durations of which length have occurred: a histogram in the manner of HdrHistogram.
///
/// It has a fixed size, some 9 KiB, whatever it is given: 32 buckets for each doubling, so that a value is known to one part in 32
/// (3 %), from nanoseconds to an hour and more. Recording a value is a shift and an addition.
public struct DurationHistogram: Sendable, Hashable {
    /// 2 to the power of this many buckets for each doubling.
    private static let precision = 5
    /// What is longer (73 minutes) counts as that long.
    private static let maximumBits = 42
    private static let bucketCount = (maximumBits - precision + 1) << precision

    private var counts = [UInt64](repeating: 0, count: bucketCount)
    /// How many durations were recorded.
    public private(set) var count = 0
    private var sum: Int64 = 0
    private var longest: Int64 = 0

    public init() {}

    /// The longest duration, exactly; zero if there is none.
    public var maximum: Duration { .nanoseconds(longest) }
    /// The average, exactly; zero if there is none.
    public var mean: Duration { count == 0 ? .zero : .nanoseconds(sum) / count }

    /// Counts a duration. Less than zero counts as zero.
    public mutating func record(_ duration: Duration) { record(nanoseconds: duration.clampedNanoseconds) }

    mutating func record(nanoseconds: Int64) {
        let value = max(0, nanoseconds)
        counts[Self.bucket(of: value)] &+= 1
        count &+= 1
        sum = sum.addingClamped(value)
        longest = max(longest, value)
    }

    /// The duration that so many percent of all do not exceed, to one part in 32; zero if there is none.
    ///
    /// - Parameter percentage: 50 for the median, 99.9 for the slowest in a thousand; 0 or less gives the shortest, 100 or more the longest, and so
    ///   does what is no number.
    public func percentile(_ percentage: Double) -> Duration {
        guard count > 0 else { return .zero }
        guard percentage < 100 else { return maximum }
        let rank = max(1, UInt64((max(0, percentage) / 100 * Double(count)).rounded(.up)))
        var seen: UInt64 = 0
        for bucket in counts.indices where counts[bucket] > 0 {
            seen += counts[bucket]
            if seen >= rank { return .nanoseconds(min(Self.largestValue(in: bucket), longest)) }
        }
        return maximum
    }

    /// Counts what `other` has counted, too: for several loops together.
    public mutating func add(_ other: DurationHistogram) {
        for bucket in counts.indices { counts[bucket] &+= other.counts[bucket] }
        count &+= other.count
        sum = sum.addingClamped(other.sum)
        longest = max(longest, other.longest)
    }

    /// What was counted since an earlier copy of the same histogram. The maximum is then known to one part in 32 only, if it is older.
    public func since(_ earlier: DurationHistogram) -> DurationHistogram {
        var result = self
        for bucket in counts.indices {
            result.counts[bucket] = counts[bucket] &- min(counts[bucket], earlier.counts[bucket])
        }
        result.count = max(0, count - earlier.count)
        result.sum = max(0, sum - earlier.sum)
        if longest == earlier.longest {
            let last = result.counts.lastIndex { $0 > 0 }
            result.longest = last.map { min(Self.largestValue(in: $0), longest) } ?? 0
        }
        return result
    }

    // Below 32 each value has a bucket. Above, a value's leading six bits choose it.
    private static func bucket(of value: Int64) -> Int {
        let bits = Int64.bitWidth - value.leadingZeroBitCount
        guard bits > precision else { return Int(value) }
        guard bits <= maximumBits else { return bucketCount - 1 }
        let shift = bits - precision - 1
        return (shift + 1) << precision + (Int(value >> shift) - 1 << precision)
    }

    private static func largestValue(in bucket: Int) -> Int64 {
        guard bucket >= 1 << precision else { return Int64(bucket) }
        let shift = bucket >> precision - 1
        let leading = Int64(bucket & (1 << precision - 1) + 1 << precision)
        return ((leading + 1) << shift) - 1
    }
}
