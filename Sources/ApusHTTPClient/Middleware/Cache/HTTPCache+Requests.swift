import ApusRuntime
import ApusWire
import HTTPTypes
import Synchronization

/// One request on its way through a cache.
private struct CacheLookup: Sendable {
    let request: ClientRequest
    let control: CacheControl
    /// What it will be sent with, as far as that is known.
    let fields: HTTPFields
    let secrets: [HTTPField]
    /// A digest of the URL, and of how its body is wanted.
    let key: String
    /// Of the secrets, where they have entries of their own; empty for everybody's.
    let partition: String
    /// Whether responses may be kept for these very secrets.
    let isPartitioned: Bool
    /// Invalidations from now on count.
    let moment: Int
}

extension HTTPCache {
    /// Answers from the cache where that is allowed, and keeps what may be kept.
    ///
    /// - Throws: what the request throws, unless a kept response may stand in for the error.
    ///
    /// Cancel safety: as the request's. What was not read to its end is not kept.
    public func handle(_ request: ClientRequest, next: ClientRequest.Next) async throws -> ClientResponse {
        guard request.method == .get else { return try await change(request, next) }
        let control = Self.control(request)
        guard request.body == nil, !control.noStore, !Self.hasConditions(request.headers) else {
            return try await next(request)
        }
        let lookup = try lookup(request, control)
        guard let entry = try await find(lookup) else {
            if control.onlyIfCached { return try ClientResponse(to: request, status: .gatewayTimeout) }
            return try await fetch(lookup, next)
        }
        switch CacheDecision(entry.head, request: control, at: clock.now) {
        case .serve:
            counters.withLock { $0.hits += 1 }
            return try await serve(entry, lookup, .hit)
        case .serveStale:
            return try await serve(entry, lookup, .stale)
        case .serveWhileValidating:
            if !control.onlyIfCached { validateBehind(entry, lookup, next) }
            return try await serve(entry, lookup, .stale)
        case .validate(let standsIn):
            if control.onlyIfCached { return try ClientResponse(to: request, status: .gatewayTimeout) }
            guard standsIn > 0 else { return try await validate(entry, lookup, next) }
            return try await validate(entry, lookup, next, until: clock.now + standsIn)
        }
    }

    // MARK: What a request means

    private static let pragma = HTTPField.Name("Pragma")

    private static func control(_ request: ClientRequest) -> CacheControl {
        let values = request.headers.values(.cacheControl)
        if !values.isEmpty { return CacheControl(values) }
        var control = CacheControl()
        // RFC 9111 §5.4: what Cache-Control was before there was one.
        if let pragma {
            control.noCache = request.headers.values(pragma).contains { $0.lowercased().contains("no-cache") }
        }
        return control
    }

    /// Whether the caller has a cache of its own, wants a part, or wants it from somebody else than the URL says.
    private static func hasConditions(_ fields: HTTPFields) -> Bool {
        fields.contains { field in
            switch field.name {
            case .range, .ifRange, .ifMatch, .ifNoneMatch, .ifModifiedSince, .ifUnmodifiedSince, .hostField: true
            default: false
            }
        }
    }

    /// - Throws: what is wrong with the request.
    private func lookup(_ request: ClientRequest, _ control: CacheControl) throws -> CacheLookup {
        // Put together as for sending, so that nothing is overlooked that the session, the jar or the host's record adds.
        let core = request.exchange.core
        let probe = request.nextExchange()
        let host = try core.host(of: probe)
        host.prepare(probe, cookies: core.mayHaveCookies(probe) ? try core.cookieField(of: probe, host) : nil)
        let fields = probe.preparedHeaders(host)
        var secrets = SecretNames.secrets(of: fields)
        // Credentials that are looked up or worked out when it is sent: nobody knows whose it is.
        let isUnknown = probe.authenticates && fields[.authorization] == nil
        if isUnknown { secrets.append(HTTPField(name: .authorization, value: "")) }
        let isPartitioned = credentials == .separate && memory != nil && !secrets.isEmpty && !isUnknown
        let text = isPartitioned ? secrets.map { "\($0.name.canonicalName): \($0.value)\n" }.joined() : ""
        return CacheLookup(
            request: request,
            control: control,
            fields: fields,
            secrets: secrets,
            key: Self.key(request.uri, decoded: probe.decompresses, socket: core.configuration.unixSocketPath),
            partition: isPartitioned ? CacheDigest.hexadecimal(Array(text.utf8)) : "",
            isPartitioned: isPartitioned,
            moment: work.withLock { $0.moment }
        )
    }

