/// A part of a task that waits for its turn, and how it came: through the loop as its task's preference, or through the loop as
/// an actor's serial executor.
///
/// One word: the runtime aligns jobs to 16 bytes, so that the lowest bit of their address is free.
struct ReadyJob: Sendable {
    private let bits: UInt

    init(_ job: UnownedJob, isSerial: Bool) {
        bits = unsafeBitCast(job, to: UInt.self) | (isSerial ? 1 : 0)
    }

    /// Whether an actor bound to the loop is to run: its task may belong to somebody else.
    var isSerial: Bool { bits & 1 != 0 }
    /// The address that is also the task's.
    var address: UnsafeRawPointer? { UnsafeRawPointer(bitPattern: bits & ~1) }
    var job: UnownedJob { unsafeBitCast(bits & ~1, to: UnownedJob.self) }
}

/// The loop as the executor of actors that are bound to it.
///
/// An object of its own, since the runtime calls the same `enqueue` for both kinds of executor: a task of the global pool that calls
/// such an actor is on the loop's thread as long as it is in the actor, but its nonisolated code goes on in the pool.
// @unchecked: `loop` is set once, before anybody else sees the object, and loops are never freed.
final class LoopSerialExecutor: SerialExecutor, @unchecked Sendable {
    unowned(unsafe) var loop: EventLoop?

    func enqueue(_ job: consuming ExecutorJob) {
        loop?.enqueue(ReadyJob(UnownedJob(job), isSerial: true))
    }

    func checkIsolated() { loop?.checkIsolated() }

    func isIsolatingCurrentContext() -> Bool? { loop?.isCurrent }
}
