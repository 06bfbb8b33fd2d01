import Apus
import Glibc
import Synchronization

extension Demo {
    func blockingCalls() async throws {
        screen.heading(4, "A call that blocks its thread, off the loop and on it")
        screen.explain("slowQuery() blocks for 1 s, as a database driver might. A task beats every 10 ms meanwhile.")

        screen.code("try await offload { slowQuery() }")
        let off = try await heartbeat { _ = try await offload { slowQuery() } }
        screen.figure("beats meanwhile", "\(off.count)", "worst gap \(Format.time(off.worstGap))")

        screen.code("slowQuery()     // the mistake: on the loop")
        reports.clear()
        let on = try await heartbeat {
            // A named task, as reports use its name.
            try await EventLoop.spawn(name: "monthly report") { _ = slowQuery() }.value
        }
        screen.figure("beats meanwhile", "\(on.count)", "worst gap \(Format.time(on.worstGap)): everything stood still")
        show(reports.first)
    }

    private func show(_ report: BlockReport?) {
        guard let report else {
            return screen.explain("The watchdog has not seen it: the loop was blocked too shortly.")
        }
        screen.explain(
            "In debug mode (options.debug, or APUS_DEBUG=1) a watchdog noticed after \(Format.time(report.duration)), while the "
                + "call still went on, and said which line it was:"
        )
        let task = report.taskName.map { "task “\($0)”" } ?? "a task"
        screen.quote("\(task) holds the loop:\n\(Self.place(of: report.culprit))")
    }

    /// `slowQuery() at Sources/ApusCLI/Demo/File.swift:12`.
    private static func place(of frame: BlockReport.Frame?) -> String {
        guard let frame, let file = frame.file, let line = frame.line else {
            return frame?.function ?? "at an unknown place"
        }
        let parts = file.split(separator: "/")
        let short = parts[(parts.lastIndex(of: "Sources") ?? max(0, parts.count - 3))...].joined(separator: "/")
        return "\(frame.function ?? "code") at \(short):\(line)"
    }

    private struct Beats: Sendable {
        var count = 0
        var worstGap = Duration.zero
    }

    /// Lets a task beat every 10 ms while `body` runs.
    private func heartbeat(
        during body: nonisolated(nonsending) () async throws -> Void
    ) async throws -> Beats {
        let clock = clock
        let task = EventLoop.spawn(name: "heartbeat") {
            var beats = Beats()
            var last = clock.now
            while !Task.isCancelled {
                let isBeat = (try? await sleep(for: .milliseconds(10))) != nil
                let now = clock.now
                beats.worstGap = max(beats.worstGap, now - last)
                last = now
                if isBeat { beats.count += 1 }
            }
            return beats
        }
        // Its first sleep begins before `body` does.
        try await sleep(for: .zero)
        do {
            try await body()
        } catch {
            task.cancel()
            throw error
        }
        task.cancel()
        return try await task.value
    }
}

/// Knows nothing of async: it keeps its thread until it is done.
@inline(never)
private func slowQuery() -> Int {
    Int(Glibc.sleep(1))
}

/// What the watchdog says, on its own thread.
final class BlockReports: Sendable {
    private let reports = Mutex<[BlockReport]>([])

    var first: BlockReport? { reports.withLock { $0.first { $0.phase == .holding && $0.culprit != nil } } }

    @Sendable
    func add(_ report: BlockReport) { reports.withLock { $0.append(report) } }

    func clear() { reports.withLock { $0.removeAll() } }
}
