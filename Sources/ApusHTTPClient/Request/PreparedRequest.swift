import ApusRuntime
import ApusWire
import HTTPTypes

/// A request as it is about to be sent, to one origin.
struct PreparedRequest: Sendable {
    var method: HTTPRequest.Method
    var uri: URI
    var target: [UInt8]
    /// The lines that every request to this host has, serialised already; empty if `fields` replaces one of them.
    var prepared: [UInt8] = []
    var fields: HTTPFields
    var body: RequestBody?
    var timeouts: Timeouts
    var redirects: RedirectPolicy

    /// RFC 9110 §9.2.2.
    var isIdempotent: Bool {
        switch method {
        case .get, .head, .put, .delete, .options, .trace: true
        default: false
        }
    }

    init(
        method: HTTPRequest.Method,
        uri: URI,
        fields: HTTPFields,
        body: RequestBody?,
        timeouts: Timeouts,
        redirects: RedirectPolicy
    ) {
        self.method = method
        self.uri = uri
        self.fields = fields
        self.body = body
        self.timeouts = timeouts
        self.redirects = redirects
        target = uri.target
        if let body, fields[.contentType] == nil { self.fields[.contentType] = body.contentType }
    }
}

extension HTTPField.Name {
    // HTTPTypes keeps `Host` for its own authority property; on an HTTP/1.1 wire it is a field. The name is a valid token.
    static let hostField = HTTPField.Name("Host")!
}

/// A host that a session speaks to, and what its requests have in common. Loop thread only.
final class HostRecord {
    let index: HostIndex
    let scheme: String
    let host: String
    let port: Int
    /// `Host`, `User-Agent`, `Accept` and the session's own fields, each with its line end.
    let prepared: [UInt8]
    /// Names of the prepared fields, which a request that states one of them replaces.
    let preparedFields: HTTPFields

    init(index: HostIndex, uri: URI, port: Int, configuration: ClientSession.Configuration) {
        self.index = index
        scheme = uri.scheme
        host = uri.host
        self.port = port
        var fields = HTTPFields()
        // RFC 9110 §7.2: Host comes first.
        fields[.hostField] = uri.hostHeader
        fields[.userAgent] = configuration.userAgent
        fields[.accept] = "*/*"
        for field in configuration.headers {
            // The session's own secrets have no origin to belong to here, and are refused when the session is made.
            fields[field.name] = nil
        }
        for field in configuration.headers { fields.append(field) }
        preparedFields = fields
        var lines: [UInt8] = []
        for field in fields {
            lines.append(contentsOf: "\(field.name.rawName): \(field.value)\r\n".utf8)
        }
        prepared = lines
    }

    func matches(_ uri: URI, port: Int) -> Bool {
        self.port == port && host == uri.host && scheme == uri.scheme
    }

    /// Puts what the host's requests have in common into `request`.
    func prepare(_ request: inout PreparedRequest) {
        if request.fields.isEmpty || !request.fields.contains(where: { preparedFields.contains($0.name) }) {
            request.prepared = prepared
        } else {
            var fields = preparedFields
            for field in request.fields { fields[field.name] = nil }
            for field in request.fields { fields.append(field) }
            // The first field must stay Host, whoever stated it.
            let host = fields[.hostField] ?? ""
            fields[.hostField] = nil
            var ordered = HTTPFields()
            ordered[.hostField] = host
            for field in fields { ordered.append(field) }
            request.fields = ordered
            request.prepared = []
        }
    }
}
