import Apus
import Synchronization

/// What is written down of a run: the report, and behind it, in the state, what is done. A killed run's report lacks nothing that its state
/// has.
final class RunRecord: Sendable {
    /// Where it is written. A report that takes no more ends the writing, not the run.
    private final class Files: Sendable {
        let report: ReportFile?
        let state: FetchState?
        let failure = Mutex<String?>(nil)

        init(_ report: ReportFile?, _ state: FetchState?) {
            self.report = report
            self.state = state
        }

        /// - Throws: the first time that something cannot be written.
        func write(_ lines: [UInt8], _ numbers: [Int]) throws {
            guard failure.withLock({ $0 == nil }) else { return }
            do {
                try report?.write(lines)
                guard let state else { return }
                for number in numbers { state.markDone(number) }
                try state.flush()
            } catch {
                failure.withLock { $0 = "\(error)" }
                throw error
            }
        }
    }

    private let files: Files
    private let batches: LineBatches

    /// Nil if nothing is to be written.
    init?(report: ReportFile?, state: FetchState?, watch: FetchWatch) {
        guard report != nil || state != nil else { return nil }
        let files = Files(report, state)
        self.files = files
        batches = LineBatches { lines, numbers in
            do {
                try await offload { try files.write(lines, numbers) }
            } catch {
                await watch.note("\(error); nothing more is written there")
            }
        }
    }

    /// Why not all is written, if so.
    var failure: String? { files.failure.withLock { $0 } }

    /// - Returns: whether so much waits that the caller has to.
    func add(_ result: FetchResult) -> Bool {
        let isDone = result.outcome == .fetched || result.outcome == .unchanged
        return batches.append(number: files.state != nil && isDone ? result.number : nil) { line in
            if files.report != nil { ReportLine.append(result, to: &line) }
        }
    }

    func room() async { await batches.room() }

    /// Writes what is left.
    func finish() async { await batches.flush() }
}
