import Apus
import Glibc

/// All that watches a run of `apus fetch`: counts it, shows it, sums it up, and writes its page.
final class FetchWatch: FetchWatcher {
    private let statistics: RunStatistics
    private let console: Console
    private let view: RunView
    private let isQuiet: Bool
    private let isVerbose: Bool
    private let printsBody: Bool
    private let report: HTMLReportFile?

    /// - Parameter printsBody: whether standard output is for bodies: nothing is drawn then where they are seen.
    /// - Throws: ``WatchingError`` if the page cannot be written where it is wanted.
    init(
        _ options: WatchingOptions,
        printsBody: Bool,
        console: Console = Console(),
        clock: RunClock = .started()
    ) throws {
        statistics = RunStatistics(clock: clock)
        self.console = console
        isQuiet = options.quiet
        isVerbose = options.verbose
        self.printsBody = printsBody
        report = try options.htmlReport.map { try HTMLReportFile($0) }
        // Bodies on the terminal, and a frame that is drawn over them: nobody could read either.
        let isWanted = !options.quiet && !(printsBody && console.output.isTerminal)
        view = RunView(statistics, on: console, isWanted: isWanted)
    }

    var hasFailures: Bool { statistics.hasFailures }
    /// A frame is drawn on standard error.
    var showsView: Bool { view.isLive }
    var isOutputTerminal: Bool { console.output.isTerminal }
    /// Which URLs get their line on standard output: a script wants all of them, a person wants the view, and nobody reads /dev/null.
    var shownLines: FetchRun.ShownLines {
        if console.output.isNull { return .none }
        return isVerbose || !console.output.isTerminal ? .all : .failures
    }

    // MARK: What happens

    func began(host: String) { statistics.began(host: host) }
    func received(bytes: Int, host: String) { statistics.received(bytes: bytes, host: host) }
    /// A whole body has come, and its item is over soon.
    func received(wholeOf bytes: Int) { statistics.received(wholeOf: bytes) }
    func retrying(host: String) { statistics.retrying(host: host) }
    func finished(_ result: FetchResult, host: String?) { statistics.finished(result, host: host) }

    /// How many items there are, or are thought to be.
    func setTotal(_ items: Int, isExact: Bool = true) { statistics.setTotal(items, isExact: isExact) }
    /// So many were done by an earlier run.
    func addSkipped(_ count: Int) { statistics.addSkipped(count) }
    /// A URL did not get the credentials, because it is another host's.
    func addWithoutCredentials() { statistics.addWithoutCredentials() }
    func setPhase(_ phase: RunPhase) { statistics.setPhase(phase) }

    // MARK: What is shown

    /// Runs `body`, and shows meanwhile how it goes on.
    ///
    /// - Throws: what `body` throws.
    ///
    /// Cancel safety: that of `body`. The view goes on until it has ended.
    func during<Success>(_ body: nonisolated(nonsending) () async throws -> Success) async throws -> Success {
        try await view.during(body)
    }

    /// A line on standard output, which is harmless already.
    ///
    /// - Throws: ``OutputError``, `CancellationError`.
    ///
    /// Cancel safety: the line is printed later.
    func print(line: String) async throws { try await print(lines: Array((line + "\n").utf8)) }

    /// Whole lines on standard output, which are harmless already.
    ///
    /// - Throws: ``OutputError``, `CancellationError`.
    ///
    /// Cancel safety: the lines are printed later.
    func print(lines: [UInt8]) async throws { try await console.print(lines, to: .output) }

    /// Says on standard error what everybody should know, `--quiet` or not.
    ///
    /// Cancel safety: it is said later.
    func note(_ text: String) async {
        try? await console.print(Array("apus: \(Format.harmless(text))\n".utf8), to: .error)
    }

    /// Sums up, and writes the page. Once, when nothing happens any more.
    ///
    /// - Parameter resume: the command that goes on with the run, if one can.
    /// - Throws: ``WatchingError`` if the page cannot be written.
    func finish(_ ending: Summary.Ending, resume: String? = nil) throws {
        console.close()
        let snapshot = statistics.snapshot(hosts: HTMLReport.hostLimit)
        let summary = Summary(snapshot: snapshot, ending: ending, resume: resume)
        let width = console.error.isTerminal ? console.error.size.columns : 160
        if isQuiet || (printsBody && ending == .complete) {
            // How to go on, if it has to be gone on with.
            show(summary.end)
        } else {
            show(summary.lines(width: width, isUTF8: console.error.isUTF8))
        }
        try report?.write(HTMLReport(snapshot: snapshot, ending: ending))
    }

    private func show(_ lines: [StyledLine]) {
        guard !lines.isEmpty else { return }
        let text = lines.map { $0.rendered(isStyled: console.error.isStyled) + "\n" }.joined()
        console.printAtLast(text, to: .error)
    }
}
