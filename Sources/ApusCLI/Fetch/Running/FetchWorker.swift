import Apus
import HTTPTypes

/// One of those who fetch: takes a transfer from the queue, makes one attempt, says what came of it, and takes the next.
struct FetchWorker: Sendable {
    let run: FetchRun
    let session: ClientSession
    let files: FileTrips
    /// There if bodies are stored in memory.
    private let batch: StoreBatch?

    /// Whether nothing is asked of each body but to be counted, and stored if bodies are.
    private let isUsual: Bool

    init(run: FetchRun, session: ClientSession, files: FileTrips) {
        self.run = run
        self.session = session
        self.files = files
        batch = run.plan.storage.flatMap { $0.isInMemory ? StoreBatch($0) : nil }
        isUsual = run.plan.method == nil && run.plan.body == nil && !run.plan.reports && !run.plan.looksIntoBodies
    }

    /// Of a body that nobody wants, what is read to keep its connection.
    private static let discardLimit = 64 * 1024
    private static let discardTime = Duration.seconds(10)

    /// What came of an attempt.
    private struct Attempt {
        var result: FetchResult
        /// An answer to try again after, or an error that allows it.
        var isTransient = false
        var wasSent = true
        /// Seconds that the server wants to be left alone.
        var asked = 0
        var host = AttemptEnd.Host.unknown
        var isCancelled = false
        /// A part of its body may be on standard output.
        var isShown = false

        init(_ item: FetchItem) {
            let url = item.uri.hasUserinfo ? item.uri.withoutUserinfo : item.uri
            result = FetchResult(number: item.number, place: item.place, outcome: .failed, url: url)
        }
    }

    /// Works until there is no more to do, or the run was stopped.
    ///
    /// Cancel safety: what is under way ends, and is neither reported nor noted as done.
    func work() async {
        var end: AttemptEnd?
        // One look at the clock for the end of an attempt and the beginning of the next.
        var now = MonotonicTime.now()
        while true {
            var isOver = false
            var next = run.queue.take(after: end, at: now, isOver: &isOver)
            if next == nil, !isOver { next = await run.queue.wait() }
            guard let transfer = next else { return }
            if transfer.attempts == 1 { begin(transfer) }
            var attempt = Attempt(transfer.item)
            do {
                if needsLook(transfer) {
                    try await goOn(transfer, &attempt)
                } else {
                    try await exchange(transfer, nil, &attempt)
                }
            } catch is CancellationError {
                attempt.isCancelled = true
            } catch {
                fail(&attempt, error)
            }
            now = MonotonicTime.now()
            end = conclude(transfer, &attempt, at: now)
            if run.isFull {
                await run.room()
                now = MonotonicTime.now()
            }
        }
    }

    private func begin(_ transfer: Transfer) {
        run.watch.began(host: transfer.host)
        if run.plan.hasSecrets, !session.configuration.secretOrigins.contains(transfer.item.uri.origin) {
            run.watch.addWithoutCredentials()
        }
    }

    // MARK: What comes of it

    private func conclude(_ transfer: Transfer, _ attempt: inout Attempt, at now: Int64) -> AttemptEnd {
        var end = AttemptEnd(lane: transfer.lane, host: attempt.host)
        if attempt.asked <= RetryRule.longestWait { end.pause = Int64(attempt.asked) * 1_000_000_000 }
        // It is as if it had not been begun: a resumed run begins it.
        if attempt.isCancelled { return end }
        if attempt.isTransient, mayRepeat(transfer, attempt),
            let wait = run.plan.retry.wait(afterAttempts: transfer.attempts, asked: attempt.asked)
        {
            guard !run.queue.isStopped else { return end }
            run.watch.retrying(host: transfer.host)
            end.retry = AttemptEnd.Retry(transfer, after: wait)
            return end
        }
        attempt.result.attempts = transfer.attempts
        attempt.result.nanoseconds = now - transfer.started
        run.finished(&attempt.result, host: transfer.host)
        return end
    }

