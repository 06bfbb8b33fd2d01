// BenchServer PORT N: plain text as the server's documentation writes it; ends with the Nth request (0: never).
import Apus
import Glibc
import Synchronization

let arguments = CommandLine.arguments.dropFirst().compactMap { Int($0) }
guard arguments.count == 2, (1...65_535).contains(arguments[0]), arguments[1] >= 0 else {
    print("usage: BenchServer PORT N")
    exit(2)
}
let (port, total) = (arguments[0], arguments[1])
let served = Atomic<Int>(0)

try EventLoop.run {
    _ = try await HTTPServer.start(port: port) { _ in
        // Its answer is missing then: whoever counts takes the difference of two runs.
        if served.wrappingAdd(1, ordering: .relaxed).newValue == total { exit(0) }
        return .text("Hello, World!")
    }
    try await sleep(for: .seconds(100_000))
}
