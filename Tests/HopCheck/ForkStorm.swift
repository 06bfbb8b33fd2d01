import Apus
import ApusRuntime
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

    private static func forkOnce(debug: Bool) -> Int32 { inFork { meetAtLocks(debug: debug) } }

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

    /// A child that is forked while a report of debug mode is being written: its own loop ends, and its own report is written.
    static func forkDuringReport() -> Int32 {
        play {
            // The report's thread waits in write(2), since nobody reads.
            var ends: [Int32] = [-1, -1]
            guard pipe(&ends) == 0 else { return }
            let (reader, writer, own) = (ends[0], ends[1], dup(2))
            _ = fcntl(writer, F_SETFL, O_NONBLOCK)
            while write(writer, [UInt8](repeating: 0, count: 4_096), 4_096) > 0 {}
            _ = fcntl(writer, F_SETFL, 0)
            dup2(writer, 2)
            try failInDebugMode {
                while !reportIsBeingWritten() { try await sleep(for: .milliseconds(1)) }
                let child = inFork {
                    alarm(30)
                    dup2(own, 2)
                    do { try failInDebugMode {} } catch { return 3 }
                    return 0
                }
                print("child: \(child)")
                var bytes = [UInt8](repeating: 0, count: 65_536)
                _ = read(reader, &bytes, bytes.count)
            }
            dup2(own, 2)
        }
    }

    private struct Refused: Error {}

    /// Runs a loop in debug mode on which a task fails that nobody awaits, and then `body`.
    private static func failInDebugMode(_ body: @escaping @Sendable () async throws -> Void) throws {
        var options = EventLoop.Options()
        options.debug = true
        options.signals = .none
        options.blockThreshold = .seconds(3_600)
        try EventLoop.run(options) {
            EventLoop.spawn(name: "refused") { throw Refused() }
            try await sleep(for: .milliseconds(1))
            try await body()
        }
    }

    /// Whether the thread that writes reports is in a system call about standard error, as /proc says (proc_pid_syscall(5)).
    private static func reportIsBeingWritten() -> Bool {
        guard let folder = opendir("/proc/self/task") else { return true }
        defer { closedir(folder) }
        while let entry = readdir(folder) {
            let number = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            func line(_ name: String) -> Substring {
                guard let file = fopen("/proc/self/task/\(number)/\(name)", "re") else { return "" }
                defer { fclose(file) }
                var text = [UInt8](repeating: 0, count: 128)
                let count = fread(&text, 1, text.count, file)
                return String(decoding: text[..<count], as: UTF8.self).prefix { $0 != "\n" }
            }
            if line("comm") == "apus-reports", line("syscall").split(separator: " ").dropFirst().first == "0x2" {
                return true
            }
        }
        return false
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
