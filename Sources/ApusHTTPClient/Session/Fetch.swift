public import ApusWire
public import HTTPTypes

/// One request without a session, for scripts: aiohttp's `aiohttp.request`.
///
/// ```swift
/// print(try await fetch("https://example.com/").text())
/// ```
///
/// The connection is opened for it and closed behind the body. A program that sends more than a few requests makes a ``ClientSession``,
/// whose connections are used again. Where a `fetch` of your own is nearer, this one is `Apus.fetch`.
///
/// - Parameters:
///   - url: an absolute URL, as a `String` or a ``URI``.
///   - method: such as `.post`.
///   - params: appended to the URL's query, percent-encoded.
///   - headers: `HTTPFields`, or a literal such as `["X-Api-Key": key]`.
///   - cookies: a literal such as `["theme": "dark"]`.
///   - body: bytes, text or JSON.
///   - auth: who asks.
///   - timeouts: instead of the defaults.
///   - redirects: instead of the defaults.
/// - Returns: any response, of whatever status: see ``ClientResponse/raiseForStatus()``.
/// - Throws: ``ClientError``, `CancellationError`, ``LoopError`` `.loopClosed`.
///
/// Cancel safety: closes the connection; the server may or may not have acted.
public func fetch(
    _ url: some RequestURL,
    method: HTTPRequest.Method = .get,
    params: KeyValuePairs<String, String> = [:],
    headers: some RequestFields = NoFields(),
    cookies: RequestCookies? = nil,
    body: RequestBody? = nil,
    auth: Authentication? = nil,
    timeouts: Timeouts? = nil,
    redirects: RedirectPolicy? = nil
) async throws -> ClientResponse {
    var configuration = ClientSession.Configuration()
    configuration.pool.maximumUses = 1
    return try await ClientSession(forOneRequest: configuration).request(
        method,
        url,
        params: params,
        headers: headers,
        cookies: cookies,
        body: body,
        auth: auth,
        timeouts: timeouts,
        redirects: redirects
    )
}
