public import HTTPTypes

/// What a request can have otherwise than its session, beyond the arguments of every verb.
///
/// ```swift
/// let options = RequestOptions(expectContinue: .seconds(1))
/// try await session.put(url, body: .file("backup.tar"), options: options)
/// ```
public struct RequestOptions: Sendable {
    /// Whether a coded body is decoded; nil for the session's ``ClientSession/Configuration/decompress``. With false the automatic
    /// `Accept-Encoding` is not sent either: state one to be sent a coded body. With true it is the session's matter whether it is sent.
    public var decompress: Bool?
    /// Whether a status of 400 or more is thrown; nil for the session's ``ClientSession/Configuration/raiseForStatus``.
    public var raiseForStatus: Bool?
    /// Asks the server before the body is sent (`Expect: 100-continue`, RFC 9110 §10.1.1), and waits at most this long for its
    /// word: many servers never say it. Nil does not ask. A server that refuses has not been sent the body; one that does not
    /// know the expectation (417) is asked again without it.
    public var expectContinue: Duration?
    /// Automatic fields that are not sent: `User-Agent`, `Accept`, `Accept-Encoding`, `Content-Type`. Host, and the fields that frame
    /// the body, cannot be left out.
    public var omittedHeaders: [HTTPField.Name]
    /// Told of each piece of the body that was handed to the system. It runs on the session's loop, and must not block.
    public var onUploadProgress: (@Sendable (UploadProgress) -> Void)?
    /// What stands around this request in place of the session's ``ClientSession/Configuration/middleware``; nil for the session's, an
    /// empty list for nothing.
    public var middleware: [any ClientMiddleware]?
    /// What observers are told as ``ObservedRequest/context``, such as the caller's own number for the request.
    public var observerContext: (any Sendable)?

    public init(
        decompress: Bool? = nil,
        raiseForStatus: Bool? = nil,
        expectContinue: Duration? = nil,
        omittedHeaders: [HTTPField.Name] = [],
        onUploadProgress: (@Sendable (UploadProgress) -> Void)? = nil,
        middleware: [any ClientMiddleware]? = nil,
        observerContext: (any Sendable)? = nil
    ) {
        self.decompress = decompress
        self.raiseForStatus = raiseForStatus
        self.expectContinue = expectContinue
        self.omittedHeaders = omittedHeaders
        self.onUploadProgress = onUploadProgress
        self.middleware = middleware
        self.observerContext = observerContext
    }
}

/// How far a request's body has got.
public struct UploadProgress: Sendable, Hashable {
    /// Bytes of the body that were handed to the system. It begins anew if the body has to be sent again.
    public var sent: Int64
    /// Bytes in all, where that is known.
    public var total: Int64?
    /// Whether all is sent.
    public var isComplete: Bool
}

/// Options behind a reference: most requests have none, and an exchange should not be larger for the others.
final class RequestOptionsBox: Sendable {
    let options: RequestOptions

    init(_ options: RequestOptions) { self.options = options }

    func omits(_ name: HTTPField.Name) -> Bool { options.omittedHeaders.contains(name) }
}
