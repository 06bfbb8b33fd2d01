/// A moment of an ``OffloadPool``.
public struct OffloadStatistics: Sendable, Hashable {
    /// The pool's name.
    public var name = ""
    /// Threads that exist.
    public var threads = 0
    /// Threads that wait for work.
    public var idleThreads = 0
    /// Calls that run now, those that nobody awaits any more among them.
    public var running = 0
    /// Calls that wait for a thread. Those that were cancelled meanwhile are not among them.
    public var queued = 0
    /// Calls that have ended, with a result or an error, since the pool was made.
    public var completed = 0
    /// Calls that were refused with an ``OffloadError`` since the pool was made.
    public var rejected = 0
    /// How long the first in the queue has waited; zero if none waits.
    public var oldestWait = Duration.zero
    /// How long a call has waited for a thread at most since the pool was made. One that found a thread free has not waited.
    public var longestWait = Duration.zero
}
