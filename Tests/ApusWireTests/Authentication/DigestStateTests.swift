import ApusWire
import Testing

@Suite("Digest without a hash: what is put together")
struct DigestStateTests {
    // Instead of a hash the text itself, so that a test can read what would be hashed.
    private static func plain(_ hash: DigestAlgorithm.Hash, _ bytes: [UInt8]) -> [UInt8] {
        Array("<\(String(decoding: bytes, as: UTF8.self))>".utf8)
    }

    private static func state(_ line: String, user: String = "ada", password: String = "pw") throws -> DigestState {
        let challenge = try #require(try DigestChallenge.strongest(of: AuthenticationChallenge.parse([line])))
        return try DigestState(challenge, .init(user: user, password: password))
    }

    /// The parameters of what is sent.
    private static func sent(
        _ state: inout DigestState,
        _ target: String = "/x",
        body: [UInt8]? = nil,
        clientNonce: String = "cn"
    ) throws -> AuthenticationChallenge {
        let value = try state.authorization(
            method: "GET",
            target: target,
            protection: state.protection(bodyIsAtHand: body != nil),
            bodyHash: body,
            clientNonce: clientNonce,
            hash: plain
        )
        return try #require(AuthenticationChallenge.parse([value]).first)
    }

    @Test("C22: the nonce count has eight digits of hexadecimal, and grows with each request")
    func count() throws {
        var state = try Self.state("Digest realm=\"r\", nonce=\"n\", qop=\"auth\"")
        for number in 1...17 {
            let nc = try Self.sent(&state)["nc"]
            let digits = String(number, radix: 16)
            #expect(nc == String(repeating: "0", count: 8 - digits.count) + digits)
        }
    }

    @Test("C22: a server without qop is answered as RFC 2069 says, without count and client nonce")
    func legacy() throws {
        var state = try Self.state("Digest realm=\"r\", nonce=\"n\", opaque=\"o\"")
        let sent = try Self.sent(&state)
        #expect(sent.parameters.map(\.name) == ["username", "realm", "uri", "nonce", "response", "opaque"])
        #expect(sent["opaque"] == "o")
        var session = try Self.state("Digest realm=\"r\", nonce=\"n\", algorithm=MD5-sess")
        let second = try Self.sent(&session)
        #expect(second["cnonce"] == "cn" && second["nc"] == nil)
    }

    @Test("C22: the body is protected where it is at hand, and otherwise where nothing else is offered")
    func protection() throws {
        let both = try Self.state("Digest realm=\"r\", nonce=\"n\", qop=\"auth,auth-int\"")
        #expect(both.protection(bodyIsAtHand: true) == .headAndBody)
        #expect(both.protection(bodyIsAtHand: false) == .head)
        let body = try Self.state("Digest realm=\"r\", nonce=\"n\", qop=\"auth-int\"")
        #expect(body.protection(bodyIsAtHand: false) == .headAndBody)
        let head = try Self.state("Digest realm=\"r\", nonce=\"n\", qop=\"something, AUTH\"")
        #expect(head.protection(bodyIsAtHand: true) == .head)
        let none = try Self.state("Digest realm=\"r\", nonce=\"n\", qop=\"\"")
        #expect(none.protection(bodyIsAtHand: true) == nil)
    }

    @Test("with -sess the client nonce stays as long as the server's, and both are new after nextnonce")
    func sessions() throws {
        var state = try Self.state("Digest realm=\"r\", nonce=\"n\", qop=\"auth\", algorithm=MD5-sess")
        #expect(try Self.sent(&state, clientNonce: "1")["cnonce"] == "1")
        #expect(try Self.sent(&state, clientNonce: "2")["cnonce"] == "1")
        state.takeNext("qop=auth, nextnonce=\"m\", rspauth=\"x\"")
        let sent = try Self.sent(&state, clientNonce: "3")
        #expect((sent["cnonce"], sent["nonce"], sent["nc"]) == ("3", "m", "00000001"))
        for nonsense in ["nextnonce=\"\"", "", "nextnonce", "nextnonce=\"\(String(repeating: "n", count: 5000))\""] {
            state.takeNext(nonsense)
            #expect(try Self.sent(&state)["nonce"] == "m")
        }
    }

    @Test("quotes and backslashes cannot leave their quotes; control characters are refused")
    func quoting() throws {
        var state = try Self.state(#"Digest realm="a \"b\" \\", nonce="n", qop="auth""#, user: #"a", nc=7, x="\"#)
        let sent = try Self.sent(&state, #"/a"b"#)
        #expect(sent["username"] == #"a", nc=7, x="\"#)
        #expect(sent["realm"] == #"a "b" \"#)
        #expect(sent["uri"] == #"/a"b"#)
        #expect(sent["nc"] == "00000001")
        #expect(throws: AuthenticationError.self) {
            _ = try Self.state("Digest realm=\"\", nonce=\"n\"", user: "a\r\nX: y")
        }
        #expect(throws: AuthenticationError.self) {
            _ = try Self.state("Digest realm=\"\", nonce=\"n\"", password: "a\n")
        }
    }

    @Test("a user name outside of ASCII goes as the server wants it: as a hash, extended, or in UTF-8")
    func users() throws {
        var hashed = try Self.state(
            "Digest realm=\"r\", nonce=\"n\", qop=\"auth\", userhash=true, charset=UTF-8",
            user: "Jäsøn"
        )
        let first = try Self.sent(&hashed)
        #expect(first["userhash"] == "true" && first["username"]?.contains("J") == false)
        var extended = try Self.state("Digest realm=\"r\", nonce=\"n\", qop=\"auth\", charset=UTF-8", user: "Jäsøn")
        #expect(try Self.sent(&extended)["username*"] == "UTF-8''J%C3%A4s%C3%B8n")
        var plain = try Self.state("Digest realm=\"r\", nonce=\"n\", qop=\"auth\"", user: "Jäsøn")
        #expect(try Self.sent(&plain)["username"] == "Jäsøn")
    }

    @Test("C22: the protection space is the origin, or the paths of it that `domain` names")
    func space() throws {
        let uri = try URI("http://a.test/docs/page?q=1")
        func match(_ domain: [String], _ other: String) throws -> Int? {
            ProtectionSpace(domain: domain, of: uri).match(try URI(other))
        }
        #expect(try match([], "http://a.test/other") == 0)
        #expect(try match(["/docs"], "http://a.test/docs/x") == 5)
        #expect(try match(["/docs"], "http://a.test/docs?x") == 5)
        #expect(try match(["/docs"], "http://a.test/docsx") == nil)
        #expect(try match(["/docs/"], "http://a.test/docs/x") == 6)
        #expect(try match(["/", "http://a.test/docs/deep"], "http://a.test/docs/deep/x") == 10)
        #expect(try match(["http://b.test/"], "http://a.test/docs/page") == nil, "another origin is not ours to unlock")
        #expect(try match(["http://[", "ftp://a.test/"], "http://a.test/") == nil)
        #expect(try match(["sub"], "http://a.test/docs/sub/x") == 9)
    }
}
