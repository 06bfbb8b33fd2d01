public import ApusWire
import HTTPTypes

// One function per verb: each is `request` with its method, so what it takes, throws and leaves behind is said there.
extension ClientSession {
    /// Reads a resource: ``request(_:_:params:headers:body:timeouts:redirects:)``.
    public func get(
        _ url: some RequestURL,
        params: KeyValuePairs<String, String> = [:],
        headers: some RequestFields = NoFields(),
        timeouts: Timeouts? = nil,
        redirects: RedirectPolicy? = nil
    ) async throws -> ClientResponse {
        try await request(
            .get,
            url,
            params: params,
            headers: headers,
            timeouts: timeouts,
            redirects: redirects
        )
    }

    /// Reads a resource's head; redirects are not followed: ``request(_:_:params:headers:body:timeouts:redirects:)``.
    public func head(
        _ url: some RequestURL,
        params: KeyValuePairs<String, String> = [:],
        headers: some RequestFields = NoFields(),
        timeouts: Timeouts? = nil,
        redirects: RedirectPolicy? = nil
    ) async throws -> ClientResponse {
        try await request(
            .head,
            url,
            params: params,
            headers: headers,
            timeouts: timeouts,
            redirects: redirects ?? RedirectPolicy.none
        )
    }

    /// Sends a body to be processed: ``request(_:_:params:headers:body:timeouts:redirects:)``.
    public func post(
        _ url: some RequestURL,
        params: KeyValuePairs<String, String> = [:],
        headers: some RequestFields = NoFields(),
        body: RequestBody? = nil,
        timeouts: Timeouts? = nil,
        redirects: RedirectPolicy? = nil
    ) async throws -> ClientResponse {
        try await request(
            .post,
            url,
            params: params,
            headers: headers,
            body: body,
            timeouts: timeouts,
            redirects: redirects
        )
    }

    /// Sends a body to be processed, as JSON: ``request(_:_:params:headers:body:timeouts:redirects:)``.
    ///
    /// - Throws: also ``ClientError`` `.invalidRequest` if `json` cannot be encoded.
    public func post(
        _ url: some RequestURL,
        params: KeyValuePairs<String, String> = [:],
        headers: some RequestFields = NoFields(),
        json: some Encodable,
        timeouts: Timeouts? = nil,
        redirects: RedirectPolicy? = nil
    ) async throws -> ClientResponse {
        try await request(
            .post,
            url,
            params: params,
            headers: headers,
            body: .json(json),
            timeouts: timeouts,
            redirects: redirects
        )
    }

    /// Stores a body: ``request(_:_:params:headers:body:timeouts:redirects:)``.
    public func put(
        _ url: some RequestURL,
        params: KeyValuePairs<String, String> = [:],
        headers: some RequestFields = NoFields(),
        body: RequestBody? = nil,
        timeouts: Timeouts? = nil,
        redirects: RedirectPolicy? = nil
    ) async throws -> ClientResponse {
        try await request(
            .put,
            url,
            params: params,
            headers: headers,
            body: body,
            timeouts: timeouts,
            redirects: redirects
        )
    }

    /// Stores a body, as JSON: ``request(_:_:params:headers:body:timeouts:redirects:)``.
    ///
    /// - Throws: also ``ClientError`` `.invalidRequest` if `json` cannot be encoded.
    public func put(
        _ url: some RequestURL,
        params: KeyValuePairs<String, String> = [:],
        headers: some RequestFields = NoFields(),
        json: some Encodable,
        timeouts: Timeouts? = nil,
        redirects: RedirectPolicy? = nil
    ) async throws -> ClientResponse {
        try await request(
            .put,
            url,
            params: params,
            headers: headers,
            body: .json(json),
            timeouts: timeouts,
            redirects: redirects
        )
    }

    /// Changes a resource: ``request(_:_:params:headers:body:timeouts:redirects:)``.
    public func patch(
        _ url: some RequestURL,
        params: KeyValuePairs<String, String> = [:],
        headers: some RequestFields = NoFields(),
        body: RequestBody? = nil,
        timeouts: Timeouts? = nil,
        redirects: RedirectPolicy? = nil
    ) async throws -> ClientResponse {
        try await request(
            .patch,
            url,
            params: params,
            headers: headers,
            body: body,
            timeouts: timeouts,
            redirects: redirects
        )
    }

    /// Changes a resource, as JSON: ``request(_:_:params:headers:body:timeouts:redirects:)``.
    ///
    /// - Throws: also ``ClientError`` `.invalidRequest` if `json` cannot be encoded.
    public func patch(
        _ url: some RequestURL,
        params: KeyValuePairs<String, String> = [:],
        headers: some RequestFields = NoFields(),
        json: some Encodable,
        timeouts: Timeouts? = nil,
        redirects: RedirectPolicy? = nil
    ) async throws -> ClientResponse {
        try await request(
            .patch,
            url,
            params: params,
            headers: headers,
            body: .json(json),
            timeouts: timeouts,
            redirects: redirects
        )
    }

    /// Deletes a resource: ``request(_:_:params:headers:body:timeouts:redirects:)``.
    public func delete(
        _ url: some RequestURL,
        params: KeyValuePairs<String, String> = [:],
        headers: some RequestFields = NoFields(),
        timeouts: Timeouts? = nil,
        redirects: RedirectPolicy? = nil
    ) async throws -> ClientResponse {
        try await request(
            .delete,
            url,
            params: params,
            headers: headers,
            timeouts: timeouts,
            redirects: redirects
        )
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
        timeouts: Timeouts? = nil,
        redirects: RedirectPolicy? = nil,
        _ handler: nonisolated(nonsending) (ClientResponse) async throws -> Success
    ) async throws -> Success {
        try await request(
            .get,
            url,
            params: params,
            headers: headers,
            timeouts: timeouts,
            redirects: redirects,
            handler
        )
    }
}
