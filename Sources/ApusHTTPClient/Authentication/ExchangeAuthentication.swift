import ApusWire

/// How one request is authenticated, if not as the session's requests are by themselves. Loop thread only, once the request is there.
final class ExchangeAuthentication {
    /// Answers the challenges of the first origin.
    let digest: DigestState.Credentials?
    /// A user whose password is to be looked up.
    let login: String?
    /// Whether the session has brought it, and not the caller.
    let isOfSession: Bool
    /// The Authorization of the next try; nil for none, the session's own included.
    var field: String?

    init(digest: DigestState.Credentials? = nil, login: String? = nil, isOfSession: Bool = false) {
        self.digest = digest
        self.login = login
        self.isOfSession = isOfSession
    }

    /// What the caller wanted, without what became of it: each exchange of a request, such as one behind a redirect, begins with this. What
    /// the session has is asked for anew, since it depends on the origin.
    var forNextExchange: ExchangeAuthentication? {
        isOfSession ? nil : ExchangeAuthentication(digest: digest, login: login)
    }
}

extension ExchangeAuthentication: CustomReflectable {
    var customMirror: Mirror { Mirror(self, children: []) }
}
