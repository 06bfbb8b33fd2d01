/// What a client keeps of a `Digest` challenge: enough for the next request in its protection space (RFC 7616 §3.3 to §3.6).
package struct DigestState: Sendable {
    /// User and password.
    package struct Credentials: Sendable, Hashable {
        package var user: String
        package var password: String

        package init(user: String, password: String) {
            self.user = user
            self.password = password
        }
    }

    package private(set) var challenge: DigestChallenge
    package let credentials: Credentials
    /// Requests that were sent with the current nonce.
    package private(set) var nonceCount: UInt32 = 0
    // RFC 7616 §3.4.2: with `-sess` the client nonce is a part of the secret's hash, which is computed once for a nonce.
    private var sessionNonce: String?

    /// - Throws: ``AuthenticationError`` `.invalidCredentials`.
    package init(_ challenge: DigestChallenge, _ credentials: Credentials) throws(AuthenticationError) {
        try CredentialsField.check(credentials.user, "user name")
        try CredentialsField.check(credentials.password, "password")
        self.challenge = challenge
        self.credentials = credentials
    }

    /// What the next request protects: its body too where the server offers nothing else, or where that costs nothing.
    ///
    /// - Parameter bodyIsAtHand: whether the body's bytes are in memory.
    package func protection(bodyIsAtHand: Bool) -> DigestChallenge.Protection? {
        let offered = challenge.protections
        if offered.contains(.headAndBody), bodyIsAtHand || !offered.contains(.head) { return .headAndBody }
        return offered.contains(.head) ? .head : nil
    }

    /// Whether a challenge is the one that this answers: same realm, nonce and algorithm.
    package func isOf(_ other: DigestChallenge) -> Bool {
        challenge.nonce == other.nonce && challenge.realm == other.realm && challenge.algorithm == other.algorithm
            && !other.isStale
    }

    /// Whether one more request fits: the count has eight digits.
    package var canAnswer: Bool { nonceCount < .max }

    /// The value of `Authorization` for the next request.
    ///
    /// - Parameters:
    ///   - target: the request target, as it is sent.
    ///   - protection: see ``protection(bodyIsAtHand:)``.
    ///   - bodyHash: of the body, for `.headAndBody`: by the challenge's algorithm, as bytes.
    ///   - clientNonce: new for each request, and not to be guessed.
    /// - Throws: what `hash` throws.
    package mutating func authorization(
        method: String,
        target: String,
        protection: DigestChallenge.Protection?,
        bodyHash: [UInt8]? = nil,
        clientNonce: String,
        hash: DigestFunction
    ) throws(AuthenticationError) -> String {
        let algorithm = challenge.algorithm
        func hashed(_ text: String) throws(AuthenticationError) -> String {
            Self.hexadecimal(try hash(algorithm.hash, Array(text.utf8)))
        }
        nonceCount += 1
        if algorithm.isSession { sessionNonce = sessionNonce ?? clientNonce }
        let clientNonce = sessionNonce ?? clientNonce
        // §3.4.2: A1 = unq(username) ":" unq(realm) ":" passwd, and for -sess H of it with both nonces.
        var secret = try hashed("\(credentials.user):\(challenge.realm):\(credentials.password)")
        if algorithm.isSession { secret = try hashed("\(secret):\(challenge.nonce):\(clientNonce)") }
        // §3.4.3: A2 = Method ":" request-uri [ ":" H(entity-body) ].
        var subject = "\(method):\(target)"
        if protection == .headAndBody { subject += ":\(Self.hexadecimal(bodyHash ?? []))" }
        let subjectHash = try hashed(subject)
        let count = Self.count(nonceCount)
        let response: String
        if let protection {
            response = try hashed(
                "\(secret):\(challenge.nonce):\(count):\(clientNonce):\(protection.rawValue):\(subjectHash)"
            )
        } else {
            // RFC 2069, without qop.
            response = try hashed("\(secret):\(challenge.nonce):\(subjectHash)")
        }

        var fields: [String] = []
        func append(_ name: String, _ value: String) { fields.append("\(name)=\(Self.quoted(value))") }
        if challenge.hashesUser {
            append("username", try hashed("\(credentials.user):\(challenge.realm)"))
        } else if challenge.isUTF8, credentials.user.utf8.contains(where: { $0 >= 0x80 }) {
            // §3.4: what needs more than a quoted string has the form of RFC 5987.
            fields.append("username*=UTF-8''\(PercentEncoding.encode(credentials.user))")
        } else {
            append("username", credentials.user)
        }
        append("realm", challenge.realm)
        append("uri", target)
        // §3.4: algorithm, qop and nc have no quotes.
        if let name = challenge.algorithmName { fields.append("algorithm=\(HeaderScanner.quotedIfNeeded(name))") }
        append("nonce", challenge.nonce)
        if protection != nil || algorithm.isSession { append("cnonce", clientNonce) }
        if let protection { fields += ["nc=\(count)", "qop=\(protection.rawValue)"] }
        append("response", response)
        if let opaque = challenge.opaque { append("opaque", opaque) }
        if challenge.hashesUser { fields.append("userhash=true") }
        return "Digest \(fields.joined(separator: ", "))"
    }

    /// Takes the nonce that the server names for the next request (RFC 7616 §3.5, `Authentication-Info`), if it does.
    package mutating func takeNext(_ authenticationInfo: String) {
        // The field is a list of parameters, like a challenge without its scheme.
        let info = AuthenticationChallenge.parse(["x \(authenticationInfo)"]).first
        guard let next = info?["nextnonce"], !next.isEmpty, next.utf8.count <= DigestChallenge.fieldLimit else {
            return
        }
        challenge.nonce = next
        nonceCount = 0
        sessionNonce = nil
    }

    // MARK: Text

    // §3.4: nc-value = 8LHEX.
    static func count(_ number: UInt32) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }

    static func hexadecimal(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    // Always in quotes, tokens too: RFC 7616 §3.4 asks for it.
    private static func quoted(_ text: String) -> String {
        var output = "\""
        for character in text.unicodeScalars {
            if character == "\"" || character == "\\" { output.append("\\") }
            output.unicodeScalars.append(character)
        }
        return output + "\""
    }
}
