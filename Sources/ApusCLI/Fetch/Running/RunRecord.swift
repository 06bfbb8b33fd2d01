import Apus
import Synchronization

/// What is written down of a run: the report, and behind it, in the state, what is done. A killed run's report lacks nothing that its state
/// has; and what it has beyond that is noted by the run that goes on with it, so that no item is reported twice.
final class RunRecord: Sendable {
    /// Where it is written. A disk that is full does not end the run, nor the writing: there may be room again later. What did not fit is not
    /// marked as done either, so that a run that goes on with this one fetches it again, and has its lines.
    private final class Files: Sendable {
        struct Losses {
            /// How many lines the report lacks.
            var lines = 0
            var isTold = false
        }

        let report: ReportFile?
        let state: FetchState?
        /// Done by a run that was killed before it could note them.
        let reported: ReportedItems?
        let losses = Mutex(Losses())

        init(_ report: ReportFile?, _ state: FetchState?) {
            self.report = report
            self.state = state
            reported = report.flatMap { report in
                state?.reportMark.map { ReportedItems(report, after: $0) }
            }
            // What cannot be written now is told at the first write.
            if let state, let report, canMark { try? state.note(report.mark) }
        }

        /// Whether the state has all that the report has, when what is done is written down.
        private var canMark: Bool { reported?.isEmpty ?? true }

        /// - Throws: the first time that something cannot be written.
        func write(_ lines: [UInt8], _ numbers: [Int]) throws {
            var isWritten = false
            do {
                try report?.write(lines)
                isWritten = true
                guard let state else { return }
                for number in numbers { state.markDone(number) }
                try note()
            } catch {
                let count = lines.count { $0 == UInt8(ascii: "\n") }
                let isTold = losses.withLock { losses in
                    if !isWritten { losses.lines += count }
                    defer { losses.isTold = true }
                    return losses.isTold
                }
                if !isTold { throw error }
            }
        }

        /// - Throws: ``StateError``.
        func note() throws {
            // Looked at before, as the reader may find the last one in between.
            let marks = canMark
            try state?.flush()
            // Last: a mark says what the state has.
            if marks, let report { try state?.note(report.mark) }
        }

        func isDone(_ item: FetchItem, isStored: () -> Bool) -> Bool {
            guard let state else { return false }
            // Another run, with another folder, may have gone on with the same report.
            if let reported, !reported.isEmpty, reported.contains(item), isStored() {
                // First: what is neither noted nor known here would be reported twice.
                state.markDone(item.number)
                reported.remove(item)
                return true
            }
            return state.isDone(item.number)
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

    /// Whether an earlier run has done this item.
    ///
    /// - Parameter isStored: whether its body is where it belongs; asked of items that only the report says something of.
    func isDone(_ item: FetchItem, isStored: () -> Bool) -> Bool { files.isDone(item, isStored: isStored) }

    /// No item comes any more.
    func endOfInput() { files.reported?.removeAll() }

    func room() async { await batches.room() }

    /// Writes what is left.
    func finish() async { await batches.flush() }

    /// Closes the state file, when nothing is added any more.
    ///
    /// - Throws: ``StateError``.
    func close() throws {
        guard let state = files.state else { return }
        do {
            try files.note()
            try state.close()
        } catch {
            // Of any error: it is let go.
            try? state.close()
            let hasLines = files.report?.mark != nil
            let advice = hasLines ? "takes what is done from the report" : "fetches again what could not be noted"
            throw StateError(.system, "\(error); --resume \(advice)")
        }
    }
}
