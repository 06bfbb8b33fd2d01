import ApusNet
import ApusTesting
import ApusWire
import HTTPTypes
import Synchronization

/// A server's side of Digest, for a ``MockTransport``: it computes what it expects by itself.
final class DigestServer: Sendable {
    /// How it behaves.
    struct Rules: Sendable {
        var realm = "realm"
        var algorithm: String? = "SHA-256"
        var qop: String? = "auth"
        /// Added to each challenge.
        var more = ""
        /// How often a nonce is good.
        var uses = Int.max
        /// Whether a nonce that is used up is called stale.
        var saysStale = true
        /// Whether good answers name the next nonce.
        var namesNext = false
        var user = "ada"
        var password = "canary"
    }

    private struct State {
        var nonce = 1
        var count = 0
        var log: [String] = []
    }

    let rules: Rules
    private let state = Mutex(State())

    init(_ rules: Rules = Rules()) { self.rules = rules }

    /// What came, such as `no proof`, `ok 1`, `stale`, `wrong`.
    var log: [String] { state.withLock { $0.log } }

    /// A Digest challenge with the current nonce.
    func challenge(isStale: Bool = false) -> String { state.withLock { challenge($0, isStale) } }

    private func challenge(_ state: State, _ isStale: Bool) -> String {
        var parts = ["realm=\"\(rules.realm)\"", "nonce=\"nonce-\(state.nonce)\""]
        if let algorithm = rules.algorithm { parts.append("algorithm=\(algorithm)") }
        if let qop = rules.qop { parts.append("qop=\"\(qop)\"") }
        if !rules.more.isEmpty { parts.append(rules.more) }
        if isStale { parts.append("stale=true") }
        return "Digest \(parts.joined(separator: ", "))"
    }

    func answer(_ request: MockRequest, body: String = "welcome") -> MockResponse {
        state.withLock { state in
            func refuse(_ why: String, isStale: Bool = false) -> MockResponse {
                state.log.append(why)
                let field = challenge(state, isStale)
                return .text("no", status: .unauthorized, headers: [.wwwAuthenticate: field])
            }
            guard let value = request.headers[.authorization], value.hasPrefix("Digest "),
                let proof = AuthenticationChallenge.parse([value]).first
            else { return refuse("no proof") }
            let isKnown = proof["nonce"] == "nonce-\(state.nonce)"
            guard isKnown, state.count < rules.uses else {
                state.nonce += 1
                state.count = 0
                return refuse(isKnown ? "used up" : "old nonce", isStale: rules.saysStale)
            }
            guard proof["response"] == expected(proof, request) else { return refuse("wrong") }
            state.count += 1
            if let qop = proof["qop"] {
                let digits = String(state.count, radix: 16)
                let count = String(repeating: "0", count: 8 - digits.count) + digits
                guard proof["nc"] == count, rules.qop?.contains(qop) == true else {
                    return refuse("nc=\(proof["nc"] ?? "-"), expected \(count)")
                }
            }
            state.log.append("ok \(state.count)")
            var headers: HTTPFields = [:]
            if rules.namesNext {
                state.nonce += 1
                state.count = 0
                headers[HTTPField.Name("Authentication-Info")!] = "nextnonce=\"nonce-\(state.nonce)\""
            }
            return .text(body, headers: headers)
        }
    }

    private func expected(_ proof: AuthenticationChallenge, _ request: MockRequest) -> String? {
        let name = (rules.algorithm ?? "MD5").lowercased()
        let isSession = name.hasSuffix("-sess")
        let base = isSession ? String(name.dropLast(5)) : name
        func hash(_ bytes: [UInt8]) -> String { Self.hash(base, bytes) }
        func hash(_ text: String) -> String { hash(Array(text.utf8)) }
        let user = proof["userhash"] == "true" ? hash("\(rules.user):\(rules.realm)") : rules.user
        guard proof["username"] == user, proof["realm"] == rules.realm else { return nil }
        var target = request.path
        if let query = request.query { target += "?\(query)" }
        guard proof["uri"] == target else { return nil }
        let nonce = proof["nonce"] ?? ""
        var secret = hash("\(rules.user):\(rules.realm):\(rules.password)")
        if isSession { secret = hash("\(secret):\(nonce):\(proof["cnonce"] ?? "")") }
        var subject = "\(request.method.rawValue):\(target)"
        if proof["qop"] == "auth-int" { subject += ":\(hash(request.body))" }
        guard let qop = proof["qop"] else { return hash("\(secret):\(nonce):\(hash(subject))") }
        return hash(
            "\(secret):\(nonce):\(proof["nc"] ?? ""):\(proof["cnonce"] ?? ""):\(qop):\(hash(subject))"
        )
    }

    static func hash(_ algorithm: String, _ bytes: [UInt8]) -> String {
        let names = ["sha": "SHA1", "sha-256": "SHA256", "sha-512-256": "SHA512-256", "sha-512": "SHA512"]
        guard let digest = try? MessageDigest(names[algorithm] ?? "MD5") else { return "no such hash" }
        digest.update(bytes)
        return digest.finish().map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }
}