    private func mayRepeat(_ transfer: Transfer, _ attempt: Attempt) -> Bool {
        if attempt.isShown, attempt.result.bytes > 0 { return false }
        return !attempt.wasSent || RetryRule.isIdempotent(run.plan.method(of: transfer.item))
    }

    // MARK: The exchange

    /// From where an earlier run or attempt has ended.
    private func goOn(_ transfer: Transfer, _ attempt: inout Attempt) async throws {
        let look = try await look(transfer)
        do {
            try await exchange(transfer, look, &attempt)
        } catch let error as TransferError where error.code == TransferError.wrongRange.code && look?.file != nil {
            // What there is of the body is of no use, and this is no failure: it begins anew.
            if let file = look?.file { try await files.run { file.discard() } }
            try await exchange(transfer, nil, &attempt)
        }
    }

    private func exchange(_ transfer: Transfer, _ look: Look?, _ attempt: inout Attempt) async throws {
        let item = transfer.item
        let response = try await session.request(
            run.plan.method(of: item),
            item.uri,
            headers: fields(transfer, look),
            body: run.plan.body(of: item)
        )
        attempt.host = .answered
        if transfer.isProbe { run.queue.answered(transfer) }
        let status = response.status.code
        attempt.result.status = status
        if run.plan.reports { attempt.result.finalURL = response.uri }
        // What most exchanges are: a whole body, of which nobody wants to know more.
        if isUsual, look == nil, (200...205).contains(status), item.isPlain {
            try await receiveUsual(response, transfer, &attempt)
        } else {
            try await receive(response, status, transfer, look, &attempt)
        }
        response.release()
    }

    private func fail(_ attempt: inout Attempt, _ error: any Error) {
        // Standard output takes no more: that is the run's matter, and the run ends.
        if let error = error as? OutputError {
            run.end.begin(.error(error))
            attempt.isCancelled = true
            return
        }
        let verdict = FailureVerdict(error)
        attempt.result.outcome = .failed
        attempt.result.failure = verdict.failure
        attempt.isTransient = verdict.isTransient
        attempt.wasSent = verdict.wasSent
        if attempt.host != .answered { attempt.host = verdict.host }
    }

    private func receive(
        _ response: ClientResponse,
        _ status: Int,
        _ transfer: Transfer,
        _ look: Look?,
        _ attempt: inout Attempt
    ) async throws {
        if run.plan.reports { attempt.result.contentType = response.headers[.contentType] }
        if status == 304 {
            // The rest was asked for, and not whether it has changed: begin anew.
            if look?.resumption != nil { throw TransferError.wrongRange }
            // It has no body, and replaces nothing.
            guard look?.modified != nil || run.plan.asksForChange(transfer.item) else { throw TransferError.notAsked }
            attempt.result.outcome = .unchanged
            if look?.modified != nil { attempt.result.file = transfer.path?.text }
        } else if status >= 400 {
            // The file has become shorter than what there is of it.
            if status == 416, look?.resumption != nil { throw TransferError.wrongRange }
            try await refuse(response, status, transfer, look, &attempt)
        } else {
            if status == 206, !run.plan.asksForPart(transfer.item) {
                try Self.checkRange(of: response, look?.resumption)
            }
            try await store(response, BodyPieces(response.body), transfer, look, &attempt)
        }
        if run.plan.reports { attempt.result.timings = await response.timings }
    }

    private func refuse(
        _ response: ClientResponse,
        _ status: Int,
        _ transfer: Transfer,
        _ look: Look?,
        _ attempt: inout Attempt
    ) async throws {
        attempt.result.failure = FetchResult.Failure(code: "status", message: "The server answered \(status).")
        attempt.isTransient = RetryRule.isTransient(status)
        if attempt.isTransient { attempt.asked = RetryRule.wait(of: response) }
        if run.plan.printsBody, !attempt.isTransient {
            return try await store(response, BodyPieces(response.body), nil, look, &attempt)
        }
        guard (response.contentLength ?? 0) <= Self.discardLimit else { return }
        do {
            try await withTimeout(Self.discardTime) {
                for try await piece in response.body {
                    run.watch.received(bytes: piece.count, host: transfer.host)
                    attempt.result.bytes += piece.count
                    if attempt.result.bytes > Self.discardLimit { return }
                }
            }
        } catch is TimeoutError {
            // Only the connection is lost.
        }
    }

