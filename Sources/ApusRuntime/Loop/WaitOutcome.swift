/// Why a wait ended.
@frozen
public enum WaitOutcome: UInt8, Sendable {
    /// What was waited for has happened.
    case ready
    /// The deadline has passed.
    case timedOut
    /// The waiting task was cancelled.
    case cancelled
    /// The descriptor, or the loop, was closed.
    case closed
    /// Somebody else waits for the same thing already.
    case busy
}
