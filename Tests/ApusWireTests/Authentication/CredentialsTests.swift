import ApusWire
import Testing

@Suite("Credentials")
struct CredentialsTests {
    @Test("C21: Basic is what RFC 7617 shows, in UTF-8")
    func basic() throws {
        #expect(
            try CredentialsField.basic(user: "Aladdin", password: "open sesame") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
        )
        #expect(try CredentialsField.basic(user: "test", password: "123£") == "Basic dGVzdDoxMjPCow==")
        #expect(try CredentialsField.basic(user: "", password: "") == "Basic Og==")
        #expect(try CredentialsField.basic(user: "a", password: "b:c") == "Basic YTpiOmM=")
    }

    @Test("base 64 of every length, as RFC 4648 §10 has it")
    func base64() {
        let expected = [
            "": "", "f": "Zg==", "fo": "Zm8=", "foo": "Zm9v", "foob": "Zm9vYg==", "fooba": "Zm9vYmE=",
            "foobar": "Zm9vYmFy",
        ]
        for (text, code) in expected { #expect(Base64.encode(text.utf8) == code) }
        #expect(Base64.encode([0xFB, 0xFF, 0xFE] as [UInt8]) == "+//+")
    }

    @Test("C21: a colon in the user name, and control characters, are errors that hold nothing of them")
    func refused() {
        for (user, password) in [("secret:x", "p"), ("secret\r\n", "p"), ("u", "secret\n"), ("u", "secret\u{7F}")] {
            let error = #expect(throws: AuthenticationError.self) {
                _ = try CredentialsField.basic(user: user, password: password)
            }
            #expect(error?.message.contains("secret") == false)
        }
        for token in ["", "secret\n", "secret x", "sécret"] {
            let error = #expect(throws: AuthenticationError.self) { _ = try CredentialsField.bearer(token) }
            #expect(error?.message.contains("secret") == false)
        }
        #expect(throws: Never.self) { _ = try CredentialsField.bearer("abc.DEF-1_~+/==") }
    }

    // MARK: netrc

    private static func entry(_ text: String, _ host: String, login: String? = nil) throws -> String {
        let entry = try Netrc(Array(text.utf8)).entry(for: host, login: login)
        return entry.map { "\($0.login ?? "-") \($0.password ?? "-")" } ?? "none"
    }

    @Test("C21: netrc: machines, tokens in any order and line, default last, users of one machine")
    func netrc() throws {
        let text = """
            # a comment
            machine Example.test login ada password pw1
            machine two.test
                password #hash
                user bob   # a comment behind
                account ignored
            machine example.test login eve password pw2
            default login anonymous password guest
            """
        #expect(try Self.entry(text, "example.test") == "ada pw1")
        #expect(try Self.entry(text, "example.test", login: "eve") == "eve pw2")
        #expect(try Self.entry(text, "example.test", login: "who") == "none")
        #expect(try Self.entry(text, "two.test") == "bob #hash")
        #expect(try Self.entry(text, "three.test") == "anonymous guest")
        #expect(try Self.entry("machine [::1] login a password b", "::1") == "a b")
        #expect(try Self.entry("machine a.test login a", "b.test") == "none")
        #expect(try Self.entry("", "b.test") == "none")
        #expect(try Self.entry("default login a password b\nmachine x.test login c password d", "x.test") == "c d")
    }

    @Test("C21: netrc: values in quotes, with escapes")
    func quoted() throws {
        let text = #"machine "a.test" login "a b" password "x\"\\\t\n#y" "#
        #expect(try Self.entry(text, "a.test") == "a b x\"\\\t\n#y")
        #expect(try Self.entry("machine a.test login a password \"\"", "a.test") == "a ")
    }

    @Test("C21: netrc: a macro is passed over, up to the empty line or the end")
    func macros() throws {
        let text =
            "machine a.test login a password b\nmacdef init\ncd /pub\nmachine evil.test login x password y\n\nmachine b.test login c password d\n"
        #expect(try Self.entry(text, "b.test") == "c d")
        #expect(try Self.entry(text, "evil.test") == "none")
        #expect(try Self.entry(text, "a.test") == "a b")
        #expect(try Self.entry(text.replacing("\n", with: "\r\n"), "b.test") == "c d")
        #expect(try Self.entry("macdef init\nmachine a.test login x password y", "a.test") == "none")
        #expect(try Self.entry("macdef init", "a.test") == "none")
    }

    @Test(
        "C21: netrc: what is wrong is told with its line, and without what stands there",
        arguments: [
            ("login secret", "line 1"), ("machine a.test\nlogin x password my secret", "line 2"),
            ("machine a.test login x\npassword \"secret", "line 2"), ("machine", "“machine” has no value"),
            ("machine a.test password", "“password” has no value"), ("\n\n\"secret\" x", "line 3"),
        ]
    )
    func malformed(text: String, words: String) {
        let error = #expect(throws: AuthenticationError.self) { _ = try Netrc(Array(text.utf8)) }
        #expect(error?.code == .malformedNetrc)
        #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
        #expect(error?.message.contains("secret") == false)
    }

    @Test("netrc shows nothing of its entries")
    func shown() throws {
        let netrc = try Netrc(Array("machine canary login canary password canary".utf8))
        var dumped = ""
        dump(netrc, to: &dumped)
        #expect(!("\(netrc) \(dumped)").contains("canary"))
    }
}