    /// A digest, since a URL may be secret. Userinfo and fragment are not sent, and so do not count.
    private static func key(_ uri: URI, decoded: Bool, socket: String?) -> String {
        let text = "\(uri.origin)\n\(String(decoding: uri.target, as: UTF8.self))\n\(decoded)\n\(socket ?? "")"
        return CacheDigest.hexadecimal(Array(text.utf8))
    }

    // MARK: What there is

    private func find(_ lookup: CacheLookup) async throws -> CacheEntry? {
        let entries = if let memory { memory.entries(lookup.key) } else { try await store.entries(lookup.key) }
        return entries.first { entry in
            if !entry.partition.isEmpty {
                guard entry.partition == lookup.partition else { return false }
            } else if !lookup.secrets.isEmpty, !entry.head.control.isPublic {
                // What somebody without a name was answered is not what this one should get.
                return false
            }
            return entry.head.holds(for: lookup.fields)
        }
    }

    private func serve(
        _ entry: CacheEntry,
        _ lookup: CacheLookup,
        _ status: ClientResponse.CacheStatus,
        from exchange: Exchange? = nil
    ) async throws -> ClientResponse {
        if status == .stale { counters.withLock { $0.stale += 1 } }
        if let memory { memory.noteUse(entry, lookup.key) } else { try await store.noteUse(entry, lookup.key) }
        let exchange = exchange ?? lookup.request.exchange
        var fields = entry.head.fields
        fields[.age] = "\(entry.head.age(at: clock.now) ?? 0)"
        let head = try HTTP1ResponseHead(
            status: HTTPResponse.Status(code: entry.head.status, reasonPhrase: entry.head.reason),
            fields: fields,
            limits: exchange.core.configuration.limits
        )
        // Kept without its codings: nothing is to be decoded.
        let storage = ResponseStorage(head, exchange, complete: entry.body, trailers: nil, nil)
        storage.cacheStatus = status
        return ClientResponse(storage)
    }

    // MARK: Asking the server

    private func fetch(_ lookup: CacheLookup, _ next: ClientRequest.Next) async throws -> ClientResponse {
        let sent = clock.now
        let response = try await next(lookup.request)
        counters.withLock { $0.misses += 1 }
        return try await keep(response, lookup, sent)
    }

    /// Asks whether an entry still holds.
    private func validate(
        _ entry: CacheEntry,
        _ lookup: CacheLookup,
        _ next: ClientRequest.Next
    ) async throws -> ClientResponse {
        let conditions = entry.head.conditions
        guard !conditions.isEmpty else { return try await fetch(lookup, next) }
        var request = lookup.request
        for field in conditions { request.headers.append(field) }
        let sent = clock.now
        let response = try await next(request)
        guard response.head.statusCode == 304 else {
            counters.withLock { $0.misses += 1 }
            return try await keep(response, lookup, sent)
        }
        let fields = response.headers
        response.release()
        // About something else than was asked for: all of it, then.
        guard entry.head.isConfirmed(by: fields) else { return try await fetch(lookup, next) }
        var updated = entry
        updated.head.update(with: fields, requestTime: sent, responseTime: clock.now)
        counters.withLock { $0.revalidations += 1 }
        if updated.head.control.noStore || CachedResponse.variedNames(updated.head.fields) == nil {
            try await invalidate(lookup.request.uri, lookup.request)
        } else {
            put(updated, lookup)
        }
        return try await serve(updated, lookup, .revalidated, from: response.storage.exchange)
    }

    /// The same, where the entry may stand in for an error (RFC 5861 §4).
    private func validate(
        _ entry: CacheEntry,
        _ lookup: CacheLookup,
        _ next: ClientRequest.Next,
        until limit: Int
    ) async throws -> ClientResponse {
        do {
            let response = try await validate(entry, lookup, next)
            guard [500, 502, 503, 504].contains(response.head.statusCode), clock.now < limit else { return response }
            response.release()
        } catch let error as ClientError
            where CircuitBreaker.defaultErrors.contains(error.code) || error.code == .circuitOpen
        {
            guard clock.now < limit else { throw error }
        }
        return try await serve(entry, lookup, .stale)
    }

    /// Asks it behind the response that is given already, once at a time for each URL.
    private func validateBehind(_ entry: CacheEntry, _ lookup: CacheLookup, _ next: ClientRequest.Next) {
        guard work.withLock({ $0.beginValidation(lookup.key) }) else { return }
        lookup.request.exchange.core.loop.startDetached {
            defer { self.work.withLock { $0.endValidation(lookup.key) } }
            guard let response = try? await self.validate(entry, lookup, next) else { return }
            // What is read is kept, and what is too large for that is not read.
            _ = try? await response.bytes(limit: self.entryLimit)
        }
    }

