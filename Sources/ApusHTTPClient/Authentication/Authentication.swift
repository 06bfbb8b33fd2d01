import ApusWire

/// Who a request is made as: the argument `auth:` of every request, and a session's ``ClientSession/Configuration/auth``.
///
/// ```swift
/// let page = try await session.get(url, auth: .basic("ada", password))
/// ```
///
/// Credentials belong to the origin (scheme, host and port) that is asked first. A redirect elsewhere goes without them, and they do not
/// come back when a later one returns. A request has one kind: together with an `Authorization` field of its own, or with
/// `name:password@` in its URL, this is an error.
///
/// No description or dump shows what is in it. (aiohttp rows C21 and C22.)
public struct Authentication: Sendable {
    /// Behind a reference: an argument that is not given costs one register.
    final class Storage: Sendable {
        let kind: Kind

        init(_ kind: Kind) { self.kind = kind }
    }

    enum Kind: Sendable {
        case basic(user: String, password: String)
        case bearer(String)
        case digest(DigestState.Credentials)
        case anonymous
    }

    let storage: Storage
    var kind: Kind { storage.kind }

    private init(_ kind: Kind) { storage = Storage(kind) }

    /// User and password in UTF-8, sent at once, readable for everybody on the way unless the URL is https.
    ///
    /// A user name with a colon is an error when it is used (``ClientError`` `.invalidRequest`).
    ///
    /// Source: RFC 7617.
    public static func basic(_ user: String, _ password: String) -> Authentication {
        Authentication(.basic(user: user, password: password))
    }

    /// A token, such as one of OAuth 2, sent at once.
    ///
    /// Source: RFC 6750.
    public static func bearer(_ token: String) -> Authentication { Authentication(.bearer(token)) }

    /// The proof that the password is known, which is not sent itself.
    ///
    /// The first request is answered with 401 and a challenge, and made again with the proof; at most once. Later requests of the session
    /// with the same credentials bring theirs at once, wherever the server said that it is good for: its `domain`, or the origin. The
    /// strongest of the server's algorithms is used: SHA-512, SHA-512-256, SHA-256, SHA, MD5, each with and without `-sess`. A body
    /// that is needed twice has to be one that can be sent twice. A server that asks for a weaker algorithm than it did before in the
    /// session is refused. Needs the package trait `TLS`, whose OpenSSL has the hashes.
    ///
    /// What cannot be answered is ``ClientError`` `.authenticationFailed`; a 401 without any Digest challenge is a response.
    ///
    /// Source: RFC 7616.
    public static func digest(_ user: String, _ password: String) -> Authentication {
        Authentication(.digest(.init(user: user, password: password)))
    }

    /// Nobody: neither the session's credentials, nor those of the URL or of a netrc file, are used.
    public static let anonymous = Authentication(.anonymous)

    /// What answers challenges, if it is that kind.
    var digest: DigestState.Credentials? {
        if case .digest(let credentials) = kind { credentials } else { nil }
    }

    /// The field's value, where that needs no challenge.
    ///
    /// - Throws: ``AuthenticationError`` `.invalidCredentials`.
    func fieldValue() throws(AuthenticationError) -> String? {
        switch kind {
        case .basic(let user, let password): try CredentialsField.basic(user: user, password: password)
        case .bearer(let token): try CredentialsField.bearer(token)
        case .digest, .anonymous: nil
        }
    }
}

extension Authentication: CustomStringConvertible, CustomReflectable {
    /// The kind alone.
    public var description: String {
        switch kind {
        case .basic: "Authentication.basic"
        case .bearer: "Authentication.bearer"
        case .digest: "Authentication.digest"
        case .anonymous: "Authentication.anonymous"
        }
    }

    public var customMirror: Mirror { Mirror(self, children: [], displayStyle: .struct) }
}
