import Synchronization

/// Counts what a run does, in bounded memory: a million URLs and tens of thousands of hosts need what a thousand need.
///
/// One lock for all: what is done under it takes a fraction of a microsecond, once per URL. Pieces of bodies only add to a number.
final class RunStatistics: FetchWatcher {
    private struct State {
        var snapshot = RunSnapshot()
        /// How often each came, from 100 on.
        var statuses = [Int](repeating: 0, count: 900)
        var failures: [String: RunSnapshot.Failure] = [:]
        var hosts = HostTable()
        var series = ThroughputSeries()
        /// Of the bytes, those that the series has.
        var seriesBytes = 0
    }

    /// More kinds of errors than anything here has: what comes beyond them is counted as one.
    private static let failureLimit = 100

    private let clock: RunClock
    private let state = Mutex(State())
    private let bytes = Atomic<Int>(0)
    /// When the series next wants to know the bytes, in nanoseconds.
    private let nextSlice = Atomic<Int64>(0)

    init(clock: RunClock) { self.clock = clock }

    func began(host: String) {
        let elapsed = clock.nanoseconds
        state.withLock {
            $0.snapshot.inFlight += 1
            $0.hosts.began(host, at: elapsed)
        }
    }

    func received(bytes count: Int, host: String) {
        bytes.wrappingAdd(count, ordering: .relaxed)
        let elapsed = clock.nanoseconds
        guard elapsed >= nextSlice.load(ordering: .relaxed) else { return }
        state.withLock { update(&$0, at: elapsed) { _ in } }
    }

    /// The same without a look at the clock: ``finished(_:host:)``, of this item or the next, has one.
    func received(wholeOf count: Int) { bytes.wrappingAdd(count, ordering: .relaxed) }

    func retrying(host: String) { state.withLock { $0.snapshot.retries += 1 } }

    func finished(_ result: FetchResult, host: String?) {
        guard result.outcome != .skipped else { return addSkipped(1) }
        let elapsed = clock.nanoseconds
        let isFailure = result.outcome == .failed
        let hadBegun = result.attempts > 0
        state.withLock { state in
            switch result.outcome {
            case .fetched: state.snapshot.fetched += 1
            case .unchanged: state.snapshot.unchanged += 1
            case .failed: state.snapshot.failed += 1
            case .skipped: break
            }
            if let status = result.status, (100...999).contains(status) { state.statuses[status - 100] += 1 }
            if let failure = result.failure { count(failure, host, &state) }
            if hadBegun {
                state.snapshot.inFlight = max(0, state.snapshot.inFlight - 1)
                state.snapshot.latency.record(nanoseconds: result.nanoseconds)
            }
            if let host {
                state.hosts.finished(
                    host,
                    result.nanoseconds,
                    isFailure: isFailure,
                    bytes: result.bytes,
                    hadBegun: hadBegun,
                    at: elapsed
                )
            }
            update(&state, at: elapsed) { slice in
                if isFailure { slice.failed += 1 } else { slice.fetched += 1 }
            }
        }
    }

    func addSkipped(_ count: Int) { state.withLock { $0.snapshot.skipped += count } }

    func addWithoutCredentials() { state.withLock { $0.snapshot.withoutCredentials += 1 } }

    func setTotal(_ items: Int, isExact: Bool = true) {
        state.withLock {
            $0.snapshot.total = items
            $0.snapshot.isTotalExact = isExact
        }
    }

    func setPhase(_ phase: RunPhase) { state.withLock { $0.snapshot.phase = phase } }

    var hasFailures: Bool { state.withLock { $0.snapshot.failed > 0 } }

    /// What has been done until now.
    ///
    /// - Parameter hosts: so many of the slowest.
    func snapshot(hosts limit: Int) -> RunSnapshot {
        let elapsed = clock.elapsed
        return state.withLock { state in
            update(&state, at: elapsed.inNanoseconds) { _ in }
            var result = state.snapshot
            result.elapsed = elapsed
            result.bytes = state.seriesBytes
            result.series = state.series
            result.statuses = state.statuses.enumerated().filter { $0.element > 0 }.map {
                ($0.offset + 100, $0.element)
            }
            result.failures = state.failures.values.sorted { ($1.count, $0.code) < ($0.count, $1.code) }
            result.slowest = state.hosts.slowest(limit, at: elapsed).map {
                RunSnapshot.HostRow(name: $0.name, figures: $0.host, slowness: $0.host.slowness(at: elapsed))
            }
            result.hostCount = state.hosts.hosts.count
            if state.hosts.isPartial || result.slowest.count < result.hostCount {
                result.otherHosts = result.slowest.reduce(state.hosts.total) { $0.without($1.figures) }
            }
            return result
        }
    }

    private func count(_ failure: FetchResult.Failure, _ host: String?, _ state: inout State) {
        if (state.failures[failure.code]?.count += 1) != nil { return }
        let code = state.failures.count < Self.failureLimit ? failure.code : "other"
        // Of a sentence that a server had a part in, as much as one wants to read.
        let example = String(failure.message.unicodeScalars.prefix(300))
        state.failures[code, default: .init(code: code, count: 0, example: example, host: host)].count += 1
    }

    /// Gives the slice of this moment what has happened in it, the bytes that came since it was last looked at included.
    private func update(
        _ state: inout State,
        at elapsed: Int64,
        _ change: (inout ThroughputSeries.Slice) -> Void
    ) {
        let total = bytes.load(ordering: .relaxed)
        state.series.update(at: elapsed) { slice in
            slice.bytes += max(0, total - state.seriesBytes)
            change(&slice)
        }
        state.seriesBytes = max(total, state.seriesBytes)
        nextSlice.store(elapsed &+ state.series.nanoseconds, ordering: .relaxed)
    }
}
