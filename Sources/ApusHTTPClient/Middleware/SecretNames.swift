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

    /// The secrets among a request's fields, in the order of their names: whose request it is.
    static func secrets(of fields: HTTPFields) -> [HTTPField] {
        fields.filter { field in
            contains(field.name) || field.indexingStrategy == .avoid || field.indexingStrategy == .disallow
        }
        .sorted { ($0.name.canonicalName, $0.value) < ($1.name.canonicalName, $1.value) }
    }
}

extension ClientRequest {
    /// The fields that the request will be sent with, as far as they are known before: its own, the session's and the automatic ones.
    var effectiveHeaders: HTTPFields {
        // A host that cannot be asked is the exchange's error, when it comes to it.
        var fields = (try? exchange.core.host(of: exchange))?.preparedFields ?? HTTPFields()
        fields[.hostField] = nil
        if exchange.withholdsSecrets || uri.origin != exchange.uri.origin { fields.removeSecrets() }
        for name in options.omittedHeaders { fields[name] = nil }
        if options.decompress == false { fields[.acceptEncoding] = nil }
        for field in headers { fields[field.name] = nil }
        for field in headers { fields.append(field) }
        return fields
    }
}

extension Exchange {
    /// The secrets that the request was sent with, once it has been.
    var sentSecrets: [HTTPField] {
        var sent = fields
        // Ready-made lines have what the host's requests have in common.
        if !prepared.isEmpty, let host = try? core.host(of: self) {
            for field in host.preparedFields where sent[field.name] == nil { sent.append(field) }
        }
        return SecretNames.secrets(of: sent)
    }
}
