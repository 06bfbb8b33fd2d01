/// Why an event stream cannot be read on.
public struct ServerSentEventError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What kind of error it is. More may be added: keep a default case when switching over them.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        private enum Raw: UInt8 { case eventTooLarge }

        private let raw: Raw
        private init(_ raw: Raw) { self.raw = raw }

        /// An event has more bytes than the limit of the parser.
        public static var eventTooLarge: Self { Self(.eventTooLarge) }

        public var description: String { "\(raw)" }
    }

    /// What kind of error it is.
    public let code: Code
    /// What happened, to what, and what to do.
    public let message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { "event stream \(code): \(message)" }
}
