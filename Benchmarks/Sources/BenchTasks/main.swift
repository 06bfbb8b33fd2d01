// BenchTasks apus|swift LINE N: what tasks, timers, queues and threads cost, on a loop or on Swift's own global pool.
//
// Prints what one of N took, in µs: wall time, and CPU time of all threads. docs/PERFORMANCE.md names the lines; peers/task_bench.py and
// peers/go/go_tasks have the same.
import Apus
import Dispatch
import Glibc

let arguments = Array(CommandLine.arguments.dropFirst())
guard arguments.count == 3, let count = Int(arguments[2]), count > 0, ["apus", "swift"].contains(arguments[0]) else {
    print("usage: BenchTasks apus|swift LINE N")
    exit(2)
}
let line = arguments[1]

if arguments[0] == "apus" {
    guard let body = apusLines[line] else {
        print("no such line: \(line); there are \(apusLines.keys.sorted().joined(separator: " "))")
        exit(2)
    }
    try EventLoop.run { try await measure("apus", line, count, body) }
} else {
    guard let body = swiftLines[line] else {
        print("no such line: \(line); there are \(swiftLines.keys.sorted().joined(separator: " "))")
        exit(2)
    }
    // The offload line needs the main actor as the thread to come back to; the others begin in the pool.
    Task { @MainActor in
        if line == "offload" {
            try await measureOffload("swift", line, count)
        } else {
            try await Task.detached { try await measure("swift", line, count, body) }.value
        }
        exit(0)
    }
    dispatchMain()
}
