// Why a call was not offloaded, by who has to act:
//
//   you        shutDown
//   the load   queueFull
//   the world  noThread

/// Why a call could not be offloaded.
public struct OffloadError: Error, Sendable, CustomStringConvertible {
    /// The kind of an ``OffloadError``.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        private enum Kind: String, Sendable { case queueFull, noThread, shutDown }
        private var kind: Kind
        /// As many calls as the pool allows are waiting for a thread.
        public static let queueFull = Code(kind: .queueFull)
        /// The pool has no thread and the system gives none.
        public static let noThread = Code(kind: .noThread)
        /// The pool was shut down, before the call or while it waited for a thread. It has not run, and never will.
        public static let shutDown = Code(kind: .shutDown)

        public var description: String { kind.rawValue }
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

    /// The queue is full of calls that nobody waits for any more: all threads have been busy for so long.
    init(givenUp: Int, pool: String, threads: Int) {
        code = .queueFull
        message =
            "Offload pool “\(pool)” has \(givenUp) calls in its queue that were cancelled before one of its \(threads) threads came "
            + "to them. The calls that hold the threads do not end: give them timeouts of their own."
    }

    init(_ code: Code, pool: String, cause: any Error) {
        self.code = code
        self.cause = cause
        message = "Offload pool “\(pool)” has no thread and cannot start one: \(cause)"
    }

    private init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    static func shutDown(_ pool: String) -> OffloadError {
        OffloadError(
            .shutDown,
            "Offload pool “\(pool)” was shut down, so this call did not run. Shut a pool down when nothing needs it any more."
        )
    }

    public var description: String { message }
}
