import ApusWire
public import HTTPTypes

// The session's errors, by who has to act:
//
//   you        invalidURL, unsupportedScheme, invalidRequest, sessionClosed, bodyConsumed, bodyTooLarge, decodingFailed,
//              bodyFailed, bodyNotRestartable, lineTooLong, fileFailed, invalidCookieFile
//   the peer   connectionRefused, connectionClosed (before, in the head, in the body), malformedResponse, headTooLarge,
//              tooManyRedirects, invalidRedirect, statusNotSuccess, corruptContent, truncatedContent, decompressionLimit,
//              unexpectedContentType, authenticationFailed
//   the proxy  proxyFailed, proxyRefused, proxyAuthenticationRequired, proxyMalformed
//   the world  unknownHost, addressRefused, connectionFailed, tlsFailed, connectTimeout, headTimeout, idleTimeout, writeTimeout,
//              acquireTimeout, totalTimeout, circuitOpen

/// What went wrong with a request.
///
/// Cancellation is not among these: a cancelled request throws `CancellationError`.
public struct ClientError: Error, Sendable, CustomStringConvertible {
    /// The kind of a ``ClientError``.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        private enum Kind: String, Sendable {
            case invalidURL, unsupportedScheme, invalidRequest, sessionClosed, bodyConsumed, bodyTooLarge,
                decodingFailed, bodyFailed, bodyNotRestartable, lineTooLong, fileFailed, invalidCookieFile
            case connectionRefused, connectionClosed, closedInHead, closedInBody, malformedResponse, headTooLarge
            case tooManyRedirects, invalidRedirect, statusNotSuccess, authenticationFailed
            case corruptContent, truncatedContent, decompressionLimit, unexpectedContentType
            case proxyFailed, proxyRefused, proxyAuthenticationRequired, proxyMalformed
            case unknownHost, addressRefused, connectionFailed, tlsFailed
            case connectTimeout, writeTimeout, headTimeout, idleTimeout, acquireTimeout, totalTimeout
            case circuitOpen
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
        /// The body is not the JSON that was asked for, or not text in an encoding that is known here.
        public static let decodingFailed = Code(kind: .decodingFailed)
        /// The request's body could not be read or made: see ``ClientError/cause``.
        public static let bodyFailed = Code(kind: .bodyFailed)
        /// The request's body is needed once more, after a redirect, and cannot be made again.
        public static let bodyNotRestartable = Code(kind: .bodyNotRestartable)
        /// A line of the body is longer than the limit of ``ClientResponse/lines(limit:)``.
        public static let lineTooLong = Code(kind: .lineTooLong)
        /// The file that the body or the cookies were to go to, or come from, could not be made, written or read: see
        /// ``ClientError/cause``.
        public static let fileFailed = Code(kind: .fileFailed)
        /// A file of cookies is damaged, or none.
        public static let invalidCookieFile = Code(kind: .invalidCookieFile)
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
        /// The body's gzip, deflate, br or zstd data is damaged.
        public static let corruptContent = Code(kind: .corruptContent)
        /// The body came to its end, but the gzip, deflate, br or zstd data in it did not.
        public static let truncatedContent = Code(kind: .truncatedContent)
        /// The body would become too large for what was received, or has too many codings: a decompression bomb.
        public static let decompressionLimit = Code(kind: .decompressionLimit)
        /// The body is of another media type than was asked for, such as a page in place of an event stream.
        public static let unexpectedContentType = Code(kind: .unexpectedContentType)
        /// The server's challenge cannot be answered, or must not be: see ``Authentication/digest(_:_:)``. A 401 because of wrong credentials
        /// is a response, and no error.
        public static let authenticationFailed = Code(kind: .authenticationFailed)
        /// The proxy cannot be reached, or broke off before it had answered: see ``ClientError/cause``.
        public static let proxyFailed = Code(kind: .proxyFailed)
        /// The proxy did not connect to the server: see ``ClientError/status``, or, for SOCKS, the `SOCKS5Error` that is the
        /// ``ClientError/cause``.
        public static let proxyRefused = Code(kind: .proxyRefused)
        /// The proxy wants a user name and password (status 407, or SOCKS's own word), or does not accept those of its URL.
        public static let proxyAuthenticationRequired = Code(kind: .proxyAuthenticationRequired)
        /// What the proxy answered is not its protocol.
        public static let proxyMalformed = Code(kind: .proxyMalformed)
        /// The resolver does not know the host.
        public static let unknownHost = Code(kind: .unknownHost)
        /// The session's ``ClientSession/Configuration/addressFilter`` refused every address of the host.
        public static let addressRefused = Code(kind: .addressRefused)
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
        /// The host has failed so often that a ``CircuitBreaker`` leaves it alone for a while: the request was not sent.
        public static let circuitOpen = Code(kind: .circuitOpen)

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
    /// The status that the server answered with, for `.statusNotSuccess` and `.unexpectedContentType`; the proxy's, for
    /// `.proxyRefused` and `.proxyAuthenticationRequired`.
    public var status: HTTPResponse.Status?
    /// The beginning of the body that came with such a status, at most 4 KiB, if it came together with the head: often the reason.
    /// It may be secret, so no description has it.
    public var bodyPrefix: [UInt8] = []
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
