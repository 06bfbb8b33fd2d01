/// What stands around each exchange of a session: aiohttp's client middlewares.
///
/// ```swift
/// struct RequestID: ClientMiddleware {
///     func handle(_ request: ClientRequest, next: ClientRequest.Next) async throws -> ClientResponse {
///         var request = request
///         request.headers[.init("X-Request-Id")!] = "\(UInt64.random(in: 0...UInt64.max))"
///         return try await next(request)
///     }
/// }
///
/// var configuration = ClientSession.Configuration()
/// configuration.middleware = [RequestID()]
/// ```
///
/// It may change the request, send it with `next`, send it again or not at all, look at the response, and answer in its place
/// (``ClientResponse/init(to:status:headers:body:)``). The first of ``ClientSession/Configuration/middleware`` is the outermost. Each runs
/// once per hop: the session follows redirects outside of it, so it sees each request with its own URL. Cookies, credentials and the
/// one resend on a dead connection are inside. A request's own list (``RequestOptions/middleware``) replaces the session's.
///
/// `handle` runs on the session's loop, like all code of a task there, and one request does not wait for another's: what is shared
/// has to be `Sendable`. A response that it does not return it has to read or ``ClientResponse/release()``, or the connection is
/// closed when the response is dropped.
public protocol ClientMiddleware: Sendable {
    /// Answers `request`, by sending it with `next` or otherwise.
    ///
    /// - Throws: what it likes; the caller of the request gets it as it is.
    ///
    /// Cancel safety: `next` throws when the request is cancelled; what `handle` itself waits for has to end then too.
    func handle(_ request: ClientRequest, next: ClientRequest.Next) async throws -> ClientResponse
}

/// A middleware from a closure.
///
/// ```swift
/// configuration.middleware.append(MiddlewareFunction { request, next in
///     let response = try await next(request)
///     print(request.method, request.uri.redacted, response.status)
///     return response
/// })
/// ```
public struct MiddlewareFunction: ClientMiddleware {
    private let function: @Sendable (ClientRequest, ClientRequest.Next) async throws -> ClientResponse

    /// - Parameter function: see ``ClientMiddleware/handle(_:next:)``.
    public init(
        _ function:
            @escaping @Sendable (_ request: ClientRequest, _ next: ClientRequest.Next) async throws ->
            ClientResponse
    ) {
        self.function = function
    }

    public func handle(_ request: ClientRequest, next: ClientRequest.Next) async throws -> ClientResponse {
        try await function(request, next)
    }
}
