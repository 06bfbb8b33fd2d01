import ApusWire
import HTTPTypes

/// Which fields are nobody's business: what logs leave out, and what makes a response somebody's own.
enum SecretNames {
    private static let known: Set<String> = [
        "authorization", "proxy-authorization", "cookie", "cookie2", "set-cookie", "set-cookie2", "www-authenticate",
        "proxy-authenticate", "authentication-info", "proxy-authentication-info",
    ]

    /// Parts of names such as `X-Api-Key`, `X-Auth-Token` and `X-Amz-Security-Token`.
    private static let parts = [
        "auth", "token", "secret", "apikey", "api-key", "access-key", "password", "passwd", "credential", "signature",
        "session", "csrf", "xsrf",
    ]

    static func contains(_ name: HTTPField.Name) -> Bool { contains(name.canonicalName) }

    /// - Parameter name: in lower case.
    static func contains(_ name: String) -> Bool {
        known.contains(name) || parts.contains { name.contains($0) } && name != ":authority"
    }

    /// The secrets among a request's fields, in the order of their names: whose request it is. What a proxy is told is no server's.
    static func secrets(of fields: HTTPFields) -> [HTTPField] {
        fields.filter { field in
            if field.name == .proxyAuthorization { return false }
            return contains(field.name) || field.indexingStrategy == .avoid || field.indexingStrategy == .disallow
        }
        .sorted { ($0.name.canonicalName, $0.value) < ($1.name.canonicalName, $1.value) }
    }
}

extension Exchange {
    /// The fields that it was or will be sent with, once a host has prepared it, but for Host.
    func preparedHeaders(_ host: HostRecord) -> HTTPFields {
        var sent = fields
        if !prepared.isEmpty {
            for field in host.preparedFields where fields[field.name] == nil { sent.append(field) }
        }
        sent[.hostField] = nil
        return sent
    }

    /// The secrets that the request was sent with, once it has been.
    var sentSecrets: [HTTPField] {
        (try? core.host(of: self)).map { SecretNames.secrets(of: preparedHeaders($0)) } ?? []
    }
}
