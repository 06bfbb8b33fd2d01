import Glibc

/// What this process has used of the processor.
enum ProcessorTime {
    /// In user and in system mode together.
    static var now: Duration {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return time(usage.ru_utime) + time(usage.ru_stime)
    }

    private static func time(_ time: timeval) -> Duration { .seconds(time.tv_sec) + .microseconds(time.tv_usec) }
}
