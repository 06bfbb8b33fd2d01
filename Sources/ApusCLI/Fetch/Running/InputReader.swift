import Apus

/// Reads the input into the queue, as far as there is room.
struct InputReader {
    private var source: URLSource
    private var names: StorageNames?
    private var unskipped = 0

    /// One call of the queue for so many.
    private static let batch = 128

    init(_ source: URLSource, names: StorageNames?) {
        self.source = source
        self.names = names
    }

    /// Reads until there is a URL to fetch: the first one says who gets the credentials.
    ///
    /// - Returns: nil at the end of the input.
    mutating func first(_ run: FetchRun) async throws -> Transfer? {
        while let element = try await source.next() {
            if let transfer = transfer(element, run) { return transfer }
            // A list may begin with millions of lines that are no URLs.
            if run.isFull { await run.room() }
        }
        run.record?.endOfInput()
        return nil
    }

    /// Reads to the end, or until the run is stopped.
    ///
    /// - Throws: ``InputError``, `CancellationError`.
    mutating func read(into run: FetchRun) async throws {
        var batch: [Transfer] = []
        while await run.queue.waitForRoom() {
            var isAtEnd = false
            while batch.count < Self.batch {
                var element = source.nextAtOnce()
                if element == nil {
                    // What there is goes on before the next piece of the input is waited for.
                    if !source.isReady, !batch.isEmpty { break }
                    element = try await source.next()
                }
                guard let element else {
                    isAtEnd = true
                    break
                }
                if let transfer = transfer(element, run) { batch.append(transfer) }
                if run.isFull { await run.room() }
            }
            if let total = source.total { run.watch.setTotal(total.count, isExact: total.isExact) }
            run.queue.add(batch)
            batch.removeAll(keepingCapacity: true)
            if isAtEnd {
                run.record?.endOfInput()
                return
            }
        }
    }

    /// Nil for what is not fetched: what is done, and what cannot be.
    private mutating func transfer(_ element: URLSource.Element, _ run: FetchRun) -> Transfer? {
        switch element {
        case .invalid(let number, let place, let reason):
            var result = FetchResult(number: number, place: "\(place)", outcome: .failed)
            result.failure = FetchResult.Failure(code: "invalidURL", message: reason)
            run.finished(&result, host: nil)
            return nil
        case .item(let item):
            let name = names?.assign(item)
            let isDone = run.record?.isDone(item) {
                guard let storage = run.plan.storage, case .success(let path) = name else { return true }
                return (try? storage.existing(at: path)) != nil
            }
            if isDone == true {
                run.watch.addSkipped(1)
                return nil
            }
            switch name {
            case .none: return Transfer(item)
            case .success(let path): return Transfer(item, path: path)
            case .failure(let error):
                let url = item.uri.hasUserinfo ? item.uri.withoutUserinfo : item.uri
                var result = FetchResult(number: item.number, place: item.place, outcome: .failed, url: url)
                result.failure = FetchResult.Failure(code: "storage", message: "\(error)")
                run.finished(&result, host: nil)
                return nil
            }
        }
    }
}
