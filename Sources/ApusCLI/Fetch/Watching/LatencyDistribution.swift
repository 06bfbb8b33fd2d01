import Apus

/// How long requests took: for percentiles, and for a picture.
struct LatencyDistribution: Sendable, Equatable {
    /// The upper ends of the bins, in nanoseconds: ten for each factor of ten (the series R10 of ISO 3), so that 1, 2 and 5 are among them.
    static let edges: [Int64] = {
        var edges: [Int64] = []
        var decade: Int64 = 10_000
        while decade <= 1_000_000_000_000 {
            edges += [100, 125, 160, 200, 250, 315, 400, 500, 630, 800].map { $0 * decade / 100 }
            decade *= 10
        }
        return edges
    }()

    private(set) var histogram = DurationHistogram()
    /// One more than there are edges: the last is for what is longer than all.
    private(set) var bins = [Int](repeating: 0, count: Self.edges.count + 1)

    var count: Int { histogram.count }
    var maximum: Duration { histogram.maximum }
    var mean: Duration { histogram.mean }

    mutating func record(_ duration: Duration) { record(nanoseconds: duration.inNanoseconds) }

    mutating func record(nanoseconds: Int64) {
        histogram.record(.nanoseconds(nanoseconds))
        bins[Self.bin(of: nanoseconds)] += 1
    }

    mutating func add(_ other: LatencyDistribution) {
        histogram.add(other.histogram)
        for bin in bins.indices { bins[bin] += other.bins[bin] }
    }

    func percentile(_ percentage: Double) -> Duration { histogram.percentile(percentage) }

    /// What a picture shows: from the first bin with something in it to the last, in bins as fine as fit.
    ///
    /// - Parameter limit: the most bins that fit.
    func bars(atMost limit: Int) -> [Bar] {
        guard let first = bins.firstIndex(where: { $0 > 0 }), let last = bins.lastIndex(where: { $0 > 0 }) else {
            return []
        }
        // 1, 1.25, 1.6, 2, 2.5, … or 1, 2, 5, … or 1, 10, …
        for ends in [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [0, 3, 7], [0]] {
            let bars = bars(from: first, through: last, endingAt: ends)
            if bars.count <= limit || ends == [0] { return bars }
        }
        return []
    }

    private func bars(from first: Int, through last: Int, endingAt ends: [Int]) -> [Bar] {
        var bars: [Bar] = []
        // The bin before the first: its end is where the first bar begins.
        var start = first
        while start > 0, !ends.contains((start - 1) % 10) { start -= 1 }
        var bar = Bar(lower: start > 0 ? Self.edge(start - 1) : .zero, upper: nil, count: 0)
        for index in start..<bins.count {
            bar.count += bins[index]
            guard index < Self.edges.count else { break }
            guard ends.contains(index % 10) else { continue }
            bar.upper = Self.edge(index)
            bars.append(bar)
            if index >= last { return bars }
            bar = Bar(lower: Self.edge(index), upper: nil, count: 0)
        }
        bars.append(bar)
        return bars
    }

    struct Bar: Sendable, Equatable {
        var lower: Duration
        /// Nil: what is longer.
        var upper: Duration?
        var count: Int
    }

    private static func edge(_ index: Int) -> Duration { .nanoseconds(edges[index]) }

    /// The first bin whose end is not below.
    private static func bin(of nanoseconds: Int64) -> Int {
        let edges = edges
        var low = 0
        var high = edges.count
        while low < high {
            let middle = (low + high) / 2
            if edges[middle] < nanoseconds { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
