import ApusRuntime
public import ApusWire
public import HTTPTypes

// One function per verb: each is `request` with its method, so what it takes, throws and leaves behind is said there.
extension ClientSession {
    /// Reads a resource: ``request(_:_:params:headers:cookies:body:auth:timeouts:redirects:options:)``.
    // Inlined, as is what most programs do next (``ClientResponse/text(encoding:strict:limit:)``): an asynchronous call within this module
    // less, there and back.
    @inlinable
    @inline(__always)
    public func get(
        _ url: some RequestURL,
        params: KeyValuePairs<String, String> = [:],
        headers: some RequestFields = NoFields(),
        cookies: RequestCookies? = nil,
        auth: Authentication? = nil,
        timeouts: Timeouts? = nil,
        redirects: RedirectPolicy? = nil,
        options: RequestOptions? = nil
    ) async throws -> ClientResponse {
        let exchange = try exchange(.get, url, params, headers, cookies, nil, auth, timeouts, redirects, options)
        if exchange.core.runsCurrentTask { return try await exchange.core.perform(exchange) }
        return try await sendFromElsewhere(exchange)
    }

    /// Reads a resource's head; redirects are not followed: ``request(_:_:params:headers:cookies:body:auth:timeouts:redirects:options:)``.
    public func head(
        _ url: some RequestURL,
        params: KeyValuePairs<String, String> = [:],
        headers: some RequestFields = NoFields(),
        cookies: RequestCookies? = nil,
        auth: Authentication? = nil,
        timeouts: Timeouts? = nil,
        redirects: RedirectPolicy? = nil,
        options: RequestOptions? = nil
    ) async throws -> ClientResponse {
        let exchange = try exchange(
            .head,
            url,
            params,
            headers,
            cookies,
            nil,
            auth,
            timeouts,
            redirects ?? RedirectPolicy.never,
            options
        )
        if exchange.core.loop.runsCurrentTask { return try await exchange.core.perform(exchange) }
        return try await sendFromElsewhere(exchange)
    }

    /// Sends a body to be processed: ``request(_:_:params:headers:cookies:body:auth:timeouts:redirects:options:)``.
    public func post(
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
        let exchange = try exchange(.post, url, params, headers, cookies, body, auth, timeouts, redirects, options)
        if exchange.core.loop.runsCurrentTask { return try await exchange.core.perform(exchange) }
        return try await sendFromElsewhere(exchange)
    }

    /// Sends a body to be processed, as JSON: ``request(_:_:params:headers:cookies:body:auth:timeouts:redirects:options:)``.
    ///
    /// - Throws: also ``ClientError`` `.invalidRequest` if `json` cannot be encoded.
    public func post(
        _ url: some RequestURL,
        params: KeyValuePairs<String, String> = [:],
        headers: some RequestFields = NoFields(),
        cookies: RequestCookies? = nil,
        json: some Encodable,
        auth: Authentication? = nil,
        timeouts: Timeouts? = nil,
        redirects: RedirectPolicy? = nil,
        options: RequestOptions? = nil
    ) async throws -> ClientResponse {
        let exchange = try exchange(
            .post,
            url,
            params,
            headers,
            cookies,
            RequestBody.json(json),
            auth,
            timeouts,
            redirects,
            options
        )
        if exchange.core.loop.runsCurrentTask { return try await exchange.core.perform(exchange) }
        return try await sendFromElsewhere(exchange)
    }

    /// Stores a body: ``request(_:_:params:headers:cookies:body:auth:timeouts:redirects:options:)``.
    public func put(
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
        let exchange = try exchange(.put, url, params, headers, cookies, body, auth, timeouts, redirects, options)
        if exchange.core.loop.runsCurrentTask { return try await exchange.core.perform(exchange) }
        return try await sendFromElsewhere(exchange)
    }

