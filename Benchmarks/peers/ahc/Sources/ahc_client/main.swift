// ahc_client URL N CONCURRENCY: AsyncHTTPClient on one event loop thread; C tasks share one counter.
// Prints one line in the shape that all clients print.
import AsyncHTTPClient
import Glibc
import NIOCore
import NIOPosix
import Synchronization

guard CommandLine.arguments.count == 4, let n = Int(CommandLine.arguments[2]), let c = Int(CommandLine.arguments[3])
else {
    print("usage: ahc_client URL N CONCURRENCY")
    exit(2)
}
let url = CommandLine.arguments[1]
var configuration = HTTPClient.Configuration()
configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = c
let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
let client = HTTPClient(eventLoopGroupProvider: .shared(group), configuration: configuration)
let next = Atomic<Int>(0)
let bytes = Atomic<Int>(0)
let start = ContinuousClock.now
try await withThrowingTaskGroup(of: Void.self) { tasks in
    for _ in 0..<c {
        tasks.addTask {
            while next.wrappingAdd(1, ordering: .relaxed).newValue <= n {
                let response = try await client.execute(HTTPClientRequest(url: url), timeout: .seconds(30))
                let body = try await response.body.collect(upTo: 1 << 20)
                bytes.wrappingAdd(body.readableBytes, ordering: .relaxed)
            }
        }
    }
    try await tasks.waitForAll()
}
let wall = start.duration(to: .now) / .seconds(1)

var usage = rusage()
getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
let user = seconds(usage.ru_utime)
let cpu = user + seconds(usage.ru_stime)
func rounded(_ value: Double, _ digits: Int) -> String {
    let factor = pow(10, Double(digits))
    return "\((value * factor).rounded() / factor)"
}
print(
    "ahc: n=\(n) c=\(c) wall=\(rounded(wall, 4)) rps=\(Int(Double(n) / wall)) "
        + "cpu/req=\(rounded(cpu / Double(n) * 1e6, 3))us user/req=\(rounded(user / Double(n) * 1e6, 3))us "
        + "rss=\(usage.ru_maxrss)K bytes=\(bytes.load(ordering: .relaxed))"
)
try await client.shutdown().get()
