import ApusRuntime

/// ``Timeouts`` in nanoseconds, worked out once per session or request: arithmetic on `Duration` is 128 bits wide.
struct StageLimits: Sendable {
    var connect: Int64
    var head: Int64
    var idle: Int64
    var acquire: Int64
    var total: Int64

    init(_ timeouts: Timeouts) {
        func nanoseconds(_ duration: Duration?) -> Int64 { duration.map { max(0, $0.clampedNanoseconds) } ?? .max }
        connect = nanoseconds(timeouts.connect)
        head = nanoseconds(timeouts.head)
        idle = nanoseconds(timeouts.idle)
        acquire = nanoseconds(timeouts.acquire)
        total = nanoseconds(timeouts.total)
    }
}
