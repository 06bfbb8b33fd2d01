// BenchSleepers N: memory per sleeping task, with N of them.
import Apus
import Glibc

let count = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 100_000

/// Resident memory of this process, in bytes.
@Sendable
func residentMemory() -> Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var buffer = [CChar](repeating: 0, count: 256)
    guard fgets(&buffer, 256, file) != nil else { return 0 }
    let line = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let pages = line.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
    return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
}

try EventLoop.run {
    let before = residentMemory()
    _ = try await gather(0..<count) { index in
        try await sleep(for: .seconds(3))
        // The first to wake: all others are still asleep, or have just been.
        if index == 0 {
            let each = (residentMemory() - before) / count
            print("apus: n=\(count) bytes/task=\(each)")
        }
    }
}
