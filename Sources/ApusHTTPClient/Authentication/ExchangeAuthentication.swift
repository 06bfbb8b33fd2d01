import ApusWire

/// How one request is authenticated, if not as the session's requests are by themselves. Loop thread only, once the request is there.
final class ExchangeAuthentication {
    /// Answers the challenges of the first origin.
    let digest: DigestState.Credentials?
    /// The Authorization of the next try; nil for none, the session's own included.
    var field: String?

    init(digest: DigestState.Credentials?) { self.digest = digest }
}

extension ExchangeAuthentication: CustomReflectable {
    var customMirror: Mirror { Mirror(self, children: []) }
}
