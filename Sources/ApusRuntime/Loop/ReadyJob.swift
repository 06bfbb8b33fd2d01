/// A part of a task that waits for its turn, and how it came.
///
/// One word: the runtime aligns jobs to 16 bytes, so that the lowest bits of their address are free.
struct ReadyJob: Sendable {
    /// By which way a job comes to a loop.
    struct Kind: Equatable, Sendable {
        fileprivate let bits: UInt8

        /// Its task prefers the loop.
        static let own = Kind(bits: 0)
        /// An actor bound to the loop is to run: its task may belong to somebody else.
        static let serial = Kind(bits: 1)
        /// Whole-process mode: it would run in Swift's pool otherwise.
        static let global = Kind(bits: 2)
        /// Whole-process mode: the main actor is to run.
        static let main = Kind(bits: 3)
    }

    private let bits: UInt

    init(_ job: UnownedJob, _ kind: Kind) {
        bits = unsafeBitCast(job, to: UInt.self) | UInt(kind.bits)
    }

    var kind: Kind { Kind(bits: UInt8(truncatingIfNeeded: bits & 3)) }
    /// Whether the loop has it only because the whole process is the loop's.
    var isOfProcess: Bool { bits & 2 != 0 }
    /// The address that is also the task's.
    var address: UnsafeRawPointer? { UnsafeRawPointer(bitPattern: bits & ~3) }
    var job: UnownedJob { unsafeBitCast(bits & ~3, to: UnownedJob.self) }
}

/// The loop as the executor of actors that are bound to it.
///
/// An object of its own, since the runtime calls the same `enqueue` for both kinds of executor: a task of the global pool that calls
/// such an actor is on the loop's thread as long as it is in the actor, but its nonisolated code goes on in the pool.
// @unchecked: `loop` is set once, before anybody else sees the object, and loops are never freed.
final class LoopSerialExecutor: SerialExecutor, @unchecked Sendable {
    unowned(unsafe) var loop: EventLoop?

    func enqueue(_ job: consuming ExecutorJob) {
        loop?.enqueue(ReadyJob(UnownedJob(job), .serial))
    }

    func checkIsolated() { loop?.checkIsolated() }

    func isIsolatingCurrentContext() -> Bool? { loop?.isCurrent }
}

extension ReadyJob {
    /// Runs it on this thread. What belongs to the process runs as in Swift's pool: a preference that its task does not have would make
    /// each of its calls a change of executors, and so a new job.
    @inline(__always)
    func run(preferring executor: UnownedTaskExecutor) {
        if isOfProcess {
            job.runSynchronously(on: Self.noActor)
        } else {
            job.runSynchronously(on: executor)
        }
    }

    /// The serial executor of code that is isolated to no actor: two words of zero.
    private static var noActor: UnownedSerialExecutor {
        unsafeBitCast((UInt(0), UInt(0)), to: UnownedSerialExecutor.self)
    }
}
