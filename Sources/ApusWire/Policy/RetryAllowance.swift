/// How many retries a number of requests may have: the arithmetic of a retry budget. A value without a clock.
///
/// Within a window, as many as a share of the requests that began in it, and a few beyond, so that a program that makes one request a
/// minute may retry at all. When a server is down, every request fails, and retries without a bound would multiply the load on it just
/// then; with one they add a fraction.
package struct RetryAllowance: Sendable, Hashable {
    /// The window moves in steps of a tenth.
    private static let slices = 10

    private let share: Double
    private let minimum: Int
    private let sliceLength: Int64
    private var requests = [Int](repeating: 0, count: slices)
    private var retries = [Int](repeating: 0, count: slices)
    /// The number of the newest slice, counted from the clock's beginning.
    private var newest: Int64 = 0

    /// - Parameters:
    ///   - share: of the requests; less than zero counts as zero, and what is no number too.
    ///   - minimum: retries that are allowed in any case.
    ///   - window: in nanoseconds.
    package init(share: Double, minimum: Int, window: Int64) {
        self.share = share > 0 ? min(share, 1_000) : 0
        self.minimum = max(0, minimum)
        sliceLength = max(1, window / Int64(Self.slices))
    }

    /// Notes a request that begins.
    package mutating func noteRequest(at now: Int64) {
        move(to: now)
        requests[slot(newest)] += 1
    }

    /// Notes a retry that happened without being asked about.
    package mutating func noteRetry(at now: Int64) {
        move(to: now)
        retries[slot(newest)] += 1
    }

    /// Takes a retry, if there is one.
    package mutating func takeRetry(at now: Int64) -> Bool {
        move(to: now)
        let allowed = minimum + Int(Double(requests.reduce(0, +)) * share)
        guard retries.reduce(0, +) < allowed else { return false }
        retries[slot(newest)] += 1
        return true
    }

    private func slot(_ slice: Int64) -> Int {
        let rest = Int(slice % Int64(Self.slices))
        return rest < 0 ? rest + Self.slices : rest
    }

    /// Forgets the slices that are over. A clock that goes backwards moves nothing.
    private mutating func move(to now: Int64) {
        let slice = now / sliceLength
        guard slice > newest else { return }
        if slice - newest >= Int64(Self.slices) {
            for index in 0..<Self.slices { (requests[index], retries[index]) = (0, 0) }
        } else {
            for passed in (newest + 1)...slice { (requests[slot(passed)], retries[slot(passed)]) = (0, 0) }
        }
        newest = slice
    }
}
