/// What was done when: a bounded number of slices of time, all as long, which double whenever the run outgrows them.
struct ThroughputSeries: Sendable, Equatable {
    struct Slice: Sendable, Equatable {
        var fetched = 0
        var failed = 0
        var bytes = 0

        static func + (left: Slice, right: Slice) -> Slice {
            Slice(
                fetched: left.fetched + right.fetched,
                failed: left.failed + right.failed,
                bytes: left.bytes + right.bytes
            )
        }
    }

    static let limit = 240

    /// How long each slice is.
    var width: Duration { .nanoseconds(nanoseconds) }
    private(set) var nanoseconds: Int64 = 50_000_000
    /// From the run's beginning on; the last one may not be over.
    private(set) var slices: [Slice] = []

    /// The slice of a moment, to add to.
    mutating func update(at elapsed: Duration, _ change: (inout Slice) -> Void) {
        update(at: elapsed.inNanoseconds, change)
    }

    /// - Parameter elapsed: in nanoseconds.
    mutating func update(at elapsed: Int64, _ change: (inout Slice) -> Void) {
        var index = index(of: elapsed)
        while index >= Self.limit {
            slices = stride(from: 0, to: slices.count, by: 2).map {
                $0 + 1 < slices.count ? slices[$0] + slices[$0 + 1] : slices[$0]
            }
            nanoseconds *= 2
            index = self.index(of: elapsed)
        }
        while slices.count <= index { slices.append(Slice()) }
        change(&slices[index])
    }

    /// Nothing is negative: a clock that goes back, as between threads, is taken as standing still.
    private func index(of elapsed: Int64) -> Int { max(0, Int(elapsed / nanoseconds)) }
}
