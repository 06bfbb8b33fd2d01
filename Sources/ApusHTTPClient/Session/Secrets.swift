import ApusWire
import HTTPTypes

extension HTTPFields {
    /// Removes what belongs to one origin: the known secrets, and what the user marked as sensitive.
    mutating func removeSecrets() {
        for name in RedirectStep.secretFields { self[name] = nil }
        guard contains(where: { $0.indexingStrategy == .avoid || $0.indexingStrategy == .disallow }) else { return }
        var kept = HTTPFields()
        for field in self where field.indexingStrategy == .automatic || field.indexingStrategy == .prefer {
            kept.append(field)
        }
        self = kept
    }

    /// These without the secrets that stand in `others` too, with the same values: what a middleware has taken over, not what it has set.
    func withoutSecrets(of others: HTTPFields) -> HTTPFields {
        var rest = others
        rest.removeSecrets()
        let secrets = others.filter { field in !rest.contains { $0.name == field.name } }
        var kept = HTTPFields()
        for field in self where !secrets.contains(field) { kept.append(field) }
        return kept
    }

    /// The name of a field that belongs to one origin, if there is one.
    var firstSecret: HTTPField.Name? {
        first { field in
            RedirectStep.secretFields.contains(field.name) || field.indexingStrategy == .avoid
                || field.indexingStrategy == .disallow
        }?.name
    }
}

extension ClientSession.Configuration {
    /// Whether the session's own secrets may go to an origin.
    func trusts(_ origin: Origin) -> Bool { origin == baseURL?.origin || secretOrigins.contains(origin) }

    /// What is wrong with it, as a message.
    var mistake: (ClientError.Code, String)? {
        if let baseURL {
            guard ["http", "https", URI.unixScheme].contains(baseURL.scheme) else {
                return (
                    .unsupportedScheme, "The base URL has to be http, https or http+unix, and is \(baseURL.redacted)."
                )
            }
            guard baseURL.path.hasSuffix("/"), baseURL.query == nil, baseURL.fragment == nil else {
                return (
                    .invalidURL,
                    "The base URL \(baseURL.redacted) has to end with “/”, without query and fragment: what follows its last “/” would be lost."
                )
            }
        }
        if let routeMistake { return (.invalidRequest, routeMistake) }
        // RFC 9112 §6, §9.6: a session's fields are written as they are, and nobody would look what they say of a body or a connection.
        if let name = [HTTPField.Name.contentLength, .transferEncoding, .connection].first(where: { headers[$0] != nil }
        ) {
            return (
                .invalidRequest,
                "The session's header \(name) is about one message: leave it out, or give it to the request that it is for."
            )
        }
        if let auth {
            if headers[.authorization] != nil {
                return (
                    .invalidRequest,
                    "The session has both `configuration.auth` and a header Authorization: leave one out."
                )
            }
            do throws(AuthenticationError) {
                _ = try auth.fieldValue()
            } catch {
                return (.invalidRequest, error.message)
            }
        }
        guard baseURL == nil, secretOrigins.isEmpty else { return nil }
        let secret =
            if let name = headers.firstSecret { "The session's header \(name) is" } else if auth != nil {
                "The session's `configuration.auth` is"
            } else { "" }
        guard !secret.isEmpty else { return nil }
        return (
            .invalidRequest,
            "\(secret) a secret, and nothing says whose: every host would get it. Set `configuration.baseURL`, "
                + "or list the origins that may have it in `configuration.secretOrigins`."
        )
    }
}

// What `print` and `dump` show of things that hold secrets: field names instead of fields, URLs without userinfo and query.
extension ClientSession.Configuration: CustomStringConvertible, CustomReflectable {
    public var description: String {
        "ClientSession.Configuration(\(shown.map { "\($0.label ?? "-"): \($0.value)" }.joined(separator: ", ")))"
    }

    public var customMirror: Mirror { Mirror(self, children: shown, displayStyle: .struct) }

    private var shown: [Mirror.Child] {
        [
            ("pool", pool), ("timeouts", timeouts), ("redirects", redirects),
            ("headers", headers.map(\.name.rawName)), ("userAgent", userAgent), ("bodyLimit", bodyLimit),
            ("baseURL", baseURL?.redacted ?? "-"), ("secretOrigins", secretOrigins.map(\.description).sorted()),
            ("auth", auth?.description ?? "-"), ("hasNetrc", netrc != nil),
            ("proxy", proxy.map { "\($0)" } ?? "-"), ("trustEnvironment", trustEnvironment),
        ]
    }
}

extension Exchange: CustomReflectable {
    @usableFromInline var customMirror: Mirror {
        Mirror(self, children: ["method": method.rawValue, "uri": uri.redacted])
    }
}

extension HostRecord: CustomReflectable {
    var customMirror: Mirror { Mirror(self, children: ["uri": uri.redacted]) }
}
