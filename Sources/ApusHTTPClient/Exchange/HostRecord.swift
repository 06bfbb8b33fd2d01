import ApusWire
import HTTPTypes

extension HTTPField.Name {
    // HTTPTypes keeps `Host` for its own authority property; on an HTTP/1.1 wire it is a field. The name is a valid token.
    static let hostField = HTTPField.Name("Host")!
}

/// What a session has done at a host.
struct RequestCounters {
    var requests = 0
    var reuses = 0
    var resends = 0
}

/// A host that a session speaks to, and what its requests have in common. Loop thread only.
final class HostRecord {
    let index: HostIndex
    let pooled: PooledHost
    let uri: URI
    @exclusivity(unchecked) var counters = RequestCounters()
    /// Exchanges under way: while there is one, the record and its number in the pool stay.
    @exclusivity(unchecked) var users = 0
    /// `Host`, `User-Agent`, `Accept`, `Accept-Encoding` and the session's own fields, each with its line end.
    private let prepared: [UInt8]
    let preparedFields: HTTPFields
    /// What the proxy gets that passes the requests on. They are no secrets of the server's: a redirect elsewhere does not lose them.
    private let proxyFields: HTTPFields

    /// - Parameter isTrusted: whether the session's own secrets may go there.
    init(_ pooled: PooledHost, uri: URI, configuration: ClientSession.Configuration, isTrusted: Bool) {
        self.pooled = pooled
        index = pooled.index
        self.uri = uri
        var fields = HTTPFields()
        // RFC 9110 §7.2: Host comes first.
        fields[.hostField] = uri.hostHeader
        fields[.userAgent] = configuration.userAgent
        fields[.accept] = "*/*"
        if configuration.decompress { fields[.acceptEncoding] = ContentCoding.acceptEncoding }
        var own = configuration.headers
        if !isTrusted { own.removeSecrets() }
        // What cannot be sent is refused before the first host is known: see ``ClientSession/Configuration/mistake``.
        if isTrusted, let value = try? configuration.auth?.fieldValue() { own[.authorization] = value }
        proxyFields = pooled.forwardingProxy?.fields ?? [:]
        // Never to a server; to a proxy it goes by way of the proxy's own settings.
        own[.proxyAuthorization] = nil
        for field in own { fields[field.name] = nil }
        for field in own { fields.append(field) }
        for field in proxyFields where fields[field.name] == nil { fields.append(field) }
        preparedFields = fields
        var lines: [UInt8] = []
        for field in fields { lines.append(contentsOf: "\(field.name.rawName): \(field.value)\r\n".utf8) }
        prepared = lines
    }

    /// The Cookie field that a request has anyway: its own, or the session's.
    func statedCookies(of exchange: Exchange) -> String? {
        if let own = exchange.ownFields[.cookie] { return own }
        return exchange.withholdsSecrets || exchange.options?.omits(.cookie) == true ? nil : preparedFields[.cookie]
    }

    /// The same as ``prepare(_:cookies:)``, for a request that has nothing of its own: most have not.
    @inline(__always)
    func preparePlain(_ exchange: Exchange) {
        exchange.prepared = prepared
        if !exchange.fields.isEmpty { exchange.fields = [:] }
    }

    /// Puts what the host's requests have in common into a request: ready-made lines, unless it replaces one of them.
    ///
    /// - Parameter cookies: in the place of the Cookie field that it has.
    func prepare(_ exchange: Exchange, cookies: HTTPField? = nil) {
        var own = exchange.ownFields
        if let cookies {
            own[.cookie] = nil
            own.append(cookies)
        }
        if let plan = exchange.uploadPlan, plan.expectsContinue { own[.expect] = "100-continue" }
        if let value = exchange.authentication?.field { own[.authorization] = value }
        if let added = exchange.addedFields { for field in added { own[field.name] = field.value } }
        if let coding = exchange.uploadPlan?.coding { own[.contentEncoding] = coding.description }
        let omitted = exchange.options?.options.omittedHeaders ?? []
        let omitsEncoding = exchange.omitsAcceptEncoding
        if !exchange.withholdsSecrets, !omitsEncoding, omitted.isEmpty, exchange.authentication == nil,
            own.isEmpty
                || !own.contains(where: { $0.name == .proxyAuthorization || preparedFields.contains($0.name) })
        {
            exchange.prepared = prepared
            exchange.fields = own
            return
        }
        own[.proxyAuthorization] = nil
        var fields = preparedFields
        if exchange.withholdsSecrets { fields.removeSecrets() }
        if exchange.authentication != nil { fields[.authorization] = nil }
        for name in omitted where name != .hostField { fields[name] = nil }
        if omitsEncoding { fields[.acceptEncoding] = nil }
        for field in own { fields[field.name] = nil }
        for field in own { fields.append(field) }
        for field in proxyFields where fields[field.name] == nil { fields.append(field) }
        // The first field must stay Host, whoever stated it.
        let host = fields[.hostField] ?? ""
        fields[.hostField] = nil
        var ordered = HTTPFields()
        ordered[.hostField] = host
        for field in fields { ordered.append(field) }
        exchange.fields = ordered
        exchange.prepared = []
    }
}
