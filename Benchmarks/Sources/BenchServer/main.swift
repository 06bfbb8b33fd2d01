// BenchServer PORT N: plain text as the server's documentation writes it, and at /json a value that Foundation's encoder writes for each
// request; ends with the Nth request (0: never).
import Apus
import FoundationEssentials
import Glibc
import Synchronization

struct Message: Encodable {
    let message: String
}

let arguments = CommandLine.arguments.dropFirst().compactMap { Int($0) }
guard arguments.count == 2, (1...65_535).contains(arguments[0]), arguments[1] >= 0 else {
    print("usage: BenchServer PORT N")
    exit(2)
}
let (port, total) = (arguments[0], arguments[1])
let served = Atomic<Int>(0)

// One descriptor per connection: as many as we may have.
var limit = rlimit()
getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
limit.rlim_cur = limit.rlim_max
setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)

try EventLoop.run {
    var configuration = HTTPServer.Configuration()
    configuration.connectionLimit = 20_000
    _ = try await HTTPServer.start(port: port, configuration: configuration) { request in
        // Its answer is missing then: whoever counts takes the difference of two runs.
        if served.wrappingAdd(1, ordering: .relaxed).newValue == total { exit(0) }
        if request.target == "/json" {
            let document = try JSONEncoder().encode(Message(message: "Hello, World!"))
            return ServerResponse(headers: [.contentType: "application/json"], bytes: Array(document))
        }
        return .text("Hello, World!")
    }
    try await sleep(for: .seconds(100_000))
}
