import CApus
public import Logging

/// A pool of threads for work that must not run on a loop: see ``offload(to:_:)``.
public struct OffloadPool: Sendable {
    let threads: ThreadPool

    /// A pool of your own. It lives as long as the process: make few, and keep them in a `static let`.
    ///
    /// - Parameters:
    ///   - name: shown in thread names, errors and the log.
    ///   - maximumThreads: at least 1; less counts as 1. Threads appear on demand and leave after 10 s without work.
    ///   - maximumQueue: how many calls may wait for a thread before ``OffloadError`` `.queueFull` is thrown; at least 1, and less counts
    ///     as 1.
    ///   - logger: takes a warning every 10 s while all threads are busy and a call has waited for longer than that. Nil for one with the
    ///     label `apus`.
    public init(name: String, maximumThreads: Int, maximumQueue: Int = 65_536, logger: Logger? = nil) {
        threads = ThreadPool(name: name, maximumThreads: maximumThreads, maximumQueue: maximumQueue, logger: logger)
    }

    init(threads: ThreadPool) { self.threads = threads }

    private init(processWide name: String, maximumThreads: Int) {
        threads = ThreadPool(name: name, maximumThreads: maximumThreads, maximumQueue: 65_536, isProcessWide: true)
    }

    /// For calls that block: files, databases, C libraries.
    ///
    /// Where a loop runs, its ``EventLoop/Options/blockingPool``. Elsewhere, and where the loop has none, the process's: at most 64 threads;
    /// at most 65,536 calls wait.
    public static var blocking: OffloadPool { EventLoop.current?.options.blockingPool ?? processBlocking }

    /// For work that computes.
    ///
    /// Where a loop runs, its ``EventLoop/Options/cpuPool``. Elsewhere, and where the loop has none, the process's: one thread per core that
    /// this process may use; at most 65,536 calls wait.
    public static var cpu: OffloadPool { EventLoop.current?.options.cpuPool ?? processCPU }

    package static let processBlocking = OffloadPool(processWide: "blocking", maximumThreads: 64)
    private static let processCPU = OffloadPool(processWide: "cpu", maximumThreads: availableCores())

    /// The pool as it is now.
    public var statistics: OffloadStatistics { threads.statistics }
    /// The pool's name.
    public var name: String { threads.name }
    /// The bound on its threads.
    public var maximumThreads: Int { threads.maximumThreads }
    /// The bound on the calls that wait for a thread.
    public var maximumQueue: Int { threads.maximumQueue }

    /// Ends the pool: it takes no more calls, and those that it has get so long to end. asyncio's `shutdown_default_executor(timeout)`.
    ///
    /// From its beginning on new calls throw ``OffloadError`` `.shutDown`. What runs and what waits for a thread goes on. When the time is
    /// over, what still waits gets `.shutDown` too, and never runs; what still runs cannot be stopped, and goes on on its thread: whoever
    /// awaits it still gets its result. The process's exit does not wait for it. A pool of a loop is ended by its loop
    /// (``EventLoop/Options/blockingPool``). The process's own pools do not end: there this waits, and nothing else.
    ///
    /// - Parameter timeout: how long to wait; zero or less does not.
    /// - Returns: how many calls had not ended by then: 0 if all went well.
    ///
    /// Cancel safety: ends the wait at once, as if the time were over.
    @discardableResult
    public func shutdown(timeout: Duration) async -> Int { await threads.shutdown(timeout: timeout) }

    private static func availableCores() -> Int {
        // The affinity mask, not the machine: `taskset` and container CPU sets count.
        max(1, Int(apus_available_cores()))
    }
}
