/// Everything that only the loop's own thread touches, behind one pointer: hot state in a class pays for a dynamic exclusivity
/// check at each access.
@usableFromInline
struct LoopState: ~Copyable {
    var ready = JobQueue()
    var timers = TimerQueue()
    var descriptors = DescriptorTable()
    var events = ContiguousArray<SelectorEvent>()
    /// What the inbox's items are taken out in: empty, but for its memory.
    var inboxBuffer: [InboxItem] = []
    /// The registrations of ``IOHandle``s, by descriptor: whoever gets the same number from the system later ends them.
    var handles: [Int32: UInt64] = [:]
    /// What is done when the slice's jobs have run: see ``EventLoop/defer(_:)``.
    var deferred = ContiguousArray<any DeferredWork>()
    /// The clock as of the last poll, in nanoseconds.
    var now: Int64 = 0
    /// The job that runs now. A task that is *it* was enqueued on this loop, and so resumes here after every wait;
    /// one that merely runs on this thread (the main actor, an immediate task) may not.
    @usableFromInline var runningJob: UnsafeRawPointer?
    /// How it came: by most ways its task may be somebody else's.
    var runningKind = ReadyJob.Kind.own
    /// Whether a watchdog looks at each job, or the loop runs jobs that are not its own: one flag, for the hot path to look at.
    var needsCare = false
    @usableFromInline var isClosed = false
    var isFinished = false
    /// Rounds of the running job that were counted by `sliceIsOver`.
    @usableFromInline var rounds = 0
    var monitor: BlockMonitor?
    /// With ``EventLoop/Options/measuresLag`` only.
    var lag: LagMeter?
    /// Nanoseconds of the system's clock at the loop's beginning.
    var beginning: Int64 = 0
    var statistics = LoopStatistics()
    var scratch: UnsafeMutableRawBufferPointer?
    /// The looks around before sleeping, while an offloaded call is awaited.
    var spin = SpinWindow()
    /// The looks around before sleeping, after another thread has sent something to a loop that slept, or looked.
    var outsideSpin = SpinWindow()
    var hasHeardFromOutside = false
    /// Virtual time: since when nothing of ours can move the clock, how many jobs had run by then, and whether it was said.
    var standstillSince: Int64 = 0
    var standstillJobs = -1
    var standstillReported = false
    /// Whether the loop counts among the owners of the pools in its options.
    var hasClaimedPools = true
    /// The order of the ready jobs, if it is not that of their arrival.
    var readyOrder: ReadyOrder?
}
