import ApusRuntime
public import ApusWire
public import HTTPTypes

extension ClientSession {
    /// Sends a request and returns its response, whose body may still be on its way.
    ///
    /// - Parameters:
    ///   - method: such as `.get`.
    ///   - url: an absolute `http` URL, as a `String` or a ``URI``.
    ///   - params: appended to the URL's query, percent-encoded.
    ///   - headers: replace the session's fields of the same name. `HTTPFields`, or a literal such as `["X-Api-Key": key]`.
    ///   - cookies: go with this request beside the jar's; a literal such as `["theme": "dark"]`.
    ///   - body: bytes, a text, JSON, a file, or what is written while it is sent.
    ///   - auth: who asks; nil for the session's ``ClientSession/Configuration/auth``.
    ///   - timeouts: instead of the session's.
    ///   - redirects: instead of the session's.
    ///   - options: what is rarer: asking before a body is sent, fields to leave out, progress.
    /// - Returns: any response, of whatever status: see ``ClientResponse/raiseForStatus()``.
    /// - Throws: ``ClientError``, `CancellationError`, ``LoopError`` `.loopClosed`.
    ///
    /// Cancel safety: closes the connection that the request was using; the server may or may not have acted.
    public func request(
        _ method: HTTPRequest.Method,
        _ url: some RequestURL,
        params: KeyValuePairs<String, String> = [:],
        headers: some RequestFields = NoFields(),
        cookies: RequestCookies? = nil,
        body: RequestBody? = nil,
        auth: Authentication? = nil,
        timeouts: Timeouts? = nil,
        redirects: RedirectPolicy? = nil,
        options: RequestOptions? = nil
    ) async throws -> ClientResponse {
        let exchange = try exchange(method, url, params, headers, cookies, body, auth, timeouts, redirects, options)
        if exchange.core.loop.runsCurrentTask { return try await exchange.core.perform(exchange) }
        return try await sendFromElsewhere(exchange)
    }

    /// Sends a request, runs `body` with its response, and releases the response afterwards, read or not.
    ///
    /// - Parameter handler: reads what it wants of the response.
    /// - Throws: as ``request(_:_:params:headers:cookies:body:auth:timeouts:redirects:options:)``, and what `handler` throws.
    ///
    /// Cancel safety: closes the connection that the request was using.
    public func request<Success>(
        _ method: HTTPRequest.Method,
        _ url: some RequestURL,
        params: KeyValuePairs<String, String> = [:],
        headers: some RequestFields = NoFields(),
        cookies: RequestCookies? = nil,
        body: RequestBody? = nil,
        auth: Authentication? = nil,
        timeouts: Timeouts? = nil,
        redirects: RedirectPolicy? = nil,
        options: RequestOptions? = nil,
        _ handler: nonisolated(nonsending) (ClientResponse) async throws -> Success
    ) async throws -> Success {
        let response = try await request(
            method,
            url,
            params: params,
            headers: headers,
            cookies: cookies,
            body: body,
            auth: auth,
            timeouts: timeouts,
            redirects: redirects,
            options: options
        )
        do {
            let result = try await handler(response)
            response.release()
            return result
        } catch {
            response.release()
            throw error
        }
    }
}
