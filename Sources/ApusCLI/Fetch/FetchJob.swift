import Apus
import Synchronization

/// Fetches what a ``URLSource`` gives, so many at a time.
struct FetchJob: Sendable {
    let folder: StorageFolder?
    /// Whether the body goes to standard output, and the line to standard error.
    let printsBody: Bool
    let concurrency: Int
    let perHost: Int
    let timeout: Duration?
    let tls: TLSConfiguration
    let tally: Tally
    private let output = Output()

    /// Bodies are written in pieces of about this size: one trip to a thread each.
    private static let pieceSize = 256 * 1024

    init(
        folder: StorageFolder?,
        printsBody: Bool,
        concurrency: Int,
        perHost: Int,
        timeout: Duration?,
        tls: TLSConfiguration,
        tally: Tally
    ) {
        self.folder = folder
        self.printsBody = printsBody
        self.concurrency = concurrency
        self.perHost = perHost
        self.timeout = timeout
        self.tls = tls
        self.tally = tally
    }

    private var configuration: ClientSession.Configuration {
        var configuration = ClientSession.Configuration()
        // As many connections as requests: none waits for another's.
        configuration.pool.limit = concurrency
        configuration.timeouts.total = timeout
        configuration.userAgent = "apus/0.1"
        configuration.tls = tls
        return configuration
    }

    /// - Throws: `CancellationError`, ``OutputError``, ``URLListError``. Whatever concerns one URL becomes its line.
    ///
    /// Cancel safety: what is under way ends; no unfinished file is left.
    func run(_ source: URLSource) async throws {
        try await ClientSession.with(configuration) { session in
            try await withThrowingTaskGroup(of: Origin.self) { group in
                // Only this task reads the source, and only as far as there is room: a long list is never in memory.
                var source = source
                var running: [Origin: Int] = [:]
                var total = 0
                while let target = try await source.next() {
                    guard case .url(let uri) = target else {
                        try await report(target)
                        continue
                    }
                    let origin = uri.origin
                    // The next URL waits here and not in the session, where the wait would count as its time.
                    while total >= concurrency || running[origin, default: 0] >= perHost {
                        guard let finished = try await group.next() else { break }
                        total -= 1
                        running[finished, default: 1] -= 1
                        if running[finished] == 0 { running[finished] = nil }
                    }
                    total += 1
                    running[origin, default: 0] += 1
                    group.addTask(executorPreference: EventLoop.current) {
                        try await fetch(uri, session)
                        return origin
                    }
                }
                // Not `waitForAll`, which would let the others go on after an error.
                while try await group.next() != nil {}
            }
        }
    }

    private func report(_ target: URLSource.Target) async throws {
        guard case .invalid(let place, let reason) = target else { return }
        tally.addFailure()
        try await printLine("ERR invalidURL \(Format.harmless(reason)) \(Format.harmless(place))")
    }

    private func fetch(_ uri: URI, _ session: ClientSession) async throws {
        let start = ContinuousClock.now
        let file = folder.map { StoredFile(in: $0, at: StoragePath(uri)) }
        do {
            let (status, count) = try await session.get(uri) { response in
                let isError = response.status.code >= 400
                return (response.status.code, try await receive(response.body, into: isError ? nil : file))
            }
            let time = Format.seconds(ContinuousClock.now - start)
            try await printLine("\(status) \(Format.right("\(count)", 9)) \(Format.right(time, 8)) \(uri.redacted)")
            // Behind its line: a URL whose line cannot be written is a failure.
            tally.add(bytes: count, isFailure: status >= 400)
        } catch {
            if let file { await discard(file) }
            if error is OutputError {
                tally.addFailure()
                throw error
            }
            try Task.checkCancellation()
            tally.addFailure()
            let (code, message) = Self.describe(error)
            try await printLine("ERR \(code) \(Format.harmless(message)) \(uri.redacted)")
        }
    }

    /// - Returns: the bytes of the body.
    private func receive(_ body: ResponseBody, into file: StoredFile?) async throws -> Int {
        var count = 0
        var pending: [UInt8] = []
        for try await piece in body {
            count += piece.count
            if printsBody { try await output.write(piece) }
            guard let file else { continue }
            if pending.isEmpty { pending = piece } else { pending += piece }
            guard pending.count >= Self.pieceSize else { continue }
            let bytes = pending
            pending = []
            try await offload { try file.write(bytes) }
        }
        if let file {
            // A small body is one trip: make, write, close and rename.
            let bytes = pending
            try await offload {
                try file.write(bytes)
                try file.finish()
            }
        }
        return count
    }

    /// In a task of its own, which is not cancelled: a cancelled one offloads nothing.
    private func discard(_ file: StoredFile) async {
        _ = await EventLoop.spawn(name: "discard") { try await offload { file.discard() } }.result
    }

    private func printLine(_ line: String) async throws {
        if printsBody { StandardError.write(line + "\n") } else { try await output.write(line: line) }
    }

    private static func describe(_ error: any Error) -> (code: String, message: String) {
        switch error {
        case var error as ClientError:
            // The line ends with the URL anyway.
            error.url = nil
            return ("\(error.code)", "\(error)")
        case let error as StorageError: return ("storage", "\(error)")
        default: return ("failed", "\(error)")
        }
    }
}

/// What has been done so far; asked also when the job did not end well.
final class Tally: Sendable {
    private struct Counts {
        var fetched = 0
        var failed = 0
        var bytes = 0
    }

    private let counts = Mutex(Counts())
    private let start = ContinuousClock.now

    func add(bytes: Int, isFailure: Bool) {
        counts.withLock {
            $0.fetched += isFailure ? 0 : 1
            $0.failed += isFailure ? 1 : 0
            $0.bytes += bytes
        }
    }

    func addFailure() { counts.withLock { $0.failed += 1 } }

    var hasFailures: Bool { counts.withLock { $0.failed > 0 } }

    /// `1000 URLs: 998 fetched, 2 failed; 12.3 MB in 1.24 s`.
    var summary: String {
        let counts = counts.withLock { $0 }
        let all = Format.count(counts.fetched + counts.failed, "URL")
        let time = Format.time(ContinuousClock.now - start)
        return "\(all): \(counts.fetched) fetched, \(counts.failed) failed; \(Format.bytes(counts.bytes)) in \(time)"
    }
}
