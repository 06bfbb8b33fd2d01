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
    private let preparedFields: HTTPFields

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
        for field in own { fields[field.name] = nil }
        for field in own { fields.append(field) }
        preparedFields = fields
        var lines: [UInt8] = []
        for field in fields { lines.append(contentsOf: "\(field.name.rawName): \(field.value)\r\n".utf8) }
        prepared = lines
    }

    /// Puts what the host's requests have in common into a request: ready-made lines, unless it replaces one of them.
    func prepare(_ exchange: Exchange) {
        var own = exchange.ownFields
        if let plan = exchange.uploadPlan, plan.expectsContinue { own[.expect] = "100-continue" }
        if let added = exchange.addedFields { for field in added { own[field.name] = field.value } }
        let omitted = exchange.options?.options.omittedHeaders ?? []
        let omitsEncoding = exchange.omitsAcceptEncoding
        if !exchange.withholdsSecrets, !omitsEncoding, omitted.isEmpty,
            own.isEmpty || !own.contains(where: { preparedFields.contains($0.name) })
        {
            exchange.prepared = prepared
            exchange.fields = own
            return
        }
        var fields = preparedFields
        if exchange.withholdsSecrets { fields.removeSecrets() }
        for name in omitted where name != .hostField { fields[name] = nil }
        if omitsEncoding { fields[.acceptEncoding] = nil }
        for field in own { fields[field.name] = nil }
        for field in own { fields.append(field) }
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
