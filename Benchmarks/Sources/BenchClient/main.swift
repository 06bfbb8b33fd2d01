// BenchClient URL N CONCURRENCY: N requests by C tasks through the public API, as the peers in ../peers do it.
import Apus
import Glibc
import Synchronization

guard CommandLine.arguments.count == 4, let total = Int(CommandLine.arguments[2]),
    let concurrency = Int(CommandLine.arguments[3])
else {
    print("usage: BenchClient URL N CONCURRENCY")
    exit(2)
}
let url = CommandLine.arguments[1]
let next = Atomic<Int>(0)
let bytes = Atomic<Int>(0)

let wall = try EventLoop.run {
    var configuration = ClientSession.Configuration()
    configuration.pool.limit = concurrency
    return try await ClientSession.with(configuration) { session in
        let start = ContinuousClock.now
        _ = try await gather(0..<concurrency) { _ in
            while next.wrappingAdd(1, ordering: .relaxed).newValue <= total {
                let text = try await session.get(url).text()
                bytes.wrappingAdd(text.utf8.count, ordering: .relaxed)
            }
        }
        return start.duration(to: .now) / .seconds(1)
    }
}

var usage = rusage()
getrusage(__rusage_who_t(0), &usage)
func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
func rounded(_ value: Double) -> Double { (value * 1000).rounded() / 1000 }
let user = seconds(usage.ru_utime)
let cpu = user + seconds(usage.ru_stime)
print(
    "apus: n=\(total) c=\(concurrency) wall=\(rounded(wall)) rps=\(Int(Double(total) / wall)) "
        + "cpu/req=\(rounded(cpu / Double(total) * 1e6))us user/req=\(rounded(user / Double(total) * 1e6))us "
        + "rss=\(usage.ru_maxrss)K bytes=\(bytes.load(ordering: .relaxed))"
)
