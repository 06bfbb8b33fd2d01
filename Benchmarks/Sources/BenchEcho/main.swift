// BenchEcho server PORT: TCP echo, as the listener's documentation writes it.
// BenchEcho client PORT N C [SIZE]: N round trips of SIZE bytes (1024) over C connections, as ../../peers/echo/echo_client.c.
import Apus
import Glibc
import Synchronization

let arguments = CommandLine.arguments.dropFirst().map { $0 }
guard arguments.count >= 2, let port = Int(arguments[1]), (1...65_535).contains(port) else {
    print("usage: BenchEcho server PORT | client PORT N C [SIZE]")
    exit(2)
}

func serve() throws {
    try EventLoop.run {
        let listener = try await TCPListener.bind(host: "127.0.0.1", port: port)
        try await listener.serve { stream in
            var buffer = [UInt8](repeating: 0, count: 65_536)
            while case let count = try await stream.read(into: &buffer), count > 0 {
                try await stream.write(buffer[..<count])
            }
        }
    }
}

func load(_ total: Int, _ concurrency: Int, _ size: Int) throws {
    let next = Atomic<Int>(0)
    let bytes = Atomic<Int>(0)
    let wall = try EventLoop.run {
        let start = ContinuousClock.now
        _ = try await gather(0..<concurrency) { _ in
            let stream = try await TCPStream.connect(host: "127.0.0.1", port: port)
            let message = [UInt8](repeating: 120, count: size)
            var buffer = [UInt8](repeating: 0, count: 65_536)
            while next.wrappingAdd(1, ordering: .relaxed).newValue <= total {
                try await stream.write(message)
                var received = 0
                while received < size {
                    let count = try await stream.read(into: &buffer)
                    guard count > 0 else { fatalError("the server has closed a connection") }
                    received += count
                }
                bytes.wrappingAdd(received, ordering: .relaxed)
            }
            await stream.close()
        }
        return start.duration(to: .now) / .seconds(1)
    }
    var usage = rusage()
    getrusage(__rusage_who_t(0), &usage)
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
    func rounded(_ value: Double) -> Double { (value * 1000).rounded() / 1000 }
    let user = seconds(usage.ru_utime)
    let cpu = user + seconds(usage.ru_stime)
    print(
        "apus-echo: n=\(total) c=\(concurrency) wall=\(rounded(wall)) rps=\(Int(Double(total) / wall)) "
            + "cpu/req=\(rounded(cpu / Double(total) * 1e6))us user/req=\(rounded(user / Double(total) * 1e6))us "
            + "rss=\(usage.ru_maxrss)K bytes=\(bytes.load(ordering: .relaxed))"
    )
}

switch arguments[0] {
case "server": try serve()
case "client":
    let numbers = arguments.dropFirst(2).compactMap { Int($0) }
    guard numbers.count >= 2 else { fatalError("client PORT N C [SIZE]") }
    try load(numbers[0], numbers[1], numbers.count > 2 ? numbers[2] : 1024)
default: fatalError("server or client")
}
