#if canImport(Glibc)
import Glibc
#endif

// The runtime's errors, by who has to act:
//
//   you      nestedRun, loopClosed, loopForked, invalidArgument, wrongThread, wouldDeadlock,
//            descriptorInUse, descriptorClosed, busy, tooLate, unresponsive
//   the world systemResources (no descriptor, no thread, no memory)

/// What went wrong with an ``EventLoop`` itself.
public struct LoopError: Error, Sendable, CustomStringConvertible {
    /// The kind of a ``LoopError``.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        private enum Kind: String, Sendable {
            case nestedRun, loopClosed, loopForked, systemResources, invalidArgument, wrongThread, wouldDeadlock
            case descriptorInUse, descriptorClosed, busy, tooLate, unresponsive
        }

        private var kind: Kind

        /// `EventLoop.run` was called on a thread that already runs a loop.
        public static let nestedRun = Code(kind: .nestedRun)
        /// The loop has been closed: its remaining tasks finish, and it starts nothing new.
        public static let loopClosed = Code(kind: .loopClosed)
        /// The loop belongs to the parent of this forked process.
        public static let loopForked = Code(kind: .loopForked)
        /// The system has no descriptor, thread or memory to give.
        public static let systemResources = Code(kind: .systemResources)
        /// An argument that cannot be meant.
        public static let invalidArgument = Code(kind: .invalidArgument)
        /// A ``EventLoop/Runner`` was used on another thread than the one that made it, or whole-process mode off the main thread.
        public static let wrongThread = Code(kind: .wrongThread)
        /// A thread would wait for a task that only this thread could run.
        public static let wouldDeadlock = Code(kind: .wouldDeadlock)
        /// The loop watches the descriptor already, for a stream or another ``IOHandle``.
        public static let descriptorInUse = Code(kind: .descriptorInUse)
        /// The descriptor, or its ``IOHandle``, was closed.
        public static let descriptorClosed = Code(kind: .descriptorClosed)
        /// Another task waits for the same thing already.
        public static let busy = Code(kind: .busy)
        /// The loop did not answer in time: one of its jobs holds it.
        public static let unresponsive = Code(kind: .unresponsive)

        /// ``EventLoop/Options/wholeProcess`` was asked for a second time, or after Swift's pool had begun to run tasks.
        public static let tooLate = Code(kind: .tooLate)

        public var description: String { kind.rawValue }
    }

    /// What kind of error this is.
    public var code: Code
    /// The system's error number, where there is one.
    public var errno: Int32?
    private var message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    init(_ code: Code, errno: Int32, while action: String) {
        self.code = code
        self.errno = errno
        self.message = "\(action) failed: \(String(cString: strerror(errno)))"
    }

    static func closed(_ name: String) -> LoopError {
        LoopError(
            .loopClosed,
            "Event loop “\(name)” is closed. What still runs on it can finish, but it starts nothing new: "
                + "do this work before `EventLoop.run` or `EventLoop.with` returns."
        )
    }

    static func unresponsive(_ name: String, after timeout: Duration) -> LoopError {
        LoopError(
            .unresponsive,
            "Event loop “\(name)” did not answer within \(timeout): one of its jobs holds it, or it is a Runner's that does not run "
                + "just now. `Options.debug` says which job, and on which line."
        )
    }

    static func forked(_ name: String) -> LoopError {
        LoopError(
            .loopForked,
            "Event loop “\(name)” belongs to the parent process. After fork, make a new loop in the child with `EventLoop.run`."
        )
    }

    public var description: String { message }
}
