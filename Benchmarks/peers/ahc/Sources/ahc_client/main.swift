// ahc_client URL N CONCURRENCY: AsyncHTTPClient on one event loop thread; C tasks share one counter.
// Prints one line in the shape that all clients print; ../../../README.md has the environment.
import AsyncHTTPClient
import Glibc
import NIOCore
import NIOPosix
import NIOSSL

guard CommandLine.arguments.count == 4, let n = Int(CommandLine.arguments[2]), let c = Int(CommandLine.arguments[3])
else {
    print("usage: ahc_client URL N CONCURRENCY")
    exit(2)
}
let url = CommandLine.arguments[1]
let post = Measure.environment("BENCH_BODY").flatMap { Int($0) }.map { ByteBuffer(repeating: 120, count: $0) }
var configuration = HTTPClient.Configuration()
configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = c
configuration.httpVersion = .http1Only
if let roots = Measure.environment("BENCH_ROOTS") {
    var tls = TLSConfiguration.makeClientConfiguration()
    tls.trustRoots = .file(roots)
    configuration.tlsConfiguration = tls
}
let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
let client = HTTPClient(eventLoopGroupProvider: .shared(group), configuration: configuration)
let measure = Measure(total: n)
try await withThrowingTaskGroup(of: Void.self) { tasks in
    for _ in 0..<c {
        tasks.addTask {
            while let begun = measure.begin() {
                var request = HTTPClientRequest(url: url)
                if let post {
                    request.method = .POST
                    request.body = .bytes(post)
                }
                let response = try await client.execute(request, timeout: .seconds(30))
                let body = try await response.body.collect(upTo: 1 << 20)
                measure.end(begun, bytes: body.readableBytes)
            }
        }
    }
    try await tasks.waitForAll()
}
measure.finish()
measure.report("ahc", concurrency: c)
try await client.shutdown().get()
