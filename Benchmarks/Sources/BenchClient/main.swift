// BenchClient URL N CONCURRENCY: N requests by C tasks through the public API, as the peers in ../peers do it. The environment that all
// clients know is in ../../peers/README.md.
import Apus
import Glibc

guard CommandLine.arguments.count == 4, let total = Int(CommandLine.arguments[2]),
    let concurrency = Int(CommandLine.arguments[3])
else {
    print("usage: BenchClient URL N CONCURRENCY")
    exit(2)
}
let url = CommandLine.arguments[1]
let measure = Measure(total: total)
let post = Measure.environment("BENCH_BODY").flatMap { Int($0) }.map { String(repeating: "x", count: $0) }

func text(of path: String) -> String {
    guard let file = fopen(path, "r") else { fatalError("cannot open \(path)") }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    while case let byte = getc(file), byte != EOF { bytes.append(UInt8(truncatingIfNeeded: byte)) }
    return String(decoding: bytes, as: UTF8.self)
}

let roots = Measure.environment("BENCH_ROOTS").map { text(of: $0) }

try EventLoop.run {
    var configuration = ClientSession.Configuration()
    configuration.pool.limit = concurrency
    if let roots {
        var tls = TLSConfiguration()
        tls.trust = .roots([roots])
        configuration.tls = tls
    }
    try await ClientSession.with(configuration) { session in
        _ = try await gather(0..<concurrency) { _ in
            while let begun = measure.begin() {
                let text =
                    if let post {
                        try await session.post(url, body: .text(post)).text()
                    } else {
                        try await session.get(url).text()
                    }
                measure.end(begun, bytes: text.utf8.count)
            }
        }
        measure.finish()
    }
}
measure.report("apus", concurrency: concurrency)
