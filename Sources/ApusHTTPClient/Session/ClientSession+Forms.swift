import ApusRuntime
public import ApusWire
import HTTPTypes

// Bodies that browsers send, one function per verb and kind: each is `request` with its method and body.
extension ClientSession {
    /// Sends the fields of a form, as `application/x-www-form-urlencoded`: ``request(_:_:params:headers:cookies:body:auth:timeouts:redirects:options:)``.
    public func post(
        _ url: some RequestURL,
        params: KeyValuePairs<String, String> = [:],
        headers: some RequestFields = NoFields(),
        cookies: RequestCookies? = nil,
        form: KeyValuePairs<String, String>,
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
            .form(form),
            auth,
            timeouts,
            redirects,
            options
        )
        if exchange.core.loop.runsCurrentTask { return try await exchange.core.perform(exchange) }
        return try await sendFromElsewhere(exchange)
    }

    /// Sends a body of several parts, such as a form with files: ``request(_:_:params:headers:cookies:body:auth:timeouts:redirects:options:)``.
    public func post(
        _ url: some RequestURL,
        params: KeyValuePairs<String, String> = [:],
        headers: some RequestFields = NoFields(),
        cookies: RequestCookies? = nil,
        multipart: Multipart,
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
            .multipart(multipart),
            auth,
            timeouts,
            redirects,
            options
        )
        if exchange.core.loop.runsCurrentTask { return try await exchange.core.perform(exchange) }
        return try await sendFromElsewhere(exchange)
    }

    /// Stores the fields of a form, as `application/x-www-form-urlencoded`: ``request(_:_:params:headers:cookies:body:auth:timeouts:redirects:options:)``.
    public func put(
        _ url: some RequestURL,
        params: KeyValuePairs<String, String> = [:],
        headers: some RequestFields = NoFields(),
        cookies: RequestCookies? = nil,
        form: KeyValuePairs<String, String>,
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
            .form(form),
            auth,
            timeouts,
            redirects,
            options
        )
        if exchange.core.loop.runsCurrentTask { return try await exchange.core.perform(exchange) }
        return try await sendFromElsewhere(exchange)
    }

    /// Stores a body of several parts, such as a form with files: ``request(_:_:params:headers:cookies:body:auth:timeouts:redirects:options:)``.
    public func put(
        _ url: some RequestURL,
        params: KeyValuePairs<String, String> = [:],
        headers: some RequestFields = NoFields(),
        cookies: RequestCookies? = nil,
        multipart: Multipart,
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
            .multipart(multipart),
            auth,
            timeouts,
            redirects,
            options
        )
        if exchange.core.loop.runsCurrentTask { return try await exchange.core.perform(exchange) }
        return try await sendFromElsewhere(exchange)
    }

    /// Changes a resource by the fields of a form, as `application/x-www-form-urlencoded`: ``request(_:_:params:headers:cookies:body:auth:timeouts:redirects:options:)``.
    public func patch(
        _ url: some RequestURL,
        params: KeyValuePairs<String, String> = [:],
        headers: some RequestFields = NoFields(),
        cookies: RequestCookies? = nil,
        form: KeyValuePairs<String, String>,
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
            .form(form),
            auth,
            timeouts,
            redirects,
            options
        )
        if exchange.core.loop.runsCurrentTask { return try await exchange.core.perform(exchange) }
        return try await sendFromElsewhere(exchange)
    }

    /// Changes a resource by a body of several parts, such as a form with files: ``request(_:_:params:headers:cookies:body:auth:timeouts:redirects:options:)``.
    public func patch(
        _ url: some RequestURL,
        params: KeyValuePairs<String, String> = [:],
        headers: some RequestFields = NoFields(),
        cookies: RequestCookies? = nil,
        multipart: Multipart,
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
            .multipart(multipart),
            auth,
            timeouts,
            redirects,
            options
        )
        if exchange.core.loop.runsCurrentTask { return try await exchange.core.perform(exchange) }
        return try await sendFromElsewhere(exchange)
    }
}