    /// The body of an exchange that is usual. If it has come whole with its head, it needs neither a sink nor a wait.
    private func receiveUsual(
        _ response: ClientResponse,
        _ transfer: Transfer,
        _ attempt: inout Attempt
    ) async throws {
        var pieces = BodyPieces(response.body)
        guard try await pieces.lookAhead(response.contentLength) else {
            return try await store(response, pieces, transfer, nil, &attempt)
        }
        let body = pieces.first ?? []
        attempt.result.bytes = body.count
        // What shows it looks at the time when an item is over, which this one soon is.
        run.watch.received(wholeOf: body.count)
        if let storage = run.plan.storage, let path = transfer.path {
            let (number, modified) = (transfer.item.number, response.lastModified.map { Int64($0.secondsSince1970) })
            if let batch {
                attempt.result.file = try await batch.store(body, at: path, number: number, modified: modified)
            } else {
                attempt.result.file = try await files.run {
                    try storage.store(body, at: path, number: number, modified: modified)
                }
            }
        }
        attempt.result.outcome = .fetched
    }

    /// Reads the body to its end.
    private func store(
        _ response: ClientResponse,
        _ pieces: BodyPieces,
        _ transfer: Transfer?,
        _ look: Look?,
        _ attempt: inout Attempt
    ) async throws {
        attempt.isShown = run.plan.printsBody
        if run.plan.storage == nil, !run.plan.looksIntoBodies {
            attempt.result.bytes = 0
            try await read(pieces, of: response, host: transfer?.host ?? "") { attempt.result.bytes += $0.count }
            attempt.result.outcome = .fetched
            return
        }
        let sink = BodySink(
            run.plan,
            files,
            output: run.plan.printsBody ? run.output : nil,
            target: try transfer.flatMap { try target($0, response, look) }
        )
        do {
            // An answer to HEAD tells a length and has none (RFC 9110 §9.3.2).
            if transfer.map({ run.plan.method(of: $0.item) }) != .head {
                try sink.check(length: response.contentLength)
            }
            try await sink.begin()
            try await read(pieces, of: response, host: transfer?.host ?? "") { try await sink.add($0) }
            if let size = look?.expectedSize(of: response), sink.count != size { throw TransferError.wrongRange }
            let stored = try await sink.finish()
            attempt.result.bytes = sink.count
            attempt.result.file = stored.file
            attempt.result.sha256 = stored.sha256
            if attempt.result.failure == nil { attempt.result.outcome = .fetched }
        } catch {
            attempt.result.bytes = sink.count
            await sink.breakOff(error)
            throw error
        }
    }

    private func read(
        _ pieces: BodyPieces,
        of response: ClientResponse,
        host: String,
        _ add: ([UInt8]) async throws -> Void
    ) async throws {
        var pieces = pieces
        guard let first = try await pieces.next() else { return }
        run.watch.received(bytes: first.count, host: host)
        try await add(first)
        // Most bodies come with their heads. A reader of standard output may be as slow as it likes.
        guard let floor = run.plan.rateFloor, !run.plan.printsBody, first.count != response.contentLength else {
            while let piece = try await pieces.next() {
                run.watch.received(bytes: piece.count, host: host)
                try await add(piece)
            }
            return
        }
        do {
            try await withDeadline((EventLoop.current ?? .shared).clock.now.advanced(by: floor.duration)) { scope in
                var count = 0
                while let piece = try await pieces.next() {
                    run.watch.received(bytes: piece.count, host: host)
                    try await add(piece)
                    count += piece.count
                    guard count >= floor.bytes else { continue }
                    count = 0
                    scope.reschedule(after: floor.duration)
                }
            }
        } catch is TimeoutError {
            throw TransferError.tooSlow(floor)
        }
    }

