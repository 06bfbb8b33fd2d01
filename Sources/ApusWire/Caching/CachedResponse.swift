package import HTTPTypes

/// A response that a private cache keeps (RFC 9111), without its body: its head, when it came, and for which requests it holds.
package struct CachedResponse: Sendable, Hashable {
    package var status: Int
    package var reason: String
    /// Without those that belong to one connection, or are secrets.
    package var fields: HTTPFields
    /// What the fields that Vary names were in the request: digests, since they may be secret.
    package var varied: [VariedField]
    /// When the request was sent and its response came, in seconds since 1970.
    package var requestTime: Int
    package var responseTime: Int

    /// One field that Vary names, and what it was.
    package struct VariedField: Sendable, Hashable {
        /// In lower case.
        package var name: String
        /// Of the request's value; empty if it had none.
        package var digest: String

        package init(name: String, digest: String) {
            self.name = name
            self.digest = digest
        }
    }

    package init(
        status: Int,
        reason: String,
        fields: HTTPFields,
        varied: [VariedField],
        requestTime: Int,
        responseTime: Int
    ) {
        self.status = status
        self.reason = reason
        self.fields = fields
        self.varied = varied
        self.requestTime = requestTime
        self.responseTime = responseTime
    }

    package var control: CacheControl { CacheControl(fields.values(.cacheControl)) }

    // MARK: Vary (§4.1)

    /// More names than this are nobody's negotiation.
    package static let variedLimit = 32

    /// The names in Vary, in lower case, each once and in order; nil if nothing can be said about other requests: `*`, or too many.
    package static func variedNames(_ fields: HTTPFields) -> [String]? {
        let values = fields.values(.vary)
        if values.isEmpty { return [] }
        let names = Set(HeaderScanner.tokens(values)).sorted()
        // `*` is a token character, so it is found like a name.
        return names.contains("*") || names.count > variedLimit ? nil : names
    }

    /// What the named fields are in a request.
    package static func varied(_ names: [String], in request: HTTPFields) -> [VariedField] {
        names.map { name in
            guard let fieldName = HTTPField.Name(name) else { return VariedField(name: name, digest: "") }
            let values = request.values(fieldName)
            // Each value's spaces and its list's commas are taken as they are: two ways to write the same are two variants (§4.1).
            let digest = values.isEmpty ? "" : CacheDigest.hexadecimal(Array(values.joined(separator: ", ").utf8))
            return VariedField(name: name, digest: digest)
        }
    }

    /// Whether the response holds for a request with these fields.
    package func holds(for request: HTTPFields) -> Bool {
        varied.isEmpty || varied == Self.varied(varied.map(\.name), in: request)
    }

    // MARK: Time (§4.2)

    /// How old it is, in seconds; nil if the clock was set back since, and nobody knows.
    package func age(at time: Int) -> Int? {
        // A second or two is the difference between two looks at the clock.
        guard time >= responseTime - 2 else { return nil }
        let date = fields[.date].flatMap { HTTPTimestamp($0) }?.secondsSince1970 ?? responseTime
        let apparent = Self.bounded(responseTime, minus: date)
        let stated = CacheControl.seconds(fields.values(.age).first)
        let corrected = Self.bounded(stated, plus: Self.bounded(responseTime, minus: requestTime))
        return Self.bounded(max(apparent, corrected), plus: Self.bounded(time, minus: responseTime))
    }

    /// How long the response is fresh, in seconds, counted in ``age(at:)``.
    package var freshness: Int {
        if let maxAge = control.maxAge { return maxAge }
        let expires = fields.values(.expires)
        if !expires.isEmpty {
            // §5.3: what is no date, such as 0, is a time in the past; so is what contradicts itself.
            guard expires.count == 1, let end = HTTPTimestamp(expires[0])?.secondsSince1970 else { return 0 }
            let date = fields[.date].flatMap { HTTPTimestamp($0) }?.secondsSince1970 ?? responseTime
            return Self.bounded(end, minus: date)
        }
        return heuristicFreshness
    }

    /// §4.2.2: a tenth of the time since the last change, but no more than a day.
    private var heuristicFreshness: Int {
        guard Self.isHeuristicallyCacheable(status) || control.isPublic,
            let modified = fields[.lastModified].flatMap({ HTTPTimestamp($0) })?.secondsSince1970
        else { return 0 }
        let date = fields[.date].flatMap { HTTPTimestamp($0) }?.secondsSince1970 ?? responseTime
        return min(Self.bounded(date, minus: modified) / 10, 86_400)
    }

    // RFC 9110 §15.1, without 206.
    package static func isHeuristicallyCacheable(_ status: Int) -> Bool {
        switch status {
        case 200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501: true
        default: false
        }
    }

    private static func bounded(_ left: Int, minus right: Int) -> Int {
        let (difference, overflow) = left.subtractingReportingOverflow(right)
        return overflow ? (left > right ? CacheControl.longest : 0) : min(max(0, difference), CacheControl.longest)
    }

    private static func bounded(_ left: Int, plus right: Int) -> Int {
        min(left, CacheControl.longest) + min(right, CacheControl.longest)
    }

    // MARK: Validation (§4.3)

    /// Whether the server can be asked if the response still holds.
    package var hasValidator: Bool {
        fields[.eTag].flatMap { EntityTag($0) } != nil || fields[.lastModified].flatMap { HTTPTimestamp($0) } != nil
    }

    /// The fields that ask so.
    package var conditions: HTTPFields {
        var result = HTTPFields()
        if let tag = fields[.eTag], EntityTag(tag) != nil { result[.ifNoneMatch] = tag }
        if let modified = fields[.lastModified], HTTPTimestamp(modified) != nil { result[.ifModifiedSince] = modified }
        return result
    }

    /// Whether a 304 with these fields is about this response (§4.3.4).
    package func isConfirmed(by new: HTTPFields) -> Bool {
        guard let new = new[.eTag].flatMap({ EntityTag($0) }), let old = fields[.eTag].flatMap({ EntityTag($0) }) else {
            return true
        }
        return new.isWeak || old.isWeak ? new.matchesWeakly(old) : new.matchesStrongly(old)
    }

    /// Takes what a 304 says anew (§3.2): all fields but those that describe the body that is kept, or one connection.
    package mutating func update(with new: HTTPFields, requestTime: Int, responseTime: Int) {
        let new = Self.storable(new)
        // An age is of the response that states it.
        fields[.age] = nil
        for name in Set(new.map(\.name)) where !Self.describesBody.contains(name.canonicalName) {
            fields[fields: name] = new[fields: name]
        }
        self.requestTime = requestTime
        self.responseTime = responseTime
    }

    private static let describesBody: Set<String> = [
        "content-encoding", "content-length", "content-range", "content-type",
    ]

    // MARK: What is kept (§3, §3.1)

    /// Fields that are never kept: those of a connection, and cookies, which would be set for somebody else.
    private static let transient: Set<String> = [
        "connection", "keep-alive", "proxy-authenticate", "proxy-authentication-info", "proxy-authorization",
        "proxy-connection", "set-cookie", "set-cookie2", "te", "trailer", "transfer-encoding", "upgrade",
        "authentication-info", "www-authenticate", "clear-site-data",
    ]

    /// The fields of a response that may be kept.
    package static func storable(_ fields: HTTPFields) -> HTTPFields {
        let named = Set(HeaderScanner.tokens(fields.values(.connection)))
        var kept = HTTPFields()
        for field in fields {
            let name = field.name.canonicalName
            if !transient.contains(name), !named.contains(name) { kept.append(field) }
        }
        return kept
    }
}

extension HTTPFields {
    /// The values of all fields with this name, one for each field.
    package func values(_ name: HTTPField.Name) -> [String] { self[fields: name].map(\.value) }
}
