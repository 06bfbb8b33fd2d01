/// One task, as ``EventLoop/tasks(timeout:)`` found it.
public struct TaskInfo: Sendable, Identifiable, CustomStringConvertible {
    /// What a task does.
    public enum State: Sendable, Hashable {
        /// It runs: it is the one that asked, or it is on another thread just now, such as the main actor's.
        case running
        /// It waits for its turn.
        case ready
        /// It is suspended.
        case waiting(Wait)
        /// This Swift runtime does not let us see.
        case unknown
    }

    /// What a suspended task waits for.
    public enum Wait: Sendable, Hashable {
        /// Something to read from a descriptor; nil for an in-memory stream.
        case readable(descriptor: Int32?)
        /// Room to write to a descriptor; nil for an in-memory stream.
        case writable(descriptor: Int32?)
        /// A moment of the loop's clock.
        case time(LoopClock.Instant)
        /// The end of the task with this ``TaskInfo/id``.
        case task(UInt64)
        /// The children of a task group.
        case children
        /// A continuation: a lock or queue, an offloaded call, another executor, or code that is not Apus's.
        case continuation
    }

    /// Who started a task.
    public enum Origin: Sendable, Hashable {
        /// ``EventLoop/spawn(name:_:)``, or Apus for purposes of its own.
        case spawned
        /// The task that the loop was made to run.
        case root
        /// A task group or `async let`, Apus's (such as ``gather(_:limit:_:)``) or the program's.
        case child
    }

    /// The runtime's id of the task, which debuggers show too. It is never used again.
    public var id: UInt64
    /// Its name, if it was given one; for children of Apus's functions the place in them, such as `gather[3]`, in debug mode.
    public var name: String?
    /// Who started it.
    public var origin: Origin
    /// What it does.
    public var state: State
    /// Whether it was cancelled.
    public var isCancelled: Bool
    /// The task whose child it is or, in debug mode, that spawned it. That one may have ended.
    public var parent: UInt64?
    /// In debug mode, for tasks that Apus started: how often it has had its turn. Nil otherwise.
    public var runs: Int?
    /// In debug mode, for tasks that Apus started: how long it has held the loop, all in all. Nil otherwise.
    public var runTime: Duration?
    /// In debug mode, for tasks that Apus started: where that was.
    public var creationSite: CallTrace?
    /// Where it is suspended. Nil if it runs.
    public var suspension: CallTrace?

    /// One line: `#12 “fetch”: waits for something to read from descriptor 7, cancelled; 3 turns, 12 ms`.
    public var description: String {
        var text = "#\(id)" + (name.map { " “\($0)”" } ?? "") + ": \(state)"
        if isCancelled { text += ", cancelled" }
        if let runs, let runTime { text += "; \(runs) \(runs == 1 ? "turn" : "turns"), \(Self.text(runTime))" }
        return text
    }

    /// "12 µs", "12 ms", "12.3 s".
    private static func text(_ duration: Duration) -> String {
        let microseconds = duration.clampedNanoseconds / 1_000
        if microseconds < 10_000 { return "\(microseconds) µs" }
        if microseconds < 10_000_000 { return "\(microseconds / 1_000) ms" }
        return "\(microseconds / 1_000_000).\(microseconds / 100_000 % 10) s"
    }
}

extension TaskInfo.State: CustomStringConvertible {
    public var description: String {
        switch self {
        case .running: "runs"
        case .ready: "is ready"
        case .unknown: "exists"
        case .waiting(let wait): "waits for \(wait)"
        }
    }
}

extension TaskInfo.Wait: CustomStringConvertible {
    public var description: String {
        switch self {
        case .readable(let descriptor): "something to read" + Self.name(descriptor, "from")
        case .writable(let descriptor): "room to write" + Self.name(descriptor, "to")
        case .time: "a time"
        case .task(let id): "task #\(id)"
        case .children: "its children"
        case .continuation: "a continuation"
        }
    }

    private static func name(_ descriptor: Int32?, _ preposition: String) -> String {
        descriptor.map { " \(preposition) descriptor \($0)" } ?? " \(preposition) a stream in memory"
    }
}
