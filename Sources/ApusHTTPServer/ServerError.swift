import HTTPTypes

// The server's errors, by who has to act:
//
//   the handler  bodyConsumed, headersInvalid, lengthMismatch
//   the client   bodyTooLarge, malformedRequest, disconnected
//   the world    timedOut

/// What a handler meets when it reads a request or writes a response.
public struct ServerError: Error, Sendable, CustomStringConvertible {
    /// The kind of a ``ServerError``.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        private enum Kind: String, Sendable {
            case bodyConsumed, invalidResponse, bodyTooLarge, malformedRequest, disconnected, timedOut
        }

        private var kind: Kind

        /// The body belongs to a request that has been answered, or another task reads it.
        public static let bodyConsumed = Code(kind: .bodyConsumed)
        /// The response has a field that HTTP does not allow, or a body of another length than it says.
        public static let invalidResponse = Code(kind: .invalidResponse)
        /// The request's body is over a limit: status 413.
        public static let bodyTooLarge = Code(kind: .bodyTooLarge)
        /// The request's body is not HTTP/1.1: status 400.
        public static let malformedRequest = Code(kind: .malformedRequest)
        /// The client has gone.
        public static let disconnected = Code(kind: .disconnected)
        /// The client sent or took nothing for too long.
        public static let timedOut = Code(kind: .timedOut)

        public var description: String { kind.rawValue }

        /// What the client is told, if the response has not begun.
        var status: Int {
            switch self {
            case .bodyTooLarge: 413
            case .malformedRequest: 400
            case .timedOut: 408
            default: 500
            }
        }
    }

    /// What kind of error this is.
    public var code: Code
    /// The error below this one, if there is one.
    public var cause: (any Error)?
    private var message: String

    init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    /// Whether a deadline caused this.
    public var isTimeout: Bool { code == .timedOut }

    public var description: String { message }
}

extension HTTPResponse.Status {
    /// What a server answers of itself, with its usual reason phrase.
    static func named(_ code: Int) -> HTTPResponse.Status {
        switch code {
        case 400: .badRequest
        case 408: .requestTimeout
        case 413: .contentTooLarge
        case 414: .uriTooLong
        case 431: .requestHeaderFieldsTooLarge
        case 500: .internalServerError
        case 501: .notImplemented
        case 505: HTTPResponse.Status(code: 505, reasonPhrase: "HTTP Version Not Supported")
        default: HTTPResponse.Status(code: code)
        }
    }
}
