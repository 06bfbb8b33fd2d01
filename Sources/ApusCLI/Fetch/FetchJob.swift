import Apus
import Synchronization

/// Fetches what a ``URLSource`` gives, so many at a time.
struct FetchJob: Sendable {
    let storage: Storage?
    /// Whether the names below its folder mirror hosts and paths.
    let tree: Bool
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
        storage: Storage?,
        tree: Bool,
        printsBody: Bool,
        concurrency: Int,
        perHost: Int,
        timeout: Duration?,
        tls: TLSConfiguration,
        tally: Tally
    ) {
        self.storage = storage
        self.tree = tree
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

    /// - Throws: `CancellationError`, ``OutputError``, ``InputError``. Whatever concerns one URL becomes its line.
    ///
    /// Cancel safety: what is under way ends; no unfinished file is left.
    func run(_ source: URLSource) async throws {
        try await ClientSession.with(configuration) { session in
            try await withThrowingTaskGroup(of: Origin.self) { group in
                // Only this task reads the source, and only as far as there is room: a long list is never in memory.
                var source = source
                var names = StorageNames(tree: tree)
                var running: [Origin: Int] = [:]
                var total = 0
                while let element = try await source.next() {
                    guard case .item(let item) = element else {
                        try await report(element)
                        continue
                    }
                    let path = storage == nil ? nil : names.assign(item)
                    let origin = item.uri.origin
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
                        try await fetch(item, at: path, session)
                        return origin
                    }
                }
                // Not `waitForAll`, which would let the others go on after an error.
                while try await group.next() != nil {}
            }
        }
    }

    private func report(_ element: URLSource.Element) async throws {
        guard case .invalid(_, let place, let reason) = element else { return }
        tally.addFailure()
        try await printLine("ERR invalidURL \(Format.harmless(reason)) \(Format.harmless(place))")
    }

    private func fetch(_ item: FetchItem, at path: Result<StoragePath, StorageError>?, _ session: ClientSession)
        async throws
    {
        let start = ContinuousClock.now
        let uri = item.uri
        do {
            let path = try path?.get()
            let (status, count) = try await session.get(uri) { response in
                let isError = response.status.code >= 400
                return (response.status.code, try await receive(response.body, of: item, into: isError ? nil : path))
            }
            let time = Format.seconds(ContinuousClock.now - start)
            try await printLine("\(status) \(Format.right("\(count)", 9)) \(Format.right(time, 8)) \(uri.redacted)")
            // Behind its line: a URL whose line cannot be written is a failure.
            tally.add(bytes: count, isFailure: status >= 400)
        } catch {
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
    private func receive(_ body: ResponseBody, of item: FetchItem, into path: StoragePath?) async throws -> Int {
        var count = 0
        var pending: [UInt8] = []
        var file: PartialFile?
        do {
            for try await piece in body {
                count += piece.count
                if printsBody { try await output.write(piece) }
                guard let storage, let path else { continue }
                if pending.isEmpty { pending = piece } else { pending += piece }
                guard pending.count >= Self.pieceSize else { continue }
                let bytes = pending
                pending = []
                let known = file
                let current = known ?? storage.partial(at: path, number: item.number, uri: item.uri)
                file = current
                try await offload {
                    if known == nil { try current.begin(at: 0, validator: nil) }
                    try current.append(bytes)
                }
            }
        } catch {
            if let file { await discard(file) }
            throw error
        }
        guard let storage, let path else { return count }
        let bytes = pending
        guard let file else {
            // A small body is one trip: make, write, close and rename.
            _ = try await offload { try storage.store(bytes, at: path, number: item.number) }
            return count
        }
        do {
            _ = try await offload {
                try file.append(bytes)
                return try file.finish()
            }
        } catch {
            await discard(file)
            throw error
        }
        return count
    }

    /// In a task of its own, which is not cancelled: a cancelled one offloads nothing.
    private func discard(_ file: PartialFile) async {
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
