import CApus

/// How long a loop does not look at the world. Loop thread only.
///
/// A lap begins when the system has said what is ready, and ends when it is asked again: jobs, timers, calls from other threads and
/// watchers all lie between.
final class LagMeter {
    private(set) var histogram = DurationHistogram()
    private var beginning: Int64?

    func lapBegins() { beginning = apus_monotonic_now() }

    func lapEnds() {
        guard let beginning else { return }
        histogram.record(nanoseconds: apus_monotonic_now() &- beginning)
        self.beginning = nil
    }
}
