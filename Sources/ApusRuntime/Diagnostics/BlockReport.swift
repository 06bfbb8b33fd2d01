/// What `BlockMonitor` says about one job that has held its event loop for too long.
///
/// There are two of them per such job: `.holding` while it still runs, with the place where it is, and `.ended` with its
/// full duration. A job that ends while the monitor is still looking at it has only the second.
public struct BlockReport: Sendable, CustomStringConvertible {
    /// Whether the job is still on the loop.
    public enum Phase: Sendable, Hashable {
        /// The job still holds the loop; `duration` is the time so far.
        case holding
        /// The job has ended; `duration` is its whole time.
        case ended
    }

    /// What a loop runs.
    public enum JobKind: UInt64, Sendable, Hashable {
        /// A piece of a Swift task, from one `await` to the next.
        case task = 1
        /// What was waiting on the main queue: main actor jobs, `DispatchQueue.main`.
        case mainQueue = 2
        /// A closure given to `schedule`.
        case callback = 3
    }

    /// What the loop's thread was doing when it was looked at.
    public enum ThreadState: Sendable, Hashable {
        /// It computes.
        case running
        /// It sits in a system call, known by its name or else its number.
        case systemCall(String)
        /// It waits for a page of memory.
        case pageFault
        /// The kernel does not tell, or the thread has not answered.
        case unknown
    }

    /// One level of the loop thread's call stack.
    public struct Frame: Sendable, Hashable, CustomStringConvertible {
        /// The function, demangled.
        public var function: String?
        /// The source file as the debug information names it.
        public var file: String?
        /// The line in `file`.
        public var line: Int?
        /// The executable or library, without its directory.
        public var image: String?
        /// The program counter, or for every frame but the innermost a return address.
        public var address: UInt
        /// Whether the function was inlined into the next frame, whose `address` it shares.
        public var isInlined: Bool
        /// Whether the frame belongs to the system, the Swift runtime or Apus, and so is never the culprit.
        public var isInternal: Bool
    }

    /// Whether the job is still on the loop.
    public var phase: Phase
    /// What kind of job it is.
    public var kind: JobKind
    /// The task's name, if it has one.
    public var taskName: String?
    /// The task's id, for jobs of tasks.
    public var taskID: UInt64?
    /// How long the job has held the loop: so far, or in all.
    public var duration: Duration
    /// The threshold that it passed.
    public var threshold: Duration
    /// The event loop.
    public var loop: String
    /// The loop thread's stack, innermost frame first; empty when the job has ended or could not be looked at.
    public var frames: [Frame]
    /// What the thread was doing.
    public var threadState: ThreadState
    /// Where the task was started, if Apus started it.
    public var creationSite: CallTrace?

    /// The innermost frame of the program's own code: the line to look at.
    public var culprit: Frame? {
        culpritIndex.map { frames[$0] }
    }

    /// A frame with a line is worth more than one without, even if the latter is deeper. What is outside the job, such as
    /// the line that has started the loop, is not to blame.
    var culpritIndex: Int? {
        let job = frames.prefix { !$0.isBeginningOfJob }
        return job.firstIndex { !$0.isInternal && $0.line != nil } ?? job.firstIndex { !$0.isInternal }
    }

    /// The report as a message of several lines.
    public var description: String {
        switch phase {
        case .ended:
            return "\(subject) has released event loop “\(loop)” after \(Self.text(duration))."
        case .holding:
            var text = "\(subject) has held event loop “\(loop)” for \(Self.text(duration))"
            text += " (threshold \(Self.text(threshold)))"
            if let place { text += ": \(place)" }
            text += "\n  \(hint)"
            if let site = creationSite?.place { text += "\n  The task was started by \(site.place)." }
            for (index, frame) in frames.enumerated() {
                let number = String(index)
                text += "\n  \(number)\(String(repeating: " ", count: max(1, 4 - number.utf8.count)))\(frame)"
            }
            return text
        }
    }

    private var subject: String {
        switch kind {
        case .task: taskName.map { "Task “\($0)”" } ?? taskID.map { "Task #\($0)" } ?? "A task"
        case .mainQueue: "A job of the main queue"
        case .callback: "A scheduled callback"
        }
    }

    /// Where it is: "slowQuery() at Examples/Blocking.swift:12, in usleep (system call clock_nanosleep)".
    private var place: String? {
        guard let index = culpritIndex else {
            guard case .systemCall(let call) = threadState else { return nil }
            return "in system call \(call)"
        }
        var text = frames[index].place
        var inner: [String] = []
        if index > 0, let callee = frames[index - 1].function { inner.append("in \(callee)") }
        if case .systemCall(let call) = threadState {
            if inner.isEmpty {
                inner.append("in system call \(call)")
            } else if frames[index - 1].function != call {
                inner.append("(system call \(call))")
            }
        }
        if !inner.isEmpty { text += ", " + inner.joined(separator: " ") }
        return text
    }

    private var hint: String {
        let advice =
            switch threadState {
            case .systemCall: "Move a blocking call off the loop: `try await offload { … }`."
            case .running: "Move CPU work off the loop: `try await offload(to: .cpu) { … }`."
            case .pageFault, .unknown:
                "Move it off the loop: `offload { … }` if it waits, `offload(to: .cpu) { … }` if it computes."
            }
        return "Nothing else on this loop runs meanwhile. " + advice
    }

    static func text(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        let milliseconds = seconds * 1000 + (attoseconds + 500_000_000_000_000) / 1_000_000_000_000_000
        guard milliseconds >= 10_000 else { return "\(milliseconds) ms" }
        return "\(milliseconds / 1000).\(milliseconds % 1000 / 100) s"
    }
}

extension BlockReport.Frame {
    /// Function and line, or what is known of them.
    var place: String {
        let name = function ?? "0x\(String(address, radix: 16))"
        guard let file else { return name }
        return "\(name) at \(SourcePath.shortened(file))" + (line.map { ":\($0)" } ?? "")
    }

    /// Whether the function is the one that runs jobs: the Swift runtime's, or for callbacks the loop's own.
    var isBeginningOfJob: Bool {
        guard isInternal, let function else { return false }
        return function.hasPrefix("swift::runJobInEstablishedExecutorContext") || function.hasPrefix("swift_job_run")
            || function == "EventLoop.turn()"
    }

    public var description: String {
        place + (isInlined ? " [inlined]" : "") + (image.map { " (\($0))" } ?? "")
    }
}
