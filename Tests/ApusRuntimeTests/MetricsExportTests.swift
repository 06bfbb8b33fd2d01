import CoreMetrics
import Synchronization
import Testing

@testable import ApusRuntime

/// Keeps the last value of each metric, by name and labels, and how many exist.
private final class Backend: MetricsFactory {
    private let state = Mutex<(values: [String: Double], records: Int, alive: Set<String>)>(([:], 0, []))

    var values: [String: Double] { state.withLock { $0.values } }
    var alive: Set<String> { state.withLock { $0.alive } }

    private final class Handler: CounterHandler, RecorderHandler, TimerHandler {
        let backend: Backend
        let name: String

        init(_ backend: Backend, _ name: String) {
            self.backend = backend
            self.name = name
        }

        func increment(by amount: Int64) { backend.note { $0[name, default: 0] += Double(amount) } }
        func reset() {}
        func record(_ value: Int64) { record(Double(value)) }
        func record(_ value: Double) { backend.note { $0[name] = value } }
        func recordNanoseconds(_ duration: Int64) { record(duration) }
    }

    private func note(_ change: (inout [String: Double]) -> Void) { state.withLock { change(&$0.values) } }

    private func make(_ label: String, _ dimensions: [(String, String)]) -> Handler {
        let name = label + "{" + dimensions.map { "\($0)=\($1)" }.joined(separator: ",") + "}"
        state.withLock { _ = $0.alive.insert(name) }
        return Handler(self, name)
    }

    private func destroy(_ handler: Any) {
        if let handler = handler as? Handler { state.withLock { _ = $0.alive.remove(handler.name) } }
    }

    func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler { make(label, dimensions) }
    func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        make(label, dimensions)
    }
    func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler { make(label, dimensions) }
    func destroyCounter(_ handler: any CounterHandler) { destroy(handler) }
    func destroyRecorder(_ handler: any RecorderHandler) { destroy(handler) }
    func destroyTimer(_ handler: any TimerHandler) { destroy(handler) }
}

private func onLoop(_ measuresLag: Bool = false, _ body: @escaping @Sendable (EventLoop) async throws -> Void)
    async throws
{
    var options = EventLoop.Options()
    options.name = "told"
    options.clock = .virtual
    options.measuresLag = measuresLag
    try await EventLoop.with(options) { try await body(try currentLoop()) }
}

@Suite("MetricsExport")
struct MetricsExportTests {
    @Test("tells the loop's numbers and the pools' queues, every so often, until it is cancelled")
    func tells() async throws {
        try await onLoop { loop in
            let backend = Backend()
            let pool = OffloadPool(name: "told", maximumThreads: 1)
            let export = try loop.exportMetrics(every: .seconds(10), pools: [pool], to: backend)
            let task = loop.spawn { try await untilCancelled() }
            try await sleep(for: .seconds(9))
            #expect(backend.values.isEmpty)
            try await sleep(for: .seconds(2))
            #expect(backend.values["apus.loop.tasks{loop=told}"] == 1)
            #expect(backend.values["apus.loop.timers{loop=told}"] == 2)
            #expect(backend.values["apus.loop.ready{loop=told}"] == 0)
            #expect(backend.values["apus.loop.descriptors{loop=told}"] == 0)
            #expect(backend.values["apus.loop.offload.queued{pool=told}"] == 0)
            let jobs = try #require(backend.values["apus.loop.jobs{loop=told}"])
            #expect(jobs > 0)
            #expect(backend.values.keys.allSatisfy { !$0.contains("lag") })
            task.cancel()
            _ = await task.result
            try await sleep(for: .seconds(10))
            #expect(backend.values["apus.loop.tasks{loop=told}"] == 0)
            let later = try #require(backend.values["apus.loop.jobs{loop=told}"])
            #expect(later > jobs)
            let run = try #require(loop.statistics()).jobs
            #expect(later <= Double(run), "each job is counted once")
            let series = backend.alive
            #expect(series.count == 7)
            export.cancel()
            export.cancel()
            #expect(backend.alive.isEmpty)
            try await sleep(for: .seconds(100))
            #expect(backend.values["apus.loop.jobs{loop=told}"] == later)
            #expect(loop.statistics()?.timers == 0)
        }
    }

    @Test("a queue that waits for a thread is told")
    func queue() async throws {
        try await onLoop { loop in
            let backend = Backend()
            let pool = OffloadPool(name: "busy", maximumThreads: 1)
            let (begun, gate) = (Gate(), Gate())
            let export = try loop.exportMetrics(every: .seconds(1), pools: [pool], to: backend)
            async let first: Void = offload(to: pool) {
                begun.open()
                gate.pass()
            }
            async let second: Void = offload(to: pool) {}
            await turns()
            begun.pass()
            // Virtual time stands still for the calls: this is the exporter's own turn.
            export.exportNow()
            #expect(backend.values["apus.loop.offload.queued{pool=busy}"] == 1)
            #expect(backend.values["apus.loop.offload.threads{pool=busy}"] == 1)
            gate.open()
            _ = try await (first, second)
            export.cancel()
        }
    }

    @Test("lag is told in seconds, by quantile, where it is measured")
    func lag() async throws {
        try await onLoop(true) { loop in
            let backend = Backend()
            let export = try loop.exportMetrics(every: .seconds(10), label: "mine", pools: [], to: backend)
            try await sleep(for: .seconds(11))
            let quantiles = ["0.5", "0.9", "0.99", "0.999", "1"]
            let lags = quantiles.compactMap { backend.values["mine.lag{loop=told,quantile=\($0)}"] }
            #expect(lags.count == 5)
            #expect(lags == lags.sorted())
            #expect(lags[4] < 3600)
            export.cancel()
        }
    }

    @Test("an interval that is not more than zero is refused; the loop's end is the export's")
    func bad() async throws {
        try await onLoop { loop in
            for interval in [Duration.zero, .seconds(-1)] {
                #expect(throws: LoopError.self) { try loop.exportMetrics(every: interval) }
            }
            // Nothing cancels this one.
            try loop.exportMetrics(to: Backend())
        }
        let loop = try await EventLoop.with { try currentLoop() }
        // From another thread than the loop's the end is found out later.
        (try? loop.exportMetrics(to: Backend()))?.cancel()
    }
}
