/// A ``BufferedReader`` did not find what was asked for. Nothing is lost: ``partial`` has the bytes that there were.
public struct ReadError: Error, Sendable, CustomStringConvertible {
    /// The kind of a ``ReadError``.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        private enum Kind: String, Sendable {
            case incomplete, limitExceeded
        }

        private var kind: Kind

        /// The stream ended before: asyncio's `IncompleteReadError`. What there was is in ``ReadError/partial`` only.
        public static let incomplete = Code(kind: .incomplete)
        /// More than was allowed has come without an end: asyncio's `LimitOverrunError`. What there was can still be read.
        public static let limitExceeded = Code(kind: .limitExceeded)

        public var description: String { kind.rawValue }
    }

    /// What kind of error this is.
    public var code: Code
    /// What had come.
    public var partial: [UInt8]
    private var message: String

    init(_ code: Code, _ message: String, _ partial: [UInt8]) {
        self.code = code
        self.partial = partial
        self.message = message
    }

    /// Always false: deadlines are ``NetError`` `.timedOut`.
    public var isTimeout: Bool { false }

    public var description: String {
        // Never the bytes themselves: they may be secret.
        "Reading was given up: \(message)."
    }
}
