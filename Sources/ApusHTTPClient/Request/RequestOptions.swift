public import ApusWire
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
    /// Compresses the body while it is sent; nil sends it as it is. Bodies of more than 64 KiB, files, and what is written, go in chunks
    /// then: few servers want a length, but some do. An empty body stays as it is. It is an error together with a `Content-Encoding`
    /// of one's own.
    public var compression: RequestCompression?
    /// Automatic fields that are not sent: `User-Agent`, `Accept`, `Accept-Encoding`, `Content-Type`, and the jar's `Cookie`.
    /// Host, and the fields that frame the body, cannot be left out.
    public var omittedHeaders: [HTTPField.Name]
    /// Told of each piece of the body that was handed to the system. It runs on the session's loop, and must not block.
    public var onUploadProgress: (@Sendable (UploadProgress) -> Void)?
    /// Cookies of this request alone: see ``RequestCookies``. A verb's argument `cookies:` replaces them, and is what most will use.
    public var cookies: RequestCookies
    /// The page on whose behalf the request is made: a cookie's SameSite counts against its site (RFC 6265bis §5.2). Nil is nobody's
    /// page, as in most programs, and SameSite is not asked then.
    public var siteForCookies: URI?
    /// Whether the request follows a link from that page, in place of loading a part of it: cookies with SameSite=Lax go along then.
    public var isNavigation: Bool
    /// What stands around this request in place of the session's ``ClientSession/Configuration/middleware``; nil for the session's, an
    /// empty list for nothing.
    public var middleware: [any ClientMiddleware]?
    /// When the request is sent again if it fails; nil for the session's ``ClientSession/Configuration/retry``,
    /// ``RetryPolicy/never`` for not at all.
    public var retry: RetryPolicy?
    /// What observers are told as ``ObservedRequest/context``, such as the caller's own number for the request.
    public var observerContext: (any Sendable)?
    /// The proxy of this request and its redirects; nil for the session's ``ClientSession/Configuration/proxy``, ``Proxy/direct`` for none.
    public var proxy: Proxy?

    public init(
        decompress: Bool? = nil,
        raiseForStatus: Bool? = nil,
        expectContinue: Duration? = nil,
        compression: RequestCompression? = nil,
        omittedHeaders: [HTTPField.Name] = [],
        onUploadProgress: (@Sendable (UploadProgress) -> Void)? = nil,
        middleware: [any ClientMiddleware]? = nil,
        retry: RetryPolicy? = nil,
        cookies: RequestCookies = [:],
        siteForCookies: URI? = nil,
        isNavigation: Bool = false,
        observerContext: (any Sendable)? = nil,
        proxy: Proxy? = nil
    ) {
        self.decompress = decompress
        self.raiseForStatus = raiseForStatus
        self.expectContinue = expectContinue
        self.compression = compression
        self.omittedHeaders = omittedHeaders
        self.onUploadProgress = onUploadProgress
        self.middleware = middleware
        self.cookies = cookies
        self.siteForCookies = siteForCookies
        self.isNavigation = isNavigation
        self.retry = retry
        self.observerContext = observerContext
        self.proxy = proxy
    }

    /// Whether something stands around a request with these options.
    func hasMiddleware(_ core: SessionCore) -> Bool {
        if retry != nil { return true }
        guard let middleware else { return core.hasMiddleware }
        return !middleware.isEmpty || core.configuration.retry != nil
    }
}

/// How far a request's body has got.
public struct UploadProgress: Sendable, Hashable {
    /// Bytes of the body, before compression, that were handed to the system. It begins anew if the body has to be sent again.
    public var sent: Int64
    /// Bytes in all, where that is known.
    public var total: Int64?
    /// Whether all is sent.
    public var isComplete: Bool
}

/// Options behind a reference: most requests have none, and an exchange should not be larger for the others.
final class RequestOptionsBox: Sendable {
    let options: RequestOptions
    let statesCookies: Bool
    /// Whether the request states a proxy of its own.
    let hasProxy: Bool

    init(_ options: RequestOptions) {
        self.options = options
        statesCookies = !options.cookies.isEmpty
        hasProxy = options.proxy != nil
    }

    /// The options, or none, with other cookies if there are any.
    @inline(never)
    static func of(_ options: RequestOptions?, _ cookies: RequestCookies?) -> RequestOptionsBox {
        var options = options ?? RequestOptions()
        if let cookies { options.cookies = cookies }
        return RequestOptionsBox(options)
    }

    func omits(_ name: HTTPField.Name) -> Bool { options.omittedHeaders.contains(name) }
}
