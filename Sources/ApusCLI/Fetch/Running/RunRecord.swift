import Apus
import Synchronization

/// What is written down of a run: the report, and behind it, in the state, what is done. A killed run's report lacks nothing that its state
/// has.
final class RunRecord: Sendable {
    /// Where it is written. A disk that is full does not end the run, nor the writing: there may be room again later. What did not fit is not
    /// marked as done either, so that a run that goes on with this one fetches it again, and has its lines.
    private final class Files: Sendable {
        struct Losses {
            /// How many lines the report lacks.
            var lines = 0
            var isTold = false
            /// Of these the report has the lines, but the state file on disk does not say that they are done.
            var linesAhead = 0
            /// The report's, when it had no lines ahead.
            var sizeBehind: Int
        }

        let report: ReportFile?
        let state: FetchState?
        let losses: Mutex<Losses>

        init(_ report: ReportFile?, _ state: FetchState?) {
            self.report = report
            self.state = state
            losses = Mutex(Losses(sizeBehind: report?.size ?? 0))
        }

        /// - Throws: the first time that something cannot be written.
        func write(_ lines: [UInt8], _ numbers: [Int]) throws {
            var isWritten = false
            do {
                try report?.write(lines)
                isWritten = true
                guard let state else { return }
                for number in numbers { state.markDone(number) }
                try state.flush()
                let size = report?.size ?? 0
                losses.withLock { ($0.linesAhead, $0.sizeBehind) = (0, size) }
            } catch {
                let count = lines.count { $0 == UInt8(ascii: "\n") }
                let isTold = losses.withLock { losses in
                    if isWritten { losses.linesAhead += count } else { losses.lines += count }
                    defer { losses.isTold = true }
                    return losses.isTold
                }
                if !isTold { throw error }
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
                await watch.note("\(error); what does not fit is left out until there is room again")
            }
        }
    }

    /// What the report lacks, in a sentence; nil if nothing.
    var loss: String? {
        let count = files.losses.withLock { $0.lines }
        guard count > 0, let report = files.report else { return nil }
        let advice = files.state == nil ? "" : "; --resume fetches their URLs again"
        return "the report \(report.path) lacks \(Format.count(count, "line")) that could not be written\(advice)"
    }

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

    /// Closes the state file, when nothing is added any more. If what is done cannot be noted there, the report does not keep it either: else a
    /// run that goes on with this one would report it twice.
    ///
    /// - Throws: ``StateError``.
    func close() throws {
        do {
            try files.state?.close(removing: false)
        } catch {
            files.losses.withLock { losses in
                guard losses.linesAhead > 0 else { return }
                files.report?.cut(to: losses.sizeBehind)
                losses.lines += losses.linesAhead
                losses.linesAhead = 0
            }
            throw error
        }
    }
}
