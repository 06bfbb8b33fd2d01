/// A `Digest` challenge that can be answered (RFC 7616 §3.3).
package struct DigestChallenge: Sendable, Hashable {
    /// What is protected (RFC 7616 §3.4, `qop`).
    package enum Protection: String, Sendable, Hashable {
        /// The request's head.
        case head = "auth"
        /// The body too.
        case headAndBody = "auth-int"
    }

    package var realm: String
    package var nonce: String
    package var opaque: String?
    package var algorithm: DigestAlgorithm
    /// The algorithm in the server's spelling; nil if it named none, which means MD5.
    package var algorithmName: String?
    /// What the server offers; empty for servers of RFC 2069, which know no `qop`.
    package var protections: [Protection]
    /// Whether only the nonce was refused, and not the credentials.
    package var isStale: Bool
    /// Where the same credentials are good: URIs, or paths.
    package var domain: [String]
    /// Whether the user's name is to be sent as a hash.
    package var hashesUser: Bool
    /// Whether the server says that it reads UTF-8.
    package var isUTF8: Bool

    /// The most bytes of a realm, a nonce or an opaque value: they come back in every request.
    package static let fieldLimit = 4096
    /// The most URIs of a protection space that are kept.
    package static let domainLimit = 64

    /// Reads a challenge of the scheme `digest`.
    ///
    /// - Throws: ``AuthenticationError`` `.unusableChallenge`.
    package init(_ challenge: AuthenticationChallenge) throws(AuthenticationError) {
        // Two values for one name: which of them the server means is anybody's guess (RFC 9110 §11.2 allows one).
        for name in ["realm", "nonce", "opaque", "algorithm", "qop", "stale", "userhash", "charset", "domain"]
        where challenge.parameters.count(where: { $0.name == name }) > 1 {
            throw Self.unusable("it has two values for “\(name)”")
        }
        guard let realm = challenge["realm"] else { throw Self.unusable("it has no realm") }
        guard let nonce = challenge["nonce"], !nonce.isEmpty else { throw Self.unusable("it has no nonce") }
        for text in [realm, nonce, challenge["opaque"] ?? ""] where text.utf8.count > Self.fieldLimit {
            throw Self.unusable("a value of it is longer than \(Self.fieldLimit) bytes")
        }
        self.realm = realm
        self.nonce = nonce
        opaque = challenge["opaque"]
        algorithmName = challenge["algorithm"]
        guard let algorithm = DigestAlgorithm(name: algorithmName ?? "MD5") else {
            throw Self.unusable("its algorithm is not known here")
        }
        self.algorithm = algorithm
        let qualities = challenge["qop"].map { HeaderScanner.tokens([$0]) } ?? []
        protections = qualities.compactMap(Protection.init(rawValue:))
        // An empty `qop=""` is what some old servers mean by none.
        guard !protections.isEmpty || qualities.isEmpty else {
            throw Self.unusable("none of its values of “qop” is known here")
        }
        isStale = challenge["stale"].map { HeaderScanner.lowercased($0) == "true" } ?? false
        domain = (challenge["domain"] ?? "").split(whereSeparator: { $0 == " " || $0 == "\t" })
            .prefix(Self.domainLimit).map(String.init)
        hashesUser = challenge["userhash"].map { HeaderScanner.lowercased($0) == "true" } ?? false
        isUTF8 = challenge["charset"].map { HeaderScanner.lowercased($0) == "utf-8" } ?? false
    }

    private static func unusable(_ why: String) -> AuthenticationError {
        AuthenticationError(.unusableChallenge, "The server's Digest challenge cannot be answered: \(why).")
    }

    /// The strongest `Digest` challenge that can be answered, whatever its place in the list; nil if there is none of that scheme.
    ///
    /// - Throws: ``AuthenticationError`` `.unusableChallenge`, if there are only such that cannot.
    package static func strongest(
        of challenges: [AuthenticationChallenge]
    ) throws(AuthenticationError) -> DigestChallenge? {
        var best: DigestChallenge?
        var problem: AuthenticationError?
        for challenge in challenges where challenge.scheme == "digest" {
            do throws(AuthenticationError) {
                let candidate = try DigestChallenge(challenge)
                if let known = best, known.algorithm.hash >= candidate.algorithm.hash { continue }
                best = candidate
            } catch {
                problem = problem ?? error
            }
        }
        if best == nil, let problem { throw problem }
        return best
    }
}
