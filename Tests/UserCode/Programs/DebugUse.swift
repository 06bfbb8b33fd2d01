// Seeing what a loop does: its tasks, numbers, lag and errors.

import Apus

nonisolated enum DebugUse {
    static func run(_ base: String) async throws {
        try await tasks()
        try await numbers()
        try await errors()
    }

    private static func tasks() async throws {
        guard let loop = EventLoop.current else { throw Unexpected(description: "no loop") }
        let waiting = loop.spawn(name: "waiting") { try await sleep(for: .seconds(3600)) }
        await Task.yield()
        let list: TaskList = try await loop.tasks()
        try expect(list.contains { $0.name == "waiting" }, "a spawned task is listed")
        try expect(list.contains { $0.state == .running }, "so is the one that asks")
        try expect("\(list)".contains("“waiting”"), "as a tree")
        try expect(list.childrenUnavailableReason == nil && list.cycles.isEmpty, "with children, without circles")
        let fromMain = try await Task { @MainActor in try await loop.tasks(timeout: .seconds(60)) }.value
        try expect(fromMain.contains { $0.name == "waiting" }, "from the main actor")
        waiting.cancel()
        _ = await waiting.result
    }

    private static func numbers() async throws {
        var options = EventLoop.Options()
        options.name = "measured"
        options.measuresLag = true
        try await EventLoop.with(options) {
            for _ in 0..<200 { await Task.yield() }
            guard let numbers = EventLoop.current?.statistics(), let lag = numbers.lag else {
                throw Unexpected(description: "no lag")
            }
            try expect(numbers.uptime > .zero && numbers.jobsPerSecond > 0, "a rate")
            try expect(lag.count > 0 && lag.percentile(50) <= lag.percentile(99.9), "percentiles")
            try expect(lag.percentile(99.9) <= lag.maximum && lag.mean <= lag.maximum, "a maximum")
            let export = try EventLoop.current?.exportMetrics(every: .seconds(60))
            export?.cancel()
        }
    }

    private static func errors() async throws {
        struct Oops: Error {}
        var options = EventLoop.Options()
        options.debug = true
        options.exceptionHandler = { report in
            let known = (report.taskName, report.taskID, report.fileDescriptor, report.creationSite?.place?.line)
            precondition(report.error is Oops && known.0 == "lost", report.message + report.advice)
        }
        try await EventLoop.with(options) {
            EventLoop.spawn(name: "lost") { throw Oops() }
            await Task.yield()
        }
    }
}
