import Apus
import ArgumentParser
import Glibc

/// From the options to the exit code: opens what a run needs, runs it, and puts everything away.
struct FetchSession: Sendable {
    private let plan: FetchPlan
    private let limits: TransferSchedule.Limits
    private let configuration: ClientSession.Configuration
    private let source: URLSource
    private let names: StorageNames?
    private let state: FetchState?
    private let report: ReportFile?
    private let watch: FetchWatch
    private let cookies: (jar: CookieJar, path: String)?
    private let cache: HTTPCache?
    private let shown: FetchRun.ShownLines
    private let loops: Int?
    private let secretOrigin: Origin?
    private let grace: Duration
    private let resumeCommand: String?

    /// - Throws: whatever is wrong with the files and folders that the options name, in a sentence.
    init(_ command: FetchCommand) throws {
        let (storing, records) = (command.storing, command.records)
        let files = RunFiles(command)
        try files.check()
        let list = try command.list.input.map { try InputFile(path: $0) }
        source = URLSource(arguments: command.urls, list: list, expandsRanges: !command.list.globoff)
        let storage = try storing.output.map { try Storage($0) }
        // What is refused below leaves no folder of unfinished bodies behind.
        var isReady = false
        defer { if !isReady { storage?.close() } }
        names = storage.map { StorageNames(tree: storing.tree, reserved: files.names(below: $0.path)) }
        state = try records.state.map { path in
            let identity = try RunIdentity(
                arguments: command.urls,
                input: list,
                output: storing.output,
                tree: storing.tree,
                expandsRanges: !command.list.globoff
            )
            return try FetchState.open(path: path, identity: identity, resume: records.resume)
        }
        report = try records.report.map { try ReportFile($0, continues: records.resume) }
        let isSingle = command.list.input == nil && command.urls.count == 1
        var plan = FetchPlan(command, storage: storage)
        plan.printsBody =
            storage == nil && isSingle && (command.list.globoff || command.urls[0].allSatisfy { $0 != "{" })
        self.plan = plan
        watch = try FetchWatch(command.watching, printsBody: plan.printsBody)
        limits = command.pace.limits
        let jar = try command.sending.cookieJar.map { (jar: CookieJar(), path: try Self.checkedJar($0)) }
        cookies = jar
        cache = storing.httpCache.map { HTTPCache(.folder($0)) }
        configuration = try .init(command, jar: jar?.jar, cache: cache)
        shown = watch.shownLines
        loops = command.pace.loops > 1 ? command.pace.loops : nil
        secretOrigin = command.sending.authOrigin
        grace = .seconds(command.patience.grace)
        resumeCommand = records.state.map { _ in CommandLineText.resuming(command) }
        try report?.begin()
        isReady = true
    }

    /// Runs, and ends with the exit code of what came of it.
    func run() throws {
        Termination.setGrace(grace)
        let record = RunRecord(report: report, state: state, watch: watch)
        var thrown: (any Error)?
        do {
            try EventLoop.run { try await watch.during { try await work(record) } }
        } catch {
            thrown = error
        }
        let isInterrupted = thrown is CancellationError
        var isNoted = true
        do {
            try record?.close()
        } catch {
            StandardError.complain("\(error)")
            isNoted = false
        }
        if let loss = record?.loss {
            StandardError.complain(loss)
            isNoted = false
        }
        let isWhole = thrown == nil && !watch.hasFailures && isNoted
        plan.storage?.close()
        if let error = thrown as? OutputError, error.isClosed { ExitStatus.dieOfBrokenPipe() }
        if isInterrupted, resumeCommand == nil {
            StandardError.complain("nothing was noted of what is done; with --state FILE a run can be continued")
        }
        let ending = thrown.map { isInterrupted ? Summary.Ending.interrupted : .stopped("\($0)") } ?? .complete
        var isWritten = true
        do {
            try watch.finish(ending, resume: isWhole ? nil : resumeCommand)
        } catch {
            StandardError.complain("\(error)")
            isWritten = false
        }
        if isInterrupted { throw ExitCode(Termination.exitCode) }
        if thrown is CookieFileError { throw ExitCode(ExitStatus.usage) }
        guard isWhole, isWritten else { throw ExitCode(ExitStatus.failure) }
    }

    /// Better now than after hours: it is saved by a new file beside it.
    private static func checkedJar(_ path: String) throws -> String {
        let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
        guard access(folder, W_OK | X_OK) == 0 else {
            throw CookieFileError(
                description: "cannot write the cookie jar \(path): \(String(cString: strerror(errno)))"
            )
        }
        return path
    }

    private func work(_ record: RunRecord?) async throws {
        guard let loop = EventLoop.current else { return }
        if let cookies, access(cookies.path, F_OK) == 0 {
            do {
                try await cookies.jar.load(netscape: cookies.path)
            } catch let error where !(error is CancellationError) {
                throw CookieFileError(description: "\(error)")
            }
        }
        let queue = FetchQueue(limits, on: loop)
        let run = FetchRun(plan, queue: queue, watch: watch, record: record, shown: shown)
        let job = FetchJob(
            run: run,
            configuration: configuration,
            concurrency: limits.concurrency,
            loops: loops,
            secretOrigin: secretOrigin,
            grace: grace
        )
        do {
            try await job.work(InputReader(source, names: names))
        } catch {
            try? await cookies?.jar.save(netscape: cookies?.path ?? "")
            throw error
        }
        // What came last is still on its way to the disk.
        try await cache?.flush()
        if let cookies { try await cookies.jar.save(netscape: cookies.path) }
        if case .signal = run.end.cause { throw CancellationError() }
    }
}

/// The file of `--cookie-jar` cannot be used.
private struct CookieFileError: Error, CustomStringConvertible {
    var description: String
}
