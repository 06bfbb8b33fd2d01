public import CoreMetrics
import Synchronization

/// Tells a swift-metrics backend how a loop is doing, again and again: see
/// ``EventLoop/exportMetrics(every:label:pools:to:)``.
///
/// It goes on until ``cancel()``, or the loop's end, whether or not the handle is kept.
public final class MetricsExport: Sendable {
    private let core: LoopBound<MetricsExportCore>

    fileprivate init(_ core: LoopBound<MetricsExportCore>) { self.core = core }

    /// Ends the export, and destroys its metrics in the backend. Safe from any thread, any number of times.
    public func cancel() { core.perform { $0.cancel() } }

    /// Tells once, out of turn. Loop thread only.
    func exportNow() { core.value.export() }
}

extension EventLoop {
    /// Tells a swift-metrics backend how this loop is doing, every so often. Safe from any thread.
    ///
    /// ```swift
    /// MetricsSystem.bootstrap(backend)
    /// try EventLoop.current?.exportMetrics()
    /// ```
    ///
    /// | metric | labels | |
    /// |---|---|---|
    /// | `apus.loop.ready`, `.tasks`, `.timers`, `.descriptors` | `loop` | gauges: ``LoopStatistics`` |
    /// | `apus.loop.jobs` | `loop` | a counter |
    /// | `apus.loop.lag` | `loop`, `quantile` 0.5, 0.9, 0.99, 0.999 and 1 | gauges, seconds since the last time; with ``Options/measuresLag`` only |
    /// | `apus.loop.offload.queued`, `.threads` | `pool` | gauges: ``OffloadStatistics`` |
    ///
    /// There is one time series for each loop, quantile and pool, and never more. Loops of one name share theirs: name them.
    ///
    /// - Parameters:
    ///   - interval: how often, by the loop's clock; more than zero.
    ///   - label: what the metrics' names begin with.
    ///   - pools: whose queues are told.
    ///   - factory: where to; the backend that the program has chosen.
    /// - Throws: ``LoopError`` `.invalidArgument` for an interval that is not more than zero; `.loopClosed`, `.loopForked`.
    @discardableResult
    public func exportMetrics(
        every interval: Duration = .seconds(10),
        label: String = "apus.loop",
        pools: [OffloadPool] = [.blocking, .cpu],
        to factory: any MetricsFactory = MetricsSystem.factory
    ) throws -> MetricsExport {
        try checkOpen()
        guard interval > .zero else {
            throw LoopError(.invalidArgument, "exportMetrics(every: \(interval)): the interval must be more than zero.")
        }
        let core = MetricsExportCore(of: self, every: interval, label: label, pools: pools, to: factory)
        let bound = LoopBound(core, on: self)
        bound.perform { $0.begin() }
        return MetricsExport(bound)
    }
}

/// The loop's side of a ``MetricsExport``. Loop thread only, once it has begun.
private final class MetricsExportCore {
    /// In percent, and as the label says it.
    private static let quantiles: [(percentage: Double, label: String)] = [
        (50, "0.5"), (90, "0.9"), (99, "0.99"), (99.9, "0.999"), (100, "1"),
    ]

    // Unowned: loops are never freed.
    private unowned(unsafe) let loop: EventLoop
    private let interval: Duration
    private let ready: Gauge
    private let tasks: Gauge
    private let timers: Gauge
    private let descriptors: Gauge
    private let jobs: Counter
    private let lags: [(percentage: Double, gauge: Gauge)]
    private let pools: [(pool: OffloadPool, queued: Gauge, threads: Gauge)]
    private var before = LoopStatistics()
    private var timer: ScheduledCall?
    private var isOver = false

    init(
        of loop: EventLoop,
        every interval: Duration,
        label: String,
        pools: [OffloadPool],
        to factory: any MetricsFactory
    ) {
        self.loop = loop
        self.interval = interval
        let labels = [("loop", loop.name)]
        func gauge(_ name: String, _ labels: [(String, String)]) -> Gauge {
            Gauge(label: "\(label).\(name)", dimensions: labels, factory: factory)
        }
        ready = gauge("ready", labels)
        tasks = gauge("tasks", labels)
        timers = gauge("timers", labels)
        descriptors = gauge("descriptors", labels)
        jobs = Counter(label: "\(label).jobs", dimensions: labels, factory: factory)
        let quantiles = loop.options.measuresLag ? Self.quantiles : []
        lags = quantiles.map { ($0.percentage, gauge("lag", labels + [("quantile", $0.label)])) }
        self.pools = pools.map { pool in
            let labels = [("pool", pool.name)]
            return (pool, gauge("offload.queued", labels), gauge("offload.threads", labels))
        }
    }

    func begin() {
        before = loop.statistics() ?? LoopStatistics()
        wait()
    }

    private func wait() {
        guard !isOver else { return }
        let bound = LoopBound(self, on: loop)
        timer = loop.schedule(after: interval) { bound.perform { $0.export() } }
    }

    func export() {
        guard !isOver, let now = loop.statistics() else { return }
        timer?.cancel()
        ready.record(now.ready)
        tasks.record(now.tasks)
        timers.record(now.timers)
        descriptors.record(now.descriptors)
        jobs.increment(by: now.jobs - before.jobs)
        if let lag = now.lag {
            let recent = before.lag.map { lag.since($0) } ?? lag
            for (percentage, gauge) in lags { gauge.record(recent.percentile(percentage) / .seconds(1)) }
        }
        for (pool, queued, threads) in pools {
            let statistics = pool.statistics
            queued.record(statistics.queued)
            threads.record(statistics.threads)
        }
        before = now
        wait()
    }

    func cancel() {
        guard !isOver else { return }
        isOver = true
        timer?.cancel()
        timer = nil
        for gauge in [ready, tasks, timers, descriptors] + lags.map(\.gauge) { gauge.destroy() }
        jobs.destroy()
        for pool in pools {
            pool.queued.destroy()
            pool.threads.destroy()
        }
    }
}
