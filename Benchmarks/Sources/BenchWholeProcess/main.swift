// BenchWholeProcess loop|pool N: the same Swift code, with nothing of Apus in it, in whole-process mode or in Swift's own pool.
//
//   task      `await Task { }.value`
//   actor     a task calls an actor and comes back, as often as it can without giving up its thread
//   shared    two tasks call one actor at once
//   main      a task calls the main actor and comes back
//   yield     `Task.yield()`, with two tasks that take turns
//   sleep     `Task.sleep` of a nanosecond
//   burst     tasks that are started all at once, then awaited
import Apus
import Dispatch
@preconcurrency import Glibc

let arguments = CommandLine.arguments.dropFirst()
let place = arguments.first ?? ""
let count = arguments.dropFirst().first.flatMap { Int($0) } ?? 100_000

actor Tally {
    var number = 0
    func add() { number += 1 }
}

@MainActor
enum MainTally {
    static var number = 0
    static func add() { number += 1 }
}

nonisolated func cpuSeconds() -> Double {
    var usage = rusage()
    getrusage(__rusage_who_t(0), &usage)
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
    return seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

nonisolated func measure(_ what: String, _ place: String, _ count: Int, _ body: @Sendable (Int) async -> Void) async {
    await body(min(count, 1_000))
    let cpu = cpuSeconds()
    let start = ContinuousClock.now
    await body(count)
    let wall = start.duration(to: .now) / .seconds(1)
    func each(_ seconds: Double) -> Double { (seconds / Double(count) * 1e8).rounded() / 100 }
    print("\(place) \(what): n=\(count) wall=\(each(wall))us cpu=\(each(cpuSeconds() - cpu))us")
}

@concurrent
nonisolated func everything(_ place: String, _ count: Int) async {
    await measure("task", place, count) { for _ in 0..<$0 { await Task {}.value } }
    let tally = Tally()
    await measure("actor", place, count) { for _ in 0..<$0 { await tally.add() } }
    await measure("shared", place, count) { count in
        async let other: Void = { for _ in 0..<count / 2 { await tally.add() } }()
        for _ in 0..<count / 2 { await tally.add() }
        await other
    }
    await measure("main", place, count) { for _ in 0..<$0 { await MainTally.add() } }
    await measure("yield", place, count) { count in
        async let other: Void = { for _ in 0..<count / 2 { await Task.yield() } }()
        for _ in 0..<count / 2 { await Task.yield() }
        await other
    }
    await measure("sleep", place, count / 10) { for _ in 0..<$0 { try? await Task.sleep(for: .nanoseconds(1)) } }
    await measure("burst", place, count) { count in
        let tasks = (0..<count).map { _ in Task {} }
        for task in tasks { await task.value }
    }
}

setlinebuf(stdout)
switch place {
case "loop":
    try EventLoop.run(.wholeProcess) { [count] in await Task { await everything("loop", count) }.value }
case "pool":
    Task.detached { [count] in
        await everything("pool", count)
        exit(0)
    }
    dispatchMain()
default:
    print("usage: BenchWholeProcess loop|pool N")
}
