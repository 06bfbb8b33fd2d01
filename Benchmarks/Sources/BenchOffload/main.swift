// BenchOffload WHAT N [MICROSECONDS]: round trips between a task and another thread, one after the other.
//
//   offload    a task of a loop awaits `offload` of a function that computes for so long (0 by default)
//   idle       the same, with the loop and the thread asleep for a millisecond before each
//   schedule   a thread calls `loop.schedule` and waits until the function has run
//   detached   a task of a loop awaits `Task.detached { }`: to Swift's own pool and back
//   main       plain Swift without a loop: the main actor calls a function of the pool, and comes back
import Apus
import Dispatch
import Glibc

let arguments = CommandLine.arguments.dropFirst()
let what = arguments.first ?? ""
let count = arguments.dropFirst().first.flatMap { Int($0) } ?? 0
let microseconds = arguments.dropFirst(2).first.flatMap { Int($0) } ?? 0

/// Computes for so long.
@Sendable
func work() {
    guard microseconds > 0 else { return }
    let end = ContinuousClock.now + .microseconds(microseconds)
    while ContinuousClock.now < end {}
}

@concurrent
func inPool() async { work() }

func cpuSeconds() -> Double {
    var usage = rusage()
    getrusage(__rusage_who_t(0), &usage)
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
    return seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

/// Measures `body`, which makes so many round trips, after some that do not count. Prints what one took.
func measure(_ body: (Int) async throws -> Void) async throws {
    try await body(min(count, 1_000))
    let cpu = cpuSeconds()
    let start = ContinuousClock.now
    try await body(count)
    let wall = start.duration(to: .now) / .seconds(1)
    func each(_ seconds: Double) -> Double { (seconds / Double(count) * 1e8).rounded() / 100 }
    print("\(what): n=\(count) wall=\(each(wall))us cpu=\(each(cpuSeconds() - cpu))us")
}

/// Lets a thread wait for the loop.
// @unchecked: sem_t is made to be used by several threads at once.
final class Gate: @unchecked Sendable {
    private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
    init() { sem_init(semaphore, 0, 0) }
    func open() { sem_post(semaphore) }
    func pass() { while sem_wait(semaphore) != 0 {} }
}

switch what {
case "offload":
    try EventLoop.run {
        try await measure { for _ in 0..<$0 { try await offload { work() } } }
    }
case "idle":
    try EventLoop.run {
        try await measure {
            for _ in 0..<$0 {
                try await sleep(for: .milliseconds(1))
                try await offload { work() }
            }
        }
    }
case "schedule":
    try EventLoop.run {
        guard let loop = EventLoop.current else { return }
        try await measure { count in
            try await offload {
                let gate = Gate()
                for _ in 0..<count {
                    loop.schedule { gate.open() }
                    gate.pass()
                }
            }
        }
    }
case "detached":
    try EventLoop.run {
        try await measure { for _ in 0..<$0 { await Task.detached { work() }.value } }
    }
case "main":
    Task { @MainActor in
        try await measure { for _ in 0..<$0 { await inPool() } }
        exit(0)
    }
    dispatchMain()
default:
    print("usage: BenchOffload offload|idle|schedule|detached|main N [MICROSECONDS]")
    exit(2)
}
