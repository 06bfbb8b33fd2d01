import Glibc
public import Logging

extension EventLoop {
    /// Where a loop's time comes from.
    public enum TimeSource: Sendable, Hashable {
        /// CLOCK_MONOTONIC.
        case monotonic
        /// A clock that jumps to the next timer whenever nothing else can happen: for tests.
        case virtual
    }

    /// What a loop does about Ctrl-C.
    public enum SignalHandling: Sendable, Hashable {
        /// The first SIGINT cancels the closure given to ``EventLoop/run(_:_:)``, the second ends the process with status
        /// 130. Only on the main thread, only if SIGINT is at its default, and put back on return. While somebody waits for
        /// ``signals(_:)-(Signal...)`` with `.int`, they get it instead.
        case interrupt
        /// Signals are left alone.
        case none
    }

    /// How to set up a loop.
    public struct Options: Sendable {
        /// Shown in logs and reports.
        public var name = "main"
        /// Where time comes from.
        public var clock = TimeSource.monotonic
        /// For tests: the loop runs any of the ready jobs next, drawn from this seed, instead of the one that came first. What does not
        /// depend on the order of jobs holds as ever; on virtual time the same seed gives the same order again. Nil is the order of
        /// arrival, and costs nothing. `withVirtualTime(shuffling:_:)` and `forEachSchedule` of ApusTesting set it.
        public var shuffleSeed: UInt64?
        /// What Ctrl-C does.
        public var signals = SignalHandling.interrupt
        /// Turns on the ``BlockReport`` watchdog, the warnings of wrong use and of what is dropped without being closed, and what
        /// ``EventLoop/tasks(timeout:)`` and ``UnhandledError`` know of where tasks were started. `APUS_DEBUG=1` in the environment turns
        /// it on too. Connections are logged at level debug as they are made, accepted and closed, with their addresses.
        public var debug = getenv("APUS_DEBUG").map { String(cString: $0) == "1" } ?? false
        /// In debug mode: how long a job may hold the loop before it is reported.
        public var blockThreshold = Duration.milliseconds(100)
        /// In debug mode: takes the reports, on a thread of the watchdog's. Nil writes them to ``logger`` as warnings.
        public var onBlock: (@Sendable (BlockReport) -> Void)?
        /// Measures how long the loop keeps waiting what has become ready: ``LoopStatistics/lag``. Two looks at the clock for each look at
        /// the system.
        public var measuresLag = false
        /// Takes the errors that nobody receives: of a spawned task whose value nobody asked for, of children whose siblings had decided the
        /// outcome, of a listener's handlers. Nil writes them to ``logger``.
        public var exceptionHandler: (@Sendable (UnhandledError) -> Void)?
        /// Where ``offload(to:_:)`` goes by default on this loop (``OffloadPool/blocking``): asyncio's `set_default_executor`. Nil for the
        /// process's.
        ///
        /// The loop's end waits, for up to ``offloadDrainTimeout``, until its pools have nothing to do. Loops may share a pool; the last one
        /// waits. The pool itself goes on, and another loop can have it afterwards.
        public var blockingPool: OffloadPool?
        /// What ``OffloadPool/cpu`` is on this loop. Nil for the process's. At the end as ``blockingPool``.
        public var cpuPool: OffloadPool?
        /// How long the loop's end waits for calls of its own pools that nobody awaits any more. What is left then goes on, and the log
        /// says how many calls of which pool. For the process's pools no loop waits.
        public var offloadDrainTimeout = Duration.seconds(10)
        /// Where the runtime logs; it logs little: nothing at all while all goes well.
        public var logger = Logger(label: "apus")
        /// Set by ``wholeProcess`` only, which is there only where the compiler can have it.
        var isWholeProcess = false

        public init() {}
    }
}
