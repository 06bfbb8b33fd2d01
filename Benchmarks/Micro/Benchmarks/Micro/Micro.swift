import Apus
import Benchmark
import Glibc

/// Small operations as a user writes them. `scripts/bench-micro` runs them and writes their table.
let benchmarks: @Sendable () -> Void = {
    // Throughput is what the export wants. Instructions are nothing where the machine has no counters.
    let metrics: [BenchmarkMetric] = [.throughput, .wallClock, .cpuTotal, .instructions]
    let isQuick = getenv("APUS_MICRO_QUICK").map { String(cString: $0) } == "1"

    for (name, body) in runtimeOperations + wireOperations {
        let configuration = Benchmark.Configuration(
            metrics: metrics,
            warmupIterations: 3,
            scalingFactor: .kilo,
            maxDuration: .milliseconds(isQuick ? 80 : 400),
            maxIterations: 200
        )
        Benchmark(name, configuration: configuration) { benchmark in try onLoop(benchmark, body) }
    }
}

typealias Operation = @Sendable (_ count: Range<Int>) async throws -> Void

/// Runs a sample on a loop of its own; what the loop's start and end cost is not measured.
private func onLoop(_ benchmark: Benchmark, _ body: @escaping Operation) throws {
    let measured = Measured(benchmark: benchmark)
    try EventLoop.run {
        // Caches and pools of the loop are filled by then.
        try await body(0..<10)
        measured.benchmark.startMeasurement()
        try await body(measured.benchmark.scaledIterations)
        measured.benchmark.stopMeasurement()
    }
}

// @unchecked: the thread that has the benchmark waits for the loop, which runs on it.
private struct Measured: @unchecked Sendable {
    let benchmark: Benchmark
}
