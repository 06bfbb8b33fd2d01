/// What cancelling a task does to the call that it has offloaded: see ``offload(to:cancellation:_:)``.
///
/// Either way a call that has not begun never runs, its place in the pool's queue is free at once, and in one that has begun
/// `Task.isCancelled` turns true.
public enum OffloadCancellation: Sendable, Hashable {
    /// The wait ends at once. The call goes on to its end on its thread, and its result is dropped: asyncio's `to_thread`.
    case abandon
    /// The wait goes on until the call has ended, and gives its result or its error. The call looks at `Task.isCancelled`, or calls
    /// `Task.checkCancellation()`, and ends early: for what must not go on unattended, such as a function that writes a file.
    case cooperative
}
