// BenchGrowth CASE N OPERATIONS [PORT]: what one operation costs with N things around: connections, timers, tasks, hosts, names.
//     Prints a line: CPU time of this process per operation, of it user mode, and wall time, in µs. Cases of the client need the port
//     of a server on 127.0.0.1.
// BenchGrowth serve PORT LOOPS: a server on so many loops that share the port.
// BenchGrowth hold PORT N SECONDS: N connections that have had one answer and stay idle so long. Prints a line when all are there.
import Apus
@preconcurrency import Glibc

let arguments = CommandLine.arguments.dropFirst().map { $0 }
let numbers = arguments.dropFirst().compactMap { Int($0) }
let name = arguments.first ?? ""

func usage() -> Never {
    let cases = (Array(runtimeCases.keys) + ClientCases.names).sorted().joined(separator: " ")
    print("usage: BenchGrowth CASE N OPERATIONS [PORT] | serve PORT LOOPS | hold PORT N SECONDS\ncases: \(cases)")
    exit(2)
}

func serve(_ port: Int, loops: Int) throws {
    var configuration = HTTPServer.Configuration()
    configuration.connectionLimit = 20_000
    configuration.reusePort = loops > 1
    let handler: HTTPServer.Handler = { _ in .text("Hello, World!") }
    if loops == 1 {
        try EventLoop.run { [configuration] in
            _ = try await HTTPServer.start(port: port, configuration: configuration, handler: handler)
            try await sleep(for: .seconds(100_000))
        }
    } else {
        try EventLoop.run { [configuration] in
            _ = try await LoopGroup.with(count: loops) { group in
                try await group.each { _ in
                    _ = try await HTTPServer.start(port: port, configuration: configuration, handler: handler)
                    try await sleep(for: .seconds(100_000))
                }
            }
        }
    }
}

func hold(_ port: Int, _ count: Int, seconds: Int) throws {
    try EventLoop.run {
        let streams = try await gather(0..<count, limit: 200) { _ in
            let stream = try await TCPStream.connect(host: "127.0.0.1", port: port)
            try await stream.write("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            _ = try await stream.read()
            return stream
        }
        print("held \(streams.count)")
        try await sleep(for: .seconds(seconds))
        for stream in streams { await stream.close() }
    }
}

setlinebuf(stdout)
// One descriptor per connection: as many as we may have.
var limit = rlimit()
getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
limit.rlim_cur = limit.rlim_max
setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)

switch name {
case "serve" where numbers.count == 2: try serve(numbers[0], loops: numbers[1])
case "hold" where numbers.count == 3: try hold(numbers[0], numbers[1], seconds: numbers[2])
case _ where numbers.count >= 2 && numbers[0] > 0 && numbers[1] > 0:
    let (size, count) = (numbers[0], numbers[1])
    let meter = Meter(name, size)
    if let body = runtimeCases[name] {
        try EventLoop.run { try await body(meter, size, count) }
    } else if ClientCases.names.contains(name), numbers.count == 3 {
        let cases = ClientCases(meter: meter, size: size, count: count, port: numbers[2])
        try EventLoop.run { try await cases.run(name) }
    } else {
        usage()
    }
default: usage()
}