    /// Stores a body, as JSON: ``request(_:_:params:headers:cookies:body:auth:timeouts:redirects:options:)``.
    ///
    /// - Throws: also ``ClientError`` `.invalidRequest` if `json` cannot be encoded.
    public func put(
        _ url: some RequestURL,
        params: KeyValuePairs<String, String> = [:],
        headers: some RequestFields = NoFields(),
        cookies: RequestCookies? = nil,
        json: some Encodable,
        auth: Authentication? = nil,
        timeouts: Timeouts? = nil,
        redirects: RedirectPolicy? = nil,
        options: RequestOptions? = nil
    ) async throws -> ClientResponse {
        let exchange = try exchange(
            .put,
            url,
            params,
            headers,
            cookies,
            RequestBody.json(json),
            auth,
            timeouts,
            redirects,
            options
        )
        if exchange.core.loop.runsCurrentTask { return try await exchange.core.perform(exchange) }
        return try await sendFromElsewhere(exchange)
    }

    /// Changes a resource: ``request(_:_:params:headers:cookies:body:auth:timeouts:redirects:options:)``.
    public func patch(
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
        let exchange = try exchange(.patch, url, params, headers, cookies, body, auth, timeouts, redirects, options)
        if exchange.core.loop.runsCurrentTask { return try await exchange.core.perform(exchange) }
        return try await sendFromElsewhere(exchange)
    }

    /// Changes a resource, as JSON: ``request(_:_:params:headers:cookies:body:auth:timeouts:redirects:options:)``.
    ///
    /// - Throws: also ``ClientError`` `.invalidRequest` if `json` cannot be encoded.
    public func patch(
        _ url: some RequestURL,
        params: KeyValuePairs<String, String> = [:],
        headers: some RequestFields = NoFields(),
        cookies: RequestCookies? = nil,
        json: some Encodable,
        auth: Authentication? = nil,
        timeouts: Timeouts? = nil,
        redirects: RedirectPolicy? = nil,
        options: RequestOptions? = nil
    ) async throws -> ClientResponse {
        let exchange = try exchange(
            .patch,
            url,
            params,
            headers,
            cookies,
            RequestBody.json(json),
            auth,
            timeouts,
            redirects,
            options
        )
        if exchange.core.loop.runsCurrentTask { return try await exchange.core.perform(exchange) }
        return try await sendFromElsewhere(exchange)
    }

    /// Deletes a resource: ``request(_:_:params:headers:cookies:body:auth:timeouts:redirects:options:)``.
    public func delete(
        _ url: some RequestURL,
        params: KeyValuePairs<String, String> = [:],
        headers: some RequestFields = NoFields(),
        cookies: RequestCookies? = nil,
        auth: Authentication? = nil,
        timeouts: Timeouts? = nil,
        redirects: RedirectPolicy? = nil,
        options: RequestOptions? = nil
    ) async throws -> ClientResponse {
        let exchange = try exchange(.delete, url, params, headers, cookies, nil, auth, timeouts, redirects, options)
        if exchange.core.loop.runsCurrentTask { return try await exchange.core.perform(exchange) }
        return try await sendFromElsewhere(exchange)
    }

    /// Reads a resource with `handler`, and releases the response afterwards, read or not.
    ///
    /// ```swift
    /// try await session.get(url) { response in
    ///     for try await chunk in response.body { consume(chunk) }
    /// }
    /// ```
    public func get<Success>(
        _ url: some RequestURL,
        params: KeyValuePairs<String, String> = [:],
        headers: some RequestFields = NoFields(),
        cookies: RequestCookies? = nil,
        auth: Authentication? = nil,
        timeouts: Timeouts? = nil,
        redirects: RedirectPolicy? = nil,
        options: RequestOptions? = nil,
        _ handler: nonisolated(nonsending) (ClientResponse) async throws -> Success
    ) async throws -> Success {
        try await request(
            .get,
            url,
            params: params,
            headers: headers,
            cookies: cookies,
            auth: auth,
            timeouts: timeouts,
            redirects: redirects,
            options: options,
            handler
        )
    }
}
