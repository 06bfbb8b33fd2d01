// Errors of locks, queues and barriers, all the caller's to mend:
//
//   invalidArgument   a limit or count that has no meaning
//   notHeld           released more often than acquired; a condition used without its lock
//   full, empty       what does not wait found no room, or nothing
//   shutDown          the queue takes, or gives, no more
//   broken            the barrier was reset, aborted, or left by a task that was cancelled

/// A lock, queue or barrier was used in a way that it cannot answer, or has come to its end.
public struct SyncError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The kind of a ``SyncError``.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        private enum Kind: String, Sendable {
            case invalidArgument, notHeld, full, empty, shutDown, broken
        }

        private var kind: Kind

        /// A limit or count that has no meaning there.
        public static let invalidArgument = Code(kind: .invalidArgument)
        /// Nobody holds what was to be released, or waited with.
        public static let notHeld = Code(kind: .notHeld)
        /// The queue is full: asyncio's `QueueFull`.
        public static let full = Code(kind: .full)
        /// The queue is empty: asyncio's `QueueEmpty`.
        public static let empty = Code(kind: .empty)
        /// The queue was shut down: asyncio's `QueueShutDown`.
        public static let shutDown = Code(kind: .shutDown)
        /// The barrier is broken: asyncio's `BrokenBarrierError`.
        public static let broken = Code(kind: .broken)

        public var description: String { kind.rawValue }
    }

    /// What kind of error this is.
    public var code: Code
    private var message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// Always false: deadlines belong to ``withTimeout(_:_:)``.
    public var isTimeout: Bool { false }

    public var description: String { message }
}