    /// A request that may change what the URL names (RFC 9111 §4.4).
    private func change(_ request: ClientRequest, _ next: ClientRequest.Next) async throws -> ClientResponse {
        let response = try await next(request)
        guard CacheDecision.isUnsafe(request.method), response.head.statusCode < 400 else { return response }
        try await invalidate(request.uri, request)
        // Only of the same origin: nobody else's entries are this server's business.
        let named = [response.head.block.first("location"), response.head.block.first("content-location")]
        for case let text? in named {
            guard let uri = try? request.uri.resolve(text), uri.origin == request.uri.origin else { continue }
            try await invalidate(uri, request)
        }
        return response
    }

    private func invalidate(_ uri: URI, _ request: ClientRequest) async throws {
        try await invalidate(uri, socket: request.exchange.core.configuration.unixSocketPath)
    }

    /// - Parameter socket: where the session connects whatever the URL says; nil for the URL's host.
    func invalidate(_ uri: URI, socket: String?) async throws {
        for decoded in [true, false] {
            let key = Self.key(uri, decoded: decoded, socket: socket)
            work.withLock { $0.invalidate(key) }
            try await store.remove(key)
        }
    }

    // MARK: Keeping

    /// Has a response kept when its body was read, if it may be.
    private func keep(_ response: ClientResponse, _ lookup: CacheLookup, _ sent: Int) async throws -> ClientResponse {
        response.storage.cacheStatus = .miss
        let (head, fields) = (response.head, response.headers)
        let actual = response.storage.exchange.sentSecrets
        // What was added further in, such as a cookie, makes it somebody's, and nobody can tell whose at the next request.
        let isKnown = actual == lookup.secrets
        guard
            CacheDecision.mayStore(
                status: head.statusCode,
                fields: fields,
                request: lookup.control,
                isSomebodys: !actual.isEmpty,
                sharesCredentials: lookup.isPartitioned && isKnown
            ), let names = CachedResponse.variedNames(fields)
        else { return response }
        let control = CacheControl(fields.values(.cacheControl))
        let isPartitioned = lookup.isPartitioned && isKnown && !control.isPublic
        if !isPartitioned, !actual.isEmpty, names.contains(where: { name in Self.isSecret(name, actual) }) {
            return response
        }
        // Its end would be the end of the connection, which may also be that of a server or of a cable.
        guard head.contentLength != nil || head.isChunked || head.statusCode == 204 else { return response }
        guard head.contentLength ?? 0 <= entryLimit else { return response }
        let kept = CachedResponse(
            status: head.statusCode,
            reason: head.reason,
            fields: CachedResponse.storable(fields),
            varied: CachedResponse.varied(names, in: lookup.fields),
            requestTime: sent,
            responseTime: clock.now
        )
        let partition = isPartitioned ? lookup.partition : ""
        guard let stream = response.storage.stream else {
            // What cannot be decoded is the reader's error, and not kept.
            if let bytes = try? await response.bytes(limit: entryLimit) {
                put(CacheEntry(head: kept, body: bytes, partition: partition), lookup)
            }
            return response
        }
        stream.value.recorder = BodyRecorder(limit: entryLimit) { bytes in
            self.put(CacheEntry(head: kept, body: bytes, partition: partition), lookup)
        }
        return response
    }

    private static func isSecret(_ name: String, _ secrets: [HTTPField]) -> Bool {
        SecretNames.contains(name) || secrets.contains { $0.name.canonicalName == name }
    }

    /// Keeps an entry: now in memory, soon in a file.
    private func put(_ entry: CacheEntry, _ lookup: CacheLookup) {
        guard work.withLock({ $0.isCurrent(lookup.key, since: lookup.moment) }) else { return }
        if let memory {
            if memory.store(entry, lookup.key) { counters.withLock { $0.stored += 1 } }
            return
        }
        let cost = entry.cost
        let hasRoom = work.withLock { work in
            guard work.beginWrite(cost) else { return false }
            isIdle.clear()
            return true
        }
        guard hasRoom else { return }
        lookup.request.exchange.core.loop.startDetached {
            // A cancelled one never begins: the loop ends, and the response is not kept.
            let isStored = (try? await self.store.store(entry, lookup.key)) == true
            if isStored { self.counters.withLock { $0.stored += 1 } }
            // Invalidated meanwhile: by then there was nothing to remove.
            if self.work.withLock({ !$0.isCurrent(lookup.key, since: lookup.moment) }) {
                try? await self.store.remove(lookup.key)
            }
            self.work.withLock { work in
                if work.endWrite(cost) { self.isIdle.set() }
            }
        }
    }
}
