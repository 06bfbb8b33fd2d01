import ApusNet
import ApusWire
import Testing

@Suite("Digest: the examples of the standards")
struct DigestExampleTests {
    private static func hash(
        _ hash: DigestAlgorithm.Hash,
        _ bytes: [UInt8]
    ) throws(AuthenticationError) -> [UInt8] {
        let names = ["MD5", "SHA1", "SHA256", "SHA512-256", "SHA512"]
        guard let digest = try? MessageDigest(names[hash.rawValue]) else {
            throw AuthenticationError(.hashUnavailable, "no \(hash.name)")
        }
        digest.update(bytes)
        return digest.finish()
    }

    private static func answer(
        _ challenge: String,
        user: String,
        password: String,
        method: String = "GET",
        target: String,
        clientNonce: String,
        body: [UInt8]? = nil
    ) throws -> AuthenticationChallenge {
        let challenge = try #require(try DigestChallenge.strongest(of: AuthenticationChallenge.parse([challenge])))
        var state = try DigestState(challenge, .init(user: user, password: password))
        let value = try state.authorization(
            method: method,
            target: target,
            protection: state.protection(bodyIsAtHand: body != nil),
            bodyHash: try body.map { bytes throws(AuthenticationError) in try hash(challenge.algorithm.hash, bytes) },
            clientNonce: clientNonce,
            hash: hash
        )
        return try #require(AuthenticationChallenge.parse([value]).first)
    }

    private static let nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
    private static let clientNonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"

    @Test(
        "C22: RFC 7616 §3.9.1, MD5 and SHA-256",
        arguments: [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ]
    )
    func rfc7616(algorithm: String, response: String) throws {
        let sent = try Self.answer(
            "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=\(algorithm), nonce=\"\(Self.nonce)\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"",
            user: "Mufasa",
            password: "Circle of Life",
            target: "/dir/index.html",
            clientNonce: Self.clientNonce
        )
        #expect(sent["response"] == response)
        #expect((sent["qop"], sent["nc"], sent["algorithm"]) == ("auth", "00000001", algorithm))
        #expect(sent["opaque"] == "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS")
    }

    @Test("C22: RFC 7616 §3.9.2, SHA-512-256, UTF-8 and userhash, as its erratum 4897 corrects it")
    func userhash() throws {
        let sent = try Self.answer(
            "Digest realm=\"api@example.org\", qop=\"auth\", algorithm=SHA-512-256, nonce=\"5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK\", opaque=\"HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS\", charset=UTF-8, userhash=true",
            user: "J\u{E4}s\u{F8}n Doe",
            password: "Secret, or not?",
            target: "/doe.json",
            clientNonce: "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v"
        )
        #expect(sent["username"] == "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b")
        #expect(sent["response"] == "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5")
        #expect(sent["userhash"] == "true")
    }

    @Test(
        "auth-int, with and without -sess, by each hash; computed elsewhere",
        arguments: [
            ("MD5", "a1abf5c7fa9ae74478eb9ffa265bf546"), ("MD5-sess", "219a5013deac8cc0196aa7ffce97179c"),
            ("SHA", "eb87ef301aaf3edf4e88c859592744ca985fd995"),
            ("SHA-sess", "b17c032d6a931ed89c62d598d675e17e80fc5cd5"),
            ("SHA-256", "329dcaaa9ce45c3ea5f919f438118f338057e9104aa58ecd51368264e88ced0c"),
            ("SHA-256-sess", "78c15350c379e32f66977f48267f8347871c3adfa202c543d7b0f0c9743ed5ab"),
            ("SHA-512-256", "a8f9ae711a3b028453152590875d127c99d02c4f347f6de891afaf69366f926c"),
            ("SHA-512-256-sess", "56c44beb40220985d0b191f8d0822de1a4cdd49a35ca372b8b1168d4dac759d2"),
            (
                "SHA-512",
                "44a65e9fa185b5305adccff82f5ca234c871597bc0e4836264aed76f194aa52ec75731fe849fab588112a956ab5095bce649e1e6f98f247e6ab91bd9a9f15dc4"
            ),
            (
                "SHA-512-sess",
                "19caf2020cab20bf7cfc53b8382718e4fa1a87a49275e519ca4ce559210128205e0fc198ec1f6ff9059193d69e8ecc705f497609f6da27425bdacb1f22895c4d"
            ),
        ]
    )
    func bodies(algorithm: String, response: String) throws {
        let sent = try Self.answer(
            "Digest realm=\"http-auth@example.org\", qop=\"auth-int\", algorithm=\(algorithm), nonce=\"\(Self.nonce)\"",
            user: "Mufasa",
            password: "Circle of Life",
            method: "POST",
            target: "/dir/index.html",
            clientNonce: Self.clientNonce,
            body: Array("body".utf8)
        )
        #expect(sent["response"] == response)
    }

    @Test("RFC 2069 §2.4, without qop")
    func rfc2069() throws {
        let sent = try Self.answer(
            "Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"",
            user: "Mufasa",
            password: "CircleOfLife",
            target: "/dir/index.html",
            clientNonce: "unused"
        )
        #expect(sent["response"] == "1949323746fe6a43ef61f9606e7febea")
    }
}
