import ApusWire
import HTTPTypes

extension HTTPField.Name {
    // HTTPTypes keeps `Host` for its own authority property; on an HTTP/1.1 wire it is a field. The name is a valid token.
    static let hostField = HTTPField.Name("Host")!
}

/// A host that a session speaks to, and what its requests have in common. Loop thread only.
final class HostRecord {
    let index: HostIndex
    let uri: URI
    let host: String
    let port: Int
    let isSecure: Bool
    /// Exchanges under way: while there is one, the record and its number in the pool stay.
    @exclusivity(unchecked) var users = 0
    /// `Host`, `User-Agent`, `Accept` and the session's own fields, each with its line end.
    private let prepared: [UInt8]
    private let preparedFields: HTTPFields

    init(index: HostIndex, uri: URI, configuration: ClientSession.Configuration) {
        self.index = index
        self.uri = uri
        host = uri.host
        isSecure = uri.isSecure
        port = uri.effectivePort ?? 0
        var fields = HTTPFields()
        // RFC 9110 §7.2: Host comes first.
        fields[.hostField] = uri.hostHeader
        fields[.userAgent] = configuration.userAgent
        fields[.accept] = "*/*"
        for field in configuration.headers { fields[field.name] = nil }
        for field in configuration.headers { fields.append(field) }
        preparedFields = fields
        var lines: [UInt8] = []
        for field in fields { lines.append(contentsOf: "\(field.name.rawName): \(field.value)\r\n".utf8) }
        prepared = lines
    }

    /// Puts what the host's requests have in common into a request: ready-made lines, unless it replaces one of them.
    func prepare(_ exchange: Exchange) {
        var own = exchange.ownFields
        if let plan = exchange.uploadPlan, plan.expectsContinue { own[.expect] = "100-continue" }
        let omitted = exchange.options?.options.omittedHeaders ?? []
        if omitted.isEmpty, !exchange.withholdsSecrets,
            own.isEmpty || !own.contains(where: { preparedFields.contains($0.name) })
        {
            exchange.prepared = prepared
            exchange.fields = own
            return
        }
        var fields = preparedFields
        if exchange.withholdsSecrets { fields.removeSecrets() }
        for name in omitted where name != .hostField { fields[name] = nil }
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
