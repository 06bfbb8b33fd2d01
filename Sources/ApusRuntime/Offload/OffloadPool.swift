import CApus

/// A pool of threads for work that must not run on a loop: see ``offload(to:_:)``.
public struct OffloadPool: Sendable {
    let pool: ThreadPool

    /// A pool of your own. It lives as long as the process: make few, and keep them in a `static let`.
    ///
    /// - Parameters:
    ///   - name: shown in thread names and errors.
    ///   - maximumThreads: at least 1. Threads appear on demand and leave after 10 s without work.
    ///   - maximumQueue: how many calls may wait for a thread before ``OffloadError`` `.queueFull` is thrown; at least 1.
    public init(name: String, maximumThreads: Int, maximumQueue: Int = 65_536) {
        pool = ThreadPool(name: name, maximumThreads: maximumThreads, maximumQueue: maximumQueue)
    }

    /// For calls that block: files, databases, C libraries. At most 64 threads; at most 65,536 calls wait.
    public static let blocking = OffloadPool(name: "blocking", maximumThreads: 64)

    /// For work that computes: one thread per core that this process may use; at most 65,536 calls wait.
    public static let cpu = OffloadPool(name: "cpu", maximumThreads: availableCores())

    /// The pool as it is now.
    public var statistics: OffloadStatistics { pool.statistics }
    /// The pool's name.
    public var name: String { pool.name }
    /// The bound on its threads.
    public var maximumThreads: Int { pool.maximumThreads }
    /// The bound on the calls that wait for a thread.
    public var maximumQueue: Int { pool.maximumQueue }

    private static func availableCores() -> Int {
        // The affinity mask, not the machine: `taskset` and container CPU sets count.
        max(1, Int(apus_available_cores()))
    }
}

/// A moment of an ``OffloadPool``.
public struct OffloadStatistics: Sendable, Hashable {
    /// Threads that exist.
    public var threads: Int
    /// Threads that wait for work.
    public var idleThreads: Int
    /// Calls that wait for a thread.
    public var queued: Int
}

/// Why a call could not be offloaded.
public struct OffloadError: Error, Sendable, CustomStringConvertible {
    /// The kind of an ``OffloadError``.
    public struct Code: Sendable, Hashable {
        private enum Kind: Sendable { case queueFull, noThread }
        private var kind: Kind
        /// As many calls as the pool allows are waiting for a thread.
        public static let queueFull = Code(kind: .queueFull)
        /// The pool has no thread and the system gives none.
        public static let noThread = Code(kind: .noThread)
    }

    /// What kind of error this is.
    public var code: Code
    /// What the system said, for `.noThread`.
    public var cause: (any Error)?
    private var message: String

    init(_ code: Code, pool: String, bound: Int) {
        self.code = code
        message =
            "Offload pool “\(pool)” has \(bound) calls waiting already, which is its bound. Limit how many are started at "
            + "once, for instance with `gather(_:limit:_:)`."
    }

    init(_ code: Code, pool: String, cause: any Error) {
        self.code = code
        self.cause = cause
        message = "Offload pool “\(pool)” has no thread and cannot start one: \(cause)"
    }

    public var description: String { message }
}
