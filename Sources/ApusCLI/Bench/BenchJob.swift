import Apus
import HTTPTypes
import Synchronization

/// Asks a server for one URL again and again.
struct BenchJob: Sendable {
    enum Limit: Sendable, Equatable {
        case requests(Int)
        case time(Duration)
    }

    var uri: URI
    var method: HTTPRequest.Method
    var headers: HTTPFields
    var body: RequestBody?
    var connections: Int
    var limit: Limit
    /// Each second; nil for as fast as the server answers.
    var rate: Double?
    var timeout: Duration
    var tls: TLSConfiguration
    var statistics: RunStatistics
    private let progress = BenchProgress()

    init(
        uri: URI,
        method: HTTPRequest.Method = .get,
        headers: HTTPFields = [:],
        body: RequestBody? = nil,
        connections: Int,
        limit: Limit,
        rate: Double? = nil,
        timeout: Duration = .seconds(30),
        tls: TLSConfiguration = TLSConfiguration(),
        statistics: RunStatistics
    ) {
        self.uri = uri
        self.method = method
        self.headers = headers
        self.body = body
        self.connections = connections
        self.limit = limit
        self.rate = rate
        self.timeout = timeout
        self.tls = tls
        self.statistics = statistics
    }

    /// Requests that were due and not sent, because no connection was free before the end.
    var unsent: Int { progress.unsent.load(ordering: .relaxed) }

    private var configuration: ClientSession.Configuration {
        var configuration = ClientSession.Configuration()
        configuration.pool.limit = connections
        configuration.timeouts.total = timeout
        configuration.redirects = .never
        configuration.decompress = false
        configuration.userAgent = "apus-bench/0.1"
        configuration.tls = tls
        return configuration
    }

    /// Cancel safety: requests under way are given up, and not counted.
    func run() async throws { try await ClientSession.with(configuration) { session in try await run(session) } }

    /// The same with a session of the caller's.
    ///
    /// Cancel safety: requests under way are given up, and not counted.
    func run(_ session: ClientSession) async throws {
        if case .requests(let count) = limit { statistics.setTotal(count) }
        guard let loop = EventLoop.current else { return }
        let schedule = BenchSchedule(limit, rate, start: loop.clock.now, progress)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<connections {
                group.addTask(executorPreference: loop) { try await work(session, schedule, loop.clock) }
            }
            while try await group.next() != nil {}
        }
    }

    /// One connection's work.
    private func work(_ session: ClientSession, _ schedule: BenchSchedule, _ clock: LoopClock) async throws {
        let host = "\(uri.host):\(uri.effectivePort ?? 0)"
        while true {
            let start: LoopClock.Instant
            switch schedule.next(clock.now, statistics) {
            case .over: return
            case .now: start = clock.now
            case .at(let due):
                try await sleep(until: due)
                start = due
            }
            statistics.began(host: host)
            var result = FetchResult(number: 0, place: "", outcome: .failed, attempts: 1)
            await ask(session, &result)
            // A request that was given up says nothing about the server.
            if Task.isCancelled { throw CancellationError() }
            result.duration = start.duration(to: clock.now)
            statistics.finished(result, host: host)
        }
    }

    private func ask(_ session: ClientSession, _ result: inout FetchResult) async {
        do {
            let response = try await session.request(method, uri, headers: headers, body: body)
            result.status = response.status.code
            for try await piece in response.body {
                result.bytes += piece.count
                statistics.received(bytes: piece.count, host: "")
            }
            if response.status.code < 400 { result.outcome = .fetched }
        } catch let error as ClientError {
            result.failure = .init(code: "\(error.code)", message: SettingNames.replaced(in: error.message))
        } catch {
            result.failure = .init(code: "failed", message: "\(error)")
        }
    }
}

/// What the tasks of a bench share.
final class BenchProgress: Sendable {
    let taken = Atomic<Int>(0)
    let unsent = Atomic<Int>(0)
}

/// When which request is due.
struct BenchSchedule: Sendable {
    enum Turn: Sendable, Equatable {
        case now
        /// Which may be past.
        case at(LoopClock.Instant)
        case over
    }

    private let limit: BenchJob.Limit
    private let rate: Double?
    private let start: LoopClock.Instant
    private let progress: BenchProgress

    init(_ limit: BenchJob.Limit, _ rate: Double?, start: LoopClock.Instant, _ progress: BenchProgress) {
        self.limit = limit
        self.rate = rate
        self.start = start
        self.progress = progress
    }

    func next(_ now: LoopClock.Instant, _ statistics: RunStatistics) -> Turn {
        let number = progress.taken.wrappingAdd(1, ordering: .relaxed).oldValue
        let due = rate.map { start.advanced(by: .seconds(Double(number) / $0)) }
        if case .requests(let count) = limit {
            guard number < count else { return .over }
            return due.map { .at($0) } ?? .now
        }
        guard case .time(let time) = limit else { return .over }
        let end = start.advanced(by: time)
        guard due ?? now < end else { return .over }
        if now >= end {
            // What is left was due, and nobody was free: all at once, since at a high rate it may be billions.
            let total = rate.map { Int(min(($0 * time.inSeconds).rounded(.up), 1e15)) } ?? 0
            progress.unsent.wrappingAdd(max(1, total - number), ordering: .relaxed)
            progress.taken.store(max(total, number + 1), ordering: .relaxed)
            return .over
        }
        // For the view, which thinks in items.
        if number % 64 == 63 {
            let passed = max(0.001, start.duration(to: now).inSeconds / time.inSeconds)
            let total = rate.map { $0 * time.inSeconds } ?? Double(number) / passed
            statistics.setTotal(Int(min(total, 1e15)), isExact: false)
        }
        return due.map { .at($0) } ?? .now
    }
}
