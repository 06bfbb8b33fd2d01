import ApusWire

/// How one request is authenticated, if not as the session's requests are by themselves. Loop thread only, once the request is there.
final class ExchangeAuthentication {
    /// Answers the challenges of the first origin.
    let digest: DigestState.Credentials?
    /// A user whose password is to be looked up.
    let login: String?
    /// The Authorization of the next try; nil for none, the session's own included.
    var field: String?

    init(digest: DigestState.Credentials? = nil, login: String? = nil, field: String? = nil) {
        self.digest = digest
        self.login = login
        self.field = field
    }

    /// What the caller wanted, without what became of it: each exchange of a request, such as one behind a redirect, begins with this.
    var forNextExchange: ExchangeAuthentication { ExchangeAuthentication(digest: digest, login: login) }
}

extension ExchangeAuthentication: CustomReflectable {
    var customMirror: Mirror { Mirror(self, children: []) }
}
