import ApusRuntime
import Glibc
import Synchronization
import Testing

/// Waits for the report of a job that holds the loop, and lets the job end then: no test here measures time.
private final class Witness: Sendable {
    let reports = Recorder<BlockReport>()
    let seen = Gate()
    private let hasSeen = Atomic(false)
    private let name: String?
    private let kind: BlockReport.JobKind

    /// - Parameter name: what the names of the culprits begin with. On a busy machine others are reported, too, whose threads had no turn:
    ///   those let nobody go.
    init(of name: String?, kind: BlockReport.JobKind = .task) {
        self.name = name
        self.kind = kind
    }

    func isOfCulprit(_ report: BlockReport) -> Bool {
        report.kind == kind && (name.map { report.taskName?.hasPrefix($0) == true } ?? (report.taskName == nil))
    }

    /// For jobs that look rather than wait.
    var isSeen: Bool { hasSeen.load(ordering: .acquiring) }

    @Sendable
    func take(_ report: BlockReport) {
        reports.note(report)
        if report.phase == .holding, isOfCulprit(report) {
            hasSeen.store(true, ordering: .releasing)
            seen.open()
        }
    }

    /// Runs `body` on a loop in debug mode, and returns the reports.
    func watch(_ body: @escaping @Sendable () async throws -> Void) async throws -> [BlockReport] {
        var options = EventLoop.Options()
        options.name = "watched"
        options.debug = true
        options.blockThreshold = .milliseconds(5)
        options.onBlock = take
        try await EventLoop.with(options, body)
        return reports.all
    }
}

/// Plays a scene with a culprit that computes: again, if the monitor could not look at it.
///
/// It asks the thread by a signal and gives up after a while, so that on a machine with more work than cores a report may come
/// without frames, as its documentation says.
private func watchComputing(
    _ name: String,
    _ body: @escaping @Sendable (Witness) async throws -> Void
) async throws -> [BlockReport] {
    var reports: [BlockReport] = []
    for _ in 0..<20 {
        let witness = Witness(of: name)
        reports = try await witness.watch { try await body(witness) }
        if reports.contains(where: { $0.culprit != nil && witness.isOfCulprit($0) }) { break }
    }
    return reports
}

/// What must be true of every pair of reports about a culprit in this file.
private func check(_ reports: [BlockReport], task name: String?, kind: BlockReport.JobKind = .task) throws {
    let holding = try #require(reports.first { $0.phase == .holding && $0.taskName == name && $0.kind == kind })
    #expect(holding.loop == "watched")
    #expect(holding.threshold == .milliseconds(5))
    #expect(holding.duration >= .milliseconds(5))
    let culprit = try #require(holding.culprit, "no frame of the program's own in\n\(holding)")
    // The innermost line of the program's own: here, or in the gate that a test waits at.
    #expect(culprit.file?.contains("ApusRuntimeTests/") == true && culprit.line != nil, "\(holding)")
    #expect(
        holding.frames.contains { $0.file?.hasSuffix("BlockMonitorTests.swift") == true && $0.line != nil },
        "\(holding)"
    )
    #expect("\(holding)".contains("“watched”"))
    let ended = try #require(reports.first { $0.phase == .ended && $0.taskName == name && $0.kind == kind })
    #expect(ended.duration >= holding.duration)
}

@Suite("BlockMonitor")
struct BlockMonitorTests {
    @Test(
        "A50, A51: names a task that waits in the kernel, with its line, while it still does; then says how long it took"
    )
    func systemCall() async throws {
        let witness = Witness(of: "waiter")
        let reports = try await witness.watch {
            try await EventLoop.spawn(name: "waiter") { witness.seen.pass() }.value
        }
        try check(reports, task: "waiter")
        let holding = try #require(reports.first { $0.phase == .holding && witness.isOfCulprit($0) })
        guard case .systemCall(let name) = holding.threadState else {
            Issue.record("the thread is \(holding.threadState)")
            return
        }
        #expect(name.contains("futex"))
    }

    @Test("names a task that computes")
    func busy() async throws {
        let reports = try await watchComputing("busy") { witness in
            try await EventLoop.spawn(name: "busy") { while !witness.isSeen {} }.value
        }
        try check(reports, task: "busy")
    }

    @Test("looking ends no system call early: every sleep keeps its length")
    func sleepsAreWhole() async throws {
        let witness = Witness(of: "sleeper")
        let cutShort = Mutex(0)
        let reports = try await witness.watch {
            try await EventLoop.spawn(name: "sleeper") {
                while !witness.isSeen {
                    let duration = timespec(tv_sec: 0, tv_nsec: 20_000_000)
                    if withUnsafePointer(to: duration, { nanosleep($0, nil) }) != 0 { cutShort.withLock { $0 += 1 } }
                }
            }.value
        }
        try check(reports, task: "sleeper")
        #expect(cutShort.withLock { $0 } == 0)
    }

    @Test("a culprit inside malloc does not deadlock")
    func malloc() async throws {
        let reports = try await watchComputing("allocator") { witness in
            try await EventLoop.spawn(name: "allocator") {
                var blocks: [UnsafeMutableRawPointer?] = []
                while !witness.isSeen {
                    for size in 1..<200 { blocks.append(Glibc.malloc(size * 97)) }
                    for block in blocks { free(block) }
                    blocks.removeAll(keepingCapacity: true)
                }
            }.value
        }
        try check(reports, task: "allocator")
    }

    @Test("names a scheduled function by its line")
    func callback() async throws {
        let witness = Witness(of: nil, kind: .callback)
        let reports = try await witness.watch {
            let loop = try currentLoop()
            await withUnsafeContinuation { continuation in
                loop.schedule {
                    witness.seen.pass()
                    continuation.resume()
                }
            }
        }
        try check(reports, task: nil, kind: .callback)
    }

    @Test("each of several culprits in a row is named, and what behaves is not")
    func several() async throws {
        let witness = Witness(of: "culprit")
        let reports = try await witness.watch {
            for number in 0..<3 {
                try await EventLoop.spawn(name: "culprit \(number)") { witness.seen.pass() }.value
                for _ in 0..<100 { await Task.yield() }
            }
        }
        let named = reports.filter { $0.phase == .holding }.compactMap(\.taskName)
        #expect(named.filter { $0.hasPrefix("culprit") } == ["culprit 0", "culprit 1", "culprit 2"])
    }
}
