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
    ///   - body: bytes, text or JSON.
    ///   - timeouts: instead of the session's.
    ///   - redirects: instead of the session's.
    /// - Returns: any response, of whatever status: see ``ClientResponse/raiseForStatus()``.
    /// - Throws: ``ClientError``, `CancellationError`, ``LoopError`` `.loopClosed`.
    ///
    /// Cancel safety: closes the connection that the request was using; the server may or may not have acted.
    public func request(
        _ method: HTTPRequest.Method,
        _ url: some RequestURL,
        params: KeyValuePairs<String, String> = [:],
        headers: some RequestFields = NoFields(),
        body: RequestBody? = nil,
        timeouts: Timeouts? = nil,
        redirects: RedirectPolicy? = nil
    ) async throws -> ClientResponse {
        let uri: URI
        do {
            let base = try url.uri()
            uri = params.isEmpty ? base : try base.appendingQuery(params.map { ($0.key, $0.value) })
        } catch {
            throw ClientError(.invalidURL, "The URL cannot be used: \(error)", cause: error, method: method)
        }
        return try await send(
            PreparedRequest(
                method: method,
                uri: uri,
                fields: try headers.httpFields(),
                body: body,
                timeouts: timeouts ?? configuration.timeouts,
                redirects: redirects ?? configuration.redirects
            )
        )
    }

    /// Sends a request, runs `body` with its response, and releases the response afterwards, read or not.
    ///
    /// - Parameter handler: reads what it wants of the response.
    /// - Throws: as ``request(_:_:params:headers:body:timeouts:redirects:)``, and what `handler` throws.
    ///
    /// Cancel safety: closes the connection that the request was using.
    public func request<Success>(
        _ method: HTTPRequest.Method,
        _ url: some RequestURL,
        params: KeyValuePairs<String, String> = [:],
        headers: some RequestFields = NoFields(),
        body: RequestBody? = nil,
        timeouts: Timeouts? = nil,
        redirects: RedirectPolicy? = nil,
        _ handler: nonisolated(nonsending) (ClientResponse) async throws -> Success
    ) async throws -> Success {
        let response = try await request(
            method,
            url,
            params: params,
            headers: headers,
            body: body,
            timeouts: timeouts,
            redirects: redirects
        )
        do {
            let result = try await handler(response)
            await response.discard()
            return result
        } catch {
            await response.discard()
            throw error
        }
    }
}
