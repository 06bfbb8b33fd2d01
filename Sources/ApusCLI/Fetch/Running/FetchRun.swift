import Apus
import Synchronization

/// What the tasks of a run share.
final class FetchRun: Sendable {
    /// Which results have a line on standard output.
    enum ShownLines: Sendable {
        case none, failures, all
    }

    let plan: FetchPlan
    let queue: FetchQueue
    let watch: FetchWatch
    let end: RunEnd
    let output = Output()
    let record: RunRecord?
    private let shown: ShownLines
    private let lines: LineBatches
    private let lacksRoom = Atomic<Bool>(false)

    init(_ plan: FetchPlan, queue: FetchQueue, watch: FetchWatch, record: RunRecord?, shown: ShownLines) {
        self.plan = plan
        self.queue = queue
        self.watch = watch
        self.record = record
        self.shown = shown
        let end = RunEnd(queue)
        self.end = end
        lines = LineBatches { lines, _ in
            guard end.error == nil else { return }
            do {
                try await watch.print(lines: lines)
            } catch is CancellationError {
                return
            } catch {
                end.begin(.error(error))
            }
        }
    }

    /// An item is over.
    ///
    /// - Parameter result: stays as it is; `inout`, as it is large, and would be copied for the closures else.
    func finished(_ result: inout FetchResult, host: String?) {
        watch.finished(result, host: host)
        // Standard output is the body's.
        if plan.printsBody { StandardError.write(ResultLine.text(result) + "\n") }
        var isFull = false
        let isShown = shown == .all || shown == .failures && result.outcome == .failed
        if isShown, !plan.printsBody {
            isFull = lines.append { ResultLine.append(&result, to: &$0) }
        }
        if let record, record.add(result) { isFull = true }
        if isFull { lacksRoom.store(true, ordering: .relaxed) }
    }

    /// Whether whoever has just finished an item has to wait for ``room()``, as disk or terminal do not keep up.
    var isFull: Bool { lacksRoom.load(ordering: .relaxed) }

    /// Waits until the lines are written that there are.
    ///
    /// Cancel safety: does not look at it; writing goes on.
    func room() async {
        lacksRoom.store(false, ordering: .relaxed)
        await lines.room()
        await record?.room()
    }

    /// Writes what is left.
    func flush() async {
        await lines.flush()
        await record?.finish()
    }
}
