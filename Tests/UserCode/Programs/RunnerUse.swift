// The loop and the code around it: several loops, several runs, threads, signals, descriptors of others.

import Apus
import Glibc

enum RunnerUse {
    static func run(_ base: String) async throws {
        try await severalLoops(base)
        try await otherThreads()
        try await waitForSignals()
        try await waitForDescriptors()
        try refusesTheWholeProcess()
    }

    /// It is for a program's `main`, once. The trait is one of the package's defaults.
    private static func refusesTheWholeProcess() throws {
        #if WholeProcess
        do {
            var options = EventLoop.Options.wholeProcess
            options.name = "all"
            try EventLoop.run(options) { await Task { try? await Task.sleep(for: .milliseconds(1)) }.value }
            throw Unexpected(description: "a loop runs here")
        } catch let error as LoopError {
            try expect(error.code == .nestedRun && error.code != .tooLate, "a loop runs here")
        }
        #endif
    }

    private static func severalLoops(_ base: String) async throws {
        try await LoopGroup.with(count: 2) { group in
            let pages = try await group.each { loop in
                try await ClientSession.with { try await $0.get("\(base)/hello?\(loop.name)").text() }
            }
            try expect(pages == ["hello main-0", "hello main-1"], "a page from each loop")
            let name = try await group.next().call { EventLoop.current?.name }
            try expect(name == "main-0" && group.loops.count == 2, "the loops in turn")
            let numbers = try await group.statistics()
            try expect(numbers.allSatisfy { $0.jobs > 0 && $0.longestJob == nil && $0.ready >= 0 }, "statistics")
        }
    }

    /// Synchronous code on a thread of its own: it hands work to a loop, and runs one itself.
    private static func otherThreads() async throws {
        let loop = EventLoop.shared
        let value = try await offload {
            let task = loop.spawn { try await slowly() }
            do {
                return try task.wait(timeout: .zero)
            } catch is TimeoutError {
                return try task.wait()
            }
        }
        try expect(value == 7, "a thread waits for a task")
        try await offload {
            let sum = try EventLoop.Runner.with { runner in
                let first = try runner.run { try await slowly() }
                let loop = try runner.loop
                loop.spawn { try await sleep(for: .seconds(3600)) }
                return try runner.run { first + 1 }
            }
            try expect(sum == 8, "two runs on one loop")
            let runner = EventLoop.Runner(.init())
            try runner.close()
            do {
                try runner.run {}
                throw Unexpected(description: "it is closed")
            } catch let error as LoopError {
                try expect(error.code == .loopClosed, "a closed runner")
            }
        }
    }

    nonisolated private static func slowly() async throws -> Int {
        try await sleep(for: .milliseconds(1))
        return 7
    }

    private static func waitForSignals() async throws {
        let windows = try signals(.winch, .cont)
        kill(getpid(), Signal.winch.number)
        for await signal in windows {
            try expect(signal == .winch && "\(signal)" == "SIGWINCH", "the signal that was sent")
            break
        }
        do {
            for await _ in try signals([.kill]) {}
            throw Unexpected(description: "it cannot be caught")
        } catch {
            try expect("\(error)".contains("SIGKILL"), "the error names the signal")
        }
    }

    private static func waitForDescriptors() async throws {
        var ends: [Int32] = [-1, -1]
        try expect(pipe(&ends) == 0, "a pipe")
        let handle = try IOHandle(ends[0])
        do {
            try await handle.readable(timeout: .milliseconds(1))
            throw Unexpected(description: "nothing is there")
        } catch is TimeoutError {}
        let writing = try IOHandle(ends[1])
        try await writing.writable()
        _ = write(writing.descriptor, "x", 1)
        try await handle.readable()
        do {
            _ = try IOHandle(ends[0])
            throw Unexpected(description: "it is watched")
        } catch let error as LoopError {
            try expect(error.code == .descriptorInUse && handle.loop.isCurrent, "one handle at a time")
        }
        handle.close()
        writing.close()
        for end in ends { close(end) }
    }
}
