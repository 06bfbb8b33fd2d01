package import HTTPTypes

/// What a private cache does with a request for which it has a response (RFC 9111 §4).
package enum CacheDecision: Sendable, Hashable {
    /// The response is fresh.
    case serve
    /// It is not, but may be used: the request or the server says so.
    case serveStale
    /// The same, and it is to be validated meanwhile (RFC 5861 §3).
    case serveWhileValidating
    /// The server has to be asked first. The number of seconds is how long, from now, the response may stand in if it cannot be; 0 is
    /// not at all.
    case validate(standsIn: Int)

    package init(_ response: CachedResponse, request: CacheControl, at time: Int) {
        let control = response.control
        guard let age = response.age(at: time) else {
            self = .validate(standsIn: 0)
            return
        }
        let lifetime = response.freshness
        let isStrict = control.mustRevalidate || control.noCache || request.noCache
        // RFC 5861 §4: the response's word, or the request's.
        let errorLimit = isStrict ? 0 : max(control.staleIfError ?? 0, request.staleIfError ?? 0)
        let standsIn = errorLimit == 0 ? 0 : max(0, lifetime + errorLimit - age)
        if control.noCache || request.noCache || (request.maxAge.map { age > $0 || $0 == 0 } ?? false) {
            self = .validate(standsIn: standsIn)
        } else if age + (request.minFresh ?? 0) < lifetime {
            self = .serve
        } else if control.mustRevalidate {
            self = .validate(standsIn: 0)
        } else if request.minFresh == nil, let maxStale = request.maxStale, age - lifetime <= maxStale {
            self = .serveStale
        } else if request.minFresh == nil, request.maxAge == nil, let limit = control.staleWhileRevalidate,
            age - lifetime < limit
        {
            self = .serveWhileValidating
        } else {
            self = .validate(standsIn: standsIn)
        }
    }

    /// Whether a response to a GET may be kept, and is worth it (RFC 9111 §3).
    ///
    /// - Parameters:
    ///   - isSomebodys: whether the request had credentials. What it was answered may be for nobody else, unless it is `public`.
    ///   - sharesCredentials: whether the cache tells credentials apart.
    package static func mayStore(
        status: Int,
        fields: HTTPFields,
        request: CacheControl,
        isSomebodys: Bool,
        sharesCredentials: Bool
    ) -> Bool {
        let control = CacheControl(fields.values(.cacheControl))
        guard status >= 200, status != 206, status != 304, !control.noStore, !request.noStore else { return false }
        if control.mustUnderstand, !isUnderstood(status) { return false }
        if CachedResponse.variedNames(fields) == nil { return false }
        // A response that sets cookies begins somebody's session, and its body may know whose.
        let isPersonal = isSomebodys || fields.contains { $0.name == .setCookie }
        if isPersonal, !control.isPublic, !sharesCredentials { return false }
        let stored = CachedResponse(
            status: status,
            reason: "",
            fields: fields,
            varied: [],
            requestTime: 0,
            responseTime: fields[.date].flatMap { HTTPTimestamp($0) }?.secondsSince1970 ?? 0
        )
        let isCacheable =
            control.maxAge != nil || control.isPublic || control.isPrivate || fields[.expires] != nil
            || CachedResponse.isHeuristicallyCacheable(status)
        // Neither fresh nor to be validated: it would never be used.
        return isCacheable && (stored.freshness > 0 || stored.hasValidator || (control.staleIfError ?? 0) > 0)
    }

    /// Statuses whose rules for caches are followed here.
    private static func isUnderstood(_ status: Int) -> Bool {
        CachedResponse.isHeuristicallyCacheable(status) || status == 302 || status == 303 || status == 307
    }

    /// Whether a request with this method may change what a cache has of its URI (RFC 9110 §9.2.1, RFC 9111 §4.4).
    package static func isUnsafe(_ method: HTTPRequest.Method) -> Bool {
        switch method {
        case .get, .head, .options, .trace: false
        default: true
        }
    }
}
