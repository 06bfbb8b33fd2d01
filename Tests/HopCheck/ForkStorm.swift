import Apus
import ApusRuntime
import CApus
import Glibc

// Many children, each of which makes loops with threads that meet at their locks.
extension Scene {
    /// Where a child is forked from.
    private enum Origin: CaseIterable {
        case firstTask, spawnedTask, groupChild, callback, offload, secondLoop
    }

    private static let rounds = 10

    /// Forks from everywhere, with debug mode and without, and says which children did not end well.
    static func forkStorm() -> Int32 {
        // Beside other tests a minute would not do.
        alarm(240)
        return play {
            for debug in [false, true] {
                for origin in Origin.allCases {
                    var bad = 0
                    for _ in 0..<rounds where try fork(from: origin, debug: debug) != 0 { bad += 1 }
                    print("\(origin), debug \(debug): \(bad) of \(rounds) failed")
                }
            }
        }
    }

    private static func fork(from origin: Origin, debug: Bool) throws -> Int32 {
        var options = EventLoop.Options()
        options.debug = debug
        options.signals = .none
        // It waits for its children, and is to say nothing of that.
        options.blockThreshold = .seconds(3_600)
        return try EventLoop.run(options) {
            switch origin {
            case .firstTask: return forkOnce(debug: debug)
            case .spawnedTask: return try await EventLoop.spawn { forkOnce(debug: debug) }.value
            case .groupChild: return try await gather([1]) { _ in forkOnce(debug: debug) }[0]
            case .callback:
                return await withCheckedContinuation { continuation in
                    EventLoop.current?.schedule { continuation.resume(returning: forkOnce(debug: debug)) }
                }
            case .offload: return try await offload { forkOnce(debug: debug) }
            case .secondLoop: return try await EventLoop.with { forkOnce(debug: debug) }
            }
        }
    }

    private static func forkOnce(debug: Bool) -> Int32 {
        // Swift's runtime has locks of its own, which know nothing of forks: a child that inherits one from a thread that was looking up a
        // conformance, say, waits for ever (6.3.1). What is tested are Apus's locks.
        while !othersSleep() { usleep(100) }
        let child = systemFork()
        if child == 0 { _exit(meetAtLocks(debug: debug)) }
        var status: Int32 = 0
        waitpid(child, &status, 0)
        return status
    }

    /// Whether all other threads of the process sleep, as /proc says (proc_pid_stat(5)).
    private static func othersSleep() -> Bool {
        guard let folder = opendir("/proc/self/task") else { return true }
        defer { closedir(folder) }
        let own = "\(apus_gettid())"
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard name.first?.isNumber == true, name != own else { continue }
            guard let file = fopen("/proc/self/task/\(name)/stat", "r") else { continue }
            defer { fclose(file) }
            var text = [UInt8](repeating: 0, count: 256)
            let count = fread(&text, 1, text.count, file)
            // Behind the name, which may hold anything, in parentheses.
            guard let end = text[..<count].lastIndex(of: UInt8(ascii: ")")), end + 2 < count else { return false }
            if text[end + 2] != UInt8(ascii: "S") { return false }
        }
        return true
    }

    /// In the child: threads start tasks on a loop, cancel them and wait for them, while the loop does so too.
    private static func meetAtLocks(debug: Bool) -> Int32 {
        // A child that hangs ends, and is counted.
        alarm(60)
        var options = EventLoop.Options()
        options.debug = debug
        options.signals = .none
        // It waits for its children, and is to say nothing of that.
        options.blockThreshold = .seconds(3_600)
        do {
            return try EventLoop.run(options) {
                guard let loop = EventLoop.current else { return 1 }
                async let fromThreads: [Void] = gather(0..<3) { _ in
                    for number in 0..<40 {
                        try await offload {
                            let task = loop.spawn { number }
                            if number % 3 == 0 { task.cancel() }
                            _ = try task.wait(timeout: .seconds(50))
                        }
                    }
                }
                for _ in 0..<200 { try await loop.spawn { await Task.yield() }.value }
                _ = try await fromThreads
                let sum = try await EventLoop.with { try await gather(0..<10) { $0 }.reduce(0, +) }
                let five = try await EventLoop.shared.spawn { 5 }.value
                return sum == 45 && five == 5 ? 0 : 2
            }
        } catch {
            print("child: \(error)")
            return 3
        }
    }

    // MARK: Swift's pool

    /// All threads of Swift's pool are held, and the main actor asks a loop for its tasks: it is told them, not that the loop is held.
    static func tasksWhilePoolIsBusy() -> Int32 {
        play {
            try EventLoop.run {
                // Not this loop, whose thread serves the main actor.
                try await EventLoop.with {
                    guard let loop = EventLoop.current else { return }
                    let ends = UnsafeMutablePointer<Int32>.allocate(capacity: 2)
                    _ = pipe(ends)
                    let (read, write) = (ends[0], ends[1])
                    let threads = 64
                    for _ in 0..<threads {
                        Task(executorPreference: globalConcurrentExecutor) {
                            var byte: UInt8 = 0
                            _ = Glibc.read(read, &byte, 1)
                        }
                    }
                    // The pool is held until the time for the answer is over: it is looked at only afterwards.
                    let asked = Task { @MainActor in try await loop.tasks(timeout: .milliseconds(300)).count }
                    try await sleep(for: .milliseconds(1_000))
                    _ = Glibc.write(write, [UInt8](repeating: 0, count: threads), threads)
                    print("tasks: \(try await asked.value)")
                }
            }
        }
    }
}
