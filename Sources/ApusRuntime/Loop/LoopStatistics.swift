/// Counters of a loop since it began.
public struct LoopStatistics: Sendable {
    /// How long the loop has existed, by real time.
    public var uptime = Duration.zero
    /// Jobs (parts of tasks between two suspensions) that have run.
    public var jobs = 0
    /// Times that the system was asked for events.
    public var polls = 0
    /// Jobs that wait for their turn now.
    public var ready = 0
    /// In debug mode: how long one job has held the loop at most. Nil otherwise: a look at the clock per job is not free.
    public var longestJob: Duration?
    /// With ``EventLoop/Options/measuresLag``: how long the loop was busy, each time, before it looked at the world again. What became ready
    /// meanwhile has waited up to that long. Nil otherwise.
    public var lag: DurationHistogram?
    /// Timers pending now.
    public var timers = 0
    /// Descriptors registered now, in-memory streams included.
    public var descriptors = 0
    /// Tasks that ``EventLoop/spawn(name:_:)`` started and that have not ended.
    public var tasks = 0

    /// Jobs per second since the loop began.
    public var jobsPerSecond: Double { jobsPerSecond(since: LoopStatistics()) }

    /// Jobs per second since an earlier look at the same loop; 0 if no time has passed.
    public func jobsPerSecond(since earlier: LoopStatistics) -> Double {
        let time = uptime - earlier.uptime
        return time > .zero ? Double(jobs - earlier.jobs) / (time / .seconds(1)) : 0
    }
}
