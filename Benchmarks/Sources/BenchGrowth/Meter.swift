import Glibc

/// CPU time, page faults and more of this process from one moment to another, and the line that says what one operation has taken of it.
// @unchecked: one thread at a time uses it, that of the loop or of the program's end.
final class Meter: @unchecked Sendable {
    private let name: String
    private let size: Int
    private var user = 0.0
    private var cpu = 0.0
    private var faults = 0
    private var wall = ContinuousClock.now

    init(_ name: String, _ size: Int) {
        self.name = name
        self.size = size
    }

    static func cpuSeconds() -> (user: Double, all: Double) {
        var usage = rusage()
        getrusage(__rusage_who_t(0), &usage)
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        let user = seconds(usage.ru_utime)
        return (user, user + seconds(usage.ru_stime))
    }

    /// Pages that the kernel had to give, none of them from a disk.
    private static func pageFaults() -> Int {
        var usage = rusage()
        getrusage(__rusage_who_t(0), &usage)
        return usage.ru_minflt
    }

    func start() {
        faults = Self.pageFaults()
        (user, cpu) = Self.cpuSeconds()
        wall = .now
    }

    func stop(after count: Int) {
        let length = wall.duration(to: .now) / .seconds(1)
        let now = Self.cpuSeconds()
        let faults = Double(Self.pageFaults() - faults) / Double(count)
        func each(_ seconds: Double) -> Double { (seconds / Double(count) * 1e10).rounded() / 1e4 }
        print(
            "growth \(name): n=\(size) ops=\(count) cpu=\(each(now.all - cpu)) user=\(each(now.user - user)) wall=\(each(length)) faults=\((faults * 1e4).rounded() / 1e4)"
        )
    }

    /// Measures `body` doing so many, after a tenth of them that does not count.
    func measure(_ count: Int, _ body: (Int) async throws -> Void) async throws {
        try await body(max(1, count / 10))
        start()
        try await body(count)
        stop(after: count)
    }

    /// Measures `rounds` times `body`, which does as many operations as there are things; one more comes first and does not count.
    func measure(rounds: Int, _ body: () async throws -> Void) async throws {
        try await body()
        start()
        for _ in 0..<rounds { try await body() }
        stop(after: rounds * size)
    }
}

/// Numbers that look random and are the same in every run (xorshift).
struct Numbers {
    private var state: UInt64 = 0x9E37_79B9_7F4A_7C15

    mutating func next(below bound: Int) -> Int {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return Int(state % UInt64(bound))
    }
}
