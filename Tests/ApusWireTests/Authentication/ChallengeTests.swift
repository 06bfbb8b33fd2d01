import ApusWire
import Testing

@Suite("Challenges")
struct ChallengeTests {
    private static func shown(_ lines: [String]) -> [String] {
        AuthenticationChallenge.parse(lines).map { challenge in
            let parameters = challenge.parameters.map { "\($0.name)=\($0.value)" }.joined(separator: "|")
            return "\(challenge.scheme)[\(parameters)]\(challenge.token68 ?? "")"
        }
    }

    @Test(
        "several in one line are told apart, as in RFC 9110 §11.6.1",
        arguments: [
            (
                #"Newauth realm="apps", type=1, title="Login to \"apps\"", Basic realm="simple""#,
                [#"newauth[realm=apps|type=1|title=Login to "apps"]"#, "basic[realm=simple]"]
            ),
            ("Basic realm=simple", ["basic[realm=simple]"]),
            ("Negotiate", ["negotiate[]"]),
            ("Negotiate, Basic", ["negotiate[]", "basic[]"]),
            ("Negotiate YII=, Basic realm=\"x\"", ["negotiate[]YII=", "basic[realm=x]"]),
            ("NTLM TlRM+/a-._~==", ["ntlm[]TlRM+/a-._~=="]),
            ("Digest realm = \"a, b\" , nonce=\"n\"", ["digest[realm=a, b|nonce=n]"]),
            (",, ,Basic realm=\"x\",,", ["basic[realm=x]"]),
            ("DIGEST Realm=\"x\",NONCE=\"y\"", ["digest[realm=x|nonce=y]"]),
            (
                "Digest qop=\"auth\", nonce=\"a\",Digest qop=\"auth-int\",nonce=\"b\"",
                ["digest[qop=auth|nonce=a]", "digest[qop=auth-int|nonce=b]"]
            ),
            ("", []), ("  ", []), (",", []), ("=", []), ("\"Basic\"", []), ("realm=\"x\"", []),
            ("Digest nonce=\"never closed", ["digest[nonce=]"]),
            ("Digest nonce=\"a\\", ["digest[nonce=]"]),
            ("Basic realm=\"x\" and more, charset=\"UTF-8\"", ["basic[realm=x|charset=UTF-8]"]),
        ] as [(String, [String])]
    )
    func oneLine(line: String, expected: [String]) {
        let found = Self.shown([line])
        #expect(found == expected)
    }

    @Test("several lines are one list, but a line's parameters are not the line's before")
    func lines() {
        let found = Self.shown(["Basic realm=\"a\"", "nonce=\"x\", Digest realm=\"b\"", "Bearer"])
        #expect(found == ["basic[realm=a]", "digest[realm=b]", "bearer[]"])
    }

    @Test("their number is bounded, and whatever comes is read in time proportional to it")
    func bounds() {
        let many = AuthenticationChallenge.parse([String(repeating: "Basic, ", count: 10_000)])
        #expect(many.count == AuthenticationChallenge.maximumCount)
        for piece in ["=", "\"", "a=", "a ", "a b ", "\\", "a=\"", ",a=b"] {
            _ = AuthenticationChallenge.parse([String(repeating: piece, count: 30_000)])
        }
        var random = SplitMix(seed: 6)
        let alphabet = Array("Digest realm=\"n\\,  =/+".utf8)
        for _ in 0..<3000 {
            let bytes = (0..<Int.random(in: 0..<40, using: &random)).map { _ in
                alphabet.randomElement(using: &random) ?? 0
            }
            for challenge in AuthenticationChallenge.parse([String(decoding: bytes, as: UTF8.self)]) {
                #expect(!challenge.scheme.isEmpty)
                _ = try? DigestChallenge(challenge)
            }
        }
    }

    // MARK: Digest

    private static func problem(_ line: String) -> String? {
        do throws(AuthenticationError) {
            _ = try DigestChallenge.strongest(of: AuthenticationChallenge.parse([line]))
            return nil
        } catch {
            return error.message
        }
    }

    @Test(
        "C22: a Digest challenge without what an answer needs is refused, and the reason is named",
        arguments: [
            ("Digest nonce=\"n\"", "no realm"),
            ("Digest realm=\"r\"", "no nonce"),
            ("Digest realm=\"r\", nonce=\"\"", "no nonce"),
            ("Digest realm=\"r\", nonce=\"n", "no nonce"),
            ("Digest realm=\"r\", nonce=\"n\", algorithm=MD4", "algorithm"),
            ("Digest realm=\"r\", nonce=\"n\", algorithm=\"\"", "algorithm"),
            ("Digest realm=\"r\", nonce=\"n\", qop=\"auth-conf\"", "qop"),
            ("Digest realm=\"r\", nonce=\"n\", nonce=\"m\"", "two values for “nonce”"),
            ("Digest realm=\"r\", realm=\"s\", nonce=\"m\"", "two values for “realm”"),
            ("Digest realm=\"r\", nonce=\"m\", algorithm=MD5, algorithm=SHA-256", "two values for “algorithm”"),
            ("Digest realm=\"r\", nonce=\"\(String(repeating: "n", count: 5000))\"", "longer than 4096"),
            ("Digest realm=\"r\", nonce=\"n\", opaque=\"\(String(repeating: "n", count: 5000))\"", "longer than 4096"),
            ("Digest", "no realm"),
        ]
    )
    func refused(line: String, reason: String) {
        let problem = Self.problem(line)
        #expect(problem?.contains(reason) == true, "\(problem ?? "accepted")")
    }

    @Test("C22: the strongest algorithm wins, wherever it stands; what cannot be answered is passed over")
    func strongest() throws {
        func chosen(_ lines: String...) throws -> String? {
            try DigestChallenge.strongest(of: AuthenticationChallenge.parse(lines))?.nonce
        }
        let md5 = "Digest realm=\"r\", nonce=\"md5\""
        let sha = "Digest realm=\"r\", nonce=\"sha\", algorithm=SHA-256"
        let sess = "Digest realm=\"r\", nonce=\"sess\", algorithm=SHA-512-256-sess"
        let unknown = "Digest realm=\"r\", nonce=\"unknown\", algorithm=SHA3-512"
        #expect(try chosen(md5, sha) == "sha")
        #expect(try chosen(sha, md5) == "sha")
        #expect(try chosen("Basic realm=\"x\", \(md5), \(sess), \(sha)") == "sess")
        #expect(try chosen(unknown, md5) == "md5")
        #expect(try chosen("Basic realm=\"x\"") == nil)
        #expect(try chosen(sha, sha.replacing("sha", with: "second")) == "sha")
    }

    @Test("the names of algorithms are read in any case, with and without -sess")
    func algorithms() {
        for hash in DigestAlgorithm.Hash.allCases {
            #expect(DigestAlgorithm(name: hash.name) == DigestAlgorithm(hash))
            #expect(DigestAlgorithm(name: "\(hash.name)-SESS".lowercased()) == DigestAlgorithm(hash, isSession: true))
        }
        #expect(DigestAlgorithm(name: "sha-1")?.hash == .sha1)
        #expect(DigestAlgorithm(name: "-sess") == nil)
        #expect(DigestAlgorithm(name: "") == nil)
    }
}