    // MARK: What is there already

    /// What an earlier run, or attempt, has left. A class, as there mostly is none, which is then one word to hand on.
    private final class Look: Sendable {
        let file: PartialFile?
        let resumption: PartialFile.Resumption?
        /// Of the complete file.
        let modified: Int64?

        init(file: PartialFile? = nil, resumption: PartialFile.Resumption? = nil, modified: Int64? = nil) {
            self.file = file
            self.resumption = resumption
            self.modified = modified
        }

        /// How large the whole has to be when its rest has come; nil if it comes as a whole.
        func expectedSize(of response: ClientResponse) -> Int? {
            guard resumption != nil, response.status.code == 206 else { return nil }
            return response.headers[.contentRange].flatMap { ContentRange($0) }?.range?.upperBound
        }
    }

    /// Whether there may be something to go on from.
    private func needsLook(_ transfer: Transfer) -> Bool {
        guard let storage = run.plan.storage else { return false }
        return run.plan.ifModified || storage.staging.mayHavePart(transfer.item.number)
    }

    private func look(_ transfer: Transfer) async throws -> Look? {
        let plan = run.plan
        guard let storage = plan.storage, let path = transfer.path else { return nil }
        let item = transfer.item
        let resumes = storage.staging.mayHavePart(item.number) && plan.continues(item)
        guard resumes || plan.ifModified, plan.method(of: item) == .get else { return nil }
        return try await files.run {
            if resumes {
                let file = storage.partial(at: path, number: item.number, uri: item.uri, asking: plan.asking(item))
                if let resumption = file.resumption() { return Look(file: file, resumption: resumption) }
            }
            let modified = plan.ifModified ? try storage.existing(at: path)?.modified : nil
            return modified.map { Look(modified: $0) }
        }
    }

    private func fields(_ transfer: Transfer, _ look: Look?) -> HTTPFields {
        var fields = run.plan.fields(of: transfer.item)
        if let resumption = look?.resumption {
            fields[.range] = "bytes=\(resumption.offset)-"
            fields[.ifRange] = resumption.validator.ifRange
        } else if let modified = look?.modified {
            fields[.ifModifiedSince] = "\(HTTPTimestamp(secondsSince1970: Int(modified)))"
        }
        return fields
    }

    private func target(
        _ transfer: Transfer,
        _ response: ClientResponse,
        _ look: Look?
    ) throws -> BodySink.Target? {
        // An answer to HEAD has no body to be stored in the place of the file.
        guard let storage = run.plan.storage, let path = transfer.path, run.plan.method(of: transfer.item) != .head
        else { return nil }
        var target = BodySink.Target(storage: storage, path: path, item: transfer.item)
        target.asking = run.plan.asking(transfer.item)
        target.modified = response.lastModified.map { Int64($0.secondsSince1970) }
        if run.plan.continues(transfer.item) { target.response = response }
        guard let resumption = look?.resumption, response.status.code == 206 else { return target }
        target.response = nil
        target.offset = resumption.offset
        target.validator = resumption.validator
        return target
    }

    /// Whether an answer of 206 is the rest that was asked for, all of it, and of the same body: what is there is not to be completed with
    /// anything else, nor is a part to be taken for the whole.
    private static func checkRange(of response: ClientResponse, _ resumption: PartialFile.Resumption?) throws {
        let fields = response.headers
        guard let resumption,
            isRest(fields[.contentRange], from: resumption.offset),
            !resumption.validator.disagrees(etag: fields[.eTag], lastModified: fields[.lastModified])
        else { throw TransferError.wrongRange }
    }

    /// Whether it is of `bytes 100-199/200`, for 100.
    static func isRest(_ field: String?, from offset: Int) -> Bool {
        guard let field, let part = ContentRange(field), let range = part.range else { return false }
        return range.lowerBound == offset && range.upperBound == part.size ?? range.upperBound
    }
}
