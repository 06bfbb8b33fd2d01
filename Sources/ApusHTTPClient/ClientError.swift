import ApusWire
public import HTTPTypes

// The session's errors, by who has to act:
//
//   you        invalidURL, unsupportedScheme, invalidRequest, sessionClosed, bodyConsumed, bodyTooLarge, decodingFailed,
//              bodyFailed, bodyNotRestartable
//   the peer   connectionRefused, connectionClosed (before, in the head, in the body), malformedResponse, headTooLarge,
//              tooManyRedirects, invalidRedirect, statusNotSuccess
//   the world  unknownHost, connectionFailed, tlsFailed, connectTimeout, headTimeout, idleTimeout, writeTimeout, acquireTimeout, totalTimeout

/// What went wrong with a request.
///
/// Cancellation is not among these: a cancelled request throws `CancellationError`.
public struct ClientError: Error, Sendable, CustomStringConvertible {
    /// The kind of a ``ClientError``.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        private enum Kind: String, Sendable {
            case invalidURL, unsupportedScheme, invalidRequest, sessionClosed, bodyConsumed, bodyTooLarge,
                decodingFailed, bodyFailed, bodyNotRestartable
            case connectionRefused, connectionClosed, closedInHead, closedInBody, malformedResponse, headTooLarge
            case tooManyRedirects, invalidRedirect, statusNotSuccess
            case unknownHost, connectionFailed, tlsFailed
            case connectTimeout, writeTimeout, headTimeout, idleTimeout, acquireTimeout, totalTimeout
        }

        private var kind: Kind

        /// The URL cannot be understood.
        public static let invalidURL = Code(kind: .invalidURL)
        /// The URL's scheme is not one that the session speaks.
        public static let unsupportedScheme = Code(kind: .unsupportedScheme)
        /// A header, method or body that cannot be sent.
        public static let invalidRequest = Code(kind: .invalidRequest)
        /// The session was closed before or during the request.
        public static let sessionClosed = Code(kind: .sessionClosed)
        /// The body was read before, as a stream.
        public static let bodyConsumed = Code(kind: .bodyConsumed)
        /// The body is larger than the limit of the function that collects it.
        public static let bodyTooLarge = Code(kind: .bodyTooLarge)
        /// The body is not the JSON that was asked for.
        public static let decodingFailed = Code(kind: .decodingFailed)
        /// The request's body could not be read or made: see ``ClientError/cause``.
        public static let bodyFailed = Code(kind: .bodyFailed)
        /// The request's body is needed once more, after a redirect, and cannot be made again.
        public static let bodyNotRestartable = Code(kind: .bodyNotRestartable)
        /// Nobody listens at the address.
        public static let connectionRefused = Code(kind: .connectionRefused)
        /// The server closed the connection without a byte of a response.
        public static let connectionClosed = Code(kind: .connectionClosed)
        /// The server closed the connection in the middle of the response's head.
        public static let closedInHead = Code(kind: .closedInHead)
        /// The server closed the connection in the middle of the response's body.
        public static let closedInBody = Code(kind: .closedInBody)
        /// What the server sent is not HTTP/1.1.
        public static let malformedResponse = Code(kind: .malformedResponse)
        /// The response's head is larger than the limits allow.
        public static let headTooLarge = Code(kind: .headTooLarge)
        /// More redirects than the policy follows.
        public static let tooManyRedirects = Code(kind: .tooManyRedirects)
        /// A redirect that leads nowhere, or where it must not.
        public static let invalidRedirect = Code(kind: .invalidRedirect)
        /// ``ClientResponse/raiseForStatus()`` found a status of 400 or more.
        public static let statusNotSuccess = Code(kind: .statusNotSuccess)
        /// The resolver does not know the host.
        public static let unknownHost = Code(kind: .unknownHost)
        /// No connection, or it broke: see ``ClientError/cause``.
        public static let connectionFailed = Code(kind: .connectionFailed)
        /// TLS did not come about: see ``ClientError/cause``, a `TLSError`, for which check failed.
        public static let tlsFailed = Code(kind: .tlsFailed)
        /// ``Timeouts/connect`` passed.
        public static let connectTimeout = Code(kind: .connectTimeout)
        /// ``Timeouts/idle`` passed while the server took none of the request.
        public static let writeTimeout = Code(kind: .writeTimeout)
        /// ``Timeouts/head`` passed.
        public static let headTimeout = Code(kind: .headTimeout)
        /// ``Timeouts/idle`` passed inside the body.
        public static let idleTimeout = Code(kind: .idleTimeout)
        /// ``Timeouts/acquire`` passed.
        public static let acquireTimeout = Code(kind: .acquireTimeout)
        /// ``Timeouts/total`` passed.
        public static let totalTimeout = Code(kind: .totalTimeout)

        public var description: String { kind.rawValue }
    }

    /// What kind of error this is.
    public var code: Code
    /// The error below this one, if there is one.
    public var cause: (any Error)?
    /// The request's method.
    public var method: HTTPRequest.Method?
    /// The request's URL, without what may be secret: `scheme://host:port/path?…`.
    public var url: String?
    /// What happened and what to do, without the request's name: ``description`` has both.
    public var message: String

    init(_ code: Code, _ message: String, cause: (any Error)? = nil, method: HTTPRequest.Method? = nil, uri: URI? = nil)
    {
        self.code = code
        self.message = message
        self.cause = cause
        self.method = method
        url = uri?.redacted
    }

    /// Whether a deadline caused this.
    public var isTimeout: Bool {
        switch code {
        case .connectTimeout, .writeTimeout, .headTimeout, .idleTimeout, .acquireTimeout, .totalTimeout: true
        default: false
        }
    }

    public var description: String {
        guard let url else { return message }
        return "\(method?.rawValue ?? "Request") \(url): \(message)"
    }
}
