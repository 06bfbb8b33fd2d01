// The peer ahc, which is another package, has this file by a link.
import Glibc
import Synchronization

/// From a request on, which need not be the first: time, CPU, and how long each request took.
///
/// Of the environment: BENCH_WARM is how many requests are left out, BENCH_TIMES has each of the others timed.
final class Measure: Sendable {
    struct Moment {
        var nanoseconds = 0
        var user = 0.0
        var system = 0.0
        var done = 0
        var kilobytes = 0
    }

    /// 128 slots for each doubling: no figure is off by more than 0.8 %.
    private static let perOctave = 128

    let total: Int
    let warm: Int
    private let times: Bool
    private let next = Atomic<Int>(0)
    private let done = Atomic<Int>(0)
    private let bytes = Atomic<Int>(0)
    private let start = Mutex(Moment(nanoseconds: Measure.now()))
    private let stop = Mutex(Moment())
    private let histogram = Mutex([UInt32](repeating: 0, count: 64 * Measure.perOctave))

    init(total: Int) {
        self.total = total
        warm = Measure.environment("BENCH_WARM").flatMap { Int($0) } ?? 0
        times = Measure.environment("BENCH_TIMES") != nil
    }

    static func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

    private static func now() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec * 1_000_000_000 + time.tv_nsec
    }

    private func moment() -> Moment {
        var usage = rusage()
        getrusage(__rusage_who_t(0), &usage)
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        return Moment(
            nanoseconds: Measure.now(),
            user: seconds(usage.ru_utime),
            system: seconds(usage.ru_stime),
            done: done.load(ordering: .relaxed),
            kilobytes: usage.ru_maxrss
        )
    }

    /// When the next request begins: 0 if nobody times it, nil if there is none.
    func begin() -> Int? {
        let number = next.wrappingAdd(1, ordering: .relaxed).newValue
        guard number <= total else { return nil }
        if number == warm + 1, warm > 0 { start.withLock { $0 = moment() } }
        return times && number > warm ? Measure.now() : 0
    }

    func end(_ begun: Int, bytes count: Int) {
        done.wrappingAdd(1, ordering: .relaxed)
        bytes.wrappingAdd(count, ordering: .relaxed)
        guard begun != 0 else { return }
        let spent = max(Measure.now() - begun, 1)
        let shift = max(Int.bitWidth - spent.leadingZeroBitCount - 8, 0)
        histogram.withLock { $0[shift * Measure.perOctave + (spent >> shift)] += 1 }
    }

    /// All have been answered; what closing costs is not measured.
    func finish() { stop.withLock { $0 = moment() } }

    private func percentile(_ share: Double) -> Double {
        histogram.withLock { histogram in
            var left = Int(Double(histogram.reduce(0) { $0 + Int($1) }) * share)
            for (slot, count) in histogram.enumerated() {
                left -= Int(count)
                guard left < 0 else { continue }
                let shift = max(slot / Measure.perOctave - 1, 0)
                return (Double(slot - shift * Measure.perOctave) + 0.5) * Double(1 << shift) / 1000
            }
            return 0
        }
    }

    /// The line that every client prints.
    func report(_ name: String, concurrency: Int) {
        let (start, stop) = (start.withLock { $0 }, stop.withLock { $0 })
        let wall = Double(stop.nanoseconds - start.nanoseconds) / 1e9
        let counted = Double(stop.done - start.done)
        let user = (stop.user - start.user) / counted * 1e6
        let cpu = user + (stop.system - start.system) / counted * 1e6
        func rounded(_ value: Double) -> Double { (value * 1000).rounded() / 1000 }
        var line =
            "\(name): n=\(total) c=\(concurrency) wall=\(rounded(wall)) rps=\(Int(counted / wall)) cpu/req=\(rounded(cpu))us "
            + "user/req=\(rounded(user))us rss=\(stop.kilobytes)K bytes=\(bytes.load(ordering: .relaxed))"
        if times {
            line +=
                " p50=\(rounded(percentile(0.5))) p99=\(rounded(percentile(0.99))) p999=\(rounded(percentile(0.999)))"
        }
        print(line)
    }
}
