import ApusWire

/// A challenge that was answered, for the requests that follow. Loop thread only.
final class AnsweredChallenge {
    var state: DigestState
    let space: ProtectionSpace

    init(_ state: DigestState, _ space: ProtectionSpace) {
        self.state = state
        self.space = space
    }
}

extension AnsweredChallenge: CustomReflectable {
    var customMirror: Mirror { Mirror(self, children: []) }
}

/// The Digest challenges that a session has answered, by origin. Loop thread only.
struct DigestStore {
    /// Protection spaces that are remembered of one origin.
    static let spaceLimit = 16
    /// Origins that are remembered; beyond, all are forgotten, which costs each a challenge.
    static let originLimit = 1024

    /// The newest last.
    private var answered: [Origin: [AnsweredChallenge]] = [:]

    /// What a request can be sent with before it is challenged: of the most specific space that covers it, the newest.
    func answered(_ credentials: DigestState.Credentials, _ uri: URI) -> AnsweredChallenge? {
        guard let known = answered[uri.origin] else { return nil }
        var best: (challenge: AnsweredChallenge, match: Int)?
        for challenge in known where challenge.state.credentials == credentials && challenge.state.canAnswer {
            guard let match = challenge.space.match(uri), match >= best?.match ?? 0 else { continue }
            best = (challenge, match)
        }
        return best?.challenge
    }

    /// The same challenge, if it was answered before.
    func answered(
        _ credentials: DigestState.Credentials,
        _ challenge: DigestChallenge,
        _ origin: Origin
    ) -> AnsweredChallenge? {
        answered[origin]?.first {
            $0.state.credentials == credentials && $0.state.isOf(challenge) && $0.state.canAnswer
        }
    }

    /// The strongest hash that the origin has asked for in this realm.
    func strongest(in realm: String, of origin: Origin) -> DigestAlgorithm.Hash? {
        answered[origin]?.filter { $0.state.challenge.realm == realm }.map(\.state.challenge.algorithm.hash).max()
    }

    mutating func insert(_ challenge: AnsweredChallenge, _ origin: Origin) {
        if answered[origin] == nil, answered.count >= Self.originLimit { answered = [:] }
        var known = answered[origin] ?? []
        known.removeAll {
            $0.state.credentials == challenge.state.credentials && $0.space == challenge.space
                && $0.state.challenge.realm == challenge.state.challenge.realm
        }
        if known.count >= Self.spaceLimit { known.removeFirst() }
        known.append(challenge)
        answered[origin] = known
    }
}
